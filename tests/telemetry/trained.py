"""Two versions that training registered of one snapshot, for tests of what is done with them."""

from __future__ import annotations

from typing import Any

import pytest

from telemetry.models import GateResult, ModelVersion
from telemetry.training import registry
from telemetry.training.config import Plan, RunConfig
from telemetry.training.files import File
from telemetry.training.run import train
from tests.desk import EVIL
from tests.telemetry.planted import exported, population, write_ndjson


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, django_db_blocker: Any) -> dict[str, Any]:
    """The content of two registered versions of one snapshot, made once; names are hostile."""
    folder = tmp_path_factory.mktemp("trained")
    rows = exported(population(players=240, trials=120))
    for row in rows:
        if row["model_version"] == "baseline_v1":
            row["model_version"] = f"{EVIL}|x"
    path = write_ndjson(rows, folder / "events.ndjson")
    found: dict[str, Any] = {}
    with django_db_blocker.unblock():
        for kind in ("item_mean", "logistic"):
            config = RunConfig(model=kind, seed=1, bootstrap=100)
            plan = Plan(config=config, snapshot=path, name=f"{kind}-a")
            made = train(plan=plan, source=File(path), directory=folder / "models")
            row = ModelVersion.objects.filter(name=made.name).values(*ModelVersion.CONTENT).get()
            found[kind] = (row, made.gate)
            GateResult.objects.filter(version__name=made.name).delete()
            ModelVersion.objects.filter(name=made.name).delete()
    return found


def versions(trained: dict[str, Any]) -> tuple[ModelVersion, ModelVersion]:
    """(the item mean, which did not pass; the logistic model, which passed)."""
    made = []
    for kind in ("item_mean", "logistic"):
        row, report = trained[kind]
        version = registry.register(**row)[0]
        registry.record(version, None, report)
        made.append(version)
    return made[0], made[1]
