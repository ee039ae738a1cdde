"""Neurogame telemetry client: one file, standard library only, Python 3.8 and later.

Copy it into a game::

    from client import Client

    client = Client()
    client.track("task_result", user_id="u_42", session_id="s_1", model_version="baseline_v1",
                 payload={"correct": True, "rt_ms": 1260, "task_type": "stroop"})
    client.close(timeout=3)      # optional: an exit drains by itself

``NEUROGAME_TELEMETRY_URL``, ``NEUROGAME_TELEMETRY_API_KEY`` and ``NEUROGAME_CLIENT_VERSION`` are
read when no argument says otherwise; ``NEUROGAME_TELEMETRY_SPOOL`` may name the spool directory.

What it guarantees
    * ``track`` fixes the event's id (UUIDv7, RFC 9562) and UTC time, appends one line to a file with
      a single ``write`` and returns. It never waits for the network or for ``fsync``, and never
      raises: a full disk, an odd payload, a fork or a closed client are all answered by a return
      value, a counter and one line in the log of logger ``neurogame.telemetry``.
    * An event whose id ``track`` returned is in the operating system's hands: it survives
      ``kill -9`` of the game. A background thread calls ``fsync`` at most every ``fsync_interval``
      seconds while events wait, so a power cut costs at most about that much play.
      Only when the disk refuses or stalls do events wait in memory instead (``stats()["memory"]``).
    * Delivery is at least once with a fixed id, which the server makes exactly once. A batch
      (at most 500 events, below 1 MiB before compression) leaves the spool when the server answered
      200 ``{"ok": true}``, or 400, which no repetition can mend: that batch moves to
      ``rejected.jsonl``. 413 halves the batch. 401, 403, 5xx, a captive portal's page and every
      network failure keep it, retried with full-jitter exponential back-off [1], never earlier than
      ``Retry-After`` asks.
    * Processes may share a spool directory. Each writes segments under its own name and holds a
      file lock for life; segments of a process that is gone are adopted by whoever gets its lock.
    * The directory stays below ``max_spool_bytes`` (each process measures it every
      ``adopt_interval`` seconds and counts its own writes between). When it is full the *newest*
      event is refused (``track`` returns ``None``): what was accepted is never thrown away.
    * ``track`` may be called from any thread, from signal handlers and destructors, and after a
      fork: the child starts its own segments and leaves the parent's alone.

[1] M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
"""

from __future__ import annotations

import atexit
import contextlib
import email.utils
import gzip
import hashlib
import http.client
import json
import logging
import os
import random
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import weakref
from collections import deque
from datetime import datetime, timezone
from typing import Any, Callable, Iterator, Mapping  # noqa: UP035 (Python 3.8)

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]
    import msvcrt

__all__ = ["Client", "uuid7"]

DEFAULT_URL = "http://127.0.0.1:8000/v1/events"
DEFAULT_API_KEY = "dev-key-change-me"
MAX_EVENTS = 500
MAX_BYTES = 1_000_000  # the server refuses 1 MiB = 1,048,576 bytes; the rest is the envelope's
MAX_RETRY_AFTER = 3600.0
REJECTED_FILE = "rejected.jsonl"
SEGMENT_SUFFIX = ".jsonl"
LOCK_SUFFIX = ".lock"
NESTED_EVENTS = 1000  # most events that may interrupt each other before the sender looks
LOCK_WAIT = 0.05  # seconds a game thread may wait for another one's single write
SLOW_WRITE = 0.1  # a write slower than this sends the next events through memory
DISK_PAUSE = 2.0  # seconds before a game thread trusts a disk that failed or stalled

log = logging.getLogger("neurogame.telemetry")


