"""A training run and its command: artefacts, registry, parameters, refusals."""

from __future__ import annotations

import hashlib
import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from telemetry.models import ModelVersion
from telemetry.training import evaluation, models, registry, snapshot
from telemetry.training.run import RunConfig, TrainingError, load_config, train
from tests.telemetry.planted import exported, population, write_ndjson

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = exported(population(players=120, trials=120))
    return write_ndjson(rows, tmp_path_factory.mktemp("export") / "events.ndjson")


@pytest.fixture
def source(export: Path, tmp_path: Path) -> snapshot.Snapshot:
    return snapshot.write(snapshot.from_file(export), tmp_path / "snapshots")


def run_train(*arguments: Any, **options: Any) -> str:
    out = StringIO()
    call_command("train", *map(str, arguments), stdout=out, **options)
    return out.getvalue()


def artefacts(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*.json"))
    }


def test_elo_beats_the_item_mean_on_unseen_players(
    source: snapshot.Snapshot, tmp_path: Path
) -> None:
    run = train(source=source, config=RunConfig(seed=1), directory=tmp_path / "models")
    elo, mean = run.metrics["models"]["elo"], run.metrics["models"]["item_mean"]
    assert elo["gain"]["auc"]["low"] > 0
    assert elo["gain"]["log_loss"]["low"] > 0
    assert elo["auc"]["value"] > mean["auc"]["value"] > 0.6
    assert elo["log_loss"]["value"] < mean["log_loss"]["value"]
    assert elo["ece"]["value"] < 0.1


def test_same_seed_and_snapshot_give_the_same_bytes(export: Path, tmp_path: Path) -> None:
    first = run_train("--snapshot", export, "--seed", 5, "--out", tmp_path / "a" / "models")
    again = run_train("--snapshot", export, "--seed", 5, "--out", tmp_path / "b" / "models")
    assert "was registered already" not in first
    assert "was registered already" in again
    assert artefacts(tmp_path / "a") == artefacts(tmp_path / "b")
    assert len(artefacts(tmp_path / "a")) == 3
    assert ModelVersion.objects.filter(kind="elo").count() == 1
    run_train("--snapshot", export, "--seed", 6, "--out", tmp_path / "c" / "models")
    assert ModelVersion.objects.filter(kind="elo").count() == 2


def test_manifest_says_what_the_model_was_made_from(
    source: snapshot.Snapshot, tmp_path: Path
) -> None:
    run = train(source=source, config=RunConfig(seed=1), directory=tmp_path, name="pilot.1")
    written = {path.name: path.read_bytes() for path in (tmp_path / "pilot.1").iterdir()}
    assert sorted(written) == ["manifest.json", "metrics.json", "model.json"]
    manifest = json.loads(written["manifest.json"])
    assert manifest == run.manifest
    assert manifest["snapshot"] == {
        "sha256": source.sha256,
        "rows": source.rows,
        "as_of": source.as_of,
    }
    assert manifest["config"]["seed"] == 1
    assert (
        manifest["train"]["trials"] + manifest["test"]["trials"] == manifest["trials"] == 120 * 120
    )
    for name in ("model.json", "metrics.json"):
        assert manifest["files"][name] == hashlib.sha256(written[name]).hexdigest()
    row = ModelVersion.objects.get(name="pilot.1")
    assert row.status == ModelVersion.Status.REGISTERED
    assert (row.kind, row.manifest, row.metrics) == (
        "elo",
        manifest,
        json.loads(written["metrics.json"]),
    )
    assert row.params == json.loads(written["model.json"])
    assert str(tmp_path) not in written["manifest.json"].decode()


def test_test_players_leak_nothing_into_the_model(
    source: snapshot.Snapshot, tmp_path: Path
) -> None:
    """Turning round every answer of the test players changes the metrics, not one parameter."""
    config = RunConfig(seed=1)
    honest = train(source=source, config=config, directory=tmp_path / "honest")

    def turned() -> Any:
        for row in snapshot.from_file(source.path):
            if row["event_type"] == "task_result" and evaluation.in_test(
                row["user_id"], seed=config.seed, share=config.test_share
            ):
                row["payload"]["correct"] = not row["payload"]["correct"]
            yield row

    other = snapshot.write(turned(), tmp_path / "turned")
    assert other.sha256 != source.sha256
    turned_run = train(source=other, config=config, directory=tmp_path / "turned")
    name = "model.json"
    assert (honest.directory / name).read_bytes() == (turned_run.directory / name).read_bytes()
    assert turned_run.metrics != honest.metrics


def test_stored_model_gives_the_stored_metrics(source: snapshot.Snapshot, tmp_path: Path) -> None:
    config = RunConfig(seed=1)
    run = train(source=source, config=config, directory=tmp_path)
    params = json.loads((run.directory / "model.json").read_text())
    _, test = evaluation.split_users(
        snapshot.trials(source), seed=config.seed, share=config.test_share
    )
    one = evaluation.predict(models.Elo.from_params(params), test)
    value = evaluation.auc(one.outcomes, one.probabilities)
    assert round(value, 6) == run.metrics["models"]["elo"]["auc"]["value"]


def test_item_mean_can_be_the_registered_model(source: snapshot.Snapshot, tmp_path: Path) -> None:
    run = train(source=source, config=RunConfig(model="item_mean"), directory=tmp_path)
    assert run.name.startswith("item_mean-")
    assert ModelVersion.objects.get(name=run.name).params["kind"] == "item_mean"


