"""Ingest: many requests, one writer, one commit, a savepoint for each.

`submit` hands parsed events to the writer thread of this process and returns a future that is
resolved after the commit. Requests that wait together share a transaction; each has its own
savepoint, so a fault of one is never another's.
"""

from __future__ import annotations

import atexit
import functools
import hashlib
import logging
import queue
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from django.db import DatabaseError, InterfaceError, connection, transaction
from django.utils import timezone

from telemetry import signals, tombstones
from telemetry.models import EventConflict, GameEvent, ModelVersion, QuarantinedEvent
from telemetry.wire import Accepted, Rejected, StoredEvent, digest_of

logger = logging.getLogger(__name__)

MAX_WAITING = 256
# The writer keeps its connection between commits until nothing came for so long.
IDLE_S = 1.0
MAX_EVENTS_A_COMMIT = 10_000
# Of one statement: SQLite takes 32,766 parameters, and keeps a statement by its text.
ROWS = 500
# Any fixed number: inserts of all processes take turns, so that commit order is `seq` order.
ADVISORY_LOCK = 0x6E67
COLUMNS = (
    "event_id", "event_type", "event_ts", "effective_ts", "received_at", "user_id", "session_id",
    "model_version", "client_version", "flags", "raw", "api_key_id",
)  # fmt: skip


class Busy(Exception):
    """The writer cannot take more now, or the database does not answer: 503, try again."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of a batch; the three add up to its events."""

    accepted: int = 0
    duplicate: int = 0
    rejected: int = 0


@dataclass(frozen=True, slots=True)
class Batch:
    """The events of one request, parsed."""

    events: Sequence[Accepted | Rejected]
    received_at: datetime
    client_version: str = ""
    key_id: int | None = None


# --- Storing ------------------------------------------------------------------------------------


def take_turn() -> None:
    """In a transaction: wait for the one right to insert, so that commit order is `seq` order.

    SQLite has one writer anyway. Raises `OperationalError` after ten seconds.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '10s'")
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [ADVISORY_LOCK])


def store(batch: Batch) -> Counts:
    """Store one batch inside the caller's transaction, and fold what is new."""
    counts, stored = keep(batch)
    announce(stored)
    return counts


def keep(batch: Batch) -> tuple[Counts, list[StoredEvent]]:
    """Store one batch inside the caller's transaction: the counts, and the rows that are new."""
    first: dict[str, Accepted] = {}
    later: list[Accepted] = []
    rejected: list[Rejected] = []
    for event in batch.events:
        if isinstance(event, Rejected):
            rejected.append(event)
        elif first.setdefault(event.event_id, event) is not event:
            later.append(event)
    deleted = tombstones.buried(first)
    for event_id in deleted:
        del first[event_id]
    later = [event for event in later if event.event_id not in deleted]
    inserted = _insert(list(first.values()), batch)
    known = [event for event in first.values() if event.event_id not in inserted]
    _record_conflicts(known + later, batch)
    _quarantine(rejected, batch)
    stored = [
        StoredEvent(
            seq,
            first[event_id].user_id,
            first[event_id].model_version,
            first[event_id].effective_ts,
            first[event_id].trial,
            first[event_id].session_id,
        )
        for event_id, seq in inserted.items()
    ]
    accepted = len(batch.events) - len(rejected)
    return Counts(len(inserted), accepted - len(inserted), len(rejected)), stored


def _insert(events: list[Accepted], batch: Batch) -> dict[str, int]:
    """Insert what is new; {event_id: seq} of the rows that were really inserted, in that order."""
    if not events:
        return {}
    if connection.vendor == "postgresql":
        return _insert_as_records(events, batch)
    inserted: dict[str, int] = {}
    for start in range(0, len(events), ROWS):
        inserted |= _insert_as_values(events[start : start + ROWS], batch)
    return inserted


def _naive(moment: datetime) -> str:
    """A UTC time as Django writes it on SQLite."""
    return moment.isoformat(" ")[:-6]


@functools.cache
def _values_sql(rows: int) -> tuple[str, str]:
    row = "(" + ", ".join("?" * len(COLUMNS)) + ")"
    sql = (
        f"INSERT INTO {GameEvent._meta.db_table} ({', '.join(COLUMNS)}) "  # noqa: S608
        f"VALUES {', '.join([row] * rows)} ON CONFLICT (event_id) DO NOTHING"
    )
    marks = ", ".join("?" * rows)
    found = (
        f"SELECT event_id, seq FROM {GameEvent._meta.db_table} "  # noqa: S608
        f"WHERE event_id IN ({marks}) AND seq > ? ORDER BY seq"
    )
    return sql, found


