"""The game client while the network, the server and the game itself are broken, one and all."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from telemetry.client import Client
from tests.telemetry.collector import Collector
from tests.telemetry.games import deliver_rest, kill
from tests.telemetry.proxy import FAULTS, Proxy
from tests.telemetry.server import ServerProcess

Game = Callable[..., "subprocess.Popen[str]"]
ENDLESS = """
import time
client = make(request_timeout=0.3)
number = 0
while True:
    number += 1
    say(client.track("task_result", user_id="u_1", payload={"correct": True, "rt_ms": 300 + number}))
    time.sleep(0.001)
"""


@pytest.fixture
def proxy(collector: Collector) -> Iterator[Proxy]:
    with Proxy(collector.port) as running:
        yield running


def lines(process: subprocess.Popen[str], count: int) -> list[str]:
    """That many more events: the game goes on playing whatever the network does."""
    assert process.stdout is not None
    return [process.stdout.readline().strip() for _ in range(count)]


@pytest.mark.parametrize("fault", FAULTS)
def test_network_that_breaks_and_heals_loses_nothing(
    game: Game,
    collector: Collector,
    proxy: Proxy,
    spool: Path,
    fault: str,
) -> None:
    process = game(ENDLESS, url=proxy.url)
    seen = lines(process, 100)
    collector.wait_for(lambda: len(collector.requests) >= 1)
    proxy.break_(fault)
    proxy.wait_until_met(1)
    seen += lines(process, 200)
    proxy.wait_until_met(3)
    seen += lines(process, 100)
    proxy.heal()
    last = seen[-1]
    collector.wait_for(lambda: last in collector.accepted(), 30)
    seen += kill(process)
    deliver_rest(collector, spool)
    assert set(seen) <= set(collector.accepted())
    assert len(seen) == len(set(seen))
    # What arrived twice arrived as the same: the server keeps the first and finds no conflict.
    contents = {event["event_id"]: event for event in collector.events()}
    assert all(contents[event["event_id"]] == event for event in collector.events())


def test_game_that_is_killed_offline_is_delivered_by_the_next_start(
    game: Game,
    collector: Collector,
    proxy: Proxy,
    spool: Path,
) -> None:
    proxy.break_("silent")
    process = game(ENDLESS, url=proxy.url)
    seen = lines(process, 700)
    proxy.wait_until_met(1)
    seen += kill(process)
    assert collector.requests == []
    deliver_rest(collector, spool)
    assert set(seen) <= set(collector.accepted())


def test_game_server_and_network_are_killed_in_turn(
    game: Game,
    spool: Path,
    tmp_path: Path,
) -> None:
    """The product itself: every event whose id `track` returned is stored, once, and counted once."""
    server = ServerProcess(tmp_path)
    seen: list[str] = []
    try:
        server.migrate()
        server.start()
        with Proxy(server.port) as proxy:
            for fault in ("answer cut", "silent", "answer stalled"):
                process = game(ENDLESS, url=proxy.url)
                seen += lines(process, 300)
                proxy.break_(fault)
                proxy.wait_until_met(2)
                seen += lines(process, 100)
                proxy.heal()
                seen += lines(process, 200)
                server.kill()
                seen += lines(process, 200)
                server.start()
                seen += lines(process, 100)
                seen += kill(process)
        with Client(f"{server.url}/v1/events", spool_dir=spool, flush_interval=0.02) as client:
            assert client.track("app_open", user_id="u_2")
            assert client.flush(60)
        stored = [one for (one,) in server.rows("SELECT event_id FROM telemetry_gameevent")]
        assert len(stored) == len(set(stored))
        assert set(seen) <= set(stored)
        assert server.rows("SELECT count(*) FROM telemetry_eventconflict") == [(0,)]
        assert server.rows("SELECT count(*) FROM telemetry_quarantinedevent") == [(0,)]
        trials = server.rows("SELECT SUM(trials) FROM leaderboard_standing")[0][0]
        assert int(trials) == len(stored) - 1
    finally:
        server.close()


def test_game_on_any_python_that_it_may_meet(
    game: Game,
    collector: Collector,
    spool: Path,
    old_python: str,
) -> None:
    """Play, die, start again, drain at the end: on the oldest interpreters that are here."""
    process = game(ENDLESS, python=old_python)
    seen = lines(process, 600)
    seen += kill(process)
    process = game(
        """
        client = make()
        say(*[client.track("task_result", user_id="u_1") for _ in range(600)])
        import datetime
        now = datetime.datetime.now(datetime.timezone.utc)
        say(client.track("x", user_id="u_1", event_ts=now, level=3))
        assert client.track("x", user_id="u_1", payload={"a": {1}}) is None
        """,
        python=old_python,
    )
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err.count("Traceback")) == (0, 0), err
    seen += out.split()
    collector.wait_for(lambda: set(seen) <= set(collector.accepted()), 30)
    assert list(spool.glob("*.jsonl")) == []


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "old_python" in metafunc.fixturenames:
        from neurogame.bootstrap.toolchains import old_pythons

        found = old_pythons() or {"this": sys.executable}
        metafunc.parametrize("old_python", list(found.values()), ids=list(found))
