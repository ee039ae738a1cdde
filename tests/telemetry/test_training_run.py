"""A training run and its command: artefacts, registry, parameters, refusals."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.utils import translation

from telemetry.models import GameEvent, GateResult, ModelVersion
from telemetry.training import evaluation, metrics, models, registry, snapshot, trials
from telemetry.training.config import Plan, RunConfig, TrainingError, load
from telemetry.training.files import File
from telemetry.training.run import Run, train
from telemetry.training.workspace import locked
from tests.telemetry.planted import exported, population, write_ndjson
from tests.telemetry.test_training_snapshot import stored

pytestmark = pytest.mark.django_db

FILES = [
    "calibration.svg", "card.md", "gate.json", "manifest.json", "metrics.json", "model.json",
]  # fmt: skip
QUICK = RunConfig(seed=1, bootstrap=200)


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = exported(population(players=240, trials=120))
    return write_ndjson(rows, tmp_path_factory.mktemp("export") / "events.ndjson")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = exported(population(players=60, trials=120))
    return write_ndjson(rows, tmp_path_factory.mktemp("export") / "events.ndjson")


def run(path: Path, directory: Path, config: RunConfig = QUICK, name: str = "") -> Run:
    plan = Plan(config=config, snapshot=path, name=name)
    return train(plan=plan, source=File(path), directory=directory)


def run_train(*arguments: Any, **options: Any) -> str:
    out = StringIO()
    call_command("train", *map(str, arguments), stdout=out, **options)
    return out.getvalue()


def artefacts(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def snapshot_of(run: Run) -> snapshot.Snapshot:
    sha = run.manifest["snapshot"]["sha256"]
    return snapshot.load(run.directory.parent.parent / "snapshots" / sha)


def test_models_beat_the_item_mean_on_unseen_players_in_the_future(
    export: Path, tmp_path: Path
) -> None:
    made = run(export, tmp_path / "models")
    found = made.metrics["models"]
    for name in ("elo", "logistic"):
        assert found[name]["gain"]["auc"]["low"] > 0
        assert found[name]["gain"]["log_loss"]["low"] > 0
        assert found[name]["auc"]["value"] > found["item_mean"]["auc"]["value"] > 0.6
    assert found["logistic"]["ece"]["value"] < 0.05
    assert made.kind in ("elo", "logistic")
    losses = made.metrics["validation"]["log_loss"]
    assert made.kind == min(losses, key=lambda kind: losses[kind])


def test_same_seed_and_snapshot_give_the_same_bytes(small: Path, tmp_path: Path) -> None:
    common = ["--snapshot", small, "--bootstrap", 100]
    first = run_train(*common, "--seed", 5, "--out", tmp_path / "a" / "models")
    with translation.override("ru"):
        again = run_train(*common, "--seed", 5, "--out", tmp_path / "b" / "models")
    assert "was registered already" not in first
    assert artefacts(tmp_path / "a") == artefacts(tmp_path / "b")
    assert ModelVersion.objects.exclude(kind="baseline").count() == 1
    assert "was registered already" in run_train(
        *common, "--seed", 5, "--out", tmp_path / "c" / "models"
    )
    names = {Path(name).name for name in artefacts(tmp_path / "a")}
    assert names == {*FILES, "events.parquet"}
    assert again
    run_train(*common, "--seed", 6, "--out", tmp_path / "d" / "models")
    assert ModelVersion.objects.exclude(kind="baseline").count() == 2


def test_row_says_what_the_model_was_made_from(small: Path, tmp_path: Path) -> None:
    made = run(small, tmp_path / "models", name="pilot.1")
    target = tmp_path / "models" / "pilot.1"
    written = {path.name: path.read_bytes() for path in target.iterdir()}
    assert sorted(written) == FILES
    manifest = json.loads(written["manifest.json"])
    assert manifest == made.manifest
    kept = snapshot_of(made)
    assert manifest["snapshot"] == {
        name: kept.manifest[name]
        for name in ("sha256", "rows", "trials", "as_of", "first_ts", "last_ts")
    }
    assert manifest["rule_version"] == snapshot.RULE_VERSION
    assert manifest["config"]["seed"] == manifest["seed"] == 1
    assert kept.manifest["trials"] == 60 * 120
    for name in ("model.json", "metrics.json"):
        assert manifest["files"][name] == hashlib.sha256(written[name]).hexdigest()
    row = ModelVersion.objects.get(name="pilot.1")
    assert row.status == ModelVersion.Status.REGISTERED
    assert (row.kind, row.manifest) == (made.kind, manifest)
    assert row.metrics == json.loads(written["metrics.json"])
    assert row.params == json.loads(written["model.json"])
    assert row.card == written["card.md"].decode()
    assert (row.seed, row.code_version) == (1, manifest["code"])
    assert row.snapshot_sha256 == kept.sha256
    assert str(tmp_path) not in written["manifest.json"].decode()
    assert not list((tmp_path / "models" / ".work").glob("*"))


def test_row_alone_drives_the_predictions_that_were_judged(small: Path, tmp_path: Path) -> None:
    made = run(small, tmp_path / "models")
    row = ModelVersion.objects.get(name=made.name)
    found = trials.load(snapshot_of(made))
    config = made.manifest["config"]
    split = trials.split(
        found,
        seed=row.seed or 0,
        test_share=config["test_share"],
        forward_share=config["forward_share"],
    )
    model = models.from_params(row.params)
    one = evaluation.judged(found, split, evaluation.predict(model, found, split))
    stored = row.metrics["models"][row.kind]
    for name, value in metrics.values(one, bins=10).items():
        assert metrics.rounded(value) == stored[name]["value"]


def turned(path: Path, *, where: Any) -> Iterator[dict[str, Any]]:
    """The events of a file, the answers of some turned round."""
    for row in map(json.loads, path.read_text().splitlines()):
        if row["event_type"] == "task_result" and where(row):
            row["payload"]["correct"] = not row["payload"]["correct"]
        yield row


def test_test_players_leak_nothing_into_the_model(small: Path, tmp_path: Path) -> None:
    """Turning round every answer of the test players changes the metrics, not one parameter."""
    honest = run(small, tmp_path / "models")

    def of_test(row: dict[str, Any]) -> bool:
        return trials.in_test(row["user_id"], seed=1, share=QUICK.test_share)

    other = write_ndjson(turned(small, where=of_test), tmp_path / "turned")
    planted = run(other, tmp_path / "models")
    assert planted.manifest["snapshot"]["sha256"] != honest.manifest["snapshot"]["sha256"]
    assert json.dumps(planted.metrics["validation"]) == json.dumps(honest.metrics["validation"])
    name = "model.json"
    assert (honest.directory / name).read_bytes() == (planted.directory / name).read_bytes()
    assert planted.metrics != honest.metrics


def test_future_leaks_nothing_into_the_model(small: Path, tmp_path: Path) -> None:
    """Neither do answers from the cut on, whoever gave them."""
    honest = run(small, tmp_path / "models")
    cut = honest.manifest["split"]["cut"]
    later = write_ndjson(
        turned(small, where=lambda row: row["effective_ts"] >= cut), tmp_path / "turned"
    )
    planted = run(later, tmp_path / "models")
    name = "model.json"
    assert (honest.directory / name).read_bytes() == (planted.directory / name).read_bytes()
    assert planted.metrics != honest.metrics


def test_answer_in_the_payload_is_not_used(small: Path, tmp_path: Path) -> None:
    """A planted giveaway in fields that are no features changes no parameter and no metric."""
    honest = run(small, tmp_path / "models")

    def marked() -> Iterator[dict[str, Any]]:
        for row in map(json.loads, small.read_text().splitlines()):
            if row["event_type"] == "task_result":
                row["payload"]["difficulty"] = -9 if row["payload"]["correct"] else 9
                row["session_id"] = f"s_{row['payload']['correct']}"
            yield row

    planted = run(write_ndjson(marked(), tmp_path / "marked"), tmp_path / "models")
    assert planted.metrics == honest.metrics
    for name in ("model.json", "metrics.json"):
        assert (honest.directory / name).read_bytes() == (planted.directory / name).read_bytes()


@pytest.mark.parametrize("kind", ["item_mean", "elo", "logistic"])
def test_any_model_can_be_the_registered_one(small: Path, tmp_path: Path, kind: str) -> None:
    made = run(small, tmp_path / "models", RunConfig(model=kind, bootstrap=20))
    assert made.name.startswith(f"{kind}-")
    assert ModelVersion.objects.get(name=made.name).params["kind"] == kind


# The gate of a run -----------------------------------------------------------------------------------


def test_gate_asks_the_item_mean_before_there_is_a_champion(export: Path, tmp_path: Path) -> None:
    made = run(export, tmp_path / "models")
    report = json.loads((made.directory / "gate.json").read_bytes())
    assert report == made.gate
    assert report["against"] == "item_mean"
    assert report["gain"] == made.metrics["models"][made.kind]["gain"]["log_loss"]
    assert report["ece"] == made.metrics["models"][made.kind]["ece"]["value"]
    kept = GateResult.objects.get(version__name=made.name)
    assert (kept.champion, kept.passed, kept.report) == (None, report["passed"], report)
    assert report["passed"] == (not report["reasons"])


def test_gate_asks_the_champion_on_the_same_trials(export: Path, tmp_path: Path) -> None:
    mean = run(export, tmp_path / "models", RunConfig(model="item_mean", seed=1, bootstrap=200))
    assert mean.gate["reasons"][0] == "not_better"
    ModelVersion.objects.filter(name=mean.name).update(status="champion")
    made = run(export, tmp_path / "models")
    assert made.gate["against"] == mean.name
    assert made.gate["gain"] == made.metrics["models"][made.kind]["gain"]["log_loss"]
    ModelVersion.objects.filter(name=mean.name).update(status="archived")
    ModelVersion.objects.filter(name=made.name).update(status="champion")
    again = run(export, tmp_path / "models")
    assert (again.name, again.created) == (made.name, False)
    assert again.gate["against"] == made.name
    assert again.gate["gain"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert "not_better" in again.gate["reasons"]
    results = GateResult.objects.filter(version__name=made.name)
    assert {row.champion.name if row.champion else None for row in results} == {
        mean.name,
        made.name,
    }
    stored = (made.directory / "metrics.json").read_bytes()
    assert hashlib.sha256(stored).hexdigest() == made.manifest["files"]["metrics.json"]


def test_gate_asks_the_item_mean_where_the_baseline_is_champion(
    small: Path, tmp_path: Path
) -> None:
    ModelVersion.objects.filter(name="baseline_v1").update(status="champion")
    assert run(small, tmp_path / "models").gate["against"] == "item_mean"


def test_champion_that_cannot_be_read_is_said(small: Path, tmp_path: Path) -> None:
    ModelVersion.objects.create(name="odd", kind="oracle", params={}, status="champion")
    with pytest.raises(CommandError, match="The champion odd has parameters"):
        run_train("--snapshot", small, "--out", tmp_path / "models", "--bootstrap", 10)


def test_command_says_what_the_gate_said(small: Path, export: Path, tmp_path: Path) -> None:
    common = ["--out", tmp_path / "models", "--bootstrap", 100, "--snapshot"]
    few = run_train(*common, small)
    assert "The gate: not passed: " in few
    assert "test players are fewer than 30" in few
    assert "The gate: passed." in run_train(*common, export, "--seed", 1, "--model", "logistic")


# Parameters ------------------------------------------------------------------------------------------


def test_arguments_win_over_the_file_and_the_file_over_defaults(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text(
        'model = "item_mean"\nseed = 3\ntest_share = 0.3\nelo_user_gain = [0.8, 0.02]\n'
        'logistic_c = [1, 0.1]\nsnapshot = "events.csv"\nas_of = 70\nname = "n"\n'
    )
    plan = load(path, seed=4, test_share=None)
    assert plan == Plan(
        config=RunConfig(
            model="item_mean",
            seed=4,
            test_share=0.3,
            elo_user_gain=(0.8, 0.02),
            logistic_c=(0.1, 1.0),
        ),
        snapshot=tmp_path / "events.csv",
        as_of=70,
        name="n",
    )
    other = load(path, url="http://there", name="m")
    assert (other.snapshot, other.url, other.name) == (None, "http://there", "m")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sead = 3", "unknown parameters: sead"),
        ('api_key = "secret"', "unknown parameters: api_key"),
        ('seed = "3"', "seed"),
        ("seed = true", "seed"),
        ("seed = -1", "seed must lie"),
        ("seed = 99999999999999999999", "seed must lie"),
        ("elo_user_gain = [1.0]", "elo_user_gain"),
        ("elo_user_gain = 1.0", "wrong type"),
        ("elo_user_gain = [true, 1]", "wrong type"),
        ("elo_user_gain = [nan, 1]", "finite"),
        ("elo_item_gain = [0, 1]", "elo_item_gain"),
        ("logistic_c = []", "logistic_c"),
        ("logistic_c = [-1]", "logistic_c"),
        ("item_mean_strength = inf", "item_mean_strength"),
        ("item_mean_strength = nan", "item_mean_strength"),
        ("test_share = 1", "test_share"),
        ("forward_share = nan", "forward_share"),
        ('model = "oracle"', "model must be one of"),
        ("seed = ", "cannot be read as TOML"),
        ("bootstrap = -1", "bootstrap"),
        ("bootstrap = 10000000", "bootstrap"),
        ("ece_bins = 0", "ece_bins"),
        ("min_trials = 0", "min_trials"),
        ("as_of = -1", "as_of"),
        ('name = "../escape"', "A name has"),
        ('snapshot = "a"\nurl = "http://b"', "not both"),
        ("snapshot = 3", "wrong type"),
        ("[seed]\na = 1", "wrong type"),
    ],
)
def test_wrong_parameters_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "run.toml"
    path.write_text(text)
    with pytest.raises(TrainingError, match=message):
        load(path)


def test_everything_may_stand_in_one_file(small: Path, tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text(f'snapshot = "{small}"\nname = "from-file"\nbootstrap = 0\nseed = 11\n')
    run_train("--config", path, "--out", tmp_path / "models")
    row = ModelVersion.objects.get(name="from-file")
    assert (row.manifest["config"]["seed"], row.manifest["config"]["bootstrap"]) == (11, 0)
    assert row.metrics["models"]["elo"]["auc"]["low"] is None
    assert row.gate_results.get().report["reasons"][0] == "no_interval"


def test_file_may_be_named_by_the_environment(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run.toml").write_text("seed = 11\nbootstrap = 0\n")
    monkeypatch.setenv("RUN_CONFIG", str(tmp_path / "run.toml"))
    run_train("--snapshot", small, "--out", tmp_path / "models", "--name", "from-env")
    assert ModelVersion.objects.get(name="from-env").seed == 11


# Refusals --------------------------------------------------------------------------------------------


def test_empty_database_is_too_little_data(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="Too little data: the training part has 0 trials"):
        run_train("--out", tmp_path / "models")


def test_run_that_had_too_little_data_sees_what_came_since(tmp_path: Path) -> None:
    rows = exported(population(players=60, trials=120))
    GameEvent.objects.bulk_create(stored(row) for row in rows[:50])
    common = ["--out", tmp_path / "models", "--bootstrap", 10]
    with pytest.raises(CommandError, match="Too little data"):
        run_train(*common)
    GameEvent.objects.bulk_create(stored(row) for row in rows[50:])
    assert "registered: AUC" in run_train(*common)


def test_database_that_fails_is_said(small: Path, tmp_path: Path) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE telemetry_gateresult RENAME TO gone")
    try:
        with pytest.raises(CommandError, match="The database failed"), transaction.atomic():
            run_train("--snapshot", small, "--out", tmp_path / "models", "--bootstrap", 10)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE gone RENAME TO telemetry_gateresult")


def test_too_few_test_players_are_too_little_data(small: Path, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="Too little data: the test part"):
        run_train("--snapshot", small, "--test-share", "0.01", "--out", tmp_path / "models")
    assert not list(tmp_path.glob("models/*/model.json"))
    assert not ModelVersion.objects.exclude(kind="baseline").exists()


def test_outcomes_that_never_differ_are_too_little_data(tmp_path: Path) -> None:
    rows = exported(population(players=60, trials=20))
    for row in rows:
        row["payload"] = {"correct": True, "rt_ms": 300}
    path = write_ndjson(rows, tmp_path / "e")
    with pytest.raises(CommandError, match="same outcome"):
        run_train("--snapshot", path, "--out", tmp_path / "models")


def test_play_of_a_single_moment_is_too_little_data(tmp_path: Path) -> None:
    rows = exported(population(players=60, trials=20))
    for row in rows:
        row["effective_ts"] = "2026-02-17T12:00:00Z"
    path = write_ndjson(rows, tmp_path / "e")
    with pytest.raises(CommandError, match="Too little data: the training part has 0 trials"):
        run_train("--snapshot", path, "--out", tmp_path / "models")


@pytest.mark.parametrize("name", ["../escape", "a/b", ".hidden", "x" * 129, "a b"])
def test_name_that_is_no_file_name_is_refused(name: str) -> None:
    with pytest.raises(TrainingError, match="A name has"):
        Plan(name=name)


def test_name_of_the_games_own_baseline_is_taken(small: Path, tmp_path: Path) -> None:
    with pytest.raises(registry.RegistryError):
        run(small, tmp_path, name="baseline_v1")
    assert not (tmp_path / "baseline_v1").exists()


def test_two_sources_are_one_too_many(small: Path) -> None:
    with pytest.raises(CommandError, match="not both"):
        run_train("--snapshot", small, "--url", "http://127.0.0.1:9")


def test_second_run_in_the_same_directory_is_refused(small: Path, tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(CommandError, match=r"Another training run \(process"):
        run_train("--snapshot", small, "--out", tmp_path)
    assert run_train("--snapshot", small, "--out", tmp_path, "--bootstrap", 10)


def test_directory_that_cannot_be_written_is_said(small: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CommandError, match="cannot be written"):
        run_train("--snapshot", small, "--out", tmp_path / "file" / "models")


def test_odd_names_of_clients_are_harmless(tmp_path: Path) -> None:
    """Names of players, items and versions come from outside: nothing in them breaks a run."""
    rows = exported(population(players=60, trials=60))
    odd = ["| a | b |", "<script>alert(1)</script>", "# x\n\n[y](javascript:z)", "кот 🐈", " "]
    for number, row in enumerate(rows):
        row["model_version"] = odd[number % 5]
        if row["event_type"] == "task_result":
            row["payload"] |= {"task_type": odd[number % 5], "item_id": odd[number % 3]}
    made = run(write_ndjson(rows, tmp_path / "e"), tmp_path / "models", RunConfig(bootstrap=10))
    card = (made.directory / "card.md").read_text()
    assert "<script>" not in card
    assert "\n# x" not in card
    lines = [line for line in card.splitlines() if line.startswith("| ")]
    assert {line.replace(r"\|", "").count("|") for line in lines} <= {3, 5, 7, 9}