def uuid7() -> str:
    """A time-ordered UUID, version 7: 48 bits of Unix milliseconds, 12 of their fraction, 62 random.

    Layout of RFC 9562 section 5.7 with the sub-millisecond clock of section 6.2, method 3.
    """
    millis, nanos = divmod(time.time_ns(), 1_000_000)
    fraction = nanos * 4096 // 1_000_000
    tail = int.from_bytes(os.urandom(8), "big") & ((1 << 62) - 1)
    value = (millis & ((1 << 48) - 1)) << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | tail
    text = "%032x" % value  # noqa: UP031
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def _iso(moment: datetime) -> str:
    """RFC 3339 in UTC with microseconds; a naive moment is taken as UTC."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)  # noqa: UP017 (Python 3.8)
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")  # noqa: UP017


def _default_spool(url: str) -> str:
    """A directory of this user and this server: spools of two servers never mix."""
    if os.name == "nt":
        base = os.environ.get("LOCALAPPDATA") or os.path.expanduser("~\\AppData\\Local")
    elif sys.platform == "darwin":
        base = os.path.expanduser("~/Library/Application Support")
    else:
        base = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    server = hashlib.sha256(url.encode("utf-8", "replace")).hexdigest()[:12]
    return os.path.join(base, "neurogame", "spool-" + server)


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)


class _FileLock:
    """An exclusive advisory lock that the system drops when its process dies.

    ``flock`` belongs to the open file, so a forked child that only closes its copy leaves the
    parent's lock in place. Where the file system knows no locks ``supported`` is false: then
    nothing is adopted, and nothing stolen.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.supported = True
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if fcntl is not None:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            else:
                msvcrt.locking(self._fd, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        except (BlockingIOError, PermissionError):
            os.close(self._fd)
            raise
        except OSError:
            self.supported = False

    def close(self) -> None:
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                os.close(self._fd)
            self._fd = -1


class _Segment:
    """One append-only file: a header line, then one event a line; never more than one batch."""

    __slots__ = (
        "born",
        "checked",
        "count",
        "done",
        "fd",
        "owner",
        "path",
        "size",
        "synced",
        "torn",
    )

    def __init__(self, path: str, owner: str, fd: int = -1) -> None:
        self.path = path
        self.owner = owner
        self.fd = fd
        self.count = 0  # events
        self.done = 0  # events already delivered or rejected
        self.size = 0  # bytes
        self.born = time.monotonic()
        self.synced = True
        self.checked = False  # torn lines were counted
        self.torn = False  # the last write was cut short: the next one starts a new line

    def close(self) -> None:
        if self.fd >= 0:
            with contextlib.suppress(OSError):
                os.close(self.fd)
            self.fd = -1


class _Answer:
    """What became of one request: ``ok``, ``split``, ``reject``, ``plain``, ``refused``, ``retry``."""

    __slots__ = ("detail", "headers", "kind", "retry_after", "status")

    def __init__(
        self, kind: str, status: int, detail: str, headers: Any = None, retry_after: float = 0.0
    ) -> None:
        self.kind = kind
        self.status = status
        self.detail = detail
        self.headers = headers if headers is not None else {}
        self.retry_after = retry_after


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirected POST becomes a GET and takes the key to another host: never follow one."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


_clients: weakref.WeakSet[Client] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for client in list(_clients):
        client._forget_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


class Client:
    """Queue, spool and deliver game events; see the module's text for the guarantees.

    ``flush_interval`` is the age in seconds at which a batch is sent although it is not full;
    ``drain_timeout`` bounds what an exit waits. ``clock`` (Unix seconds) and ``rng`` exist for tests.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        client_version: str | None = None,
        *,
        spool_dir: str | os.PathLike[str] | None = None,
        batch_size: int = MAX_EVENTS,
        max_batch_bytes: int = MAX_BYTES,
        flush_interval: float = 2.0,
        fsync_interval: float | None = 1.0,
        adopt_interval: float = 30.0,
        request_timeout: float = 10.0,
        backoff_base: float = 0.5,
        backoff_cap: float = 60.0,
        drain_timeout: float = 3.0,
        max_spool_bytes: int = 64 * 1024 * 1024,
        max_memory_bytes: int = 8 * 1024 * 1024,
        compress: bool = True,
        clock: Callable[[], float] = time.time,
        rng: random.Random | None = None,
    ) -> None:
        env = os.environ
        self.url = url or env.get("NEUROGAME_TELEMETRY_URL") or DEFAULT_URL
        self.api_key = api_key or env.get("NEUROGAME_TELEMETRY_API_KEY") or DEFAULT_API_KEY
        self.client_version = (
            client_version
            if client_version is not None
            else env.get("NEUROGAME_CLIENT_VERSION", "")
        )
        spool = spool_dir or env.get("NEUROGAME_TELEMETRY_SPOOL") or _default_spool(self.url)
        self.spool_dir = os.path.abspath(os.fspath(spool))
        self.batch_size = max(1, min(int(batch_size), MAX_EVENTS))
        self.max_batch_bytes = max(1024, min(int(max_batch_bytes), MAX_BYTES))
        self.flush_interval = flush_interval
        self.fsync_interval = fsync_interval
        self.adopt_interval = adopt_interval
        self.request_timeout = request_timeout
        self.backoff_base = backoff_base
        self.backoff_cap = backoff_cap
        self.drain_timeout = drain_timeout
        self.max_spool_bytes = max_spool_bytes
        self.max_memory_bytes = max_memory_bytes
        self._compress = compress
        self._clock = clock
        self._rng = rng or random.Random()  # noqa: S311 (jitter)
        self._opener = urllib.request.build_opener(NoRedirect)
        self._reset()
        _clients.add(self)
        atexit.register(_drain_at_exit, weakref.ref(self))

    # The game's side ---------------------------------------------------------------------------

    def track(
        self,
        event_type: str,
        *,
        user_id: str,
        session_id: str | None = None,
        model_version: str | None = None,
        payload: Mapping[str, Any] | None = None,
        event_id: str | None = None,
        event_ts: datetime | str | None = None,
        **extra: Any,
    ) -> str | None:
        """Accept one event and return its id, or ``None`` where it had to be refused.

        ``event_id`` and ``event_ts`` are for games that record first and report later; ``extra``
        fields are sent beside the known ones. Takes microseconds, and never raises.
        """
        try:
            event: dict[str, Any] = {
                "event_id": event_id or uuid7(),
                "event_type": event_type,
                "event_ts": self._timestamp(event_ts),
                "user_id": user_id if isinstance(user_id, str) else str(user_id),
            }
            if session_id is not None:
                event["session_id"] = str(session_id)
            if model_version is not None:
                event["model_version"] = str(model_version)
            event["payload"] = {} if payload is None else dict(payload)
            for name, value in extra.items():
                event.setdefault(name, value)
            line = json.dumps(event, allow_nan=False, separators=(",", ":")).encode("ascii") + b"\n"
        except Exception as error:
            return self._refuse("rejected", "an event cannot be written as JSON: %r", error)
        if getattr(self._here, "inside", False):
            # A signal handler or a destructor that interrupted this very file: touch no lock.
            if len(self._nested) >= NESTED_EVENTS:
                return None
            self._nested.append(line)
            return str(event["event_id"])
        self._here.inside = True
        try:
            return self._accept(event["event_id"], line)
        except Exception as error:  # a bug here must never reach the game
            return self._refuse("refused", "an event was not accepted: %r", error)
        finally:
            if self._nested:
                self._wake.set()
            self._here.inside = False

    def flush(self, timeout: float = 5.0) -> bool:
        """Send at once and wait up to ``timeout`` seconds; true when nothing waits any more."""
        nested = getattr(self._here, "inside", False)
        self._here.inside = True
        try:
            self._flush_until = time.monotonic() + timeout
            self._ensure_thread()
            if not nested:  # a signal handler may have interrupted this very call
                self._wake.set()
            with self._drained:
                done = self._drained.wait_for(lambda: self.pending() == 0, timeout)
            self._flush_until = 0.0
            return done
        finally:
            self._here.inside = nested

    def close(self, timeout: float | None = None) -> bool:
        """Drain for at most ``timeout`` seconds and stop; true when nothing was left behind.

        What is left stays in the spool for the next start. Closing twice is harmless; an event
        tracked afterwards still reaches the spool.
        """
        return self._close(self.drain_timeout if timeout is None else timeout, patient=True)

    def pending(self) -> int:
        """Events that this process answers for and that the server has not acknowledged."""
        with self._tally:
            return self._waiting + len(self._nested)

    def stats(self) -> dict[str, Any]:
        """Counters since the start of this process.

        ``tracked`` accepted; ``delivered`` acknowledged (with ``accepted``, ``duplicate`` and
        ``quarantined`` as the server counted them); ``rejected`` can never be delivered (400, or
        not JSON); ``refused`` for want of room; ``pending``; ``memory`` of those not on disk;
        ``adopted`` from dead processes; ``torn`` lines skipped; ``lost`` spool files that vanished;
        ``batches``, ``retries``, ``last_error``.
        """
        with self._tally:
            counts: dict[str, Any] = dict(self._counts)
            counts["pending"] = self._waiting + len(self._nested)
            counts["memory"] = len(self._memory) + len(self._nested)
        counts["spool_bytes"] = self._disk_bytes
        counts["last_error"] = self._last_error
        return counts

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    # Accepting ---------------------------------------------------------------------------------

    def _reset(self) -> None:
        """Fresh state of a process: at the start, and again in a forked child."""
        self._lock = threading.Lock()  # the active segment; held for one write, never for fsync
        self._tally = threading.RLock()  # counters and memory
        self._here = threading.local()  # .inside: this thread is in this file already
        self._nested: deque[bytes] = deque()  # from signal handlers and destructors
        self._drained = threading.Condition(threading.Lock())
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._left = False
        self._patient = True
        self._stop_at: float | None = None
        self._flush_until = 0.0
        self._owner = ""
        self._owner_lock: _FileLock | None = None
        self._adopted: dict[str, _FileLock] = {}
        self._serial = 0
        self._active: _Segment | None = None
        self._sealed: deque[_Segment] = deque()
        self._memory: deque[bytes] = deque()
        self._memory_bytes = 0
        self._disk_bytes = 0
        self._written_bytes = 0
        self._disk_trusted_at = 0.0
        self._waiting = 0
        self._failures = 0
        self._retry_at = 0.0
        self._told_to_wait = False
        self._unwelcome = False  # 401 or 403: waiting a little longer does not help
        self._last_sync = 0.0
        self._last_error = ""
        self._warned: set[str] = set()
        names = "tracked delivered accepted duplicate quarantined rejected refused"
        self._counts = dict.fromkeys((names + " adopted torn lost batches retries").split(), 0)

    def _forget_parent(self) -> None:
        """In a forked child: the parent keeps its lock, its segments and its events."""
        held = [self._owner_lock, self._active, *self._adopted.values(), *self._sealed]
        self._reset()
        self._rng.seed()
        for thing in held:
            if thing is not None:
                thing.close()

    def _timestamp(self, moment: datetime | str | None) -> str:
        if moment is None:
            return _iso(datetime.fromtimestamp(self._clock(), timezone.utc))  # noqa: UP017
        return _iso(moment) if isinstance(moment, datetime) else str(moment)

    def _bump(self, name: str, amount: int = 1) -> None:
        with self._tally:
            self._counts[name] += amount

    def _warn(self, kind: str, message: str, *args: object) -> None:
        """Once a kind at WARNING, then at DEBUG, until ``_warned`` forgets it."""
        level = logging.DEBUG if kind in self._warned else logging.WARNING
        self._warned.add(kind)
        with contextlib.suppress(Exception):
            log.log(level, message, *args)

    def _refuse(self, counter: str, message: str, *args: object) -> str | None:
        self._bump(counter)
        self._warn(counter + message, "telemetry: " + message, *args)
        return None

    def _accept(self, event_id: str, line: bytes) -> str | None:
        if len(line) > self.max_batch_bytes - 1024:
            return self._refuse(
                "rejected", "an event of %d bytes is larger than a batch may be", len(line)
            )
        if self._disk_bytes + len(line) > self.max_spool_bytes:
            return self._refuse(
                "refused",
                "the spool %s is full (%d bytes): new events are refused until the server answers",
                self.spool_dir,
                self._disk_bytes,
            )
        with self._tally:
            self._waiting += 1
        written = False
        if time.monotonic() >= self._disk_trusted_at and self._lock.acquire(timeout=LOCK_WAIT):
            try:
                written = self._append(line)
            finally:
                self._lock.release()
        if not written and not self._remember(line):
            with self._tally:
                self._waiting -= 1
            return self._refuse("refused", "neither disk nor memory has room for an event")
        self._bump("tracked")
        self._ensure_thread()
        return event_id

    def _remember(self, line: bytes) -> bool:
        with self._tally:
            if self._memory_bytes + len(line) > self.max_memory_bytes:
                return False
            self._memory.append(line)
            self._memory_bytes += len(line)
        self._wake.set()
        return True

    def _forget_first(self) -> None:
        with self._tally:
            self._memory_bytes -= len(self._memory.popleft())

    def _append(self, line: bytes) -> bool:
        """Write one line to the active segment, under ``_lock``; false when the disk would not."""
        began = time.monotonic()
        try:
            segment = self._active
            if segment is not None and segment.size + len(line) > self.max_batch_bytes - 1024:
                self._seal()
                segment = None
            if segment is None:
                segment = self._active = self._open_segment()
            self._write(segment, line)
        except OSError as error:
            self._disk_trusted_at = time.monotonic() + DISK_PAUSE
            self._last_error = "disk: %s" % (error,)  # noqa: UP031
            self._warn("disk", "telemetry: the spool %s: %s; using memory", self.spool_dir, error)
            return False
        if time.monotonic() - began > SLOW_WRITE:
            self._disk_trusted_at = time.monotonic() + DISK_PAUSE
        segment.count += 1
        if segment.count >= self.batch_size:
            self._seal()
            self._wake.set()
        elif segment.count == 1:
            self._wake.set()
        return True

    def _write(self, segment: _Segment, data: bytes) -> None:
        if segment.torn:
            data = b"\n" + data
        written = os.write(segment.fd, data)
        segment.size += written
        self._disk_bytes += written
        self._written_bytes += written
        segment.synced = False
        segment.torn = written < len(data)
        if segment.torn:
            raise OSError("the disk took %d of %d bytes" % (written, len(data)))  # noqa: UP031

    def _open_segment(self) -> _Segment:
        """Create the next segment of this process, which first takes a name and its lock."""
        os.makedirs(self.spool_dir, mode=0o700, exist_ok=True)
        if self._owner_lock is None:
            owner = "%d-%s" % (os.getpid(), os.urandom(6).hex())  # noqa: UP031
            self._owner_lock = _FileLock(os.path.join(self.spool_dir, owner + LOCK_SUFFIX))
            self._owner = owner
        self._serial += 1
        name = "%s.%08d%s" % (self._owner, self._serial, SEGMENT_SUFFIX)  # noqa: UP031
        path = os.path.join(self.spool_dir, name)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | getattr(os, "O_BINARY", 0)
        segment = _Segment(path, self._owner, os.open(path, flags, 0o600))
        try:
            header = {"neurogame_spool": 1, "client_version": self.client_version}
            self._write(segment, json.dumps(header).encode("ascii") + b"\n")
        except OSError:
            segment.close()
            _remove(path)
            raise
        return segment

    def _seal(self) -> None:
        """Close the active segment for writing, under ``_lock``; the sender takes it from here."""
        segment, self._active = self._active, None
        if segment is not None:
            segment.close()
            self._sealed.append(segment)

    def _ensure_thread(self) -> None:
        thread = self._thread
        if self._closed or (thread is not None and thread.is_alive()):
            return
        with self._tally:
            if self._thread is thread:
                fresh = threading.Thread(target=self._run, name="neurogame-telemetry", daemon=True)
                try:
                    fresh.start()
                except RuntimeError as error:  # no threads left, or the interpreter is going down
                    self._warn("thread", "telemetry: no background thread: %s", error)
                    return
                self._thread = fresh

    def _close(self, timeout: float, *, patient: bool) -> bool:
        nested = getattr(self._here, "inside", False)
        self._here.inside = True
        try:
            thread = self._thread
            self._patient = patient
            self._stop_at = time.monotonic() + max(0.0, timeout)
            self._closed = True
            if not nested:
                self._wake.set()
            if thread is not None and thread is not threading.current_thread():
                thread.join(max(0.0, timeout))
            if thread is None or self._left:
                self._leave()  # what came after an earlier close is left to others
            return self.pending() == 0
        finally:
            self._here.inside = nested

    def _leave(self) -> None:
        """Give up the locks, so that another process may adopt what is left."""
        self._left = True
        self._disk_trusted_at = 0.0
        self._persist_memory()
        if self._lock.acquire(timeout=LOCK_WAIT):
            try:
                self._seal()
                held = {segment.owner for segment in self._sealed}
                locks = dict(self._adopted)
                if self._owner_lock is not None:
                    locks[self._owner] = self._owner_lock
                self._owner_lock = None
                self._adopted.clear()
                for owner, lock in locks.items():
                    lock.close()
                    if owner not in held:
                        _remove(lock.path)
            finally:
                self._lock.release()

    # The background thread ---------------------------------------------------------------------

    def _run(self) -> None:
        self._here.inside = True  # a destructor that runs in this thread holds its locks
        next_adopt = 0.0
        while True:
            try:
                now = time.monotonic()
                if now >= next_adopt:
                    next_adopt = now + self.adopt_interval
                    self._adopt()
                self._persist_memory()
                self._seal_if_due()
                if self._may_send():
                    self._deliver()
                self._sync()
                if self._finished():
                    break
                pause = self._pause(next_adopt)
            except Exception as error:  # stay alive whatever happens; the spool is safe
                self._last_error = repr(error)
                self._warn("bug", "telemetry: unexpected %r", error)
                pause = 1.0
                if self._stop_at is not None:
                    break
            self._wake.wait(pause)
            self._wake.clear()
        self._leave()

    def _hurry(self) -> bool:
        return self._stop_at is not None or time.monotonic() < self._flush_until

    def _may_send(self) -> bool:
        """After a failure wait for ``_retry_at``; a flush or an exit earns one early attempt."""
        if time.monotonic() >= self._retry_at:
            return True
        if self._told_to_wait or not self._hurry() or "early" in self._warned:
            return False
        self._warned.add("early")
        return True

    def _finished(self) -> bool:
        if self._stop_at is None:
            return False
        if self.pending() == 0 or time.monotonic() >= self._stop_at:
            return True
        return self._failures > 0 and (not self._patient or self._unwelcome)

    def _pause(self, next_adopt: float) -> float:
        """Seconds until the thread has something to do by itself."""
        now = time.monotonic()
        moments = [next_adopt]
        active = self._active
        if self._retry_at > now:
            if self.pending():
                moments.append(self._retry_at)
        elif active is not None and active.count:
            moments.append(active.born + self.flush_interval)
        elif self._sealed:
            moments.append(now)
        if self._memory:
            moments.append(now + DISK_PAUSE)
        if self.fsync_interval is not None and self._unsynced():
            moments.append(self._last_sync + self.fsync_interval)
        if self._stop_at is not None:
            moments.append(self._stop_at)
        return max(0.005, min(moments) - now)

    def _seal_if_due(self) -> None:
        """Hand the active segment over when it is old enough and a request could leave now."""
        active = self._active
        if active is None:
            return
        now = time.monotonic()
        if self._hurry() or (now - active.born >= self.flush_interval and now >= self._retry_at):
            with self._lock:
                if self._active is active:
                    self._seal()

    def _persist_memory(self) -> None:
        """Move what waits in memory to disk, once the disk takes it."""
        while self._nested:
            line = self._nested.popleft()
            with self._tally:
                self._waiting += 1
            if self._remember(line):
                self._bump("tracked")
            else:
                self._settle(1)
                self._bump("refused")
        while self._memory and time.monotonic() >= self._disk_trusted_at:
            line = self._memory[0]
            if not self._lock.acquire(timeout=LOCK_WAIT):
                return
            try:
                if not self._append(line):
                    return
            finally:
                self._lock.release()
            self._forget_first()
        if not self._memory:
            self._warned.discard("disk")

    def _unsynced(self) -> list[_Segment]:
        active = self._active
        segments = list(self._sealed) + ([active] if active is not None else [])
        return [segment for segment in segments if not segment.synced]

    def _sync(self) -> None:
        now = time.monotonic()
        if self.fsync_interval is None or now - self._last_sync < self.fsync_interval:
            return
        for segment in self._unsynced():
            segment.synced = True  # before fsync: a write during it makes it unsynced again
            with contextlib.suppress(OSError):
                fd = os.open(segment.path, os.O_RDWR | getattr(os, "O_BINARY", 0))
                try:
                    os.fsync(fd)
                finally:
                    os.close(fd)
        self._last_sync = time.monotonic()

    def _adopt(self) -> None:
        """Take over segments whose process is gone, tidy its lock, and measure the directory."""
        written_before = self._written_bytes
        try:
            names = sorted(os.listdir(self.spool_dir))
        except OSError:
            return
        owners: dict[str, list[str]] = {}
        total = 0
        for name in names:
            path = os.path.join(self.spool_dir, name)
            with contextlib.suppress(OSError):
                total += os.stat(path).st_size
            owner = name.split(".", 1)[0]
            if name.endswith(SEGMENT_SUFFIX) and name != REJECTED_FILE:
                owners.setdefault(owner, []).append(path)
            elif name.endswith(LOCK_SUFFIX):
                owners.setdefault(owner, [])
        # What was written meanwhile may or may not be in the total: rather twice than not at all.
        self._disk_bytes = total + self._written_bytes - written_before
        for owner, paths in owners.items():
            if owner != self._owner and owner not in self._adopted:
                self._adopt_owner(owner, paths)

    def _adopt_owner(self, owner: str, paths: list[str]) -> None:
        lock_path = os.path.join(self.spool_dir, owner + LOCK_SUFFIX)
        try:
            if not paths and time.time() - os.stat(lock_path).st_mtime < 3600:
                return  # perhaps a process that is just starting
            lock = _FileLock(lock_path)
        except OSError:
            return  # its process is alive
        if not lock.supported:
            lock.close()
            return
        found = 0
        for path in paths:
            with contextlib.suppress(OSError), open(path, "rb") as stream:
                segment = _Segment(path, owner)
                segment.count = max(0, stream.read().count(b"\n") - 1)
                segment.size = stream.tell()
                self._sealed.append(segment)
                found += segment.count
        if not any(segment.owner == owner for segment in self._sealed):
            lock.close()
            _remove(lock_path)
            return
        self._adopted[owner] = lock
        self._bump("adopted", found)
        with self._tally:
            self._waiting += found

    # Delivering --------------------------------------------------------------------------------

    def _deliver(self) -> None:
        """Send what is sealed, oldest first, then what is only in memory; stop at a failure."""
        while True:
            if self._stop_at is not None and time.monotonic() >= self._stop_at:
                return
            try:
                segment = self._sealed[0]
            except IndexError:
                break
            version, lines = self._read(segment)
            for chunk in self._chunks(lines[segment.done :]):
                done = self._send(chunk, version)
                segment.done += done
                if segment.done == segment.count:
                    self._retire(segment)
                self._settle(done)
                if done < len(chunk):
                    return
            if self._sealed and self._sealed[0] is segment:  # empty, or truncated by someone
                self._retire(segment)
        while self._memory:
            with self._tally:
                waiting = list(self._memory)
            chunk = next(self._chunks(waiting))
            done = self._send(chunk, self.client_version)
            for _ in range(done):
                self._forget_first()
            self._settle(done)
            if done < len(chunk):
                return

    def _read(self, segment: _Segment) -> tuple[str, list[bytes]]:
        """The header's client version and the whole events; torn lines are skipped and counted."""
        try:
            with open(segment.path, "rb") as stream:
                raw = stream.read().split(b"\n")
        except OSError as error:
            self._bump("lost", segment.count - segment.done)
            self._warn("lost", "telemetry: %s vanished: %s", segment.path, error)
            self._settle(segment.count - segment.done)
            segment.count = segment.done
            return self.client_version, []
        version = self.client_version
        lines = []
        for number, line in enumerate(raw):
            if not line:
                continue
            try:
                value = json.loads(line.decode("ascii"))
            except ValueError:
                value = None
            if not isinstance(value, dict):
                if not segment.checked:
                    self._bump("torn")
                    self._warn("torn", "telemetry: %s has a torn line", segment.path)
            elif number == 0 and "neurogame_spool" in value:
                version = str(value.get("client_version") or "")
            else:
                lines.append(line)
        self._settle(segment.count - len(lines))  # a torn or an unterminated last line
        segment.count = len(lines)
        segment.checked = True
        return version, lines

    def _retire(self, segment: _Segment) -> None:
        """Delete a segment of which nothing waits, the first in line, and its dead owner's lock."""
        self._sealed.popleft()
        with contextlib.suppress(OSError):
            segment.size = os.stat(segment.path).st_size
        _remove(segment.path)
        self._disk_bytes = max(0, self._disk_bytes - segment.size)
        lock = self._adopted.get(segment.owner)
        if lock is not None and not any(one.owner == segment.owner for one in self._sealed):
            del self._adopted[segment.owner]
            lock.close()
            _remove(lock.path)

    def _settle(self, amount: int) -> None:
        if amount:
            with self._tally:
                self._waiting -= amount
        with self._drained:
            self._drained.notify_all()

    def _chunks(self, lines: list[bytes]) -> Iterator[list[bytes]]:
        chunk: list[bytes] = []
        size = 0
        for line in lines:
            if chunk and (
                len(chunk) >= self.batch_size or size + len(line) > self.max_batch_bytes - 1024
            ):
                yield chunk
                chunk, size = [], 0
            chunk.append(line)
            size += len(line) + 1
        if chunk:
            yield chunk

    def _send(self, lines: list[bytes], version: str) -> int:
        """Deliver or reject events from the front; fewer than all of them means: try again later."""
        todo = [lines]
        done = 0
        while todo:
            part = todo.pop()
            answer = self._post(part, version)
            if answer.kind == "plain" and self._compress:
                self._compress = False
                todo.append(part)
            elif answer.kind == "split" and len(part) > 1:
                half = len(part) // 2
                todo += [part[half:], part[:half]]
            elif answer.kind in ("ok", "split", "reject"):
                if answer.kind == "ok":
                    self._delivered(part, answer)
                else:
                    self._reject(part, answer)
                done += len(part)
            else:
                self._failed(answer)
                break
        return done

    def _delivered(self, part: list[bytes], answer: _Answer) -> None:
        self._bump("batches")
        self._bump("delivered", len(part))
        for header, counter in (
            ("Accepted", "accepted"),
            ("Duplicate", "duplicate"),
            ("Rejected", "quarantined"),
        ):
            with contextlib.suppress(ValueError):
                self._bump(counter, int(answer.headers.get("X-Neurogame-" + header) or 0))
        if self._failures:
            log.info("telemetry: the server takes events again")
        self._failures = 0
        self._retry_at = 0.0
        self._told_to_wait = False
        self._warned -= {"early", "retry", "refused-key"}

    def _failed(self, answer: _Answer) -> None:
        """Full-jitter back-off, capped; the server's ``Retry-After`` is a floor, not a hint."""
        self._bump("retries")
        self._failures += 1
        ceiling = min(self.backoff_cap, self.backoff_base * 2 ** min(self._failures - 1, 30))
        wait = self._rng.uniform(0.0, ceiling)
        self._told_to_wait = answer.retry_after > 0
        self._unwelcome = answer.kind == "refused"
        if self._hurry():
            wait = min(wait, 1.0)
        if self._told_to_wait:
            wait += min(answer.retry_after, MAX_RETRY_AFTER)
        self._retry_at = time.monotonic() + wait
        self._last_error = answer.detail
        kind = "refused-key" if answer.kind == "refused" else "retry"
        self._warn(kind, "telemetry: %s; events are kept in %s", answer.detail, self.spool_dir)

    def _reject(self, part: list[bytes], answer: _Answer) -> None:
        """Move a batch that no repetition can deliver aside, where a person can look at it."""
        self._bump("rejected", len(part))
        self._warn(
            "rejected",
            "telemetry: %s; %d events moved to %s",
            answer.detail,
            len(part),
            REJECTED_FILE,
        )
        path = os.path.join(self.spool_dir, REJECTED_FILE)
        note = {"at": _iso(datetime.now(timezone.utc)), "status": answer.status}  # noqa: UP017
        head = json.dumps(dict(note, detail=answer.detail)).encode("ascii")[:-1] + b',"event":'
        with contextlib.suppress(OSError):
            if os.path.exists(path) and os.stat(path).st_size > self.max_spool_bytes // 8:
                os.replace(path, path + ".1")
        with contextlib.suppress(OSError):
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
            fd = os.open(path, flags, 0o600)
            try:
                os.write(fd, b"".join(head + line.strip() + b"}\n" for line in part))
            finally:
                os.close(fd)

    def _post(self, lines: list[bytes], version: str) -> _Answer:
        head: dict[str, str] = {"api_key": self.api_key}
        if version:
            head["client_version"] = version
        body = json.dumps(head).encode("ascii")[:-1] + b', "events": ['
        body += b",".join(line.strip() for line in lines) + b"]}"
        headers = {"Content-Type": "application/json", "User-Agent": "neurogame-client/1"}
        if self._compress:
            body = gzip.compress(body, 6)
            headers["Content-Encoding"] = "gzip"
        timeout = self.request_timeout
        if self._stop_at is not None:
            timeout = max(0.05, min(timeout, self._stop_at - time.monotonic()))
        try:
            scheme = urllib.parse.urlsplit(self.url).scheme
            if scheme not in ("http", "https"):
                raise ValueError("the address must start with http:// or https://")
            request = urllib.request.Request(self.url, body, headers, method="POST")  # noqa: S310
            with self._opener.open(request, timeout=timeout) as response:
                return _judge(response.status, response.headers, response.read(65536), self._clock)
        except urllib.error.HTTPError as error:
            with error:
                try:
                    text = error.read(65536)
                except (OSError, http.client.HTTPException):
                    text = b""
                return _judge(error.code, error.headers, text, self._clock)
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            return _Answer("retry", 0, "cannot reach %s: %s" % (self.url, reason))  # noqa: UP031


def _judge(status: int, headers: Any, body: bytes, clock: Callable[[], float]) -> _Answer:
    """Decide from an HTTP answer; only ``{"ok": true}`` counts as delivered (captive portals)."""
    try:
        parsed = json.loads(body.decode("utf-8"))
    except ValueError:
        parsed = None
    said = parsed.get("detail") if isinstance(parsed, dict) else None
    detail = "the server answered %d%s" % (status, ": " + str(said)[:300] if said else "")  # noqa: UP031
    if status == 200 and isinstance(parsed, dict) and parsed.get("ok") is True:
        return _Answer("ok", status, "", headers)
    kinds = {400: "reject", 413: "split", 415: "plain", 401: "refused", 403: "refused"}
    kind = kinds.get(status, "retry")
    return _Answer(kind, status, detail, headers, _retry_after(headers, clock))


def _retry_after(headers: Any, clock: Callable[[], float]) -> float:
    """Seconds of a ``Retry-After`` header, given as a number or as an HTTP date; else 0."""
    value = (headers.get("Retry-After") or "").strip()
    if not value:
        return 0.0
    try:
        return max(0.0, float(int(value)))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - clock())
    except (TypeError, ValueError):
        return 0.0


def _drain_at_exit(reference: weakref.ref[Client]) -> None:
    client = reference()
    if client is not None and not client._closed and client._thread is not None:
        client._close(client.drain_timeout, patient=False)