# The registry ----------------------------------------------------------------------------------------

CONTENT: dict[str, Any] = {
    "kind": "elo",
    "metrics": {"auc": 0.7},
    "params": {"items": {}},
    "manifest": {"seed": 1},
    "artefact": "models/m1",
}


def test_registering_twice_changes_nothing() -> None:
    first, created = registry.register(name="m1", **CONTENT)
    again, created_again = registry.register(name="m1", **CONTENT)
    assert (created, created_again, first.pk) == (True, False, again.pk)


def test_registered_content_never_changes() -> None:
    registry.register(name="m1", **CONTENT)
    with pytest.raises(registry.RegistryError, match="Choose another name"):
        registry.register(name="m1", **{**CONTENT, "metrics": {"auc": 0.9}})
    assert ModelVersion.objects.get(name="m1").metrics == {"auc": 0.7}


def test_champion_stays_champion_when_registered_again() -> None:
    registry.register(name="m1", **CONTENT)
    ModelVersion.objects.filter(name="m1").update(status=ModelVersion.Status.CHAMPION)
    registry.register(name="m1", **CONTENT)
    assert ModelVersion.objects.get(name="m1").status == ModelVersion.Status.CHAMPION


def test_version_seen_in_events_is_filled_in() -> None:
    seen = ModelVersion.objects.create(name="m1", status=ModelVersion.Status.UNREGISTERED)
    version, created = registry.register(name="m1", **CONTENT)
    assert (version.pk, created) == (seen.pk, True)
    assert version.status == ModelVersion.Status.REGISTERED
    assert version.params == CONTENT["params"]


def test_name_of_the_games_own_baseline_is_taken(source: snapshot.Snapshot, tmp_path: Path) -> None:
    ModelVersion.objects.update_or_create(
        name="baseline_v1", defaults={"status": ModelVersion.Status.REGISTERED}
    )
    with pytest.raises(registry.RegistryError):
        train(source=source, config=RunConfig(), directory=tmp_path, name="baseline_v1")
    assert not (tmp_path / "baseline_v1").exists()


# Parameters ------------------------------------------------------------------------------------------


def test_arguments_win_over_the_file_and_the_file_over_defaults(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text(
        'model = "item_mean"\nseed = 3\ntest_share = 0.3\nelo_user_gain = [0.8, 0.02]\n'
    )
    config = load_config(path, seed=4, test_share=None)
    assert config == RunConfig(model="item_mean", seed=4, test_share=0.3, elo_user_gain=(0.8, 0.02))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sead = 3", "unknown parameters: sead"),
        ('seed = "3"', "seed"),
        ("seed = true", "seed"),
        ("elo_user_gain = [1.0]", "elo_user_gain"),
        ("elo_user_gain = 1.0", "wrong type"),
        ("elo_item_gain = [0, 1]", "elo_item_gain"),
        ("test_share = 1", "test_share"),
        ('model = "oracle"', "model must be one of"),
        ("seed = ", "cannot be read as TOML"),
        ("bootstrap = -1", "bootstrap"),
        ("min_trials = 0", "min_trials"),
    ],
)
def test_wrong_parameters_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "run.toml"
    path.write_text(text)
    with pytest.raises(TrainingError, match=message):
        load_config(path)


def test_file_may_be_named_by_the_environment(
    export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run.toml").write_text("seed = 11\nbootstrap = 0\n")
    monkeypatch.setenv("RUN_CONFIG", str(tmp_path / "run.toml"))
    run_train("--snapshot", export, "--out", tmp_path / "models", "--name", "from-env")
    row = ModelVersion.objects.get(name="from-env")
    assert (row.manifest["config"]["seed"], row.manifest["config"]["bootstrap"]) == (11, 0)
    assert row.metrics["models"]["elo"]["auc"]["low"] is None


# Refusals --------------------------------------------------------------------------------------------


def test_empty_database_is_too_little_data(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="Too little data: the training part has 0 trials"):
        run_train("--out", tmp_path / "models")


def test_too_few_test_players_are_too_little_data(export: Path, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="Too little data: the test part"):
        run_train("--snapshot", export, "--test-share", "0.01", "--out", tmp_path / "models")
    assert not list(tmp_path.glob("models/*"))


def test_outcomes_that_never_differ_are_too_little_data(tmp_path: Path) -> None:
    rows = exported(population(players=60, trials=20))
    for row in rows:
        row["payload"] = {"correct": True, "rt_ms": 300}
    path = write_ndjson(rows, tmp_path / "e")
    with pytest.raises(CommandError, match="same outcome"):
        run_train("--snapshot", path, "--out", tmp_path / "models")


@pytest.mark.parametrize("name", ["../escape", "a/b", ".hidden", "x" * 129, "a b"])
def test_name_that_is_no_file_name_is_refused(
    source: snapshot.Snapshot, tmp_path: Path, name: str
) -> None:
    with pytest.raises(TrainingError, match="A name has"):
        train(source=source, config=RunConfig(), directory=tmp_path / "models", name=name)


def test_two_sources_are_one_too_many(export: Path, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="not both"):
        run_train("--snapshot", export, "--url", "http://127.0.0.1:9")


def test_server_that_does_not_answer_is_said(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read"):
        run_train("--url", "http://127.0.0.1:9", "--out", tmp_path / "models")
    with pytest.raises(CommandError, match="must start with http"):
        run_train("--url", "ftp://127.0.0.1", "--out", tmp_path / "models")
