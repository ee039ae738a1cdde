"""Deleting raw events: those past their time, and everything of one player.

Deleted in short transactions that take turns with ingest, each of which leaves tombstones, so that
an id stays taken, and notes what it did, so that an interrupted deletion goes on where it was.
Standings stay: they are kept sums. `standings_horizon` says up to which day events alone no longer
add up to them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count, F, Max, QuerySet
from django.db.models.functions import TruncMonth
from django.utils import timezone
from django.utils.crypto import salted_hmac

from telemetry import signals, tombstones
from telemetry.ingest import take_turn
from telemetry.models import EventConflict, EventPrune, GameEvent, QuarantinedEvent
from telemetry.wire import TRIAL_TYPE

BATCH = 1000
PAUSE_S = 0.05
# What the background worker deletes at one go: its other jobs wait meanwhile.
SCHEDULED_S = 60.0


class RetentionError(ValueError):
    """What was asked for cannot be deleted; the text says why."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What to delete: what was received before a time (of one type), or one player's data."""

    before: datetime | None = None
    event_type: str = ""
    user_id: str = ""

    def __post_init__(self) -> None:
        if bool(self.user_id) == (self.before is not None):
            raise RetentionError("either a date or a player says what is deleted")
        if self.user_id and self.event_type:
            raise RetentionError("a player's data is deleted whole, not by type")
        if self.before is not None and self.before > timezone.now():
            raise RetentionError("the date lies ahead")

    def events(self) -> QuerySet[GameEvent]:
        """The events to delete, in the order of an index."""
        if self.user_id:
            return GameEvent.objects.filter(user_id=self.user_id).order_by("seq")
        events = GameEvent.objects.filter(received_at__lt=self.before)
        if self.event_type:
            events = events.filter(event_type=self.event_type)
        return events.order_by("received_at", "seq")

    def quarantine(self) -> QuerySet[QuarantinedEvent]:
        """Quarantined game events that may belong to it; those of a player are told by `is_of`."""
        rows = QuarantinedEvent.objects.filter(source=QuarantinedEvent.Source.GAME)
        if self.user_id:
            return rows
        return rows.none() if self.event_type else rows.filter(received_at__lt=self.before)


@dataclass(frozen=True, slots=True)
class Survey:
    """What a deletion would take: {(month, type): events}, and what would stay."""

    months: dict[tuple[date, str], int]
    quarantined: int
    waiting: int
    stay: int

    @property
    def events(self) -> int:
        return sum(self.months.values())


def survey(scope: Scope) -> Survey:
    """Count without changing anything."""
    rows: Any = (
        scope.events()
        .order_by()
        .annotate(month=TruncMonth("received_at", tzinfo=UTC))
        .values("month", "event_type")
        .annotate(count=Count("seq"))
    )
    months = {(row["month"].date(), row["event_type"]): row["count"] for row in rows}
    if scope.user_id:
        found = [
            row.resolved_at is None
            for row in scope.quarantine().only("raw", "resolved_at").iterator()
            if is_of(row.raw, scope.user_id)
        ]
        quarantined, waiting = len(found), sum(found)
    else:
        quarantined = scope.quarantine().count()
        waiting = scope.quarantine().filter(resolved_at=None).count()
    stay = GameEvent.objects.count() - sum(months.values())
    return Survey(dict(sorted(months.items())), quarantined, waiting, stay)


def is_of(raw: str, user_id: str) -> bool:
    """Whether a text that was meant as an event names this player; in doubt it does."""
    try:
        event = json.loads(raw)
    except (ValueError, RecursionError):
        return user_id in raw or json.dumps(user_id)[1:-1] in raw
    return isinstance(event, dict) and str(event.get("user_id")) == user_id


def player_digest(user_id: str) -> str:
    """How a player's deletion is written down: enough to check an id, not to read it."""
    return salted_hmac("telemetry.retention", user_id, algorithm="sha256").hexdigest()


def prune(
    scope: Scope,
    *,
    batch: int = BATCH,
    pause_s: float = PAUSE_S,
    until: float | None = None,
    progress: Callable[[int], None] = lambda events: None,
) -> EventPrune:
    """Delete what `scope` names; the record of it, whose `finished_at` is empty when time ran out.

    `until` is a time of the monotonic clock at which to stop. A deletion of the same scope that
    was interrupted is continued under its record.
    """
    record = _record(scope)
    while True:
        began = time.monotonic()
        deleted = _delete_events(scope, record, batch)
        progress(deleted)
        if deleted < batch:
            break
        if until is not None and time.monotonic() >= until:
            return record
        # Ingest gets at least as long as was taken from it.
        time.sleep(max(pause_s, time.monotonic() - began) if pause_s else 0.0)
    if scope.user_id:
        _erase_player(scope, record, batch)
    else:
        _delete_quarantine(scope, record, batch)
        EventPrune.objects.filter(pk=record.pk).update(finished_at=timezone.now())
    record.refresh_from_db()
    return record


def _record(scope: Scope) -> EventPrune:
    if scope.user_id:
        kind, whose = EventPrune.Kind.PLAYER, player_digest(scope.user_id)
    else:
        kind, whose = EventPrune.Kind.AGE, ""
    record, _made = EventPrune.objects.get_or_create(
        kind=kind,
        before=scope.before,
        event_type=scope.event_type,
        player_digest=whose,
        finished_at=None,
    )
    return record


