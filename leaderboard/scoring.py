"""The scoring rule: pure functions over trials and integer sums.

A trial's points are its signed residual time, (2 * correct - 1) * (1 - min(rt, d) / d): a quick
right answer earns up to 1, a quick wrong one costs as much, and a guesser's mean is 0. It is the
scoring rule of Maris & van der Maas (2012), Psychometrika 77(4), 615-633. The deadline d is frozen
for each task type and rule version: a rule that was used never changes, a new one gets a number of
its own, is built beside it and then switched to (`manage.py standings rebuild --rule 2`). Points
are kept as integers of a thousandth, so that sums do not depend on the order of the trials.

Under that rule the points s of a trial have the density proportional to exp(s * (theta - b)) on
[-1, 1], theta the player's ability and b the item's difficulty: being correct then follows the
Rasch model (Rasch 1960) with this very theta and b, and the sum of points is what is sufficient for
theta. The expected points are L(theta - b) with L(x) = coth(x) - 1/x. See `ability`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

RULE_VERSION = 1
FASTEST_MS = 150.0
# Longer responses count as this long in the sum of squares, which so never leaves 64 bits.
LONGEST_MS = 60_000
PROVISIONAL_UNDER = 100
# Trials at which the own mean weighs as much as the population's: with a reliability of .47 at 30
# trials and of .59 at 100, n (1 - r) / r is 34 and 69; 50 lies between.
SHRINKAGE = 50.0
# Difficulties are logits. Beyond these an item tells nothing about anybody.
EASIEST, HARDEST = -6.0, 6.0


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule version. `deadlines_ms` by task type; other task types have `deadline_ms`."""

    version: int
    deadline_ms: float
    deadlines_ms: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))

    def deadline(self, task_type: str) -> float:
        """The deadline d of a task type, in ms."""
        return self.deadlines_ms.get(task_type, self.deadline_ms)


# Never edit a rule here: add the next one.
RULES: Mapping[int, Rule] = MappingProxyType({1: Rule(version=1, deadline_ms=3000.0)})


@dataclass(frozen=True, slots=True)
class Points:
    """What one trial adds to the sums. `milli` in thousandths of a point, `rt_ms` in ms."""

    counted: bool
    correct: bool = False
    timeout: bool = False
    rt_ms: int | None = None
    milli: int = 0


def score_trial(
    *, correct: bool, rt_ms: float | None, task_type: str, rule: Rule = RULES[RULE_VERSION]
) -> Points:
    """The points of a trial; `rt_ms` None is a timeout: a trial with no points.

    A response under 150 ms is no response to the stimulus; it is excluded, and counted as such.
    """
    if rt_ms is None:
        return Points(counted=True, timeout=True)
    if rt_ms < FASTEST_MS:
        return Points(counted=False)
    return Points(
        counted=True,
        correct=correct,
        rt_ms=round(rt_ms),
        milli=milli_points(correct=correct, rt_ms=rt_ms, deadline_ms=rule.deadline(task_type)),
    )


def milli_points(*, correct: bool, rt_ms: float, deadline_ms: float) -> int:
    """Signed residual time of a response, in thousandths of a point."""
    if rt_ms >= deadline_ms:
        return 0
    milli = round(1000 * (1.0 - rt_ms / deadline_ms))
    return milli if correct else -milli


def milli_logits(difficulty: float) -> int:
    """A difficulty as an integer of a thousandth of a logit, within what tells something."""
    return round(1000 * min(HARDEST, max(EASIEST, difficulty)))


