"""Elo ratings of players against items."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Self

import numpy as np

from telemetry.training.models.base import DIGITS, looked_up
from telemetry.training.trials import Floats, Trials

Gain = tuple[float, float]


class Elo:
    """Elo ratings of players against items, with gains that decay with what is known.

    P(solved) = logistic(theta_u - d_i); after an outcome y in {0, 1}
    theta_u += K(n_u) * (y - P) and d_i -= K(n_i) * (y - P), with K(n) = a / (1 + b * n) after n
    trials of that player or item (R. Pelánek, "Applications of the Elo rating system in adaptive
    educational systems", Computers & Education 98 (2016), 169-179, section 3). Everything starts
    at 0 logits. In use the difficulties are frozen; a new player starts at 0 and is followed.

    ``user_gain`` and ``item_gain`` are pairs (a, b): a in logits, b per trial.
    """

    kind: ClassVar[str] = "elo"

    def __init__(self, *, user_gain: Gain = (1.0, 0.05), item_gain: Gain = (1.0, 0.05)) -> None:
        self.user_gain = user_gain
        self.item_gain = item_gain
        self.items: dict[str, float] = {}  # difficulty in logits
        self.shown: dict[str, int] = {}  # trials of each item
        self.users: dict[str, float] = {}  # ability in logits; of the fit only

    def fit(self, trials: Trials) -> Self:
        difficulty = [0.0] * len(trials.items)
        theta = [0.0] * len(trials.users)
        shown, played = [0] * len(difficulty), [0] * len(theta)
        (a, b), (c, d) = self.user_gain, self.item_gain
        columns = (trials.user.tolist(), trials.item.tolist(), trials.solved.tolist())
        for user, item, solved in zip(*columns, strict=True):
            surprise = solved - _chance(theta[user] - difficulty[item])
            theta[user] += a / (1.0 + b * played[user]) * surprise
            difficulty[item] -= c / (1.0 + d * shown[item]) * surprise
            played[user] += 1
            shown[item] += 1
        seen = [code for code, count in enumerate(shown) if count]
        self.items = {trials.items[code]: round(difficulty[code], DIGITS) for code in seen}
        self.shown = {trials.items[code]: shown[code] for code in seen}
        self.users = {trials.users[code]: theta[code] for code, count in enumerate(played) if count}
        return self

    def predict(self, trials: Trials) -> Floats:
        theta = [0.0] * len(trials.users)
        played = [0] * len(theta)
        a, b = self.user_gain
        difficulty = looked_up(self.items, trials.items, 0.0)[trials.item].tolist()
        chances = []
        columns = (trials.user.tolist(), difficulty, trials.solved.tolist())
        for user, hard, solved in zip(*columns, strict=True):
            chance = _chance(theta[user] - hard)
            theta[user] += a / (1.0 + b * played[user]) * (solved - chance)
            played[user] += 1
            chances.append(chance)
        return np.array(chances, dtype=float)

    def params(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "user_gain": list(self.user_gain),
            "item_gain": list(self.item_gain),
            "items": {
                item: {"difficulty": difficulty, "trials": self.shown[item]}
                for item, difficulty in self.items.items()
            },
        }

    @classmethod
    def from_params(cls, params: dict[str, Any]) -> Self:
        model = cls(user_gain=tuple(params["user_gain"]), item_gain=tuple(params["item_gain"]))
        model.items = {item: one["difficulty"] for item, one in params["items"].items()}
        model.shown = {item: one["trials"] for item, one in params["items"].items()}
        return model


def _chance(logit: float) -> float:
    """1 / (1 + exp(-logit)), without overflow."""
    return 1.0 / (1.0 + math.exp(-logit)) if logit > -700.0 else 0.0
