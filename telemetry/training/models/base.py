"""What training, evaluation and the registry need of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol, Self

import numpy as np

from telemetry.training.trials import Floats, Trials

DIGITS = 6  # of stored parameters: artefacts are the same bytes wherever they are made


class Model(Protocol):
    """A model; ``params`` is all of it, as JSON."""

    kind: ClassVar[str]

    def fit(self, trials: Trials) -> Self:
        """Learn from trials in time order."""

    def predict(self, trials: Trials) -> Floats:
        """P(solved) of each trial, shape ``(n,)``; each predicted before it is learned from.

        Players start unknown, and what is learned about them is forgotten afterwards.
        """

    def params(self) -> dict[str, Any]:
        """Everything that ``predict`` needs, as JSON."""

    @classmethod
    def from_params(cls, params: dict[str, Any]) -> Self:
        """The model that ``params`` described."""


def logistic(logits: Floats) -> Floats:
    """1 / (1 + exp(-logit)), without overflow."""
    return 1.0 / (1.0 + np.exp(-np.clip(logits, -700.0, 700.0)))


def looked_up(values: Mapping[str, float], names: Sequence[str], default: float) -> Floats:
    """The value of each name, shape ``(len(names),)``."""
    return np.array([values.get(name, default) for name in names], dtype=float)