@dataclass(frozen=True, slots=True)
class Sums:
    """Integer sums over the trials of one player. The order of the fields is that of `SUMS`.

    `rated` are trials whose item's difficulty is known, `unrated` those that name an item of
    unknown difficulty; `difficulty_*` are sums over the rated, in milli-logits: of the difficulty,
    of its square, and of it over the correct ones.
    """

    trials: int = 0
    correct: int = 0
    timeouts: int = 0
    excluded: int = 0
    rt_count: int = 0
    rt_sum_ms: int = 0
    rt_sq_sum: int = 0
    points_milli: int = 0
    points_sq: int = 0
    rated: int = 0
    rated_correct: int = 0
    unrated: int = 0
    difficulty_sum: int = 0
    difficulty_sq: int = 0
    difficulty_correct: int = 0

    @property
    def mean(self) -> float:
        """Mean points a trial, in points."""
        return self.points_milli / self.trials / 1000 if self.trials else 0.0

    @property
    def rt_sd_ms(self) -> float | None:
        """Standard deviation of the response times, in ms; None under two responses.

        Also None when so many are longer than `LONGEST_MS` that their squares say nothing.
        """
        n = self.rt_count
        spread = n * self.rt_sq_sum - self.rt_sum_ms**2  # exact: these are integers
        if n < 2 or spread < 0:
            return None
        return math.sqrt(spread / (n * (n - 1)))


SUMS: tuple[str, ...] = tuple(Sums.__dataclass_fields__)
_AT = {name: place for place, name in enumerate(SUMS)}
# What a board needs of the sums, in this order: the rows of the matrix that `scores` takes.
BOARD_SUMS = (
    "trials", "correct", "rt_count", "rt_sum_ms", "points_milli", "points_sq", "rated",
    "difficulty_sum", "difficulty_sq",
)  # fmt: skip


# --- Ability -------------------------------------------------------------------------------------

Floats = NDArray[np.float64]


def expected_points(x: Floats) -> Floats:
    """L(x) = coth(x) - 1/x: the mean points of a trial whose item lies x logits below the player.

    Maris & van der Maas (2012), eq. 11, in units of the deadline. Between -1 and 1.
    """
    small = np.abs(x) < 1e-2
    safe = np.where(small, 1.0, x)
    return np.where(small, x / 3 - x**3 / 45, 1.0 / np.tanh(safe) - 1.0 / safe)


def _slope(x: Floats) -> Floats:
    """L'(x) = 1/x^2 - 1/sinh(x)^2."""
    small = np.abs(x) < 1e-2
    safe = np.where(small, 1.0, np.clip(x, -300, 300))
    return np.where(small, 1 / 3 - x**2 / 15, 1.0 / safe**2 - 1.0 / np.sinh(safe) ** 2)


# What is tabulated for `ability`: the edge, in logits, and the steps in ability and in spread.
EDGE, STEP, WIDEST, WIDTH_STEP = 60.0, 0.1, 6.0, 0.1
# E[L(x - b)] is near L(x / sqrt(1 + c * variance of b)); this c fits best up to 2 logits of spread.
FLATTENING = 0.19


@cache
def _tables() -> tuple[Floats, Floats, Floats]:
    """(x, L(x)) to invert L with, and for each spread of b the ability that earns L(u).

    With the items' difficulties spread normally about the player's mean (as in the PROX procedure,
    Cohen 1979; Linacre 1994, Rasch Measurement Transactions 8:3, 378), integrated by quadrature.
    """
    x = np.linspace(-EDGE, EDGE, 24_001)
    level = expected_points(x)
    nodes, weights = np.polynomial.hermite_e.hermegauss(21)
    weights = weights / weights.sum()
    u = np.linspace(-EDGE, EDGE, round(2 * EDGE / STEP) + 1)
    wide = np.linspace(-2 * EDGE, 2 * EDGE, 4001)
    rows = []
    for width in np.linspace(0.0, WIDEST, round(WIDEST / WIDTH_STEP) + 1):
        earned = sum(
            weight * expected_points(wide - width * node)
            for node, weight in zip(nodes, weights, strict=True)
        )
        rows.append(np.interp(expected_points(u), earned, wide))
    return x, level, np.array(rows)


