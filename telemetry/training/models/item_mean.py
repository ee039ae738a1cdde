"""The baseline: how often an item is solved, whoever plays."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np

from telemetry.training.models.base import DIGITS, looked_up
from telemetry.training.trials import Floats, Trials


class ItemMean:
    """Share of solved trials of each item, shrunk to the share of all.

    p_i = (solved_i + strength * p) / (n_i + strength): the posterior mean of a Beta prior with mean
    p worth ``strength`` trials (A. Gelman et al., Bayesian Data Analysis, 3rd ed., section 2.4).
    An unknown item has p.
    """

    kind: ClassVar[str] = "item_mean"

    def __init__(self, *, strength: float = 5.0) -> None:
        self.strength = strength
        self.mean = 0.5
        self.items: dict[str, float] = {}
        self.shown: dict[str, int] = {}  # trials of each item

    def fit(self, trials: Trials) -> Self:
        shown = np.bincount(trials.item, minlength=len(trials.items))
        solved = np.bincount(trials.item, trials.solved, minlength=len(trials.items))
        # One success and one failure more, so that nothing is ever certain (Laplace).
        self.mean = round((float(solved.sum()) + 1) / (len(trials) + 2), DIGITS)
        share = (solved + self.strength * self.mean) / (shown + self.strength)
        seen = np.flatnonzero(shown).tolist()
        self.items = {trials.items[code]: round(float(share[code]), DIGITS) for code in seen}
        self.shown = {trials.items[code]: int(shown[code]) for code in seen}
        return self

    def predict(self, trials: Trials) -> Floats:
        return looked_up(self.items, trials.items, self.mean)[trials.item]

    def params(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "strength": self.strength,
            "mean": self.mean,
            "items": {item: {"p": p, "trials": self.shown[item]} for item, p in self.items.items()},
        }

    @classmethod
    def from_params(cls, params: dict[str, Any]) -> Self:
        model = cls(strength=params["strength"])
        model.mean = params["mean"]
        model.items = {item: one["p"] for item, one in params["items"].items()}
        model.shown = {item: one["trials"] for item, one in params["items"].items()}
        return model
