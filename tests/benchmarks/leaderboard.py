"""The leaderboard over HTTP with 100,000 players, at two sizes, beside a GROUP BY over the events.

The events really lie in the product's table and its standings are made from them by its own
`standings rebuild`; the peer reads the same file. Requests go through a mix of filters, in turn.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import socket
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.benchmarks.figures import Figure, quantile
from tests.benchmarks.load import received
from tests.benchmarks.processes import environment, free_port, manage, running

PLAYERS = 100_000
CONNECTIONS = 2
SESSION = 40
TYPES = ("stroop", "flanker", "n_back", "switching")
MODELS = ("baseline_v1", "elo_pilot_v1")
DAYS = 30
PART = 100_000
FILTERS = (
    "", "limit=10", "limit=1000", "min_tasks=1", "min_tasks=100", "window=week&min_tasks=1",
    "window=day&min_tasks=1", "task_type=stroop&min_tasks=10", "model_version=elo_pilot_v1",
    "window=week&task_type=n_back&min_tasks=1", "window=week&model_version=baseline_v1&min_tasks=5",
    "task_type=flanker&model_version=baseline_v1&min_tasks=1",
)  # fmt: skip


def measure(
    folder: Path, *, sizes: Sequence[int], requests: int, rounds: int, players: int = PLAYERS
) -> Iterator[Figure]:
    """One figure a size and quantile beside the peer, then the sizes beside each other."""
    ours: dict[int, list[float]] = {}
    for size in sizes:
        place = folder / f"board-{size}"
        place.mkdir()
        filled(place, size=size, players=players)
        mine: list[list[float]] = []
        theirs: list[list[float]] = []
        with product(place) as port, peer(place) as peer_port:
            ask(port, requests=len(FILTERS) * 2)  # every selection once and again
            for _turn in range(rounds):
                mine.append(ask(port, requests=requests))
                theirs.append(ask(peer_port, requests=asked_of_peer(size), connections=1))
        ours[size] = [1000 * quantile(times, 0.99) for times in mine]
        what = f"board, {players:,} players, {size:,} events"
        for share, name in ((0.5, "p50"), (0.99, "p99")):
            yield Figure(
                f"{what}, {name}", "ms",
                [1000 * quantile(times, share) for times in mine],
                "FastAPI + sqlite3 GROUP BY",
                [1000 * quantile(times, share) for times in theirs],
                False,
            )  # fmt: skip
        for path in place.iterdir():
            path.unlink()
    small, large = min(sizes), max(sizes)
    yield Figure(
        f"board, p99 at {large:,} events", "ms", ours[large],
        f"the same at {small:,}", ours[small], False,
    )  # fmt: skip


def asked_of_peer(size: int) -> int:
    """Requests a round: with millions of events each takes the peer many seconds."""
    return len(FILTERS) if size <= 1_000_000 else 3


# --- Filling --------------------------------------------------------------------------------------


def filled(folder: Path, *, size: int, players: int) -> None:
    """A migrated database with so many trials, and the standings that they make."""
    manage(folder, "migrate", "-v0")
    path = folder / "neurogame.sqlite3"
    began = time.perf_counter()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        for pragma in ("journal_mode=WAL", "synchronous=OFF", "cache_size=-400000"):
            database.execute(f"PRAGMA {pragma}")
        database.execute("DROP INDEX event_user_seq")
        database.execute("DROP INDEX event_type_seq")
        for start in range(0, size, PART):
            rows = list(events(start, min(size, start + PART), size=size, players=players))
            database.execute("BEGIN")
            database.executemany(
                "INSERT INTO telemetry_gameevent (event_id, event_type, event_ts, effective_ts,"
                " received_at, user_id, session_id, model_version, client_version, flags,"
                " raw) VALUES (?, 'task_result', ?, ?, ?, ?, ?, ?, '', '', ?)",
                rows,
            )
            database.execute("COMMIT")
        database.execute("CREATE INDEX event_user_seq ON telemetry_gameevent (user_id, seq)")
        database.execute("CREATE INDEX event_type_seq ON telemetry_gameevent (event_type, seq)")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    stored = time.perf_counter()
    manage(folder, "standings", "rebuild", timeout=3600)
    print(
        f"  {size:,} events of {players:,} players stored in {stored - began:.0f} s,"
        f" standings rebuilt in {time.perf_counter() - stored:.0f} s"
        f" ({size / (time.perf_counter() - stored):,.0f} events/s)",
        file=sys.stderr,
    )


def events(start: int, end: int, *, size: int, players: int) -> Iterator[tuple[str, ...]]:
    """Rows of events; each run of `SESSION` is one session of one player, like real play."""
    chance = random.Random(start)
    share = max(1, min(SESSION, size // players))
    now = datetime.now(UTC)
    for number in range(start, end):
        visit = number // share
        player = visit % players
        if number % share == 0 or number == start:
            dice = random.Random(visit)
            ago = dice.randrange(DAYS * 86_400)
            begun = now - timedelta(seconds=ago + 600)
            task_type, model = dice.choice(TYPES), dice.choice(MODELS)
            skill = random.Random(player).gauss(0.8, 0.08)
        moment = (begun + timedelta(seconds=2 * (number % share))).strftime("%Y-%m-%d %H:%M:%S")
        user = f"u_{player:06d}"
        payload = {
            "correct": chance.random() < skill,
            "rt_ms": round(chance.lognormvariate(6.6, 0.35)),
            "task_type": task_type,
        }
        raw = json.dumps({"event_id": f"e{number}", "event_type": "task_result",
                          "user_id": user, "payload": payload}, separators=(",", ":"))  # fmt: skip
        session = f"s{visit}"
        yield (f"e{number}", moment, moment, moment, user, session, model, raw)


# --- Asking ---------------------------------------------------------------------------------------


def ask(port: int, *, requests: int, connections: int = CONNECTIONS) -> list[float]:
    """Seconds of each of so many requests over kept connections, the filters in turn."""
    shares = [list(range(requests))[number::connections] for number in range(connections)]
    times: list[list[float]] = [[] for _share in shares]
    faults: list[BaseException] = []

    def work(number: int) -> None:
        try:
            with socket.create_connection(("127.0.0.1", port), 300) as connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for turn in shares[number]:
                    query = FILTERS[turn % len(FILTERS)]
                    request = f"GET /v1/leaderboard?{query} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
                    began = time.perf_counter()
                    connection.sendall(request.encode())
                    _read(connection)
                    times[number].append(time.perf_counter() - began)
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise faults[0]
    return [value for share in times for value in share]


def _read(connection: socket.socket) -> None:
    """Read one answer to its end. Raises RuntimeError unless it is a 200 with a board."""
    data = bytearray()
    while b"\r\n\r\n" not in data:
        data += received(connection)
    head, _blank, body = bytes(data).partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(head.decode("latin-1"))
    (length,) = [
        int(line.partition(b":")[2])
        for line in head.split(b"\r\n")
        if line[:15].lower() == b"content-length:"
    ]
    parts = bytearray(body)
    while len(parts) < length:
        parts += received(connection)
    if not parts.startswith(b"["):
        raise RuntimeError(bytes(parts[:200]).decode("latin-1"))


@contextlib.contextmanager
def product(folder: Path) -> Iterator[int]:
    port = free_port()
    command = [sys.executable, "manage.py", "serve", "--port", str(port)]
    log = folder / "product.log"
    with running(command, variables=environment(folder), port=port, log=log):
        yield port


@contextlib.contextmanager
def peer(folder: Path) -> Iterator[int]:
    port = free_port()
    command = [
        sys.executable, "-m", "uvicorn", "tests.benchmarks.leaderboard_peer:app",
        "--port", str(port), "--no-access-log", "--log-level", "warning",
    ]  # fmt: skip
    variables = {**environment(folder), "PEER_DB": os.fspath(folder / "neurogame.sqlite3")}
    with running(command, variables=variables, port=port, log=folder / "peer.log"):
        yield port
