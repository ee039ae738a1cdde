"""Games that send to a server which may die at any moment, and send again what was not answered."""

from __future__ import annotations

import http.client
import json
import random
import threading
from dataclasses import dataclass, field
from typing import Any

from tests.telemetry.server import ServerProcess

KEY = "dev-key-change-me"
TRIALS = 18


def batch_of(worker: int, number: int) -> list[Any]:
    """New trials, one of them twice, one the batch before had already, and one that is none."""
    new: list[Any] = [trial(worker, number, n) for n in range(TRIALS)]
    before = [trial(worker, number - 1, 0)] if number else []
    return [*new, new[0], *before, {"event_id": f"bad-{worker}-{number}"}]


def trial(worker: int, number: int, n: int) -> dict[str, Any]:
    return {
        "event_id": f"{worker}-{number}-{n}",
        "event_type": "task_result",
        "event_ts": f"2026-02-{1 + number % 28:02}T12:00:00Z",
        "user_id": f"u_{worker}_{n % 3}",
        "payload": {"correct": n % 4 > 0, "rt_ms": 400 + 10 * n + worker},
    }


@dataclass
class Game:
    """One sender; `acknowledged` are the batches that were answered, in their order."""

    server: ServerProcess
    worker: int
    acknowledged: int = 0
    sent: int = 0
    refused: list[tuple[int, bytes]] = field(default_factory=list)

    def play(self, stop: threading.Event) -> None:
        """Send batch after batch until told to stop or the server is gone."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        try:
            while not stop.is_set():
                self.send(connection)
        except (OSError, http.client.HTTPException):
            return
        finally:
            connection.close()

    def send(self, connection: http.client.HTTPConnection) -> None:
        """Send the first batch that was not answered yet."""
        body = json.dumps({"api_key": KEY, "events": batch_of(self.worker, self.acknowledged)})
        self.sent = self.acknowledged + 1
        connection.request("POST", "/v1/events", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        if answer.status == 200 and json.loads(text) == {"ok": True}:
            self.acknowledged += 1
        else:
            self.refused.append((answer.status, text))

    def ids(self, batches: int) -> set[str]:
        return {f"{self.worker}-{number}-{n}" for number in range(batches) for n in range(TRIALS)}


@dataclass(frozen=True)
class Round:
    """What a kill found: batches that were answered until now, events that are stored."""

    after_s: float
    acknowledged: int
    stored: int
    lost: int
    doubled: int
    folded: int

    @property
    def whole(self) -> bool:
        """Nothing acknowledged is lost, nothing is there twice, every trial is in the standings."""
        return not self.lost and not self.doubled and self.folded == self.stored


def kill_under_load(server: ServerProcess, games: list[Game], rng: random.Random) -> Round:
    """Let all games play, `kill -9` the server at a random moment, look at what is there."""
    after = rng.uniform(0.05, 1.5)
    stop = threading.Event()
    threads = [threading.Thread(target=game.play, args=(stop,)) for game in games]
    for thread in threads:
        thread.start()
    stop.wait(after)
    server.kill()
    stop.set()
    for thread in threads:
        thread.join()
    return look(server, games, after)


def look(server: ServerProcess, games: list[Game], after: float = 0.0) -> Round:
    stored = [row[0] for row in server.rows("SELECT event_id FROM telemetry_gameevent")]
    ((folded,),) = server.rows("SELECT COALESCE(SUM(trials), 0) FROM leaderboard_standing")
    acknowledged = set().union(*(game.ids(game.acknowledged) for game in games))
    return Round(
        after,
        sum(game.acknowledged for game in games),
        len(stored),
        len(acknowledged - set(stored)),
        len(stored) - len(set(stored)),
        int(folded),
    )


def finish(server: ServerProcess, games: list[Game]) -> Round:
    """Send what the last kill left unanswered, on a server that runs."""
    for game in games:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        while game.acknowledged < game.sent:
            game.send(connection)
        connection.close()
    return look(server, games)
