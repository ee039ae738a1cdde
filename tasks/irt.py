"""Item response theory: the two-parameter logistic model and Bayesian ability estimates.

Plain mathematics on numbers and arrays. Ability `theta` and difficulty `b` share one scale, on
which the population of middle candidates is N(0, 1); discrimination `a` is per unit of it.

Birnbaum (1968), "Some latent trait models and their use in inferring an examinee's ability", in
Lord & Novick, Statistical Theories of Mental Test Scores, chapters 17-20.
Bock & Mislevy (1982), "Adaptive EAP estimation of ability in a microcomputer environment",
Applied Psychological Measurement 6(4), 431-444.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

type Floats = NDArray[np.floating[Any]]

GRID_LOW, GRID_HIGH, GRID_POINTS = -6.0, 6.0, 481


@dataclass(frozen=True, slots=True)
class Ability:
    """An ability estimate and its standard error, both on the theta scale."""

    theta: float
    se: float


@dataclass(frozen=True, slots=True)
class Response:
    """A graded answer to one item: discrimination `a` > 0, difficulty `b`, `score` in [0, 1].

    Raises ValueError when a number is not finite or out of its range.
    """

    a: float
    b: float
    score: float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.a) and self.a > 0):
            raise ValueError(f"discrimination must be a positive number, not {self.a!r}")
        if not np.isfinite(self.b):
            raise ValueError(f"difficulty must be a finite number, not {self.b!r}")
        if not 0.0 <= self.score <= 1.0:
            raise ValueError(f"score must lie in [0, 1], not {self.score!r}")


def probability(theta: ArrayLike, a: ArrayLike, b: ArrayLike) -> Floats:
    """P(success) = 1 / (1 + exp(-a (theta - b))), the 2PL item characteristic curve.

    Arguments broadcast; the result has their common shape and lies in [0, 1]. Written with tanh,
    so that no argument overflows. Birnbaum (1968), eq. 17.3.1 without the constant D.
    """
    logit = np.asarray(a, float) * (np.asarray(theta, float) - np.asarray(b, float))
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * logit)))


def information(theta: ArrayLike, a: ArrayLike, b: ArrayLike) -> Floats:
    """Fisher information of one answer about theta: a^2 P (1 - P).

    Arguments broadcast; the result has their common shape, in units of 1 / theta^2. It peaks at
    theta = b with a^2 / 4. Birnbaum (1968), section 17.7 and 20.4.
    """
    a = np.asarray(a, float)
    half = 0.5 * a * (np.asarray(theta, float) - np.asarray(b, float))
    # P (1 - P) = (1 - tanh^2(x / 2)) / 4; through cosh it would overflow far from b.
    return np.asarray(0.25 * a**2 * (1.0 - np.tanh(half) ** 2))


def log_likelihood(theta: ArrayLike, responses: Sequence[Response]) -> Floats:
    """Log-likelihood of graded responses at every theta; the shape of `theta`.

    A score y in [0, 1] enters as y log P + (1 - y) log(1 - P): the Bernoulli quasi-likelihood for
    a fractional response (Papke & Wooldridge 1996, Journal of Applied Econometrics 11, 619-632),
    which for y in {0, 1} is the ordinary 2PL likelihood.
    """
    points = np.asarray(theta, float)
    if not responses:
        return np.zeros_like(points)
    a = np.array([response.a for response in responses])
    b = np.array([response.b for response in responses])
    score = np.array([response.score for response in responses])
    logit = a * (points[..., np.newaxis] - b)
    # log P = -log(1 + e^-x) and log(1 - P) = log P - x
    return np.asarray((score * logit - np.logaddexp(0.0, logit)).sum(axis=-1))


def eap(
    responses: Sequence[Response], *, prior_mean: float = 0.0, prior_sd: float = 1.0
) -> Ability:
    """Expected a posteriori ability under a normal prior, with the posterior SD as its error.

    The integral is a sum over equally spaced points of [-6, 6] (Bock & Mislevy 1982, eqs. 5-7).
    Defined for every pattern, all right or all wrong included; without responses it returns the
    prior. Raises ValueError for a prior that is no distribution on the grid.
    """
    if not (np.isfinite(prior_sd) and prior_sd > 0):
        raise ValueError(f"the prior's standard deviation must be positive, not {prior_sd!r}")
    if not GRID_LOW < prior_mean < GRID_HIGH:
        raise ValueError(f"the prior's mean must lie inside the grid, not at {prior_mean!r}")
    if not responses:
        return Ability(float(prior_mean), float(prior_sd))
    grid = np.linspace(GRID_LOW, GRID_HIGH, GRID_POINTS)
    log_posterior = log_likelihood(grid, responses) - 0.5 * ((grid - prior_mean) / prior_sd) ** 2
    weights = np.exp(log_posterior - log_posterior.max())
    weights /= weights.sum()
    theta = float(weights @ grid)
    variance = float(weights @ (grid - theta) ** 2)
    return Ability(theta, float(np.sqrt(variance)))
