"""The scoring rule: pure functions over trials and integer sums.

A trial's points are its signed residual time, (2 * correct - 1) * (1 - min(rt, d) / d): a quick
right answer earns up to 1, a quick wrong one costs as much, and a guesser's mean is 0. It is the
scoring rule of Maris & van der Maas (2012), Psychometrika 77(4), 615-633, with the deadline d
frozen for each task type and rule version. Points are kept as integers of a thousandth, so that
sums do not depend on the order of the trials.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

RULE_VERSION = 1
FASTEST_MS = 150.0
# Longer responses count as this long in the sum of squares, which so never leaves 64 bits.
LONGEST_MS = 60_000
DEADLINES_MS: dict[str, float] = {}
DEFAULT_DEADLINE_MS = 3000.0
PROVISIONAL_UNDER = 100
# Trials at which the own mean weighs as much as the population's: with a reliability of .47 at 30
# trials and of .59 at 100, n (1 - r) / r is 34 and 69; 50 lies between.
SHRINKAGE = 50.0
# Suspicion: the share of responses that are too fast to be one, and a spread too even for a person.
FAST_SHARE = 0.05
EVEN_SD_MS = 8.0
JUDGE_FROM = 30
# A short even run may be a test of the wiring; nobody plays a thousand trials evenly.
EVEN_FROM = 1000


@dataclass(frozen=True, slots=True)
class Points:
    """What one trial adds to the sums. `milli` in thousandths of a point, `rt_ms` in ms."""

    counted: bool
    correct: bool = False
    timeout: bool = False
    rt_ms: int | None = None
    milli: int = 0


def score_trial(*, correct: bool, rt_ms: float | None, task_type: str) -> Points:
    """The points of a trial; `rt_ms` None is a timeout: a trial with no points.

    A response under 150 ms is no response to the stimulus; it is excluded, and counted as such.
    """
    if rt_ms is None:
        return Points(counted=True, timeout=True)
    if rt_ms < FASTEST_MS:
        return Points(counted=False)
    deadline = DEADLINES_MS.get(task_type, DEFAULT_DEADLINE_MS)
    residual = 1.0 - min(rt_ms, deadline) / deadline
    sign = 1 if correct else -1
    return Points(
        counted=True, correct=correct, rt_ms=round(rt_ms), milli=sign * round(1000 * residual)
    )


@dataclass(frozen=True, slots=True)
class Sums:
    """Integer sums over the trials of one player."""

    trials: int
    correct: int
    timeouts: int
    excluded: int
    rt_count: int
    rt_sum_ms: int
    rt_sq_sum: int
    points_milli: int
    points_sq: int

    @property
    def mean(self) -> float:
        """Mean points a trial, in points."""
        return self.points_milli / self.trials / 1000 if self.trials else 0.0

    @property
    def variance(self) -> float:
        """Variance of the points of a trial, unbiased, in squared points; 0 under two trials."""
        if self.trials < 2:
            return 0.0
        spread = self.points_sq - self.points_milli**2 / self.trials
        return max(0.0, spread / (self.trials - 1) / 1e6)

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


def shrunk(sums: Sums, population_mean: float) -> tuple[float, float]:
    """(score, standard error) in thousandths of a point, rounded to one digit.

    The empirical-Bayes mean m + n / (n + k) * (p - m), its error that of the own mean times the
    same weight (Efron & Morris 1975, JASA 70, 311-319).
    """
    n = sums.trials
    weight = n / (n + SHRINKAGE)
    score = population_mean + weight * (sums.mean - population_mean)
    error = weight * math.sqrt(sums.variance / n) if n else 0.0
    return round(1000 * score, 1), round(1000 * error, 1)


def suspicion(sums: Sums) -> str:
    """Why a player's trials should be looked at by a person; empty when nothing is odd."""
    responses = sums.rt_count + sums.excluded
    if responses < JUDGE_FROM:
        return ""
    if sums.excluded / responses > FAST_SHARE:
        return f"{sums.excluded} of {responses} responses under {FASTEST_MS:.0f} ms"
    spread = sums.rt_sd_ms
    if spread is not None and sums.rt_count >= EVEN_FROM and spread < EVEN_SD_MS:
        return f"response times differ by only {spread:.1f} ms (standard deviation)"
    return ""
