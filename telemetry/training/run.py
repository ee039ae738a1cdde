"""One training run: a snapshot in, artefacts and a registered model version out."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from telemetry.training import evaluation, models, registry, snapshot
from telemetry.wire import Trial

BASELINE = models.ItemMean.kind


class TrainingError(Exception):
    """The run cannot be made; the message is a sentence for the person who asked."""


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Parameters of a run: everything, beside the snapshot, that its artefacts depend on."""

    model: str = "elo"
    seed: int = 0
    test_share: float = 0.2
    elo_user_gain: tuple[float, float] = (1.0, 0.05)
    elo_item_gain: tuple[float, float] = (1.0, 0.05)
    item_mean_strength: float = 5.0
    ece_bins: int = 10
    bootstrap: int = 200
    min_users: int = 10
    min_trials: int = 200

    def __post_init__(self) -> None:
        for name in ("elo_user_gain", "elo_item_gain"):
            pair = tuple(float(value) for value in getattr(self, name))
            if len(pair) != 2 or pair[0] <= 0 or pair[1] < 0:
                raise TrainingError(
                    _("%(name)s needs two numbers, the first above 0 and none below.")
                    % {"name": name}
                )
            object.__setattr__(self, name, pair)
        if self.model not in MODELS:
            raise TrainingError(_("model must be one of %(names)s.") % {"names": ", ".join(MODELS)})
        if not 0 < self.test_share < 1:
            raise TrainingError(_("test_share must lie between 0 and 1."))
        if self.item_mean_strength <= 0 or self.ece_bins < 1 or self.bootstrap < 0:
            raise TrainingError(
                _("item_mean_strength and ece_bins must be above 0, bootstrap not below.")
            )
        if self.min_users < 1 or self.min_trials < 2:
            raise TrainingError(_("min_users must be at least 1 and min_trials at least 2."))


MODELS: dict[str, Callable[[RunConfig], models.Model]] = {
    models.Elo.kind: lambda config: models.Elo(
        user_gain=config.elo_user_gain, item_gain=config.elo_item_gain
    ),
    models.ItemMean.kind: lambda config: models.ItemMean(strength=config.item_mean_strength),
}


def load_config(path: Path | None, **arguments: Any) -> RunConfig:
    """Defaults, then the TOML file, then the arguments that are not ``None``."""
    values: dict[str, Any] = {}
    if path is not None:
        try:
            values = tomllib.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise TrainingError(
                _("%(path)s cannot be read as TOML: %(error)s.") % {"path": path, "error": error}
            ) from error
    known = {field.name: field.default for field in fields(RunConfig)}
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise TrainingError(
            _("%(path)s has unknown parameters: %(unknown)s. Known: %(known)s.")
            % {"path": path, "unknown": ", ".join(unknown), "known": ", ".join(known)}
        )
    values.update({name: value for name, value in arguments.items() if value is not None})
    try:
        for name, value in values.items():
            default = known[name]
            if isinstance(default, float) and type(value) is int:
                values[name] = float(value)
            elif type(value) is not type(default) and not isinstance(default, tuple):
                raise TypeError(f"{name} = {value!r}")
        return RunConfig(**values)
    except (TypeError, ValueError) as error:
        raise TrainingError(
            _("A parameter has a wrong type: %(error)s.") % {"error": error}
        ) from error


@dataclass(frozen=True)
class Run:
    """What a run made. ``created`` is false when this very model was registered before."""

    name: str
    directory: Path
    metrics: dict[str, Any]
    manifest: dict[str, Any]
    created: bool


