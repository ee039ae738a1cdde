"""Deleting what is held of a player, when telemetry deletes the player's data."""

from __future__ import annotations

from typing import Any

from leaderboard.models import PlayerHold, Standing


def on_player_erased(sender: Any, user_id: str, **kwargs: Any) -> None:
    """Standings of every rule and the hold; in the transaction that ends the deletion."""
    Standing.objects.filter(user_id=user_id).delete()
    PlayerHold.objects.filter(user_id=user_id).delete()