def _insert_as_values(events: list[Accepted], batch: Batch) -> dict[str, int]:
    """SQLite, by the driver itself: Django's cursor would rewrite every statement's marks.

    Without RETURNING, which makes a step of the statement of every row: the rows of a statement
    get consecutive numbers, since nobody else writes meanwhile (`sqlite_sequence`).
    """
    received, version, key_id = _naive(batch.received_at), batch.client_version, batch.key_id
    values: list[Any] = []
    for event in events:
        moment = _naive(event.event_ts)
        later = event.effective_ts is not event.event_ts
        values += (
            event.event_id, event.event_type, moment,
            _naive(event.effective_ts) if later else moment,
            received, event.user_id, event.session_id, event.model_version, version,
            ",".join(event.flags) if event.flags else "", event.raw, key_id,
        )  # fmt: skip
    insert, find = _values_sql(len(events))
    connection.ensure_connection()
    with connection.wrap_database_errors:
        (before,) = connection.connection.execute(LAST_SEQ).fetchone() or (0,)
        cursor = connection.connection.execute(insert, values)
        if cursor.rowcount == len(events):
            last = cursor.lastrowid
            return {e.event_id: n for n, e in enumerate(events, last - len(events) + 1)}
        if cursor.rowcount == 0:
            return {}
        ids = [event.event_id for event in events]
        return dict(connection.connection.execute(find, [*ids, before]).fetchall())


LAST_SEQ = f"SELECT seq FROM sqlite_sequence WHERE name = '{GameEvent._meta.db_table}'"  # noqa: S608


def _insert_as_records(events: list[Accepted], batch: Batch) -> dict[str, int]:
    """PostgreSQL: all rows as one parameter, in one statement of a fixed text."""
    received = batch.received_at.isoformat()
    rows = [
        (
            event.event_id, event.event_type, event.event_ts, event.effective_ts, received,
            event.user_id, event.session_id, event.model_version, batch.client_version,
            ",".join(event.flags), event.raw, batch.key_id,
        )
        for event in events
    ]  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(RECORDS_SQL, [msgspec.json.encode(rows).decode()])
        return dict(cursor.fetchall())


_CASTS = {"event_ts": "timestamptz", "effective_ts": "timestamptz", "received_at": "timestamptz"}
_CASTS["api_key_id"] = "bigint"
_FIELDS = [
    f"(row ->> {place})" + (f"::{_CASTS[name]}" if name in _CASTS else "")
    for place, name in enumerate(COLUMNS)
]
RECORDS_SQL = (
    f"INSERT INTO {GameEvent._meta.db_table} ({', '.join(COLUMNS)}) "  # noqa: S608
    f"SELECT {', '.join(_FIELDS)} FROM json_array_elements(%s::json) WITH ORDINALITY AS r(row, place)"
    " ORDER BY place ON CONFLICT (event_id) DO NOTHING RETURNING event_id, seq"
)


def _record_conflicts(events: list[Accepted], batch: Batch) -> None:
    """Record those of `events` whose content differs from the row that was kept."""
    if not events:
        return
    kept = {
        event_id: (seq, raw)
        for event_id, seq, raw in GameEvent.objects.filter(
            event_id__in={event.event_id for event in events}
        ).values_list("event_id", "seq", "raw")
    }
    conflicts = []
    for event in events:
        seq, raw = kept[event.event_id]
        if raw == event.raw:
            continue
        digest = digest_of(event.raw)
        if digest != digest_of(raw):
            conflicts.append(
                EventConflict(
                    event_id=seq,
                    received_at=batch.received_at,
                    digest=digest,
                    raw=event.raw,
                    client_version=batch.client_version,
                    api_key_id=batch.key_id,
                )
            )
    EventConflict.objects.bulk_create(conflicts, ignore_conflicts=True)


def _quarantine(events: list[Rejected], batch: Batch) -> None:
    """Keep what was refused, once while it waits for a person."""
    if not events:
        return
    digests = {raw_digest(event.raw): event for event in reversed(events)}
    waiting = set(
        QuarantinedEvent.objects.filter(
            raw_digest__in=digests, resolved_at=None, source=QuarantinedEvent.Source.GAME
        ).values_list("raw_digest", flat=True)
    )
    QuarantinedEvent.objects.bulk_create(
        QuarantinedEvent(
            received_at=batch.received_at,
            index=event.index,
            reason=event.reason,
            detail=event.detail[:500],
            raw=event.raw,
            raw_digest=key,
            client_version=batch.client_version,
            api_key_id=batch.key_id,
        )
        for key, event in sorted(digests.items(), key=lambda item: item[1].index)
        if key not in waiting
    )


def raw_digest(raw: str) -> str:
    return hashlib.sha256(raw.encode()).hexdigest()


_known_models: set[str] = set()


def _register_models(names: Iterable[str]) -> None:
    """List model versions that nobody registered; the admin shows them."""
    new = sorted(set(names) - _known_models)
    if not new:
        return
    ModelVersion.objects.bulk_create(
        [ModelVersion(name=name, status=ModelVersion.Status.UNREGISTERED) for name in new],
        ignore_conflicts=True,
    )
    if len(_known_models) > 10_000:
        _known_models.clear()
    transaction.on_commit(lambda: _known_models.update(new))


