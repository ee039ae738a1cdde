"""Fitting each kind of model, and choosing by validation forward in time within the training part.

The last ``forward_share`` of the training trials is held out, what can be chosen is chosen by the
log-loss there, and the model is then fitted on the whole training part. Nothing here sees a test
player or a later trial.
"""

from __future__ import annotations

from typing import Any

from telemetry.training import metrics
from telemetry.training.config import AUTO, RunConfig
from telemetry.training.models import KINDS, Elo, ItemMean, Logistic
from telemetry.training.models.logistic import counts_of
from telemetry.training.trials import Bools, Floats, Trials, cut_of


def fit(kind: str, train: Trials, config: RunConfig) -> dict[str, Any]:
    """``{"params", "loss"}``: the model, and its log-loss on the held-out part in nats a trial.

    ``loss`` is that of the same kind fitted without that part. ``train`` is in time order.
    """
    later = train.time >= cut_of(train.time, config.forward_share)
    if later.all():  # a single moment: nothing lies before it
        later[: len(later) // 2] = False
    return _FITS[kind](train, later, config)


def chosen(losses: dict[str, float], config: RunConfig) -> str:
    """The kind to register: as configured, else of the least held-out log-loss."""
    if config.model != AUTO:
        return config.model
    return min(KINDS, key=lambda kind: losses[kind])


def _item_mean(train: Trials, later: Bools, config: RunConfig) -> dict[str, Any]:
    def new() -> ItemMean:
        return ItemMean(strength=config.item_mean_strength)

    loss = _loss(new().fit(train.where(~later)).predict(train), train, later)
    return {"params": new().fit(train).params(), "loss": loss}


def _elo(train: Trials, later: Bools, config: RunConfig) -> dict[str, Any]:
    def new() -> Elo:
        return Elo(user_gain=config.elo_user_gain, item_gain=config.elo_item_gain)

    loss = _loss(new().fit(train.where(~later)).predict(train), train, later)
    return {"params": new().fit(train).params(), "loss": loss}


def _logistic(train: Trials, later: Bools, config: RunConfig) -> dict[str, Any]:
    from threadpoolctl import threadpool_limits

    counts = counts_of(train)
    with threadpool_limits(limits=1):  # sums in one order, so the same last digit everywhere
        losses = {}
        for c in config.logistic_c:
            model = Logistic(c=c).fit_features(train.where(~later), counts[~later])
            losses[c] = _loss(model.predict_features(train, counts), train, later)
        best = min(losses, key=lambda c: losses[c])
        params = Logistic(c=best).fit_features(train, counts).params()
    return {"params": params, "loss": losses[best]}


_FITS = {ItemMean.kind: _item_mean, Elo.kind: _elo, Logistic.kind: _logistic}


def _loss(probabilities: Floats, train: Trials, later: Bools) -> float:
    losses = metrics.log_losses(train.solved[later], probabilities[later])
    return round(float(losses.mean()), metrics.DIGITS)
