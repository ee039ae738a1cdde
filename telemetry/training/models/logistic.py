"""Logistic regression on the item, the skill and what the player did before."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from telemetry.training.models.base import DIGITS, logistic, looked_up
from telemetry.training.trials import Bools, Floats, Ints, Trials

COUNTS = ("all_solved", "all_failed", "skill_solved", "skill_failed", "item_solved", "item_failed")
MAX_ITERATIONS = 1000


class Logistic:
    """P(solved) = logistic(b0 + b_item + b_skill + sum_k w_k * ln(1 + n_k)), L2-penalised.

    The counts ``n_k`` are the player's solved and failed trials before: of all, of the skill (task
    type) and of the item. Success and failure counts are those of P. I. Pavlik, H. Cen and K. R.
    Koedinger, "Performance Factors Analysis", AIED 2009; the logarithms and the three levels are
    the "Best-LR" of T. Gervet et al., "When is Deep Learning the Best Approach to Knowledge
    Tracing?", JEDM 12(3) (2020), a simplification of B. Choffin et al., "DAS3H", EDM 2019.

    ``c`` is scikit-learn's inverse strength of the penalty, on counts scaled to unit variance. What
    is stored are weights of the plain counts. An unknown item or skill adds 0; a player without
    play has counts 0.
    """

    kind: ClassVar[str] = "logistic"

    def __init__(self, *, c: float = 1.0) -> None:
        self.c = c
        self.intercept = 0.0
        self.items: dict[str, float] = {}
        self.skills: dict[str, float] = {}
        self.counts: dict[str, float] = dict.fromkeys(COUNTS, 0.0)
        self.converged = True

    def fit(self, trials: Trials) -> Self:
        return self.fit_features(trials, counts_of(trials))

    def fit_features(self, trials: Trials, counts: Floats) -> Self:
        """``fit`` with ``counts_of(trials)`` at hand, shape ``(n, len(COUNTS))``."""
        from scipy import sparse
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression

        centre, spread = counts.mean(axis=0), counts.std(axis=0)
        spread[spread == 0] = 1.0
        rows = len(trials)
        # Each row has one item, one skill and every count.
        skill = len(trials.items) + trials.skill
        first = len(trials.items) + len(trials.skills)
        columns = np.empty((rows, 2 + len(COUNTS)), dtype=np.int32)
        columns[:, 0], columns[:, 1] = trials.item, skill
        columns[:, 2:] = np.arange(first, first + len(COUNTS))
        values = np.ones((rows, 2 + len(COUNTS)))
        values[:, 2:] = (counts - centre) / spread
        starts = np.arange(0, columns.size + 1, columns.shape[1], dtype=np.int32)
        features = sparse.csr_matrix(
            (values.ravel(), columns.ravel(), starts), shape=(rows, first + len(COUNTS))
        )
        model = LogisticRegression(C=self.c, solver="lbfgs", max_iter=MAX_ITERATIONS, tol=1e-5)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # said in the parameters instead
            model.fit(features, trials.solved)
        weights = model.coef_[0]
        scaled = weights[first:] / spread
        self.converged = bool(model.n_iter_[0] < MAX_ITERATIONS)
        self.intercept = round(float(model.intercept_[0] - scaled @ centre), DIGITS)
        self.items = _named(trials.items, weights, np.unique(trials.item))
        self.skills = _named(
            trials.skills, weights[len(trials.items) : first], np.unique(trials.skill)
        )
        self.counts = {
            name: round(float(weight), DIGITS) for name, weight in zip(COUNTS, scaled, strict=True)
        }
        return self

    def predict(self, trials: Trials) -> Floats:
        return self.predict_features(trials, counts_of(trials))

    def predict_features(self, trials: Trials, counts: Floats) -> Floats:
        """``predict`` with ``counts_of(trials)`` at hand."""
        logits = self.intercept + looked_up(self.items, trials.items, 0.0)[trials.item]
        logits += looked_up(self.skills, trials.skills, 0.0)[trials.skill]
        for column, name in enumerate(COUNTS):  # one by one: the same sum whatever the library
            logits += self.counts[name] * counts[:, column]
        return logistic(logits)

    def params(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "c": self.c,
            "converged": self.converged,
            "intercept": self.intercept,
            "items": self.items,
            "skills": self.skills,
            "counts": self.counts,
        }

    @classmethod
    def from_params(cls, params: dict[str, Any]) -> Self:
        model = cls(c=params["c"])
        model.converged = params["converged"]
        model.intercept = params["intercept"]
        model.items = dict(params["items"])
        model.skills = dict(params["skills"])
        model.counts = {name: params["counts"][name] for name in COUNTS}
        return model


def counts_of(trials: Trials) -> Floats:
    """ln(1 + n) of each player's solved and failed trials before each trial, as in ``COUNTS``."""
    found = np.empty((len(trials), len(COUNTS)))
    user = trials.user
    keys = (user, user * len(trials.skills) + trials.skill, user * len(trials.items) + trials.item)
    for level, key in enumerate(keys):
        solved, failed = counts_before(key, trials.solved)
        found[:, 2 * level] = solved
        found[:, 2 * level + 1] = failed
    return np.log1p(found, out=found)


def counts_before(key: Ints, solved: Bools) -> tuple[Ints, Ints]:
    """How many trials of the same key before each were solved, and how many were not."""
    order = np.argsort(key, kind="stable")
    grouped, hits = key[order], solved[order].astype(np.int64)
    begins = np.ones(len(key), dtype=bool)
    begins[1:] = grouped[1:] != grouped[:-1]
    starts = np.flatnonzero(begins)
    lengths = np.diff(starts, append=len(key))
    before = np.cumsum(hits) - hits
    won = before - np.repeat(before[starts], lengths)
    position = np.arange(len(key)) - np.repeat(starts, lengths)
    solved_before, failed_before = np.empty_like(won), np.empty_like(won)
    solved_before[order], failed_before[order] = won, position - won
    return solved_before, failed_before


def _named(names: tuple[str, ...], weights: Floats, seen: NDArray[Any]) -> dict[str, float]:
    return {names[code]: round(float(weights[code]), DIGITS) for code in seen.tolist()}
