"""Making the standings anew from the events, while events arrive.

A rebuild fills rows of another build (`Board.build`) beside those that count, in short transactions
and flat memory, catches up with what came meanwhile, and at the end takes the lock that every
ingest takes, adds the last events and switches. A check does the same and, instead of switching,
compares. A new rule version is built in the same way beside the old one.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Self

import msgspec
from django.db import connection, transaction
from django.db.models import Max, Q, QuerySet
from django.utils import timezone

from leaderboard import cells, holds
from leaderboard.cells import Added, Difficulties, State
from leaderboard.models import Board, ItemDifficulty, PlaySession, Standing, Total
from leaderboard.scoring import RULE_VERSION, RULES, SUMS
from telemetry.ingest import ADVISORY_LOCK
from telemetry.models import GameEvent
from telemetry.wire import TRIAL_TYPE, Trial, trial_of

CHUNK = 20_000
# What may be left for the transaction that holds up ingest.
LEFT_OVER = 2_000
LEASE = timedelta(minutes=3)
TABLES = (Standing, Total, PlaySession)
Progress = Callable[[int], object]


class Busy(RuntimeError):
    """Another rebuild is running."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A row that is not what the events add up to: its table, its key, and both contents."""

    table: str
    key: tuple[Any, ...]
    stored: tuple[Any, ...] | None
    expected: tuple[Any, ...] | None


def stored_trials(*, after: int = 0, upto: int | None = None) -> Iterator[tuple[int, Trial, str]]:
    """(seq, trial, session id) of the trials in the store, in the order of `seq`.

    Those that are flagged `not_folded` are in it: a rebuild is how they get in after a fix.
    """
    while True:
        events = GameEvent.objects.filter(event_type=TRIAL_TYPE, seq__gt=after)
        if upto is not None:
            events = events.filter(seq__lte=upto)
        rows = list(
            events.order_by("seq").values_list("seq", "raw", "effective_ts", "session_id")[:2000]
        )
        for seq, raw, effective_ts, session_id in rows:
            trial = trial_of(msgspec.json.decode(raw), effective_ts=effective_ts)
            if trial is not None:
                yield seq, trial, session_id
        if len(rows) < 2000:
            return
        after = rows[-1][0]


def last_seq() -> int:
    return GameEvent.objects.aggregate(last=Max("seq"))["last"] or 0


class Builder:
    """Fills a build beside the one that counts, under a lease that one process holds at a time.

    As a context it takes the lease, clears what an earlier one left behind, and gives it back.
    """

    def __init__(
        self,
        *,
        rule_version: int | None = None,
        new_difficulties: Difficulties | None = None,
        progress: Progress = lambda seq: None,
    ) -> None:
        self.before = before = current()
        version = before.rule_version if rule_version is None else rule_version
        if version not in RULES:
            raise LookupError(f"there is no rule {version}: there are {sorted(RULES)}")
        build = 1 - before.build if version == before.rule_version else 0
        self.rule = RULES[version]
        self.difficulties = {**cells.difficulties(before.calibration), **(new_difficulties or {})}
        self.state = State(0, version, build, before.calibration)
        self.progress = progress
        self.after = 0
        self.token = secrets.randbits(62) + 1
        self.last: list[Added] | None = None

    # --- The lease ---

    def __enter__(self) -> Self:
        now = timezone.now()
        with transaction.atomic():
            cells.touch()
            free = Q(rebuild_until=None) | Q(rebuild_until__lt=now)
            if not Board.objects.filter(free).update(
                rebuild_token=self.token, rebuild_until=now + LEASE
            ):
                raise Busy("another rebuild is running")
        clear(self.state.rule_version, self.state.build)
        return self

    def __exit__(self, *_fault: object) -> None:
        """Whatever does not count is deleted: this build, or the one that it replaced."""
        try:
            state = current()
            for each in (self.before, self.state):
                if (each.rule_version, each.build) != (state.rule_version, state.build):
                    clear(each.rule_version, each.build)
        finally:
            self._mine().update(rebuild_token=0, rebuild_until=None)

    def _mine(self) -> QuerySet[Board]:
        return Board.objects.filter(rebuild_token=self.token)

    def _renew(self) -> None:
        if not self._mine().update(rebuild_until=timezone.now() + LEASE):
            raise Busy("another rebuild has taken over")

    # --- Filling ---

    def fill(self) -> None:
        """Add what is stored, chunk by chunk, until little is left."""
        while (upto := last_seq()) - self.after > LEFT_OVER:
            self.take(upto)

    def take(self, upto: int) -> None:
        """Add the events up to a `seq`, a transaction for each chunk."""
        chunk: list[tuple[Trial, str]] = []
        for seq, trial, session_id in stored_trials(after=self.after, upto=upto):
            chunk.append((trial, session_id))
            if len(chunk) == CHUNK:
                self._put(chunk)
                self.progress(seq)
                chunk = []
        if chunk:
            self._put(chunk)
        self.after = upto
        self.progress(upto)

    def _put(self, chunk: list[tuple[Trial, str]]) -> None:
        added = cells.add(chunk, rule=self.rule, difficulties=self.difficulties)
        if self.last is not None:
            self.last.append(added)
        with transaction.atomic():
            self._renew()
            cells.upsert(added, self.state)

    def catch_up(self) -> None:
        """Inside a transaction: keep ingest out of it and add what is left."""
        if connection.vendor == "postgresql":  # on SQLite the transaction alone does it
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [ADVISORY_LOCK])
        cells.touch()
        self._renew()
        self.last = []
        self.take(last_seq())