def train(
    *,
    source: snapshot.Snapshot,
    config: RunConfig,
    directory: Path,
    name: str = "",
    progress: Callable[[str], object] = lambda step: None,
) -> Run:
    """Fit, evaluate, write ``directory/<name>/{model,metrics,manifest}.json`` and register.

    The bytes of all three follow from the snapshot, ``config`` and the code. ``name`` defaults to
    the kind and the first twelve digits of the manifest's SHA-256. Raises ``TrainingError`` on too
    little data and ``registry.RegistryError`` where ``name`` means another model.
    """
    if name and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", name):
        raise TrainingError(
            _("A name has up to 128 letters, digits, dots, dashes and underscores.")
        )
    progress(_("reading trials"))
    trials = snapshot.trials(source)
    train_part, test_part = evaluation.split_users(
        trials, seed=config.seed, share=config.test_share
    )
    _require_enough(train_part, test_part, config)
    fitted: dict[str, models.Model] = {}
    predictions: dict[str, evaluation.Predictions] = {}
    for kind, build in MODELS.items():
        progress(_("fitting %(model)s") % {"model": kind})
        fitted[kind] = build(config).fit(train_part)
        predictions[kind] = evaluation.predict(fitted[kind], test_part)
    progress(_("evaluating"))
    metrics = {
        "test": {**_size(test_part), "share_solved": _share_solved(test_part)},
        "models": evaluation.evaluate(
            predictions,
            reference=BASELINE,
            seed=config.seed,
            bins=config.ece_bins,
            bootstrap=config.bootstrap,
        ),
    }
    progress(_("writing artefacts"))
    params = fitted[config.model].params()
    files = {"model.json": _bytes(params), "metrics.json": _bytes(metrics)}
    manifest: dict[str, Any] = {
        "config": json.loads(json.dumps(asdict(config))),
        "code": code_version(),
        "snapshot": {"sha256": source.sha256, "rows": source.rows, "as_of": source.as_of},
        "trials": len(trials),
        "train": _size(train_part),
        "test": _size(test_part),
        "files": {file: hashlib.sha256(data).hexdigest() for file, data in files.items()},
    }
    name = name or f"{config.model}-{hashlib.sha256(_bytes(manifest)).hexdigest()[:12]}"
    manifest["name"] = name
    files["manifest.json"] = _bytes(manifest)
    target = directory / name
    _version, created = registry.register(
        name=name,
        kind=config.model,
        metrics=metrics,
        params=params,
        manifest=manifest,
        artefact=str(target),
    )
    target.mkdir(parents=True, exist_ok=True)
    for file, data in files.items():
        partial = target / f".{file}.{os.getpid()}"
        partial.write_bytes(data)
        os.replace(partial, target / file)
    return Run(name, target, metrics, manifest, created)


def code_version() -> str:
    """SHA-256 over the source files that decide a run's result."""
    digest = hashlib.sha256()
    here = Path(__file__).parent
    for path in (*sorted(here.glob("*.py")), here.parent / "wire.py"):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _require_enough(train: Sequence[Trial], test: Sequence[Trial], config: RunConfig) -> None:
    for part, trials in ((_("training"), train), (_("test"), test)):
        size = _size(trials)
        if size["users"] < config.min_users or size["trials"] < config.min_trials:
            raise TrainingError(
                _(
                    "Too little data: the %(part)s part has %(trials)d trials of %(users)d players, "
                    "and needs %(min_trials)d of %(min_users)d. Collect more play, or lower "
                    "min_users and min_trials."
                )
                % {
                    "part": part,
                    "trials": size["trials"],
                    "users": size["users"],
                    "min_trials": config.min_trials,
                    "min_users": config.min_users,
                }
            )
        if len({models.outcome(trial) for trial in trials}) < 2:
            raise TrainingError(
                _("Too little data: every trial of the %(part)s part has the same outcome.")
                % {"part": part}
            )


def _size(trials: Sequence[Trial]) -> dict[str, int]:
    return {
        "users": len({trial.user_id for trial in trials}),
        "items": len({models.item_of(trial) for trial in trials}),
        "trials": len(trials),
    }


def _share_solved(trials: Sequence[Trial]) -> float:
    return round(sum(models.outcome(trial) for trial in trials) / len(trials), 6)


def _bytes(value: dict[str, Any]) -> bytes:
    return (json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False) + "\n").encode()
