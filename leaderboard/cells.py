"""Cells of the standings: what trials add to them, and the statements that add it.

Statements have a fixed text for each database, so that it parses them once; rows come in a fixed
order, so that no two transactions wait for each other's.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

from django.db import connection

from leaderboard.models import Board, ItemDifficulty, PlaySession, Standing, Total
from leaderboard.scoring import (
    FASTEST_MS,
    LONGEST_MS,
    RULE_VERSION,
    RULES,
    SUMS,
    Rule,
    Sums,
    milli_logits,
)
from telemetry.wire import Trial

# Player, task type, model version and day, the last as its proleptic ordinal.
Cell = tuple[str, str, str, int]
Kind = tuple[str, str, str]
Session = tuple[str, str]
Difficulties = Mapping[tuple[str, str], int]
CELL = ("user_id", "task_type", "model_version", "day")
KIND = ("user_id", "task_type", "model_version")
WIDTH = len(SUMS)
EPOCH_ORDINAL = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class State:
    """Which rows count, and the number of this change; see `models.Board`."""

    changed: int
    rule_version: int
    build: int
    calibration: int
    born: int = 0

    @property
    def rule(self) -> Rule:
        """The rule that is in force. Raises KeyError for one that this code does not have."""
        return RULES[self.rule_version]


@dataclass(slots=True)
class Added:
    """What trials add: sums by cell, and the first and last moment in ms by player's session."""

    cells: dict[Cell, list[int]] = field(default_factory=dict)
    sessions: dict[Session, list[int]] = field(default_factory=dict)

    def kinds(self) -> dict[Kind, list[int]]:
        """The sums without their days."""
        kinds: dict[Kind, list[int]] = {}
        for (user_id, task_type, model_version, _day), sums in self.cells.items():
            kind = (user_id, task_type, model_version)
            old = kinds.get(kind)
            kinds[kind] = sums if old is None else [a + b for a, b in zip(old, sums, strict=True)]
        return kinds


def add(trials: Iterable[tuple[Trial, str]], *, rule: Rule, difficulties: Difficulties) -> Added:
    """What trials, each with the id of its session, add to the standings under a rule.

    Written out flat: it runs once for every event that is ever stored.
    """
    added = Added()
    cells = added.cells
    spans: dict[Session, tuple[datetime, datetime]] = {}
    deadlines, default = rule.deadlines_ms, rule.deadline_ms
    for trial, session_id in trials:
        moment = trial.effective_ts
        if moment.tzinfo is not UTC:
            moment = moment.astimezone(UTC)
        user_id, task_type = trial.user_id, trial.task_type
        key = (user_id, task_type, trial.model_version, moment.toordinal())
        sums = cells.get(key)
        if sums is None:
            sums = cells[key] = [0] * WIDTH
        if session_id:
            span = spans.get((user_id, session_id))
            if span is None:
                spans[user_id, session_id] = (moment, moment)
            elif moment < span[0]:
                spans[user_id, session_id] = (moment, span[1])
            elif moment > span[1]:
                spans[user_id, session_id] = (span[0], moment)
        rt = trial.rt_ms
        right = 0
        if rt is None:
            sums[0] += 1
            sums[2] += 1
        elif rt < FASTEST_MS:
            sums[3] += 1
            continue
        else:
            sums[0] += 1
            whole = round(rt)
            sums[4] += 1
            sums[5] += whole
            sums[6] += whole * whole if whole < LONGEST_MS else LONGEST_MS * LONGEST_MS
            deadline = deadlines.get(task_type, default) if deadlines else default
            milli = round(1000 * (1.0 - rt / deadline)) if rt < deadline else 0
            sums[8] += milli * milli
            if trial.correct:
                right = 1
                sums[1] += 1
                sums[7] += milli
            else:
                sums[7] -= milli
        difficulty = trial.difficulty
        if difficulty is not None:
            level: int | None = milli_logits(difficulty)
        elif trial.item_id is not None:
            level = difficulties.get((task_type, trial.item_id))
            if level is None:
                sums[11] += 1
        else:
            continue
        if level is not None:
            sums[9] += 1
            sums[12] += level
            sums[13] += level * level
            if right:
                sums[10] += 1
                sums[14] += level
    added.sessions = {key: [_ms(first), _ms(last)] for key, (first, last) in spans.items()}
    return added


def _ms(moment: datetime) -> int:
    """A UTC time in ms since 1970, by whole numbers."""
    days = moment.toordinal() - EPOCH_ORDINAL
    seconds = ((days * 24 + moment.hour) * 60 + moment.minute) * 60 + moment.second
    return seconds * 1000 + moment.microsecond // 1000


# --- Statements ----------------------------------------------------------------------------------


