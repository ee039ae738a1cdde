"""Models of a trial's outcome. Each is fitted on trials in time order and is plain JSON.

A model answers, for a player it may never have seen, the probability that the next trial is correct.
It may learn about the player from the trials before, and never about the items: what is evaluated
is exactly what is stored.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Protocol, Self

from telemetry.wire import Trial

DIGITS = 6  # of stored parameters: artefacts are the same bytes wherever they are made


def outcome(trial: Trial) -> bool:
    """Whether the trial counts as solved: a timeout never does."""
    return trial.correct and trial.rt_ms is not None


def item_of(trial: Trial) -> str:
    """What a difficulty belongs to: the item, or all trials of its task type without one."""
    if trial.item_id:
        return f"{trial.task_type}/{trial.item_id}"
    return f"{trial.task_type}/*"


def logistic(logit: float) -> float:
    """1 / (1 + exp(-logit)), without overflow."""
    if logit >= 0:
        return 1.0 / (1.0 + math.exp(-logit))
    odds = math.exp(logit)
    return odds / (1.0 + odds)


class Model(Protocol):
    """What training, evaluation and the registry need of a model."""

    kind: ClassVar[str]

    def fit(self, trials: Iterable[Trial]) -> Self:
        """Learn from trials in time order."""

    def predictor(self) -> Callable[[Trial], float]:
        """Predict, then learn about the player only; a fresh state of all players."""

    def params(self) -> dict[str, Any]:
        """Everything that ``predictor`` needs, as JSON."""

    @classmethod
    def from_params(cls, params: dict[str, Any]) -> Self:
        """The model that ``params`` described."""


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
        self.items: dict[str, tuple[float, int]] = {}  # probability, trials

    def fit(self, trials: Iterable[Trial]) -> Self:
        seen: defaultdict[str, int] = defaultdict(int)
        solved: defaultdict[str, int] = defaultdict(int)
        for trial in trials:
            item = item_of(trial)
            seen[item] += 1
            solved[item] += outcome(trial)
        total = sum(seen.values())
        # One success and one failure more, so that nothing is ever certain (Laplace).
        self.mean = round((sum(solved.values()) + 1) / (total + 2), DIGITS)
        self.items = {
            item: (
                round(
                    (solved[item] + self.strength * self.mean) / (seen[item] + self.strength),
                    DIGITS,
                ),
                seen[item],
            )
            for item in sorted(seen)
        }
        return self

    def predictor(self) -> Callable[[Trial], float]:
        def predict(trial: Trial) -> float:
            return self.items.get(item_of(trial), (self.mean, 0))[0]

        return predict

    def params(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "strength": self.strength,
            "mean": self.mean,
            "items": {item: {"p": p, "trials": n} for item, (p, n) in self.items.items()},
        }

    @classmethod
    def from_params(cls, params: dict[str, Any]) -> Self:
        model = cls(strength=params["strength"])
        model.mean = params["mean"]
        model.items = {item: (one["p"], one["trials"]) for item, one in params["items"].items()}
        return model


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

    def __init__(
        self,
        *,
        user_gain: tuple[float, float] = (1.0, 0.05),
        item_gain: tuple[float, float] = (1.0, 0.05),
    ) -> None:
        self.user_gain = user_gain
        self.item_gain = item_gain
        self.items: dict[str, tuple[float, int]] = {}  # difficulty in logits, trials
        self.users: dict[str, tuple[float, int]] = {}  # ability in logits, trials; of the fit only

    def fit(self, trials: Iterable[Trial]) -> Self:
        items: dict[str, tuple[float, int]] = {}
        self.users = {}
        for trial in trials:
            item = item_of(trial)
            theta, seen = self.users.get(trial.user_id, (0.0, 0))
            difficulty, shown = items.get(item, (0.0, 0))
            surprise = outcome(trial) - logistic(theta - difficulty)
            self.users[trial.user_id] = (theta + _gain(self.user_gain, seen) * surprise, seen + 1)
            items[item] = (difficulty - _gain(self.item_gain, shown) * surprise, shown + 1)
        self.items = {
            item: (round(difficulty, DIGITS), shown)
            for item, (difficulty, shown) in sorted(items.items())
        }
        return self

    def predictor(self) -> Callable[[Trial], float]:
        users: dict[str, tuple[float, int]] = {}

        def predict(trial: Trial) -> float:
            theta, seen = users.get(trial.user_id, (0.0, 0))
            p = logistic(theta - self.items.get(item_of(trial), (0.0, 0))[0])
            change = _gain(self.user_gain, seen) * (outcome(trial) - p)
            users[trial.user_id] = (theta + change, seen + 1)
            return p

        return predict

    def params(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "user_gain": list(self.user_gain),
            "item_gain": list(self.item_gain),
            "items": {
                item: {"difficulty": difficulty, "trials": shown}
                for item, (difficulty, shown) in self.items.items()
            },
        }

    @classmethod
    def from_params(cls, params: dict[str, Any]) -> Self:
        model = cls(user_gain=tuple(params["user_gain"]), item_gain=tuple(params["item_gain"]))
        model.items = {
            item: (one["difficulty"], one["trials"]) for item, one in params["items"].items()
        }
        return model


def _gain(pair: tuple[float, float], seen: int) -> float:
    return pair[0] / (1.0 + pair[1] * seen)
