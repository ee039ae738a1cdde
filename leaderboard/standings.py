"""Standings: folding stored events into integer sums, rebuilding them, ranking players."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
from django.db import connection, transaction
from django.db.models import Sum
from django.utils import timezone

from leaderboard import scoring
from leaderboard.models import HoldState, PlayerHold, Standing
from leaderboard.scoring import RULE_VERSION, Sums
from telemetry.ingest import flag, take_turn
from telemetry.models import GameEvent
from telemetry.retention import standings_horizon
from telemetry.wire import StoredEvent, Trial, trial_of

KEY = ("user_id", "task_type", "model_version", "day", "rule_version")
SUMS = (
    "trials", "correct", "timeouts", "excluded", "rt_count", "rt_sum_ms", "rt_sq_sum",
    "points_milli", "points_sq",
)  # fmt: skip
WINDOWS = ("day", "week", "all")
Cell = tuple[str, str, str, date, int]
_ADDRESS = re.compile(r"([^@\s])[^@\s]*@([^@\s])[^@\s]*")


# --- Folding ------------------------------------------------------------------------------------


def cell_of(trial: Trial) -> Cell:
    day = trial.effective_ts.astimezone(UTC).date()
    return trial.user_id, trial.task_type, trial.model_version, day, RULE_VERSION


def sums_of(trial: Trial) -> tuple[int, ...]:
    """What a trial adds, in the order of `SUMS`."""
    points = scoring.score_trial(
        correct=trial.correct, rt_ms=trial.rt_ms, task_type=trial.task_type
    )
    rt = points.rt_ms
    return (
        int(points.counted),
        int(points.correct),
        int(points.timeout),
        int(not points.counted),
        int(rt is not None),
        rt or 0,
        min(rt or 0, scoring.LONGEST_MS) ** 2,
        points.milli,
        points.milli**2,
    )


def added(trials: Iterable[Trial]) -> dict[Cell, tuple[int, ...]]:
    """The sums of trials by cell."""
    cells: dict[Cell, tuple[int, ...]] = {}
    for trial in trials:
        cell, new = cell_of(trial), sums_of(trial)
        old = cells.get(cell)
        cells[cell] = new if old is None else tuple(map(sum, zip(old, new, strict=True)))
    return cells


def fold(events: list[StoredEvent]) -> None:
    """Add newly stored events to the standings, in the transaction that stored them.

    What cannot be folded is flagged `not_folded` and never refuses the event.
    """
    trials = [event.trial for event in events if event.trial is not None]
    if not trials:
        return
    try:
        with transaction.atomic():
            upsert(added(trials))
    except Exception:
        flag((event.seq for event in events if event.trial is not None), "not_folded")
        raise
    with transaction.atomic():
        hold_suspicious({trial.user_id for trial in trials})


def on_events_stored(sender: Any, events: list[StoredEvent], **kwargs: Any) -> None:
    fold(events)


def upsert(cells: Mapping[Cell, tuple[int, ...]]) -> None:
    """Add sums to their rows, in one statement and a fixed order, so that none deadlocks."""
    if not cells:
        return
    columns = (*KEY, *SUMS)
    row = "(" + ", ".join(["%s"] * len(columns)) + ")"
    table = connection.ops.quote_name(Standing._meta.db_table)
    add = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in SUMS)
    # `excluded` is also the name of a column: SQL's pseudo-table is meant before each dot.
    sql = (
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES {{rows}} "  # noqa: S608
        f"ON CONFLICT ({', '.join(KEY)}) DO UPDATE SET {add}"
    )
    ordered = sorted(cells.items())
    with connection.cursor() as cursor:
        for start in range(0, len(ordered), 500):
            part = ordered[start : start + 500]
            params: list[Any] = []
            for (user_id, task_type, model_version, day, rule), sums in part:
                adapted = connection.ops.adapt_datefield_value(day)
                params += [user_id, task_type, model_version, adapted, rule, *sums]
            cursor.execute(sql.format(rows=", ".join([row] * len(part))), params)


def hold_suspicious(user_ids: Iterable[str]) -> None:
    """Hold back players whose trials look odd, unless a person has decided already."""
    rows: Any = (
        Standing.objects.filter(user_id__in=set(user_ids), rule_version=RULE_VERSION)
        .values("user_id")
        .annotate(**{f"sum_{name}": Sum(name) for name in SUMS})
    )
    held = []
    for row in rows:
        sums = Sums(**{name: row[f"sum_{name}"] for name in SUMS})
        reason = scoring.suspicion(sums)
        if reason:
            evidence = {"trials": sums.trials, "too_fast": sums.excluded, "rt_sd_ms": sums.rt_sd_ms}
            held.append(PlayerHold(user_id=row["user_id"], reason=reason, evidence=evidence))
    PlayerHold.objects.bulk_create(held, ignore_conflicts=True)


# --- Rebuilding ---------------------------------------------------------------------------------


def stored_trials() -> Iterator[Trial]:
    """Every trial in the store, in the order of `seq`."""
    events = GameEvent.objects.filter(event_type="task_result").order_by("seq")
    for row in events.values("raw", "effective_ts").iterator(chunk_size=2000):
        trial = trial_of(msgspec.json.decode(row["raw"]), effective_ts=row["effective_ts"])
        if trial is not None:
            yield trial


def stored_cells() -> dict[Cell, tuple[int, ...]]:
    """The standings as they are."""
    rows = Standing.objects.filter(rule_version=RULE_VERSION).values_list(*KEY, *SUMS)
    return {tuple(row[: len(KEY)]): tuple(row[len(KEY) :]) for row in rows.iterator()}


def differences() -> list[Cell]:
    """The cells in which the standings differ from what the events add up to.

    Cells of days whose events were deleted in part are kept sums, which nothing can check.
    """
    kept = standings_horizon()
    is_, should = stored_cells(), added(stored_trials())
    return sorted(
        cell
        for cell in is_.keys() | should.keys()
        if is_.get(cell) != should.get(cell) and (kept is None or cell[3] > kept)
    )


@transaction.atomic
def rebuild() -> int:
    """Make the standings anew from the events; the number of cells.

    Days whose events were deleted in part stay as they are.
    """
    take_turn()  # no event comes, and none is deleted, until the sums are there
    kept = standings_horizon()
    cells = added(stored_trials())
    rows = Standing.objects.filter(rule_version=RULE_VERSION)
    if kept is not None:
        cells = {cell: sums for cell, sums in cells.items() if cell[3] > kept}
        rows = rows.filter(day__gt=kept)
    rows.delete()
    upsert(cells)
    return len(cells)


# --- Ranking ------------------------------------------------------------------------------------


def since(window: str, today: date) -> date | None:
    """The first day of a window: today, the last seven days, or all."""
    return {"day": today, "week": today - timedelta(days=6)}.get(window)


def player_sums(
    *,
    window: str = "all",
    task_type: str | None = None,
    model_version: str | None = None,
    now: datetime | None = None,
) -> dict[str, Sums]:
    """The sums of every player that is on the board, by player."""
    rows = Standing.objects.filter(rule_version=RULE_VERSION)
    first = since(window, (now or timezone.now()).astimezone(UTC).date())
    if first is not None:
        rows = rows.filter(day__gte=first)
    if task_type is not None:
        rows = rows.filter(task_type=task_type)
    if model_version is not None:
        rows = rows.filter(model_version=model_version)
    off = PlayerHold.objects.exclude(state=HoldState.RELEASED).values("user_id")
    sums: Any = (
        rows.exclude(user_id__in=off)
        .values("user_id")
        .annotate(**{f"sum_{name}": Sum(name) for name in SUMS})
    )
    return {row["user_id"]: Sums(**{name: row[f"sum_{name}"] for name in SUMS}) for row in sums}


def board(
    *,
    limit: int = 100,
    min_tasks: int = 30,
    window: str = "all",
    task_type: str | None = None,
    model_version: str | None = None,
    now: datetime | None = None,
) -> list[dict[str, Any]]:
    """The standings, best first; equal scores share a rank (1, 2, 2, 4)."""
    everyone = player_sums(window=window, task_type=task_type, model_version=model_version, now=now)
    players = {
        user_id: sums for user_id, sums in everyone.items() if sums.trials >= max(1, min_tasks)
    }
    population = sum(sums.mean for sums in players.values()) / len(players) if players else 0.0
    rows: list[dict[str, Any]] = []
    for user_id, sums in players.items():
        score, error = scoring.shrunk(sums, population)
        rows.append(
            {
                "rank": 0,
                "user_id": masked(user_id),
                "tasks": sums.trials,
                "correct": sums.correct,
                "accuracy": round(sums.correct / sums.trials, 4),
                "avg_rt_ms": round(sums.rt_sum_ms / sums.rt_count, 1) if sums.rt_count else None,
                "score": score,
                "score_se": error,
                "provisional": sums.trials < scoring.PROVISIONAL_UNDER,
            }
        )
    rows.sort(key=lambda row: (-row["score"], row["user_id"]))
    for index, row in enumerate(rows):
        tied = index > 0 and row["score"] == rows[index - 1]["score"]
        row["rank"] = rows[index - 1]["rank"] if tied else index + 1
    return rows[:limit]


def masked(user_id: str) -> str:
    """A pseudonym as sent; an address in it is masked."""
    return _ADDRESS.sub(lambda match: f"{match[1]}***@{match[2]}***", user_id)
