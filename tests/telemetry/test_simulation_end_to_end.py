"""The commands against the product itself: board, export and training agree with the planted."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from telemetry.client import Client
from telemetry.simulation import Config, Population
from tests.telemetry.planted import END, spearman
from tests.telemetry.server import ServerProcess

KEY = "dev-key-change-me"
SIZE = ["--players", "60", "--trials", "60", "--seed", "9", "--end", END.isoformat()]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that never starts: its migrated database is there to copy."""
    made = ServerProcess(tmp_path_factory.mktemp("database"))
    made.migrate()
    yield made
    made.close()


@pytest.fixture(scope="module")
def server(
    database: ServerProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    running = ServerProcess(tmp_path_factory.mktemp("server"), copy_of=database)
    try:
        running.start()
        yield running
    finally:
        running.close()


def simulate(server: ServerProcess, truth: Path, *more: str) -> str:
    url = f"{server.url}/v1/events"
    done = server.manage("simulate_game", *SIZE, "--url", url, "--truth", str(truth), *more)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def truth(server: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("truth") / "truth.json"
    out = simulate(server, path, "--processes", "2")
    planted: dict[str, Any] = json.loads(path.read_text())
    repeats = planted["totals"]["repeats"]
    assert repeats > 0
    assert f"of these {repeats} duplicates and 0 quarantined" in out
    return planted


def get(server: ServerProcess, path: str) -> Any:
    request = urllib.request.Request(server.url + path, headers={"X-API-Key": KEY})
    with urllib.request.urlopen(request, timeout=30) as response:
        return response.read()


def board(server: ServerProcess, query: str = "") -> dict[str, dict[str, Any]]:
    rows = json.loads(get(server, f"/v1/leaderboard?limit=1000&min_tasks=1{query}"))
    return {row["user_id"]: row for row in rows}


def test_board_shows_what_was_planted(server: ServerProcess, truth: dict[str, Any]) -> None:
    rows = board(server)
    people = {one["user_id"]: one for one in truth["players"] if not one["bot"]}
    assert any(one["bot"] for one in truth["players"])
    assert set(rows) == set(people)
    for user_id, row in rows.items():
        planted = people[user_id]
        assert (row["tasks"], row["correct"]) == (planted["tasks"], planted["correct"])
        assert row["avg_rt_ms"] == pytest.approx(planted["mean_rt_ms"], abs=0.06)
    # With 60 trials the score's reliability is about .5, so it cannot correlate above about .7
    # with anything else that is steady in a player; half of that is far from chance at 58 players.
    abilities = [people[user_id]["ability"] for user_id in rows]
    assert spearman(abilities, [row["score"] for row in rows.values()]) > 0.35


def test_filters_of_the_board_add_up(server: ServerProcess, truth: dict[str, Any]) -> None:
    people = [one for one in truth["players"] if not one["bot"]]
    for version in truth["totals"]["by_version"]:
        rows = board(server, f"&model_version={version}")
        expected = {one["user_id"]: one["by_version"].get(version, 0) for one in people}
        assert {user_id: row["tasks"] for user_id, row in rows.items()} == {
            user_id: tasks for user_id, tasks in expected.items() if tasks
        }
    for kind in ("stroop", "n_back"):
        rows = board(server, f"&task_type={kind}")
        assert sum(row["tasks"] for row in rows.values()) == sum(
            one["by_type"].get(kind, 0) for one in people
        )


def test_export_holds_every_event_once_as_it_was_sent(
    server: ServerProcess, truth: dict[str, Any]
) -> None:
    lines = get(server, "/v1/export/raw?format=ndjson").splitlines()
    stored = {event["event_id"]: event for event in map(json.loads, lines)}
    assert len(lines) == len(stored) == truth["totals"]["events"]
    planted = Population(Config(players=60, trials=60, seed=9, end=END))
    for number in range(60):
        for event in planted.play(number).events:
            found = stored[event["event_id"]]
            moment = event["event_ts"].strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            sent = {**event, "event_ts": moment}
            assert {name: found[name] for name in sent} == sent
            assert found["client_version"] == "simulation"


def test_same_run_again_adds_nothing(
    server: ServerProcess, truth: dict[str, Any], tmp_path: Path
) -> None:
    before = board(server)
    out = simulate(server, tmp_path / "again.json")
    totals = truth["totals"]
    assert f"of these {totals['events'] + totals['repeats']} duplicates" in out
    assert json.loads((tmp_path / "again.json").read_text()) == truth
    assert board(server) == before


def test_training_from_the_database_and_over_http_agree_with_the_planted(
    server: ServerProcess, truth: dict[str, Any], tmp_path: Path
) -> None:
    runs = {"local": [], "remote": ["--url", server.url, "--api-key", KEY]}
    for name, source in runs.items():
        out = str(tmp_path / name / "models")
        done = server.manage(
            "train", "--seed", "2", "--model", "elo", "--bootstrap", "100", "--out", out, *source
        )
        assert done.returncode == 0, done.stderr
    local, remote = (
        {
            path.name: path.read_bytes()
            for path in (tmp_path / name).rglob("*.*")
            if path.parent.parent.name == "models" or path.suffix == ".parquet"
        }
        for name in runs
    )
    assert local == remote
    assert sorted(local) == [
        "calibration.svg", "card.md", "events.parquet", "gate.json", "manifest.json",
        "metrics.json", "model.json",
    ]  # fmt: skip
    manifest, metrics = json.loads(local["manifest.json"]), json.loads(local["metrics.json"])
    assert manifest["snapshot"]["rows"] == truth["totals"]["events"]
    assert manifest["snapshot"]["trials"] == truth["totals"]["tasks"] == 3600
    assert metrics["models"]["elo"]["log_loss"]["low"] > 0
    # Nothing predicts better than the planted probabilities, up to the luck of a few players.
    assert metrics["models"]["elo"]["log_loss"]["high"] > truth["oracle_log_loss"] - 0.05
    difficulties = {
        f"{one['task_type']}/{one['item_id']}": one["difficulty"] for one in truth["items"]
    }
    learned = json.loads(local["model.json"])["items"]
    assert set(learned) <= set(difficulties)
    assert (
        spearman(
            [difficulties[item] for item in learned],
            [one["difficulty"] for one in learned.values()],
        )
        > 0.5
    )  # 13 trials an item: its rating's gain is still .6


def test_wrong_key_and_no_server_end_in_an_error(server: ServerProcess) -> None:
    small = ["--players", "2", "--trials", "5"]
    url = f"{server.url}/v1/events"
    wrong = server.manage("simulate_game", *small, "--url", url, "--api-key", "wrong")
    assert wrong.returncode == 1
    assert "Not everything was delivered" in wrong.stderr
    assert "401" in wrong.stderr
    nobody = server.manage(
        "simulate_game", *small, "--url", "http://127.0.0.1:1/v1/events", "--timeout", "0.2"
    )
    assert nobody.returncode == 1
    assert "cannot reach" in nobody.stderr


def test_killed_server_loses_nothing_that_the_client_saw_acknowledged(
    database: ServerProcess, tmp_path: Path
) -> None:
    """``kill -9`` of the real server while the real client sends; then every event is there once."""
    server = ServerProcess(tmp_path, copy_of=database)
    try:
        server.start()
        client = Client(
            f"{server.url}/v1/events",
            KEY,
            spool_dir=tmp_path / "spool",
            batch_size=20,
            flush_interval=0.02,
            backoff_base=0.05,
            backoff_cap=0.2,
        )
        trial = {"correct": True, "rt_ms": 300}
        sent = [client.track("task_result", user_id="u", payload=trial) for _ in range(1000)]
        while client.stats()["delivered"] < 100:
            time.sleep(0.002)
        server.kill()
        assert client.pending() > 0
        sent += [client.track("task_result", user_id="u", payload=trial) for _ in range(100)]
        server.start()
        assert client.flush(30)
        assert client.close()
        lines = get(server, "/v1/export/raw?format=ndjson").splitlines()
        stored = [json.loads(line)["event_id"] for line in lines]
        assert len(stored) == len(set(stored))
        assert set(stored) == set(sent)
    finally:
        server.close()
