"""A run that is killed goes on where it was, and ends with the bytes of one that was not."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.telemetry.planted import exported, population, write_ndjson
from tests.telemetry.server import ROOT, ServerProcess
from tests.telemetry.test_training_remote import Server

ARGUMENTS = ["train", "--seed", "3", "--bootstrap", "300"]


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = exported(population(players=150, trials=80))
    return write_ndjson(rows, tmp_path_factory.mktemp("export") / "events.ndjson")


class Trainer:
    """`manage.py train` as a process of its own, on a database of its own."""

    def __init__(self, directory: Path, source: list[str]) -> None:
        self.product = ServerProcess(directory)
        self.product.migrate()
        self.out = directory / "models"
        self.command = [*ARGUMENTS, "--out", str(self.out), *source]

    def start(self, **variables: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "manage.py", *self.command],
            cwd=ROOT, env=self.product.env | variables,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip

    def finish(self, **variables: str) -> dict[str, bytes]:
        """Run to the end; the artefacts, the snapshot and the registered row."""
        process = self.start(**variables)
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors.decode()
        found = {
            f"{folder.name}/{path.name}": path.read_bytes()
            for folder in (self.out, self.out.parent / "snapshots")
            for path in folder.rglob("*.*")
            if path.is_file() and path.parent != self.out
        }
        made = self.product.manage(
            "shell", "-v0", "-c",
            "from telemetry.models import ModelVersion as M; import json;"
            "print(json.dumps(list(M.objects.exclude(kind='baseline').values("
            "'name', 'kind', 'params', 'metrics', 'manifest', 'card', 'seed'))))",
        )  # fmt: skip
        rows = json.loads(made.stdout)
        assert len(rows) == 1
        found["row"] = json.dumps(rows, sort_keys=True).encode()
        return found

    def kill_when(self, ready: Callable[[], object]) -> bool:
        """Start, and `kill -9` as soon as `ready`; whether it was still running then."""
        process = self.start()
        while process.poll() is None and not ready():
            time.sleep(0.001)
        alive = process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.communicate()
        return alive

    def has(self, pattern: str) -> bool:
        return any(self.out.glob(f".work/*/{pattern}"))


@pytest.fixture(scope="module")
def whole(export: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What an uninterrupted run makes."""
    trainer = Trainer(tmp_path_factory.mktemp("whole"), ["--snapshot", str(export)])
    return trainer.finish()


@pytest.mark.parametrize(
    "variables",
    [
        {"PYTHONHASHSEED": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        {"PYTHONHASHSEED": "77", "OMP_NUM_THREADS": "5", "OPENBLAS_NUM_THREADS": "5",
         "TZ": "Asia/Tokyo", "LANG": "C"},
    ],
)  # fmt: skip
def test_bytes_do_not_depend_on_the_process(
    export: Path, whole: dict[str, bytes], tmp_path: Path, variables: dict[str, str]
) -> None:
    assert Trainer(tmp_path, ["--snapshot", str(export)]).finish(**variables) == whole


def test_killed_after_each_stage(export: Path, whole: dict[str, bytes], tmp_path: Path) -> None:
    trainer = Trainer(tmp_path, ["--snapshot", str(export)])
    stages = ["as_of.json", "rows/part-*", "snapshot.json", "fit-item_mean-*", "fit-elo-*", "fit-logistic-*",
              "metrics-*"]  # fmt: skip
    killed = [trainer.kill_when(lambda stage=stage: trainer.has(stage)) for stage in stages]
    assert any(killed)
    assert trainer.finish() == whole
    assert not list(trainer.out.glob(".work/*"))


def test_killed_at_random_moments(export: Path, whole: dict[str, bytes], tmp_path: Path) -> None:
    trainer = Trainer(tmp_path, ["--snapshot", str(export)])
    rng = random.Random(11)
    for _ in range(3):
        until = time.monotonic() + rng.uniform(0.3, 3.5)
        trainer.kill_when(lambda until=until: time.monotonic() > until)
    assert trainer.finish() == whole


def test_snapshot_of_another_server_that_is_killed_goes_on(
    export: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    """Killed when more than one part is there; then only the rest is asked for."""
    rows = [json.loads(line) for line in export.read_text().splitlines()]
    many = rows + [
        {**row, "seq": row["seq"] + turn * len(rows), "event_id": f"{row['event_id']}-{turn}",
         "event_type": "other"}
        for turn in range(1, 7) for row in rows
    ]  # fmt: skip
    assert len(many) > 70_000
    server = Server(many)
    try:
        trainer = Trainer(tmp_path, ["--url", server.url, "--api-key", "k"])
        assert trainer.kill_when(lambda: trainer.has("rows/part-000000*"))
        server.asked.clear()
        found = trainer.finish()
        assert min(int(query["after"]) for query in server.asked) >= 65_536
        assert not any("offset" in query for query in server.asked)  # the end was pinned before
    finally:
        server.close()
    manifest = json.loads(found["models/manifest.json"])
    assert manifest["snapshot"]["rows"] == len(many)
    assert found["models/model.json"] == whole["models/model.json"]


@pytest.fixture
def stopped(export: Path, tmp_path: Path) -> Trainer:
    return Trainer(tmp_path, ["--snapshot", str(export)])


def test_fresh_forgets_what_was_begun(
    export: Path, whole: dict[str, bytes], stopped: Trainer
) -> None:
    assert stopped.kill_when(lambda: stopped.has("fit-item_mean-*.json"))
    (work,) = stopped.out.glob(".work/*")
    (fit,) = work.glob("fit-item_mean-*.json")
    planted = json.loads(fit.read_bytes())
    planted["params"]["mean"] = 0.123456
    fit.write_text(json.dumps(planted))
    stopped.command.append("--fresh")
    assert stopped.finish() == whole


def test_interrupted_run_whose_snapshot_was_deleted_begins_anew(
    export: Path, whole: dict[str, bytes], stopped: Trainer
) -> None:
    assert stopped.kill_when(lambda: stopped.has("fit-item_mean-*.json"))
    shutil.rmtree(stopped.out.parent / "snapshots")
    assert stopped.finish() == whole


def test_ctrl_c_is_said_and_goes_on(
    export: Path, whole: dict[str, bytes], stopped: Trainer
) -> None:
    process = stopped.start()
    while process.poll() is None and not stopped.has("fit-item_mean-*.json"):
        os.sched_yield()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Interrupted. The same command goes on where it was." in errors.decode()
    assert stopped.finish() == whole


def test_two_runs_at_once_are_one_run(
    export: Path, whole: dict[str, bytes], stopped: Trainer
) -> None:
    first = stopped.start()
    while not (stopped.out / ".lock").exists():
        assert first.poll() is None
        os.sched_yield()
    while not stopped.has("*.json") and first.poll() is None:
        os.sched_yield()
    first.send_signal(signal.SIGSTOP)  # it holds the directory, however slow this machine is
    second = stopped.start()
    _, errors = second.communicate(timeout=120)
    first.send_signal(signal.SIGCONT)
    _, first_errors = first.communicate(timeout=120)
    assert first.returncode == 0, first_errors.decode()
    assert second.returncode == 1
    assert f"Another training run (process {first.pid})" in errors.decode()
