"""Deleting what is held of a player, when telemetry deletes the player's data."""

from __future__ import annotations

import time
from typing import Any

from leaderboard.models import Board, PlayerHold
from leaderboard.rebuild import TABLES


def on_player_erased(sender: Any, user_id: str, **kwargs: Any) -> None:
    """Sums and sessions of every build and the hold; in the transaction that ends the deletion.

    A new history begins, so that every process forgets what it keeps in memory.
    """
    for model in (*TABLES, PlayerHold):
        model.objects.filter(user_id=user_id).delete()
    Board.objects.update(born=time.time_ns())
