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
from leaderboard.cells import Added, Cell, Difficulties, State
from leaderboard.models import Board, ItemDifficulty, PlaySession, Standing, Total
from leaderboard.scoring import RULE_VERSION, RULES, SUMS
from telemetry.ingest import take_turn
from telemetry.models import EventPrune, GameEvent
from telemetry.retention import standings_horizon
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
        self.difficulties = {**cells.difficulties(before), **(new_difficulties or {})}
        self.state = State(0, version, build, before.calibration)
        self.progress = progress
        self.after = 0
        self.token = secrets.randbits(62) + 1
        self.last: list[Added] | None = None
        self.gone = _gone()

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
        self._keep()
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
        kept = self.gone[0]
        if kept is not None:
            last = kept.toordinal()
            added.cells = {cell: sums for cell, sums in added.cells.items() if cell[3] > last}
        if self.last is not None:
            self.last.append(added)
        with transaction.atomic():
            self._renew()
            cells.upsert(added, self.state)

    def catch_up(self) -> None:
        """Inside a transaction: keep ingest out of it and add what is left."""
        take_turn()
        cells.touch()
        self._renew()
        if _gone() != self.gone:
            raise Busy("events were deleted meanwhile: try again")
        self.last = []
        self.take(last_seq())
        self._keep_late()

    # --- Days whose events were deleted ---

    def _kept(self, state: State) -> QuerySet[Standing]:
        """The sums of a build that events no longer add up to, because some were deleted.

        They are kept as they are; another rule, which cannot score them anew, begins after them.
        """
        rows = Standing.objects.filter(rule_version=state.rule_version, build=state.build)
        if self.gone[0] is None or self.before.rule_version != self.state.rule_version:
            return rows.none()
        return rows.filter(day__lte=self.gone[0])

    def _keep(self) -> None:
        if self.gone[0] is None:
            return
        after = 0
        names = ("pk", *cells.CELL, *SUMS)
        while rows := list(
            self._kept(self.before).filter(pk__gt=after).order_by("pk").values_list(*names)[:5000]
        ):
            self._copy({_cell(row[1:5]): list(row[5:]) for row in rows})
            after = rows[-1][0]
        end_ms = (self.gone[0].toordinal() + 1 - cells.EPOCH_ORDINAL) * 86_400_000
        sessions = PlaySession.objects.filter(
            rule_version=self.before.rule_version, build=self.before.build, first_ms__lt=end_ms
        )
        after = 0
        while spans := list(
            sessions.filter(pk__gt=after)
            .order_by("pk")
            .values_list("pk", "user_id", "session_id", "first_ms", "last_ms")[:5000]
        ):
            added = Added(sessions={(row[1], row[2]): list(row[3:]) for row in spans})
            with transaction.atomic():
                cells.upsert(added, self.state)
            after = spans[-1][0]

    def _keep_late(self) -> None:
        """What has come to these days since they were copied."""
        names = (*cells.CELL, *SUMS)
        changed = self._kept(self.before).filter(changed__gt=self.before.changed)
        more: dict[Cell, list[int]] = {}
        for row in changed.values_list(*names):
            copied = (
                self._kept(self.state)
                .filter(**dict(zip(cells.CELL, row[:4], strict=True)))
                .values_list(*SUMS)
                .first()
            ) or (0,) * len(SUMS)
            more[_cell(row[:4])] = [now - was for now, was in zip(row[4:], copied, strict=True)]
        self._copy(more)

    def _copy(self, sums: dict[Cell, list[int]]) -> None:
        with transaction.atomic():
            cells.upsert(Added(cells=sums), self.state)


def _cell(row: Sequence[Any]) -> Cell:
    user_id, task_type, model_version, day = row
    return user_id, task_type, model_version, day.toordinal()


def _gone() -> tuple[date | None, int]:
    """The last day of which events were deleted, and how many deletions have ended."""
    return standings_horizon(), EventPrune.objects.exclude(finished_at=None).count()


def current() -> State:
    """What counts now; the beginnings where there is nothing yet."""
    row = Board.objects.values_list(
        "changed", "rule_version", "build", "calibration", "born"
    ).first()
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


def stored_cells() -> dict[Cell, tuple[int, ...]]:
    """The cells that count, with their sums."""
    state = current()
    rows = Standing.objects.filter(rule_version=state.rule_version, build=state.build)
    names = (*cells.CELL, *SUMS)
    return {_cell(row[:4]): tuple(row[4:]) for row in rows.values_list(*names).iterator()}


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
