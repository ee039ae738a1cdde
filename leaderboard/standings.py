"""Standings: folding stored events into integer sums, and the board that they make."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from django.db import InterfaceError, OperationalError, transaction

from leaderboard import cells, holds, live
from leaderboard.live import Selection
from telemetry.ingest import flag
from telemetry.wire import StoredEvent

logger = logging.getLogger(__name__)


# --- Folding ------------------------------------------------------------------------------------


def fold(events: Sequence[StoredEvent]) -> None:
    """Add newly stored events to the standings, in the transaction that stored them.

    All of a commit at once. What cannot be folded is looked for by halves, flagged `not_folded`
    and never refuses the event; the others are folded.
    """
    trials = [event for event in events if event.trial is not None]
    faults: list[tuple[int, Exception]] = []
    if trials:
        _fold(trials, faults)
        transaction.on_commit(live.live.poke, robust=True)
    if faults:
        seqs = [seq for seq, _fault in faults]
        logger.error(
            "%d of %d events could not be folded: %s; the first because",
            len(faults), len(trials), seqs[:20], exc_info=faults[0][1],
        )  # fmt: skip
        flag(seqs, "not_folded")


def _fold(events: Sequence[StoredEvent], faults: list[tuple[int, Exception]]) -> None:
    """Fold under one savepoint; `faults` gets the `seq` of what could not be, and why."""
    try:
        with transaction.atomic():
            _add(events, cells.touch())
        return
    except Exception as error:
        if len(events) == 1 or isinstance(error, OperationalError | InterfaceError):
            faults += [(event.seq, error) for event in events]  # no event's fault, or this one's
            return
    half = len(events) // 2
    _fold(events[:half], faults)
    _fold(events[half:], faults)


def _add(events: Sequence[StoredEvent], state: cells.State) -> None:
    added = cells.add(
        ((event.trial, event.session_id) for event in events if event.trial is not None),
        rule=state.rule,
        difficulties=cells.difficulties(state),
    )
    cells.upsert(added, state)
    holds.hold_suspicious(
        {cell[0] for cell in added.cells}, sessions=list(added.sessions), state=state
    )


def on_events_stored(sender: Any, events: list[StoredEvent], **kwargs: Any) -> None:
    fold(events)


# --- The board ----------------------------------------------------------------------------------


def board(
    *,
    limit: int = 100,
    min_tasks: int = 30,
    window: str = "all",
    task_type: str | None = None,
    model_version: str | None = None,
) -> list[dict[str, Any]]:
    """The standings, best first; equal scores share a rank (1, 2, 2, 4)."""
    ranking = live.ranking(Selection(window, task_type, model_version))
    return ranking.rows(limit=limit, min_tasks=min_tasks)
