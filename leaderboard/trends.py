"""How scores have moved: what each player's board score was at the end of the last days of play."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
from django.db import connection

from leaderboard import cells, rebuild
from leaderboard.models import Standing, Total
from leaderboard.ranking import Ranking
from leaderboard.scoring import BOARD_SUMS

DAYS = 30
RECENT = 7


@dataclass(frozen=True, slots=True)
class Point:
    """The score at the end of a day, and the trials of that day."""

    day: date
    score: float
    trials: int


@dataclass(frozen=True, slots=True)
class Trend:
    """The last days of play of one player, oldest first, and the change over the last seven days;
    None where all play is younger."""

    points: tuple[Point, ...]
    change: float | None


def trends(
    ranking: Ranking,
    places: Sequence[int],
    *,
    task_type: str | None = None,
    model_version: str | None = None,
    first: date | None = None,
    today: date | None = None,
) -> dict[int, Trend]:
    """The trend of the players at these places of a ranking, by place, in one statement.

    Scores are what the rule gives to the sums up to that day, with today's population mean: the
    current sums less what came later, so that no day before the last thirty is read. `first` is
    the first day that the ranking counts.
    """
    today = today or datetime.now(UTC).date()
    places = list(dict.fromkeys(places))
    since = max(filter(None, [first, today - timedelta(days=DAYS - 1)]))
    chosen = {"task_type": task_type, "model_version": model_version}
    names = list(dict.fromkeys(ranking.name_of(at) for at in places))
    by_player = _days(names, since, chosen)
    totals = {} if first else _totals(names, chosen)
    found: dict[int, Trend] = {}
    columns: list[list[int]] = []
    owners: list[tuple[int, date | None, int]] = []
    for at in places:
        days = by_player.get(ranking.name_of(at), [])
        within = [sum(column) for column in zip(*(sums for _day, sums in days), strict=True)]
        left = totals.get(ranking.name_of(at)) or within or [0] * len(BOARD_SUMS)
        for day, sums in reversed(days):
            columns.append(left)
            owners.append((at, day, sums[0]))
            left = [now - came for now, came in zip(left, sums, strict=True)]
        columns.append(left)
        owners.append((at, None, 0))  # before all of these days
    scores = ranking.scored(np.array(columns, np.int64).T) if columns else []
    points: dict[int, list[Point]] = {at: [] for at in places}
    before: dict[int, float] = {}
    for (at, moment, trials), column, score in zip(owners, columns, scores, strict=True):
        if moment is not None:
            points[at].append(Point(moment, score, trials))
        elif column[0] > 0:
            before[at] = score
    for at in places:
        line = tuple(reversed(points[at]))
        then = [point.score for point in line if point.day <= today - timedelta(days=RECENT)]
        base = then[-1] if then else before.get(at)
        now = line[-1].score if line else before.get(at)
        change = None if base is None or now is None else round(now - base, 1)
        found[at] = Trend(line, change)
    return found


_SUMS = ", ".join(f"CAST(SUM({name}) AS bigint)" for name in BOARD_SUMS)


def _where(user_ids: list[str], chosen: dict[str, str | None]) -> tuple[str, list[Any]]:
    """The condition for rows of these players that a selection counts, and its parameters."""
    state = rebuild.current()
    players, values = cells.texts(user_ids)
    where = f"user_id IN {players} AND +rule_version = %s AND +build = %s"
    given = [values, state.rule_version, state.build]
    for name, value in chosen.items():
        if value is not None:
            where += f" AND {name} = %s"
            given.append(value)
    return where, given


def _totals(user_ids: list[str], chosen: dict[str, str | None]) -> dict[str, list[int]]:
    where, given = _where(user_ids, chosen)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT user_id, {_SUMS} FROM {Total._meta.db_table} WHERE {where} GROUP BY user_id",  # noqa: S608
            given,
        )
        return {row[0]: list(row[1:]) for row in cursor.fetchall()}


def _days(
    user_ids: list[str], since: date, chosen: dict[str, str | None]
) -> dict[str, list[tuple[date, list[int]]]]:
    """Sums by day of each player, oldest first."""
    where, given = _where(user_ids, chosen)
    found: dict[str, list[tuple[date, list[int]]]] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT user_id, CAST(day AS text), {_SUMS} FROM {Standing._meta.db_table} "  # noqa: S608
            f"WHERE {where} AND day >= %s GROUP BY user_id, day ORDER BY user_id, day",
            [*given, connection.ops.adapt_datefield_value(since)],
        )
        for user_id, day, *row in cursor.fetchall():
            found.setdefault(user_id, []).append((date.fromisoformat(day), row))
    return found
