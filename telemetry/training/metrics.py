"""How well probabilities predict outcomes, with intervals by a bootstrap that draws players.

Arrays of trials have shape ``(n,)``: outcomes, probabilities, and the number of each one's player.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from telemetry.training.trials import Bools, Floats, Ints

CLIP = 1e-6  # a probability of 0 or 1 costs ln(1e6) nats when it is wrong, not infinity
METRICS = ("auc", "log_loss", "brier", "ece")
DIGITS = 6


def auc(outcomes: Bools, scores: Floats, weights: Floats | None = None) -> float:
    """Area under the ROC curve: P(a solved trial scores above a failed one), ties count half.

    J. A. Hanley and B. J. McNeil, "The meaning and use of the area under a receiver operating
    characteristic curve", Radiology 143 (1982), 29-36. ``weights`` repeat trials (shape as
    ``scores``). NaN when every outcome is the same.
    """
    weights = np.ones(len(scores)) if weights is None else weights
    _, group = np.unique(scores, return_inverse=True)
    return _grouped_auc(group, outcomes, weights)


def _grouped_auc(group: Any, outcomes: Bools, weights: Floats) -> float:
    """``auc`` with scores as ranks from 0, equal for ties."""
    if not len(group):
        return float("nan")
    solved = np.bincount(group, weights * outcomes)
    failed = np.bincount(group, weights * ~outcomes)
    below = np.cumsum(failed) - failed
    pairs = solved.sum() * failed.sum()
    return float((solved * (below + failed / 2)).sum() / pairs) if pairs else float("nan")


def log_losses(outcomes: Bools, probabilities: Floats) -> Floats:
    """-ln P(what happened) of each trial, in nats (I. J. Good, "Rational Decisions", 1952)."""
    clipped = np.clip(probabilities, CLIP, 1 - CLIP)
    return -np.log(np.where(outcomes, clipped, 1 - clipped))


def briers(outcomes: Bools, probabilities: Floats) -> Floats:
    """(p - y)^2 of each trial (G. W. Brier, "Verification of forecasts expressed in terms of
    probability", Monthly Weather Review 78 (1950), 1-3; the half that binary outcomes need)."""
    return (probabilities - outcomes) ** 2


def bins_of(probabilities: Floats, bins: int) -> Ints:
    """The number of each probability's bin of equal width, from 0."""
    return np.minimum((probabilities * bins).astype(np.int64), bins - 1)


def ece(outcomes: Bools, probabilities: Floats, bins: int = 10) -> float:
    """Expected calibration error: sum over bins of n_b / n * |share solved - mean probability|.

    Bins of equal width. M. P. Naeini, G. F. Cooper and M. Hauskrecht, "Obtaining Well Calibrated
    Probabilities Using Bayesian Binning", AAAI 2015; C. Guo et al., "On Calibration of Modern
    Neural Networks", ICML 2017, equation 3.
    """
    if not len(probabilities):
        return float("nan")
    gap = np.bincount(bins_of(probabilities, bins), outcomes - probabilities, bins)
    return float(np.abs(gap).sum() / len(probabilities))


Draws = NDArray[np.uint16]  # how often each player is drawn, shape (draws, players)
_BLOCK = 64


def draw_players(players: int, *, draws: int, seed: int) -> Draws:
    """How often each player is drawn, shape ``(draws, players)``.

    Whole players are drawn with replacement, since the trials of one are not independent (B. Efron
    and R. J. Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13; C. A. Field and A. H.
    Welsh, "Bootstrapping clustered data", Journal of the Royal Statistical Society B 69 (2007),
    369-390).
    """
    rng = np.random.default_rng(seed)
    weights = np.zeros((draws, players), dtype=np.uint16)
    for draw in range(draws):
        weights[draw] = np.bincount(rng.integers(0, players, players), minlength=players)
    return weights


@dataclass(frozen=True)
class Judged:
    """One model's probabilities beside the outcomes, players numbered from 0 without gaps."""

    outcomes: Bools
    probabilities: Floats
    users: Ints

    def sums(self, values: Floats, players: int) -> Floats:
        """Sums over each player's trials."""
        return np.bincount(self.users, values, players)


def values(judged: Judged, *, bins: int) -> dict[str, float]:
    """Every metric; NaN where it is undefined."""
    outcomes, probabilities = judged.outcomes, judged.probabilities
    if not len(outcomes):
        return dict.fromkeys(METRICS, float("nan"))
    return {
        "auc": auc(outcomes, probabilities),
        "log_loss": float(log_losses(outcomes, probabilities).mean()),
        "brier": float(briers(outcomes, probabilities).mean()),
        "ece": ece(outcomes, probabilities, bins),
    }


def resampled(
    judged: Judged, draws: Draws, *, bins: int, metrics: Sequence[str] = METRICS
) -> dict[str, Floats]:
    """Every metric in every draw of players, each of shape ``(len(draws),)``.

    Metrics that are means of trials follow from sums by player; the AUC needs the trials.
    """
    players = draws.shape[1]
    outcomes, probabilities = judged.outcomes, judged.probabilities
    trials = product(draws, judged.sums(np.ones(len(outcomes)), players))
    found: dict[str, Floats] = {}
    with np.errstate(invalid="ignore", divide="ignore"):
        for name, each in (("log_loss", log_losses), ("brier", briers)):
            if name in metrics:
                sums = judged.sums(each(outcomes, probabilities), players)
                found[name] = product(draws, sums) / trials
        if "ece" in metrics:
            cell = judged.users * bins + bins_of(probabilities, bins)
            gaps = np.bincount(cell, outcomes - probabilities, players * bins)
            table = product(draws, gaps.reshape(players, bins))
            found["ece"] = np.abs(table).sum(axis=1) / trials
    if "auc" in metrics:
        found["auc"] = np.array(list(_aucs(judged, draws)), dtype=float)
    return found


def _aucs(judged: Judged, draws: Draws) -> Iterator[float]:
    _, group = np.unique(judged.probabilities, return_inverse=True)
    for weights in draws:
        yield _grouped_auc(group, judged.outcomes, weights[judged.users].astype(float))


def product(draws: Draws, sums: Floats) -> Floats:
    """``draws @ sums``; no library for matrices, so that threads never change the last digit."""
    parts = [
        np.einsum("dp,p...->d...", draws[start : start + _BLOCK].astype(float), sums)
        for start in range(0, len(draws), _BLOCK)
    ]
    return np.concatenate(parts) if parts else np.empty((0, *sums.shape[1:]))


def estimate(value: float, sample: Floats) -> dict[str, Any]:
    """A value with the 95 % percentile interval of its draws; None for what is undefined."""
    known = sample[~np.isnan(sample)]
    low, high = np.quantile(known, [0.025, 0.975]) if len(known) else (float("nan"),) * 2
    return {"value": rounded(value), "low": rounded(float(low)), "high": rounded(float(high))}


def rounded(value: float) -> float | None:
    return None if value != value else round(float(value), DIGITS) + 0.0  # never -0.0


def reliability(judged: Judged, draws: Draws, *, bins: int) -> list[dict[str, Any]]:
    """What was predicted and what happened, by bin; empty bins are left out.

    ``observed`` is the share solved with its interval; ``predicted`` the mean probability.
    (A. H. Murphy and R. L. Winkler, "Reliability of subjective probability forecasts of
    precipitation and temperature", Applied Statistics 26 (1977), 41-47.)
    """
    players = draws.shape[1]
    bin_ = bins_of(judged.probabilities, bins)
    counts = np.bincount(bin_, minlength=bins)
    predicted = np.bincount(bin_, judged.probabilities, bins)
    solved = np.bincount(bin_, judged.outcomes, bins)
    cell = judged.users * bins + bin_
    shape = (players, bins)
    trials = product(
        draws, np.bincount(cell, minlength=players * bins).reshape(shape).astype(float)
    )
    hits = product(draws, np.bincount(cell, judged.outcomes, players * bins).reshape(shape))
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = hits / trials
    return [
        {
            "from": round(number / bins, DIGITS),
            "to": round((number + 1) / bins, DIGITS),
            "trials": int(counts[number]),
            "predicted": rounded(predicted[number] / counts[number]),
            "observed": estimate(solved[number] / counts[number], shares[:, number]),
        }
        for number in np.flatnonzero(counts).tolist()
    ]
