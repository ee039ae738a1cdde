"""Models against each other on the same trials, in all and by group."""

from __future__ import annotations

from typing import Any

import numpy as np

from telemetry.training import metrics
from telemetry.training.metrics import Judged
from telemetry.training.models import Model
from telemetry.training.trials import Bools, Floats, Ints, Split, Trials

# Names of groups come from clients: of more than so many the smaller ones are one group.
MAX_GROUPS = 20
# Which sign makes a difference a gain.
SIGNS = {"auc": 1.0, "log_loss": -1.0, "brier": -1.0}


def predict(model: Model, trials: Trials, split: Split) -> Floats:
    """Probabilities of the test trials, shape ``(split.test.sum(),)``, in time order.

    The model follows the test players from their first trial on, predicting before it learns.
    """
    followed = trials.where(split.follow)
    return model.predict(followed)[split.test[split.follow]]


def judged(trials: Trials, split: Split, probabilities: Floats) -> Judged:
    """Probabilities of the test trials beside what happened."""
    test = trials.where(split.test)
    _, users = np.unique(test.user, return_inverse=True)
    return Judged(test.solved, probabilities, users.astype(np.int64))


def evaluate(
    models: dict[str, Judged],
    *,
    trials: Trials,
    reference: str,
    seed: int,
    bins: int,
    bootstrap: int,
) -> dict[str, Any]:
    """Metrics of several models on the test trials ``trials``, with 95 % intervals.

    ``gain`` compares each with ``reference`` on the same draws of players; positive is better.
    ``by_version`` and ``by_task_type`` hold the same for the trials of one served model version and
    of one task type, of the largest ``MAX_GROUPS`` groups; the others are the group named null.
    """
    players = int(next(iter(models.values())).users.max()) + 1
    draws = metrics.draw_players(players, draws=bootstrap, seed=seed)
    values = {name: metrics.values(one, bins=bins) for name, one in models.items()}
    samples = {name: metrics.resampled(one, draws, bins=bins) for name, one in models.items()}
    report: dict[str, Any] = {}
    for name, one in models.items():
        report[name] = {
            metric: metrics.estimate(values[name][metric], samples[name][metric])
            for metric in metrics.METRICS
        }
        report[name]["reliability"] = metrics.reliability(one, draws, bins=bins)
        if name != reference:
            report[name]["gain"] = {
                metric: metrics.estimate(
                    sign * (values[name][metric] - values[reference][metric]),
                    sign * (samples[name][metric] - samples[reference][metric]),
                )
                for metric, sign in SIGNS.items()
            }
        for group, codes, names in (
            ("by_version", trials.served, trials.versions),
            ("by_task_type", trials.skill, trials.skills),
        ):
            report[name][group] = [
                _of_group(one, models[reference], chosen, label, draws, bins)
                for label, chosen in _groups(codes, names)
            ]
    return report


def difference(candidate: Judged, other: Judged, *, seed: int, bootstrap: int) -> dict[str, Any]:
    """The gain in log-loss of ``candidate`` over ``other`` on the same trials, in nats a trial."""
    players = int(candidate.users.max()) + 1
    draws = metrics.draw_players(players, draws=bootstrap, seed=seed)
    losses = metrics.log_losses(other.outcomes, other.probabilities) - metrics.log_losses(
        candidate.outcomes, candidate.probabilities
    )
    return metrics.estimate(float(losses.mean()), _means(candidate.users, losses, draws))


def _groups(codes: Ints, names: tuple[str, ...]) -> list[tuple[str | None, Bools]]:
    """Masks of the groups by their sizes, the largest first."""
    sizes = np.bincount(codes, minlength=len(names))
    ranked = sorted(np.flatnonzero(sizes).tolist(), key=lambda code: (-sizes[code], names[code]))
    kept, rest = ranked[:MAX_GROUPS], ranked[MAX_GROUPS:]
    groups: list[tuple[str | None, Bools]] = [(names[code], codes == code) for code in kept]
    if rest:
        groups.append((None, np.isin(codes, rest)))
    return groups


def _of_group(
    one: Judged, reference: Judged, chosen: Bools, name: str | None, draws: metrics.Draws, bins: int
) -> dict[str, Any]:
    part = Judged(one.outcomes[chosen], one.probabilities[chosen], one.users[chosen])
    losses = metrics.log_losses(part.outcomes, part.probabilities)
    other = metrics.log_losses(part.outcomes, reference.probabilities[chosen])
    values = metrics.values(part, bins=bins)
    return {
        "name": name,
        "trials": len(part.outcomes),
        "users": len(np.unique(part.users)),
        "share_solved": metrics.rounded(float(part.outcomes.mean())),
        "log_loss": metrics.estimate(values["log_loss"], _means(part.users, losses, draws)),
        "gain": metrics.estimate(
            float((other - losses).mean()), _means(part.users, other - losses, draws)
        ),
        **{metric: metrics.rounded(values[metric]) for metric in ("auc", "brier", "ece")},
    }


def _means(users: Ints, values: Floats, draws: metrics.Draws) -> Floats:
    """The mean of ``values`` in every draw of players."""
    players = draws.shape[1]
    sums = np.stack([np.bincount(users, values, players), np.bincount(users, minlength=players)], 1)
    drawn = metrics.product(draws, sums.astype(float))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(drawn[:, 0] / drawn[:, 1])
