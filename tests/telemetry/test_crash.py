"""`kill -9` of the server under load: acknowledged = stored, nothing twice, standings = rebuild.

`make bench ARGS="--only crash"` does the same in twenty rounds.
"""

from __future__ import annotations

import random

import pytest

from tests.telemetry.load import Game, finish, kill_under_load
from tests.telemetry.server import ServerProcess

ROUNDS = 3


@pytest.fixture
def server(tmp_path):
    running = ServerProcess(tmp_path)
    running.migrate()
    yield running
    running.close()


def test_nothing_acknowledged_is_lost_and_nothing_counts_twice(server):
    games = [Game(server, worker) for worker in range(4)]
    rng = random.Random(9)
    for _round in range(ROUNDS):
        server.start()
        found = kill_under_load(server, games, rng)
        assert found.whole, found
    server.start()
    end = finish(server, games)
    assert end.whole, end
    assert end.acknowledged > 10
    # Exactly what was sent, once; what was no event once in quarantine; nothing conflicts.
    sent = set().union(*(game.ids(game.sent) for game in games))
    assert {row[0] for row in server.rows("SELECT event_id FROM telemetry_gameevent")} == sent
    bad = server.rows("SELECT raw FROM telemetry_quarantinedevent")
    assert len(bad) == len(set(bad)) == sum(game.sent for game in games)
    assert server.rows("SELECT count(*) FROM telemetry_eventconflict") == [(0,)]
    assert [game.refused for game in games] == [[]] * len(games)
    check = server.manage("standings", "rebuild", "--check")
    assert check.returncode == 0, check.stderr
