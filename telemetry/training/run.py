"""One training run: events in, artefacts and a registered model version out.

The stages (snapshot, a fit of each model, evaluation) leave their results in a workspace, so that a
run that was interrupted goes on where it was. What a run makes follows from the snapshot, the
configuration and the code alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import override

from telemetry.training import calibration, card, evaluation, fitting, gate, models, registry
from telemetry.training import snapshot as snapshots
from telemetry.training import trials as columns
from telemetry.training.config import Plan, RunConfig, TrainingError
from telemetry.training.metrics import Judged
from telemetry.training.snapshot import Snapshot
from telemetry.training.sources import SnapshotError, Source
from telemetry.training.trials import Split, Trials
from telemetry.training.workspace import Workspace, json_bytes, locked, sha256, write

BASELINE = models.ItemMean.kind
STEPS = 6 + len(models.KINDS)  # how often `step` is called, beside of what is continued

Step = Callable[[str], object]


@dataclass(frozen=True)
class Run:
    """What a run made. ``created`` is false when this very model was registered before."""

    name: str
    kind: str
    directory: Path
    metrics: dict[str, Any]
    manifest: dict[str, Any]
    gate: dict[str, Any]
    created: bool


def train(
    *,
    plan: Plan,
    source: Source,
    directory: Path,
    fresh: bool = False,
    progress: Callable[[int], object] = lambda rows: None,
    step: Step = lambda what: None,
) -> Run:
    """Take a snapshot, fit, evaluate, write ``directory/<name>/`` and register.

    The snapshot goes to ``snapshots/`` beside ``directory``. A run of the same plan, source and
    code that was interrupted is continued, unless ``fresh``. ``progress`` is called with numbers
    of rows, ``step`` with what begins. Raises ``TrainingError``, ``SnapshotError``,
    ``RegistryError`` or ``Locked``.
    """
    with locked(directory):
        key = [source.identity(), plan.config.as_json(), plan.name, code_version()]
        work = Workspace.of(directory / ".work", key)
        if fresh:
            work.clear()
        if work.begun:
            step(_("continuing a run that was interrupted"))
        snapshot = _snapshot(source, work, directory.parent / "snapshots", progress, step)
        try:
            return _finish(plan=plan, snapshot=snapshot, work=work, directory=directory, step=step)
        except (TrainingError, registry.RegistryError):
            # It would end like this again: the same run, asked for later, sees what came meanwhile.
            work.clear()
            raise


def _snapshot(
    source: Source,
    work: Workspace,
    directory: Path,
    progress: Callable[[int], object],
    step: Step,
) -> Snapshot:
    """The snapshot of this run, taken now or before it was interrupted."""

    def take() -> str:
        return snapshots.take(
            source,
            directory=directory,
            work=work.directory / "rows",
            as_of=work.stage("as_of", source.pin),
            progress=progress,
            packing=lambda: step(_("packing the snapshot")),
        ).sha256

    kept = directory / str(work.stage("snapshot", take))
    with suppress(SnapshotError):
        return snapshots.load(kept)
    work.clear()  # somebody deleted or changed it: the run begins anew
    return snapshots.load(directory / str(work.stage("snapshot", take)))


def _finish(*, plan: Plan, snapshot: Snapshot, work: Workspace, directory: Path, step: Step) -> Run:
    config = plan.config
    step(_("reading trials"))
    trials = columns.load(snapshot)
    split = columns.split(
        trials,
        seed=config.seed,
        test_share=config.test_share,
        forward_share=config.forward_share,
    )
    train, test = trials.where(split.train), trials.where(split.test)
    _require_enough(train, test, config)
    part = snapshot.sha256[:12]  # a stage of another snapshot is none of this run
    fitted: dict[str, models.Model] = {}
    losses: dict[str, float] = {}
    for kind in models.KINDS:
        step(_("fitting %(model)s") % {"model": kind})
        stage = work.stage(f"fit-{kind}-{part}", partial(fitting.fit, kind, train, config))
        fitted[kind], losses[kind] = models.from_params(stage["params"]), stage["loss"]
    kind = fitting.chosen(losses, config)
    step(_("evaluating"))
    judged = {
        name: evaluation.judged(trials, split, evaluation.predict(model, trials, split))
        for name, model in fitted.items()
    }
    metrics = work.stage(f"metrics-{part}", lambda: _metrics(judged, trials, split, losses, config))
    step(_("asking the gate"))
    against = registry.opponent()
    report = _gate(kind, judged, metrics, against, trials, split, config)
    step(_("writing artefacts"))
    params = fitted[kind].params()
    files = {"model.json": json_bytes(params), "metrics.json": json_bytes(metrics)}
    manifest: dict[str, Any] = {
        "kind": kind,
        "config": config.as_json(),
        "seed": config.seed,
        "code": code_version(),
        "rule_version": snapshot.manifest["rule_version"],
        "snapshot": {
            name: snapshot.manifest[name]
            for name in ("sha256", "rows", "trials", "as_of", "first_ts", "last_ts")
        },
        "split": {
            "cut": _moment(split.cut),
            "train": train.size(),
            "test": test.size(),
            "test_share": config.test_share,
            "forward_share": config.forward_share,
        },
        "files": {file: sha256(data) for file, data in files.items()},
    }
    name = plan.name or f"{kind}-{sha256(json_bytes(manifest))[:12]}"
    manifest["name"] = name
    files["manifest.json"] = json_bytes(manifest)
    with override("en"):
        text = card.render(name=name, kind=kind, metrics=metrics, manifest=manifest)
        files["card.md"] = text.encode("utf-8", "surrogatepass")
        plot = calibration.svg(metrics["models"][kind]["reliability"])
        files["calibration.svg"] = plot.encode()
    files["gate.json"] = json_bytes(report)
    target = directory / name
    version, created = registry.register(
        name=name,
        kind=kind,
        metrics=metrics,
        params=params,
        manifest=manifest,
        artefact=str(target)[:500],
        card=text,
        seed=config.seed,
        code_version=manifest["code"],
        snapshot_sha256=snapshot.sha256,
    )
    registry.record(version, against, report)
    for file, data in files.items():
        write(target / file, data)
    work.clear()
    return Run(name, kind, target, metrics, manifest, report, created)


def _metrics(
    judged: dict[str, Judged],
    trials: Trials,
    split: Split,
    losses: dict[str, float],
    config: RunConfig,
) -> dict[str, Any]:
    test = trials.where(split.test)
    return {
        "test": {**test.size(), "share_solved": round(float(test.solved.mean()), 6)},
        "validation": {"log_loss": losses},
        "reference": BASELINE,
        "bootstrap": config.bootstrap,
        "bins": config.ece_bins,
        "models": evaluation.evaluate(
            judged,
            trials=test,
            reference=BASELINE,
            seed=config.seed,
            bins=config.ece_bins,
            bootstrap=config.bootstrap,
        ),
    }


def _gate(
    kind: str,
    judged: dict[str, Judged],
    metrics: dict[str, Any],
    against: Any,
    trials: Trials,
    split: Split,
    config: RunConfig,
) -> dict[str, Any]:
    """The gate's verdict on ``kind`` against the champion, or the item mean without one."""
    other = judged[BASELINE]
    if against is not None:
        try:
            model = models.from_params(against.params)
            other = evaluation.judged(trials, split, evaluation.predict(model, trials, split))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise TrainingError(
                _(
                    "The champion %(name)s has parameters that this version of the code cannot "
                    "read (%(error)r). Roll back to another champion first."
                )
                % {"name": against.name, "error": error}
            ) from error
    return gate.judge(
        gain=evaluation.difference(
            judged[kind], other, seed=config.seed, bootstrap=config.bootstrap
        ),
        ece=metrics["models"][kind]["ece"]["value"],
        players=metrics["test"]["users"],
        against=BASELINE if against is None else against.name,
    )


def code_version() -> str:
    """SHA-256 over the source files that decide a run's result."""
    here = Path(__file__).parent
    digest = b""
    for path in (*sorted(here.rglob("*.py")), here.parent / "wire.py"):
        name = path.relative_to(here.parent).as_posix()
        digest += name.encode() + b"\0" + sha256(path.read_bytes()).encode() + b"\n"
    return sha256(digest)


def _moment(microseconds: int) -> str:
    seconds, rest = divmod(microseconds, 1_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest:06d}+00:00"


def _require_enough(train: Trials, test: Trials, config: RunConfig) -> None:
    for part, trials in ((_("training"), train), (_("test"), test)):
        size = trials.size()
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
        if trials.solved.all() or not trials.solved.any():
            raise TrainingError(
                _("Too little data: every trial of the %(part)s part has the same outcome.")
                % {"part": part}
            )
