"""Ingest: the real server against a FastAPI peer and against a loop without any server."""

from __future__ import annotations

import contextlib
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from tests.benchmarks.figures import Figure, quantile
from tests.benchmarks.load import BATCH, CONNECTIONS, Sent, batches, send_all
from tests.benchmarks.processes import KEY, environment, free_port, running
from tests.benchmarks.schema import INSERT, open_database

WARM_UP = 30


def measure(folder: Path, *, rounds: int, requests: int) -> Iterator[Figure]:
    """Rounds in turn: the product, the peer, the loop, each on the same bytes."""
    ours, peer, loop = [], [], []
    with product(folder) as send, fastapi(folder) as send_peer:
        for send_warm in (send, send_peer):
            send_warm(batches(count=WARM_UP, seed=-1))
        for turn in range(rounds):
            bodies = batches(count=requests, seed=turn)
            ours.append(send(bodies))
            peer.append(send_peer(bodies))
            loop.append(parse_and_insert(folder / "loop.sqlite3", bodies))
    stored(folder, expected=(WARM_UP + rounds * requests) * BATCH)
    events = requests * BATCH
    rates = [events / sent.seconds for sent in ours]
    what = f"ingest, {BATCH} events a batch, {CONNECTIONS} connections"
    peer_name = "FastAPI + sqlite3"
    yield Figure(what, "events/s", rates, peer_name, [events / sent.seconds for sent in peer], True)
    yield Figure(
        f"{what}, p95 of a request",
        "ms",
        [1000 * quantile(sent.requests, 0.95) for sent in ours],
        peer_name,
        [1000 * quantile(sent.requests, 0.95) for sent in peer],
        False,
    )
    yield Figure(
        "ingest against a bare loop without HTTP",
        "events/s",
        rates,
        "parse and insert, one thread",
        [events / seconds for seconds in loop],
        True,
    )


@contextlib.contextmanager
def product(folder: Path) -> Iterator[Callable[[list[bytes]], Sent]]:
    port = free_port()
    command = [sys.executable, "manage.py", "serve", "--port", str(port)]
    log = folder / "product.log"
    with running(command, variables=environment(folder), port=port, log=log):
        yield lambda bodies: send_all(port, KEY, bodies)


@contextlib.contextmanager
def fastapi(folder: Path) -> Iterator[Callable[[list[bytes]], Sent]]:
    port = free_port()
    command = [
        sys.executable, "-m", "uvicorn", "tests.benchmarks.ingest_peer:app",
        "--port", str(port), "--no-access-log", "--log-level", "warning",
    ]  # fmt: skip
    variables = {**environment(folder), "PEER_DB": str(folder / "peer.sqlite3")}
    open_database(variables["PEER_DB"]).close()
    with running(command, variables=variables, port=port, log=folder / "peer.log"):
        yield lambda bodies: send_all(port, KEY, bodies)


def parse_and_insert(path: Path, bodies: list[bytes]) -> float:
    """Seconds to decode every batch and insert it, a commit for each; nothing is checked."""
    connection = open_database(str(path))
    began = time.perf_counter()
    for body in bodies:
        envelope = msgspec.json.decode(body)
        now = datetime.now(UTC).isoformat(" ")
        rows = [
            (
                event["event_id"], event["event_type"], event["event_ts"], event["event_ts"], now,
                event["user_id"], event["session_id"], event["model_version"],
                envelope["client_version"], "", msgspec.json.encode(event).decode(),
            )
            for event in envelope["events"]
        ]  # fmt: skip
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(INSERT, rows)
        connection.execute("COMMIT")
    seconds = time.perf_counter() - began
    connection.close()
    return seconds


def stored(folder: Path, *, expected: int) -> None:
    """Every event that was acknowledged is there, at the product, the peer and the loop."""
    for name, table, count in (
        ("neurogame.sqlite3", "telemetry_gameevent", expected),
        ("peer.sqlite3", "event", expected),
        ("loop.sqlite3", "event", expected - WARM_UP * BATCH),
    ):
        with contextlib.closing(sqlite3.connect(folder / name)) as connection:
            (found,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
        if found != count:
            raise RuntimeError(f"{name} holds {found} events, not {count}")
