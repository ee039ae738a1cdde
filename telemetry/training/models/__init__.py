"""Models of a trial's outcome, one a file. Each is fitted on trials and is plain JSON.

A model answers the probability that each trial is solved, for players that it may never have seen.
It may learn about a player from that player's trials before, and never about the items: what is
evaluated is exactly what is stored.
"""

from __future__ import annotations

from typing import Any

from telemetry.training.models.base import Model
from telemetry.training.models.elo import Elo
from telemetry.training.models.item_mean import ItemMean
from telemetry.training.models.logistic import Logistic

KINDS: dict[str, type[Model]] = {kind.kind: kind for kind in (ItemMean, Elo, Logistic)}

__all__ = ["KINDS", "Elo", "ItemMean", "Logistic", "Model", "from_params"]


def from_params(params: dict[str, Any]) -> Model:
    """The model that a registry row describes.

    Raises ``KeyError``, ``TypeError`` or ``ValueError`` for what no model here wrote.
    """
    return KINDS[params["kind"]].from_params(params)
