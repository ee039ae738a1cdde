"""Training: `manage.py train` on simulated play, beside a bare script on the same events.

The events lie in the database, written there directly. Each side is a process of its own, whose
seconds and peak memory (the resident set, of the process alone) the kernel counts.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np

from telemetry.simulation import TASK_TYPES, Config, Population
from tests.benchmarks.figures import Figure
from tests.benchmarks.processes import ROOT, environment, manage

TRIALS_A_PLAYER = 200
END = datetime(2026, 3, 1, tzinfo=UTC)
INSERT = (
    "INSERT INTO telemetry_gameevent (event_id, event_type, event_ts, effective_ts, received_at, "
    "user_id, session_id, model_version, client_version, flags, raw, api_key_id) "
    "VALUES (?, 'task_result', ?, ?, ?, ?, '', ?, 'bench', '', ?, NULL)"
)


@dataclass(frozen=True)
class Cost:
    seconds: float
    peak_mb: float


def measure(folder: Path, *, rounds: int, events: int) -> Iterator[Figure]:
    """Rounds in turn: the product, the script, each from start to end."""
    home = folder / "training"
    home.mkdir()
    manage(home, "migrate", "-v0")
    play(home / "neurogame.sqlite3", events=events)
    ours, peer = [], []
    for turn in range(rounds):
        out = home / f"models-{turn}" / "models"
        ours.append(run(home, "manage.py", "train", "--out", str(out)))
        if not list(out.glob("*/model.json")):
            raise RuntimeError("no model was made")
        peer.append(run(home, "-m", "tests.benchmarks.training_peer"))
    what = f"training, {events:,} events"
    name = "read and one scikit-learn fit"
    yield Figure(
        f"{what}, snapshot to registry",
        "s",
        [cost.seconds for cost in ours],
        name,
        [cost.seconds for cost in peer],
        False,
    )
    yield Figure(
        f"{what}, peak memory",
        "MB",
        [cost.peak_mb for cost in ours],
        name,
        [cost.peak_mb for cost in peer],
        False,
    )


# Started from a small process, since Linux counts a parent's memory as its child's until it execs.
LAUNCH = """
import json, os, subprocess, sys, time
began = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=2)
_pid, status, usage = os.wait4(process.pid, 0)
print(json.dumps([os.waitstatus_to_exitcode(status), time.perf_counter() - began, usage.ru_maxrss]))
"""


def run(home: Path, *arguments: str) -> Cost:
    """One process from start to end. Raises ``RuntimeError`` when it fails."""
    done = subprocess.run(
        [sys.executable, "-S", "-c", LAUNCH, sys.executable, *arguments],
        cwd=ROOT,
        env=environment(home),
        capture_output=True,
        text=True,
        check=True,
    )
    code, seconds, peak = json.loads(done.stdout)
    if code:
        raise RuntimeError(f"{arguments} failed:\n{done.stderr[-3000:]}")
    return Cost(seconds, peak * (1 if sys.platform == "darwin" else 1024) / 1e6)


def play(path: Path, *, events: int) -> None:
    """Write the trials of a simulated population: its items, its players, Rasch's model."""
    players = max(20, events // TRIALS_A_PLAYER)
    population = Population(Config(players=players, trials=TRIALS_A_PLAYER, end=END))
    rng = np.random.default_rng(1)
    who = np.sort(rng.integers(0, players, events))  # everybody's play is spread over the week
    what = rng.integers(0, len(population.items), events)
    moment = np.sort(rng.random(events))[rng.permutation(events)]
    ability = np.array([player.ability for player in population.players])
    difficulty = np.array([item.difficulty for item in population.items])
    chance = 1 / (1 + np.exp(difficulty[what] - ability[who]))
    solved = rng.random(events) < chance
    rt = 180 + np.exp(rng.normal(6.7, 0.3, events)).astype(int)
    order = np.argsort(moment)
    kinds = list(TASK_TYPES)

    def rows() -> Iterator[tuple[object, ...]]:
        for number, index in enumerate(order.tolist()):
            item = population.items[what[index]]
            when = END - timedelta(days=7) * (1 - float(moment[index]))
            text = when.strftime("%Y-%m-%d %H:%M:%S.%f")
            user = population.players[who[index]].user_id
            payload = {
                "correct": bool(solved[index]),
                "rt_ms": int(rt[index]),
                "task_type": item.task_type,
                "item_id": item.item_id,
            }
            event = {
                "event_id": f"bench-{number}",
                "event_type": "task_result",
                "event_ts": when.isoformat(),
                "user_id": user,
                "model_version": f"bench_{kinds.index(item.task_type) % 2}",
                "payload": payload,
            }
            raw = msgspec.json.encode(event).decode()
            yield event["event_id"], text, text, text, user, event["model_version"], raw

    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executemany(INSERT, rows())
        connection.commit()