@cache
def _upsert(table: str, key: tuple[str, ...], vendor: str) -> str:
    """Adds sums to the row of a key, or makes it."""
    key = (*key, "rule_version", "build")
    columns = (*key, "changed", *SUMS)
    # `excluded` is also the name of a column: SQL's pseudo-table is meant before each dot.
    sums = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in SUMS)
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) "  # noqa: S608 - our own names
        f"VALUES ({', '.join(['%s'] * len(columns))}) "
        f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET changed = excluded.changed, {sums}"
    )


@cache
def _span(vendor: str) -> str:
    table = PlaySession._meta.db_table
    least, most = ("min", "max") if vendor == "sqlite" else ("least", "greatest")
    return (
        f"INSERT INTO {table} (user_id, session_id, rule_version, build, first_ms, last_ms) "  # noqa: S608
        "VALUES (%s, %s, %s, %s, %s, %s) "
        "ON CONFLICT (user_id, session_id, rule_version, build) DO UPDATE SET "
        f"first_ms = {least}({table}.first_ms, excluded.first_ms), "
        f"last_ms = {most}({table}.last_ms, excluded.last_ms)"
    )


def upsert(added: Added, state: State) -> None:
    """Add to the rows of a build: cells, totals and sessions, each in the order of its key."""
    vendor = connection.vendor
    adapt = connection.ops.adapt_datefield_value
    tail = (state.rule_version, state.build)
    marked = (*tail, state.changed)
    with connection.cursor() as cursor:
        if added.cells:
            days = {cell[3]: adapt(date.fromordinal(cell[3])) for cell in added.cells}
            cursor.executemany(
                _upsert(Standing._meta.db_table, CELL, vendor),
                [
                    (*cell[:3], days[cell[3]], *marked, *sums)
                    for cell, sums in sorted(added.cells.items())
                ],
            )
            cursor.executemany(
                _upsert(Total._meta.db_table, KIND, vendor),
                [(*kind, *marked, *sums) for kind, sums in sorted(added.kinds().items())],
            )
        if added.sessions:
            cursor.executemany(
                _span(vendor),
                [(*key, *tail, *span) for key, span in sorted(added.sessions.items())],
            )


@cache
def _touch() -> str:
    table = Board._meta.db_table
    return (
        f"INSERT INTO {table} "  # noqa: S608
        "(id, born, changed, rule_version, build, calibration, stale, unrated_seen, rebuild_token) "
        f"VALUES (1, %s, 1, {RULE_VERSION}, 0, 0, %s, 0, 0) "
        f"ON CONFLICT (id) DO UPDATE SET changed = {table}.changed + 1 "
        "RETURNING changed, rule_version, build, calibration, born"
    )


def touch() -> State:
    """Count a change, inside the transaction that makes it; others wait until it has ended."""
    with connection.cursor() as cursor:
        cursor.execute(_touch(), [time.time_ns(), False])
        return State(*cursor.fetchone())


def texts(values: Iterable[str]) -> tuple[str, Any]:
    """(SQL of a list of texts behind IN, its one parameter), the same text for any number."""
    if connection.vendor == "sqlite":
        return "(SELECT value FROM json_each(%s))", json_of(list(values))
    return "(SELECT unnest(%s::text[]))", list(values)


def json_of(value: Any) -> str:
    """JSON with every character as it is: SQLite reads it back."""
    return json.dumps(value, ensure_ascii=False)


@cache
def _totals(vendor: str) -> str:
    # CROSS JOIN and the plus: SQLite then looks players up by name, whatever else is indexed.
    given = "json_each(%s)" if vendor == "sqlite" else "unnest(%s::text[]) AS json_each(value)"
    columns = ", ".join(f"CAST(SUM({name}) AS bigint)" for name in SUMS)
    return (
        f"SELECT user_id, {columns} FROM {given} CROSS JOIN {Total._meta.db_table} "  # noqa: S608
        "WHERE user_id = json_each.value AND +rule_version = %s AND +build = %s GROUP BY user_id"
    )


def totals(user_ids: Iterable[str], state: State) -> dict[str, Sums]:
    """The sums of players over everything that they played, by player."""
    _chosen, values = texts(user_ids)
    with connection.cursor() as cursor:
        cursor.execute(_totals(connection.vendor), [values, state.rule_version, state.build])
        return {row[0]: Sums(*row[1:]) for row in cursor.fetchall()}


_difficulties: tuple[tuple[int, int], Difficulties] = ((0, 0), {})


def difficulties(state: State) -> Difficulties:
    """The frozen difficulties that count, in milli-logits by (task type, item)."""
    global _difficulties
    if state.calibration == 0:
        return {}
    wanted = (state.born, state.calibration)
    known, rows = _difficulties
    if known != wanted:
        found = ItemDifficulty.objects.filter(calibration__lte=state.calibration)
        rows = {
            (task_type, item_id): level
            for task_type, item_id, level in found.values_list(
                "task_type", "item_id", "milli_logits"
            )
        }
        _difficulties = (wanted, rows)
    return rows