def ability(mean_points: Floats, difficulty: Floats, variance: Floats) -> Floats:
    """The ability theta, in logits, at which `mean_points` is what is expected.

    Solves mean_points = E[L(theta - b)], the likelihood equation of the model, for items whose
    difficulty b has this mean and variance. Monotone in `mean_points`.
    """
    x, level, table = _tables()
    u = (np.interp(mean_points, level, x) + EDGE) / STEP
    width = np.minimum(np.sqrt(variance), WIDEST) / WIDTH_STEP
    column = np.minimum(u.astype(np.intp), table.shape[1] - 2)
    row = np.minimum(width.astype(np.intp), table.shape[0] - 2)
    right, down = u - column, width - row
    upper = table[row, column] * (1 - right) + table[row, column + 1] * right
    lower = table[row + 1, column] * (1 - right) + table[row + 1, column + 1] * right
    return difficulty + upper * (1 - down) + lower * down


def reference_difficulty(sums: NDArray[np.int64]) -> float:
    """Mean difficulty of all rated trials of a board, to a tenth of a logit; 0 without any."""
    rated = int(sums[6].sum())
    return round(int(sums[7].sum()) / rated / 1000, 1) if rated else 0.0


def adjusted_means(sums: NDArray[np.int64], reference: float) -> tuple[Floats, Floats]:
    """(p, variance of p) of players by columns of `BOARD_SUMS`, in points; each has trials.

    p is the mean points of a trial. Of a player whose items' difficulties are known it is what the
    ability would earn on items of the `reference` difficulty: L(theta - reference). Who saw items
    as difficult as everybody's has the mean itself. Trials of unknown difficulty count as trials
    of the reference difficulty.
    """
    n = sums[0].astype(np.float64)
    mean = sums[4] / n / 1000.0
    # sums of squares and squared sums stay under 2**63 for 10**12 trials
    spread = np.maximum(0.0, sums[5] / 1e6 - n * mean * mean)
    variance = np.where(n > 1, spread / np.maximum(n - 1, 1.0) / n, 0.0)
    seen = np.flatnonzero(sums[6])
    if seen.size:
        part, m = sums[:, seen], n[seen]
        plain = (m - part[6]) * reference
        centre = (part[7] / 1000.0 + plain) / m
        square = (part[8] / 1e6 + plain * reference) / m
        width = np.maximum(0.0, square - centre * centre)
        own = np.clip(mean[seen], -1 + 0.5 / m, 1 - 0.5 / m)
        theta = ability(own, centre, width)
        # Nobody whose items were the reference itself is moved by a rounding.
        same = (width < 1e-12) & (np.abs(centre - reference) < 1e-12)
        moved = np.where(same, mean[seen], expected_points(theta - reference))
        # By the delta method; normally spread difficulties flatten L about as much as a wider one.
        flat = np.sqrt(1.0 + FLATTENING * width)
        steep = _slope(theta - reference) / np.maximum(_slope((theta - centre) / flat) / flat, 1e-9)
        mean = mean.copy()
        mean[seen] = moved
        variance[seen] *= np.where(same, 1.0, steep * steep)
    return mean, variance


def population_mean(n: Floats, mean: Floats) -> float:
    """m: the mean of all players' p, each with the weight n / (n + k) that its own mean has.

    Summed in integers, so that the order of the players does not matter. 0 without players.
    """
    weight = n / (n + SHRINKAGE)
    total = int(np.rint(weight * 1e11).sum(dtype=np.int64))
    return int(np.rint(weight * mean * 1e11).sum(dtype=np.int64)) / total if total else 0.0


def shrunk(
    n: Floats, mean: Floats, variance: Floats, population: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(score, standard error) of players in ten-thousandths of a point, so .1 of a milli-point.

    The empirical-Bayes mean m + n / (n + k) * (p - m), its error that of the own mean times the
    same weight (Efron & Morris 1975, JASA 70, 311-319).
    """
    weight = n / (n + SHRINKAGE)
    score = population + weight * (mean - population)
    error = weight * np.sqrt(variance)
    return np.rint(score * 10_000).astype(np.int64), np.rint(error * 10_000).astype(np.int64)
