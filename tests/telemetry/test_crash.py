"""`kill -9` during ingest: what was acknowledged is there."""

from __future__ import annotations

import json
import signal
import sqlite3
import threading
import urllib.error
import urllib.request

import pytest

from tests.telemetry.server import ServerProcess

KEY = "dev-key-change-me"


@pytest.fixture
def server(tmp_path):
    running = ServerProcess(tmp_path)
    running.migrate()
    running.start()
    yield running
    running.stop()


def body(ids):
    events = [
        {
            "event_id": name, "event_type": "task_result", "user_id": "u",
            "event_ts": "2026-02-17T12:00:00Z", "payload": {"correct": True, "rt_ms": 900},
        }
        for name in ids
    ]  # fmt: skip
    return json.dumps({"api_key": KEY, "events": events}).encode()


def test_nothing_acknowledged_is_lost(server):
    acknowledged: set[str] = set()
    enough = threading.Event()

    def send(worker):
        for batch in range(10_000):
            ids = [f"{worker}-{batch}-{n}" for n in range(20)]
            request = urllib.request.Request(
                f"{server.url}/v1/events", body(ids), {"Content-Type": "application/json"}
            )
            try:
                with urllib.request.urlopen(request, timeout=10) as answer:
                    assert json.load(answer) == {"ok": True}
            except (OSError, urllib.error.URLError):
                return
            acknowledged.update(ids)
            if len(acknowledged) > 1000:
                enough.set()

    threads = [threading.Thread(target=send, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    assert enough.wait(60)
    server.process.send_signal(signal.SIGKILL)
    for thread in threads:
        thread.join(30)
    database = sqlite3.connect(server.env["NEUROGAME_DB_PATH"])
    try:
        stored = {row[0] for row in database.execute("SELECT event_id FROM telemetry_gameevent")}
        trials = database.execute("SELECT SUM(trials) FROM leaderboard_standing").fetchone()[0]
    finally:
        database.close()
    assert acknowledged <= stored
    assert trials == len(stored)