def current() -> State:
    """What counts now; the beginnings where there is nothing yet."""
    row = Board.objects.values_list("changed", "rule_version", "build", "calibration").first()
    return State(*row) if row else State(0, RULE_VERSION, 0, 0)


def clear(rule_version: int, build: int) -> None:
    """Delete the rows of a build, a few thousand a transaction."""
    for table in TABLES:
        rows = table.objects.filter(rule_version=rule_version, build=build)
        while chosen := list(rows.order_by("pk").values_list("pk", flat=True)[:5000]):
            table.objects.filter(pk__gte=chosen[0], pk__lte=chosen[-1]).filter(
                rule_version=rule_version, build=build
            ).delete()


def rebuild(
    *,
    rule_version: int | None = None,
    new_difficulties: Sequence[ItemDifficulty] = (),
    progress: Progress = lambda seq: None,
) -> int:
    """Make the standings anew from the events and switch to them; the number of cells.

    `rule_version` None keeps the rule. `new_difficulties` become part of what counts in the same
    moment. Ingest goes on meanwhile, up to the last few thousand events. Raises `Busy` when
    another rebuild is running, LookupError for an unknown rule.
    """
    levels = {(one.task_type, one.item_id): one.milli_logits for one in new_difficulties}
    builder = Builder(rule_version=rule_version, new_difficulties=levels, progress=progress)
    with builder:
        builder.fill()
        calibration = builder.before.calibration + bool(levels)
        with transaction.atomic():
            builder.catch_up()
            for item in new_difficulties:
                item.calibration = calibration
            ItemDifficulty.objects.bulk_create(new_difficulties, batch_size=500)
            Board.objects.update(
                rule_version=builder.state.rule_version,
                build=builder.state.build,
                calibration=calibration,
                stale=False,
            )
        holds.judge_everybody(builder.state)
    return Standing.objects.filter(
        rule_version=builder.state.rule_version, build=builder.state.build
    ).count()


# --- Comparing -----------------------------------------------------------------------------------

KEYS: dict[Any, tuple[tuple[str, ...], tuple[str, ...]]] = {
    Standing: (("user_id", "task_type", "model_version", "day"), SUMS),
    Total: (("user_id", "task_type", "model_version"), SUMS),
    PlaySession: (("user_id", "session_id"), ("first_ms", "last_ms")),
}


def differences(*, progress: Progress = lambda seq: None) -> list[Difference]:
    """The rows in which the standings differ from what the events add up to; changes nothing.

    What differs before ingest is locked out, as rows do that have just changed, is looked at again
    under the lock, together with what the last events have touched.
    """
    builder = Builder(progress=progress)
    with builder:
        builder.fill()
        suspects = {table: set(_unlike(table, builder.before, builder.state)) for table in TABLES}
        with transaction.atomic():
            builder.catch_up()
            for added in builder.last or []:
                for *kind, day in added.cells:
                    suspects[Standing].add((*kind, date.fromordinal(day).isoformat()))
                suspects[Total].update(added.kinds())
                suspects[PlaySession].update(added.sessions)
            return [
                difference
                for table in TABLES
                for key in sorted(suspects[table])
                if (difference := _difference(table, key, builder)) is not None
            ]


def _unlike(table: Any, one: State, other: State) -> Iterator[tuple[Any, ...]]:
    """Keys of the rows that one build has and the other has not, or not like that."""
    key, values = KEYS[table]
    columns = ", ".join(
        f"CAST({name} AS text)" if name == "day" else name for name in (*key, *values)
    )
    select = (
        f"SELECT {columns} FROM {table._meta.db_table} "  # noqa: S608
        "WHERE rule_version = %s AND build = %s"
    )
    for first, second in ((one, other), (other, one)):
        given = [first.rule_version, first.build, second.rule_version, second.build]
        with connection.cursor() as cursor:
            cursor.execute(f"{select} EXCEPT {select}", given)
            while rows := cursor.fetchmany(1000):
                yield from (tuple(row[: len(key)]) for row in rows)


def _difference(table: Any, key: tuple[Any, ...], builder: Builder) -> Difference | None:
    names, values = KEYS[table]
    stored, expected = (
        table.objects.filter(
            **dict(zip(names, key, strict=True)),
            rule_version=state.rule_version,
            build=state.build,
        )
        .values_list(*values)
        .first()
        for state in (builder.before, builder.state)
    )
    return None if stored == expected else Difference(table._meta.db_table, key, stored, expected)