def announce(stored: list[StoredEvent]) -> None:
    """Let the rooms above fold the new rows; what they cannot fold is flagged, not refused."""
    if not stored:
        return
    named = {event.model_version for event in stored if event.model_version}
    try:
        if not named <= _known_models:
            with transaction.atomic():
                _register_models(named)
    except Exception:
        logger.exception("model versions of %d events could not be listed", len(stored))
    for receiver, answer in signals.events_stored.send_robust(sender=GameEvent, events=stored):
        if isinstance(answer, Exception):
            logger.error("%s could not fold %d events", receiver, len(stored), exc_info=answer)


def flag(seqs: Iterable[int], word: str) -> None:
    """Add a flag to stored events, for what could not be folded."""
    for event in GameEvent.objects.filter(seq__in=list(seqs)):
        words = [*filter(None, event.flags.split(",")), word]
        GameEvent.objects.filter(pk=event.pk).update(flags=",".join(dict.fromkeys(words)))


# --- The writer ---------------------------------------------------------------------------------


class Writer:
    """One thread that commits what waits. The queue is bounded: beyond it requests are `Busy`."""

    def __init__(self, *, waiting: int = MAX_WAITING) -> None:
        self._queue: queue.Queue[tuple[Batch, Future[Counts]] | None] = queue.Queue(waiting)
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def submit(self, batch: Batch) -> Future[Counts]:
        """A future that is resolved after the commit; raises `Busy` when too many wait."""
        future: Future[Counts] = Future()
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="ingest", daemon=True)
                self._thread.start()
        try:
            self._queue.put_nowait((batch, future))
        except queue.Full:
            raise Busy("too many requests wait for the database") from None
        return future

    def close(self, timeout: float = 10.0) -> None:
        """Commit what waits and end the thread."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None and thread.is_alive():
            self._queue.put(None)
            thread.join(timeout)

    def _run(self) -> None:
        while True:
            try:
                first = self._queue.get(timeout=IDLE_S)
            except queue.Empty:
                connection.close()
                first = self._queue.get()
            if first is None:
                break
            waiting, ending = self._gather(first)
            # A client that has left takes its request along; from here on none can.
            here = [item for item in waiting if item[1].set_running_or_notify_cancel()]
            if here:
                self._commit(here)
            if ending:
                break
        connection.close()

    def _gather(
        self, first: tuple[Batch, Future[Counts]]
    ) -> tuple[list[tuple[Batch, Future[Counts]]], bool]:
        """`first` and what else waits already, up to the size of a commit."""
        waiting = [first]
        events = len(first[0].events)
        while events < MAX_EVENTS_A_COMMIT:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return waiting, False
            if item is None:
                return waiting, True
            waiting.append(item)
            events += len(item[0].events)
        return waiting, False

    def _commit(self, waiting: list[tuple[Batch, Future[Counts]]]) -> None:
        done: list[tuple[Future[Counts], Counts]] = []
        failed: list[tuple[Future[Counts], Exception]] = []
        try:
            connection.close_at = None  # not after each commit, as after a request
            connection.close_if_unusable_or_obsolete()
            with transaction.atomic(durable=True):
                take_turn()
                stored: list[StoredEvent] = []
                for batch, future in waiting:
                    try:
                        with transaction.atomic():
                            counts, new = keep(batch)
                        done.append((future, counts))
                        stored += new
                    except Exception as error:
                        logger.exception("a batch of %d events failed", len(batch.events))
                        failed.append((future, error))
                announce(stored)
        except Exception as error:
            logger.exception("the commit of %d requests failed", len(waiting))
            busy = Busy("the database does not answer")
            busy.__cause__ = error
            for _batch, future in waiting:
                future.set_exception(busy)
            connection.close()
            return
        for future, counts in done:
            future.set_result(counts)
        for future, fault in failed:
            database = isinstance(fault, DatabaseError | InterfaceError)
            future.set_exception(Busy("the database failed") if database else fault)


writer = Writer()
atexit.register(writer.close)


def resubmit(row: QuarantinedEvent) -> Counts:
    """Try a quarantined event again after a fix; what is stored marks it resolved."""
    from telemetry.wire import read_event

    now = timezone.now()
    event = read_event(row.raw.encode(), 0, now)
    if isinstance(event, Rejected):
        row.reason, row.detail = event.reason, event.detail[:500]
        row.save(update_fields=["reason", "detail"])
        return Counts(rejected=1)
    batch = Batch([event], now, row.client_version, row.api_key_id)
    with transaction.atomic():
        take_turn()
        counts = store(batch)
        row.resolved_at = now
        row.save(update_fields=["resolved_at"])
    return counts
