"""Ingest: many requests, one writer, one commit, a savepoint for each.

`submit` hands parsed events to the writer thread of this process and returns a future that is
resolved after the commit. Requests that wait together share a transaction; each has its own
savepoint, so a fault of one is never another's.
"""

from __future__ import annotations

import atexit
import hashlib
import logging
import queue
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import DatabaseError, InterfaceError, connection, transaction
from django.utils import timezone

from telemetry import signals, tombstones
from telemetry.models import EventConflict, GameEvent, ModelVersion, QuarantinedEvent
from telemetry.wire import Accepted, Rejected, StoredEvent

logger = logging.getLogger(__name__)

MAX_WAITING = 256
MAX_EVENTS_A_COMMIT = 10_000
# Any fixed number: inserts of all processes take turns, so that commit order is `seq` order.
ADVISORY_LOCK = 0x6E67
COLUMNS = (
    "event_id", "event_type", "event_ts", "effective_ts", "received_at", "user_id", "session_id",
    "model_version", "client_version", "flags", "digest", "raw", "api_key_id",
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
    """Store one batch inside the caller's transaction."""
    accepted = [event for event in batch.events if isinstance(event, Accepted)]
    rejected = [event for event in batch.events if isinstance(event, Rejected)]
    first: dict[str, Accepted] = {}
    for event in accepted:
        first.setdefault(event.event_id, event)
    deleted = tombstones.buried(first)
    new = [event for event in first.values() if event.event_id not in deleted]
    inserted = _insert(new, batch)
    later = [event for event in accepted if first[event.event_id] is not event]
    known = [event for event in first.values() if event.event_id not in inserted]
    _record_conflicts([event for event in known + later if event.event_id not in deleted], batch)
    _quarantine(rejected, batch)
    stored = [
        StoredEvent(
            seq=inserted[event.event_id],
            user_id=event.user_id,
            model_version=event.model_version,
            effective_ts=event.effective_ts,
            trial=event.trial,
            session_id=event.session_id,
        )
        for event in first.values()
        if event.event_id in inserted
    ]
    if stored:
        _register_models({event.model_version for event in stored if event.model_version})
        _announce(stored)
    return Counts(len(inserted), len(accepted) - len(inserted), len(rejected))


def _insert(events: list[Accepted], batch: Batch) -> dict[str, int]:
    """Insert what is new; {event_id: seq} of the rows that were really inserted."""
    if not events:
        return {}
    adapt = connection.ops.adapt_datetimefield_value
    received = adapt(batch.received_at)
    rows: list[Any] = []
    for event in events:
        rows += [
            event.event_id, event.event_type, adapt(event.event_ts), adapt(event.effective_ts),
            received, event.user_id, event.session_id, event.model_version,
            batch.client_version, ",".join(event.flags), event.digest, event.raw, batch.key_id,
        ]  # fmt: skip
    row = "(" + ", ".join(["%s"] * len(COLUMNS)) + ")"
    table = connection.ops.quote_name(GameEvent._meta.db_table)
    sql = (
        f"INSERT INTO {table} ({', '.join(COLUMNS)}) "  # noqa: S608 - our own names
        f"VALUES {', '.join([row] * len(events))} "
        "ON CONFLICT (event_id) DO NOTHING RETURNING event_id, seq"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, rows)
        return dict(cursor.fetchall())


def _record_conflicts(events: list[Accepted], batch: Batch) -> None:
    """Record those of `events` whose content differs from the row that was kept."""
    if not events:
        return
    kept = {
        row["event_id"]: row
        for row in GameEvent.objects.filter(
            event_id__in={event.event_id for event in events}
        ).values("event_id", "seq", "digest")
    }
    EventConflict.objects.bulk_create(
        [
            EventConflict(
                event_id=kept[event.event_id]["seq"],
                received_at=batch.received_at,
                digest=event.digest,
                raw=event.raw,
                client_version=batch.client_version,
                api_key_id=batch.key_id,
            )
            for event in events
            if kept[event.event_id]["digest"] != event.digest
        ],
        ignore_conflicts=True,
    )


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


def _announce(stored: list[StoredEvent]) -> None:
    """Let the rooms above fold the new rows; what they cannot fold is flagged, not refused."""
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
            connection.close_if_unusable_or_obsolete()
            with transaction.atomic(durable=True):
                take_turn()
                for batch, future in waiting:
                    try:
                        with transaction.atomic():
                            done.append((future, store(batch)))
                    except Exception as error:
                        logger.exception("a batch of %d events failed", len(batch.events))
                        failed.append((future, error))
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
