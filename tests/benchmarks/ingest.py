"""Ingest: the real server against a FastAPI peer, a loop without any server, and `COPY`."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import psycopg

from neurogame.bootstrap import services
from tests.benchmarks.figures import Figure, quantile
from tests.benchmarks.load import BATCH, CONNECTIONS, Sent, batches, send_all
from tests.benchmarks.processes import KEY, ROOT, environment, free_port, running
from tests.benchmarks.schema import INSERT, open_database

WARM_UP = 30
SINGLES = 3  # requests of one event for each batch


def measure(folder: Path, *, rounds: int, requests: int) -> Iterator[Figure]:
    """On SQLite beside a FastAPI peer, and on a PostgreSQL of its own where it is installed."""
    yield from measure_sqlite(folder, rounds=rounds, requests=requests)
    if services.postgres_programs() is not None:
        with services.postgres() as url:
            yield from measure_postgres(folder, url, rounds=rounds, requests=requests)


def measure_sqlite(folder: Path, *, rounds: int, requests: int) -> Iterator[Figure]:
    """Rounds in turn: the product, the peer, the loop, each on the same bytes."""
    ours, peer, loop, ours_single, peer_single = [], [], [], [], []
    with product(folder) as send, fastapi(folder) as send_peer:
        for send_warm in (send, send_peer):
            send_warm(batches(count=WARM_UP, seed=-1))
        for turn in range(rounds):
            bodies = batches(count=requests, seed=turn)
            ours.append(send(bodies))
            peer.append(send_peer(bodies))
            loop.append(parse_and_insert(folder / "loop.sqlite3", bodies))
            singles = batches(count=SINGLES * requests, seed=turn, size=1)
            ours_single.append(send(singles))
            peer_single.append(send_peer(singles))
    stored(folder, expected=(WARM_UP + rounds * requests) * BATCH, singles=rounds * len(singles))
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
    yield Figure(
        f"ingest, single events, {CONNECTIONS} connections",
        "events/s",
        [len(singles) / sent.seconds for sent in ours_single],
        peer_name,
        [len(singles) / sent.seconds for sent in peer_single],
        True,
    )


def measure_postgres(folder: Path, url: str, *, rounds: int, requests: int) -> Iterator[Figure]:
    """Rounds in turn: the product on PostgreSQL, and the same rows by `COPY` and one insert."""
    ours, bare = [], []
    variables = {**environment(folder), "URL_DATABASE": url}
    command = [sys.executable, "manage.py", "migrate", "-v0"]
    subprocess.run(command, cwd=ROOT, env=variables, check=True, timeout=120)
    with product(folder, variables) as send, psycopg.connect(url, autocommit=True) as connection:
        copying = CopyAndInsert(connection)
        send(batches(count=WARM_UP, seed=-1))
        for turn in range(rounds):
            bodies = batches(count=requests, seed=turn)
            ours.append(send(bodies).seconds)
            bare.append(copying.seconds(bodies))
        for table in ("telemetry_gameevent", CopyAndInsert.TABLE):
            found = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
            warm = WARM_UP if table == "telemetry_gameevent" else 0
            if found != ((warm + rounds * requests) * BATCH,):
                raise RuntimeError(f"{table} holds {found} events")
    events = requests * BATCH
    yield Figure(
        f"ingest on PostgreSQL, {BATCH} events a batch",
        "events/s",
        [events / seconds for seconds in ours],
        "COPY and one deduplicating insert a batch",
        [events / seconds for seconds in bare],
        True,
    )


class CopyAndInsert:
    """`COPY` into a staging table and one insert from it, a commit for each batch; no HTTP.

    The rows are ready before the clock runs; the table is a copy of the product's, with its indexes.
    """

    TABLE = "peer_event"
    COLUMNS = (
        "event_id, event_type, event_ts, effective_ts, received_at, user_id, session_id,"
        " model_version, client_version, flags, raw"
    )

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection
        connection.execute(f"CREATE TABLE {self.TABLE} (LIKE telemetry_gameevent INCLUDING ALL)")
        connection.execute(
            "CREATE TEMPORARY TABLE staging (LIKE telemetry_gameevent) ON COMMIT DELETE ROWS"
        )
        connection.execute("ALTER TABLE staging ALTER seq DROP NOT NULL")

    def seconds(self, bodies: list[bytes]) -> float:
        parts = [list(self.rows(body)) for body in bodies]
        insert = (
            f"INSERT INTO {self.TABLE} ({self.COLUMNS}) SELECT {self.COLUMNS} FROM staging"
            " ON CONFLICT (event_id) DO NOTHING"
        )
        began = time.perf_counter()
        for rows in parts:
            with self.connection.transaction(), self.connection.cursor() as cursor:
                with cursor.copy(f"COPY staging ({self.COLUMNS}) FROM STDIN") as copy:
                    for row in rows:
                        copy.write_row(row)
                cursor.execute(insert)
        return time.perf_counter() - began

    def rows(self, body: bytes) -> Iterator[tuple[str, ...]]:
        envelope = msgspec.json.decode(body)
        now = datetime.now(UTC).isoformat(" ")
        for event in envelope["events"]:
            yield (
                event["event_id"], event["event_type"], event["event_ts"], event["event_ts"], now,
                event["user_id"], event["session_id"], event["model_version"],
                envelope["client_version"], "", msgspec.json.encode(event).decode(),
            )  # fmt: skip


@contextlib.contextmanager
def product(
    folder: Path, variables: dict[str, str] | None = None
) -> Iterator[Callable[[list[bytes]], Sent]]:
    port = free_port()
    command = [sys.executable, "manage.py", "serve", "--port", str(port)]
    log = folder / "product.log"
    with running(command, variables=variables or environment(folder), port=port, log=log):
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


def stored(folder: Path, *, expected: int, singles: int) -> None:
    """Every event that was acknowledged is there, at the product, the peer and the loop."""
    for name, table, count in (
        ("neurogame.sqlite3", "telemetry_gameevent", expected + singles),
        ("peer.sqlite3", "event", expected + singles),
        ("loop.sqlite3", "event", expected - WARM_UP * BATCH),
    ):
        with contextlib.closing(sqlite3.connect(folder / name)) as connection:
            (found,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
        if found != count:
            raise RuntimeError(f"{name} holds {found} events, not {count}")
