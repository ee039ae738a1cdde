"""Deciding about players who are held back from the board."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from leaderboard.models import HoldState, PlayerHold


def decide(hold: PlayerHold, *, state: str, by: Any, reason: str) -> bool:
    """Release or hide a player, or hold them again; False when somebody was faster.

    The update names the state that was seen, so of two people who decide at once one wins.
    """
    changed = PlayerHold.objects.filter(pk=hold.pk, state=hold.state).update(
        state=HoldState(state),
        decided_by=by,
        decided_at=timezone.now(),
        decision_note=reason[:300],
    )
    if changed:
        hold.refresh_from_db()
    return bool(changed)
