"""How well probabilities predict outcomes, on players that the model has not seen."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from telemetry.training.models import Model, outcome
from telemetry.wire import Trial

Floats = NDArray[np.float64]
CLIP = 1e-6  # a probability of 0 or 1 costs ln(1e6) nats when it is wrong, not infinity


def in_test(user_id: str, *, seed: int, share: float) -> bool:
    """Whether a player belongs to the test part: a hash, so it never depends on other players."""
    digest = hashlib.sha256(f"{seed}:{user_id}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64


def split_users(
    trials: Iterable[Trial], *, seed: int, share: float
) -> tuple[list[Trial], list[Trial]]:
    """Training and test trials with no player in common, each in the order given."""
    train: list[Trial] = []
    test: list[Trial] = []
    for trial in trials:
        (test if in_test(trial.user_id, seed=seed, share=share) else train).append(trial)
    return train, test


def auc(outcomes: NDArray[np.bool_], scores: Floats, weights: Floats | None = None) -> float:
    """Area under the ROC curve: P(a solved trial scores above a failed one), ties count half.

    J. A. Hanley and B. J. McNeil, "The meaning and use of the area under a receiver operating
    characteristic curve", Radiology 143 (1982), 29-36. ``weights`` repeat trials (shape as
    ``scores``). NaN when every outcome is the same.
    """
    weights = np.ones(len(scores)) if weights is None else weights
    _, group = np.unique(scores, return_inverse=True)
    return _grouped_auc(group, outcomes, weights)


def _grouped_auc(group: NDArray[np.intp], outcomes: NDArray[np.bool_], weights: Floats) -> float:
    """``auc`` with scores as ranks from 0, equal for ties."""
    if not len(group):
        return float("nan")
    solved = np.bincount(group, weights * outcomes)
    failed = np.bincount(group, weights * ~outcomes)
    below = np.cumsum(failed) - failed
    pairs = solved.sum() * failed.sum()
    return float((solved * (below + failed / 2)).sum() / pairs) if pairs else float("nan")


def log_losses(outcomes: NDArray[np.bool_], probabilities: Floats) -> Floats:
    """-ln P(what happened) of each trial, in nats (I. J. Good, "Rational Decisions", 1952)."""
    clipped = np.clip(probabilities, CLIP, 1 - CLIP)
    return -np.log(np.where(outcomes, clipped, 1 - clipped))


def ece(outcomes: NDArray[np.bool_], probabilities: Floats, bins: int = 10) -> float:
    """Expected calibration error: sum over bins of n_b / n * |share solved - mean probability|.

    Bins of equal width. M. P. Naeini, G. F. Cooper and M. Hauskrecht, "Obtaining Well Calibrated
    Probabilities Using Bayesian Binning", AAAI 2015; C. Guo et al., "On Calibration of Modern
    Neural Networks", ICML 2017, equation 3.
    """
    if not len(probabilities):
        return float("nan")
    group = np.minimum((probabilities * bins).astype(int), bins - 1)
    gap = np.bincount(group, outcomes - probabilities, bins)
    return float(np.abs(gap).sum() / len(probabilities))


@dataclass(frozen=True)
class Predictions:
    """One model's probabilities for every test trial, beside the outcomes and the players."""

    outcomes: NDArray[np.bool_]
    probabilities: Floats
    users: NDArray[np.intp]  # number of the trial's player, from 0


def predict(model: Model, trials: Sequence[Trial]) -> Predictions:
    """Follow each player through ``trials`` (in time order): predict before learning."""
    predictor = model.predictor()
    names = sorted({trial.user_id for trial in trials})
    number = {name: index for index, name in enumerate(names)}
    return Predictions(
        np.array([outcome(trial) for trial in trials], dtype=bool),
        np.array([predictor(trial) for trial in trials], dtype=float),
        np.array([number[trial.user_id] for trial in trials], dtype=np.intp),
    )


def evaluate(
    models: dict[str, Predictions], *, reference: str, seed: int, bins: int, bootstrap: int
) -> dict[str, Any]:
    """Metrics of several models on the same trials, with 95 % intervals, and their gain.

    Intervals are percentiles of a bootstrap that draws whole players, since the trials of one
    player are not independent (B. Efron and R. J. Tibshirani, An Introduction to the Bootstrap,
    1993, chapter 13; C. A. Field and A. H. Welsh, "Bootstrapping clustered data", Journal of the
    Royal Statistical Society B 69 (2007), 369-390). ``gain`` compares with ``reference`` on the
    same draws: positive is better.
    """
    base = next(iter(models.values()))
    players = int(base.users.max()) + 1
    rng = np.random.default_rng(seed)
    draws = [
        np.bincount(rng.integers(0, players, players), minlength=players).astype(float)[base.users]
        for _ in range(bootstrap)
    ]
    report: dict[str, Any] = {}
    samples: dict[str, dict[str, list[float]]] = {}
    points: dict[str, dict[str, float]] = {}
    for name, one in models.items():
        losses = log_losses(one.outcomes, one.probabilities)
        _, group = np.unique(one.probabilities, return_inverse=True)
        points[name] = {
            "auc": auc(one.outcomes, one.probabilities),
            "log_loss": float(losses.mean()),
        }
        samples[name] = {
            "auc": [_grouped_auc(group, one.outcomes, weights) for weights in draws],
            "log_loss": [float(losses @ weights / weights.sum()) for weights in draws],
        }
        report[name] = {
            "auc": _estimate(points[name]["auc"], samples[name]["auc"]),
            "log_loss": _estimate(points[name]["log_loss"], samples[name]["log_loss"]),
            "ece": {"value": _round(ece(one.outcomes, one.probabilities, bins)), "bins": bins},
        }
    for name in models:
        if name != reference:
            report[name]["gain"] = {
                metric: _estimate(
                    sign * (points[name][metric] - points[reference][metric]),
                    [
                        sign * (mine - other)
                        for mine, other in zip(
                            samples[name][metric], samples[reference][metric], strict=True
                        )
                    ],
                )
                for metric, sign in (("auc", 1.0), ("log_loss", -1.0))
            }
    return report


def _estimate(value: float, sample: list[float]) -> dict[str, Any]:
    known = np.array([one for one in sample if one == one])
    if not len(known):
        return {"value": _round(value), "low": None, "high": None}
    low, high = np.quantile(known, [0.025, 0.975])
    return {"value": _round(value), "low": _round(float(low)), "high": _round(float(high))}


def _round(value: float) -> float | None:
    return None if value != value else round(value, 6)