def _delete_events(scope: Scope, record: EventPrune, batch: int) -> int:
    """One short transaction: up to `batch` events, their conflicts, their tombstones."""
    with transaction.atomic(durable=True):
        take_turn()
        return _delete_here(scope, record, batch)


def _delete_here(scope: Scope, record: EventPrune, batch: int) -> int:
    rows = list(scope.events().values_list("seq", "event_id", "event_type", "effective_ts")[:batch])
    if not rows:
        return 0
    seqs = [row[0] for row in rows]
    tombstones.bury(row[1] for row in rows)
    conflicts, _each = EventConflict.objects.filter(event_id__in=seqs).delete()
    _delete_by_seq(seqs)
    days = [row[3].astimezone(UTC).date() for row in rows if row[2] == TRIAL_TYPE]
    if scope.user_id or not days:  # a player's standings go too: nothing is kept beyond the events
        day = record.standings_day
    else:
        day = max([*days, *filter(None, [record.standings_day])])
    record.standings_day = day
    EventPrune.objects.filter(pk=record.pk).update(
        events=F("events") + len(seqs),
        conflicts=F("conflicts") + conflicts,
        standings_day=day,
    )
    return len(rows)


def _delete_by_seq(seqs: list[int]) -> None:
    """Django's own way would first read every row whole, to look for what hangs on it."""
    table = connection.ops.quote_name(GameEvent._meta.db_table)
    marks = ", ".join(["%s"] * len(seqs))
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {table} WHERE seq IN ({marks})", seqs)  # noqa: S608


def _delete_quarantine(scope: Scope, record: EventPrune, batch: int) -> None:
    """Quarantined events of the same age: raw data like the others."""
    while ids := list(scope.quarantine().order_by("pk").values_list("pk", flat=True)[:batch]):
        with transaction.atomic():
            _delete_counted(QuarantinedEvent, ids, record, "quarantined")


def _delete_counted(model: Any, ids: list[int], record: EventPrune, field: str) -> None:
    if ids:
        model.objects.filter(pk__in=ids).delete()
        EventPrune.objects.filter(pk=record.pk).update(**{field: F(field) + len(ids)})


def _erase_player(scope: Scope, record: EventPrune, batch: int) -> None:
    """What else is held of a player, here and in the rooms above; the last step of a deletion.

    The tables are read first; what arrives meanwhile is looked for again under the lock, so that
    nothing which was acknowledged before the end is left.
    """
    tables: list[tuple[Any, QuerySet[Any], str]] = [
        (QuarantinedEvent, scope.quarantine(), "quarantined"),
        (EventConflict, EventConflict.objects.all(), "conflicts"),
    ]
    read = {
        model: _delete_read(model, rows, record, field, scope, 0) for model, rows, field in tables
    }
    with transaction.atomic(durable=True):
        take_turn()
        while _delete_here(scope, record, batch):
            pass
        for model, rows, field in tables:
            _delete_read(model, rows, record, field, scope, read[model])
        signals.player_erased.send(sender=GameEvent, user_id=scope.user_id)
        EventPrune.objects.filter(pk=record.pk).update(finished_at=timezone.now())


def _delete_read(
    model: Any, rows: QuerySet[Any], record: EventPrune, field: str, scope: Scope, after: int
) -> int:
    """Delete those rows after a primary key whose raw text is of the player; the last one read."""
    found: list[int] = []
    for pk, raw in rows.filter(pk__gt=after).order_by("pk").values_list("pk", "raw").iterator():
        after = pk
        if is_of(raw, scope.user_id):
            found.append(pk)
    for start in range(0, len(found), BATCH):
        with transaction.atomic():
            _delete_counted(model, found[start : start + BATCH], record, field)
    return after


# --- What follows from it -----------------------------------------------------------------------


def standings_horizon() -> date | None:
    """The last day up to which standings hold what events no longer do; None where nothing is gone.

    A rebuild keeps the cells of this day and of earlier ones, and makes the later ones anew. For
    the transaction of the rebuild, after `ingest.take_turn`, so that no deletion comes between.
    """
    day: date | None = EventPrune.objects.aggregate(day=Max("standings_day"))["day"]
    return day


def retention_limit(now: datetime) -> datetime | None:
    """The start of the oldest day that `EVENT_RETENTION_DAYS` keeps; None: everything is kept."""
    if settings.EVENT_RETENTION_DAYS is None:
        return None
    day = now.astimezone(UTC) - timedelta(days=settings.EVENT_RETENTION_DAYS)
    return day.replace(hour=0, minute=0, second=0, microsecond=0)


def prune_by_setting(now: datetime, *, seconds: float = SCHEDULED_S) -> int:
    """Delete what `EVENT_RETENTION_DAYS` no longer keeps, for at most `seconds`; how many events.

    An unfinished deletion of an earlier day goes on first, so that its record has an end.
    """
    limit = retention_limit(now)
    if limit is None:
        return 0
    until = time.monotonic() + seconds
    unfinished = EventPrune.objects.filter(
        kind=EventPrune.Kind.AGE, finished_at=None, event_type="", before__lte=limit
    )
    befores = [*unfinished.order_by("before").values_list("before", flat=True)]
    deleted = 0

    def count(events: int) -> None:
        nonlocal deleted
        deleted += events

    for before in dict.fromkeys([*befores, limit]):
        scope = Scope(before=before)
        if before not in befores and not (scope.events().exists() or scope.quarantine().exists()):
            continue
        if prune(scope, until=until, progress=count).finished_at is None:
            break
    return deleted
