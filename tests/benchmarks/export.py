"""Export: NDJSON from the real server against a loop that selects and serialises."""

from __future__ import annotations

import contextlib
import json
import random
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from neurogame.bootstrap import services
from tests.benchmarks.figures import Figure, quantile
from tests.benchmarks.processes import KEY, ROOT, environment, free_port, running

COLUMNS = (
    "event_id", "event_type", "event_ts", "effective_ts", "received_at", "user_id", "session_id",
    "model_version", "client_version", "flags", "raw",
)  # fmt: skip
SELECT = (
    "SELECT seq, raw, received_at, effective_ts, client_version, flags"
    " FROM telemetry_gameevent WHERE seq <= {} ORDER BY seq"
)


Row = tuple[int, str, str, str, str, str]


@dataclass(frozen=True, slots=True)
class Taken:
    """An export as its client saw it: seconds in all and to the first byte of the body."""

    seconds: float
    first_s: float
    rows: int


def measure(folder: Path, *, rounds: int, events: int) -> Iterator[Figure]:
    """On SQLite, and on a PostgreSQL of its own where the programs are installed."""
    database = folder / "neurogame.sqlite3"
    last = fill_sqlite(database, events)
    yield from compare(
        "", environment(folder), lambda: sqlite_rows(database, last), folder,
        rounds=rounds, events=events, last=last,
    )  # fmt: skip
    if services.postgres_programs() is None:
        return
    with services.postgres() as url:
        variables = {**environment(folder), "URL_DATABASE": url}
        command = [sys.executable, "manage.py", "migrate", "-v0"]
        subprocess.run(command, cwd=ROOT, env=variables, check=True, timeout=120)
        last = fill_postgres(url, events)
        yield from compare(
            " from PostgreSQL", variables, lambda: postgres_rows(url, last), folder,
            rounds=rounds, events=events, last=last,
        )  # fmt: skip


def compare(
    where: str,
    variables: dict[str, str],
    select: Callable[[], Iterator[Row]],
    folder: Path,
    *,
    rounds: int,
    events: int,
    last: int,
) -> Iterator[Figure]:
    """Rounds in turn: the product's NDJSON, the loop, the product's first quarter, its CSV."""
    port = free_port()
    command = [sys.executable, "manage.py", "serve", "--port", str(port)]
    ours, loop, growth, quarter, csv = [], [], [], [], []
    alone, beside = [], []
    first = last - events
    with running(command, variables=variables, port=port, log=folder / "export.log") as server:
        take(port, as_of=first + min(events, 1000))  # imports what an export needs
        for _turn in range(rounds):
            with growing(server.pid) as grown:
                take(port, as_of=first + events // 4)
            quarter.append(grown[0])
            with growing(server.pid) as grown:
                ours.append(take(port, as_of=last))
            growth.append(grown[0])
            loop.append(serialise(select()))
            csv.append(take(port, as_of=last, form="csv"))
            alone.append(quantile([health(port) for _turn in range(20)], 0.95))
            with ThreadPoolExecutor(1) as other:
                export = other.submit(take, port, as_of=last)
                waits = [health(port)]
                while not export.done():
                    waits.append(health(port))
                export.result()
            beside.append(quantile(waits, 0.95))
    if any(taken.rows != events for taken in [*ours, *loop]):
        raise RuntimeError(f"not every export held all {events} events")
    peer = "select and serialise, one thread"
    rates = [events / taken.seconds for taken in loop]
    yield Figure(
        f"export of {events:,} events{where}, NDJSON",
        "rows/s", [events / taken.seconds for taken in ours], peer, rates, True,
    )  # fmt: skip
    yield Figure(
        f"export of {events:,} events{where}, CSV",
        "rows/s", [events / taken.seconds for taken in csv], f"{peer}, JSON", rates, True,
    )  # fmt: skip
    yield Figure(
        f"export{where}, first byte of the body",
        "ms", [1000 * taken.first_s for taken in ours],
        "the loop's first row", [1000 * taken.first_s for taken in loop], False,
    )  # fmt: skip
    yield Figure(
        f"export{where}, /health meanwhile, p95",
        "ms", [1000 * wait for wait in beside],
        "health alone", [1000 * wait for wait in alone], False,
    )  # fmt: skip
    if sys.platform == "linux":
        yield Figure(
            f"export{where}, growth of the server's memory",
            "MB", growth, f"for {events // 4:,} events", quarter, False,
        )  # fmt: skip


# --- The databases ------------------------------------------------------------------------------


def fill_sqlite(path: Path, count: int) -> int:
    """Store `count` trials as ingest would; the `seq` of the last one."""
    chance = random.Random(1)
    marks = ", ".join("?" * len(COLUMNS))
    with contextlib.closing(sqlite3.connect(path, timeout=30)) as connection:
        connection.execute("DELETE FROM telemetry_gameevent")
        connection.executemany(
            f"INSERT INTO telemetry_gameevent ({', '.join(COLUMNS)}) VALUES ({marks})",
            (stored(chance, number) for number in range(count)),
        )
        connection.commit()
        (last,) = connection.execute("SELECT max(seq) FROM telemetry_gameevent").fetchone()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return int(last)


def sqlite_rows(path: Path, last: int) -> Iterator[Row]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        for seq, raw, received, effective, version, flags in connection.execute(
            SELECT.format("?"), [last]
        ):
            yield seq, raw, received.replace(" ", "T"), effective.replace(" ", "T"), version, flags


def fill_postgres(url: str, count: int) -> int:
    """The same in PostgreSQL."""
    chance = random.Random(1)
    into = f"COPY telemetry_gameevent ({', '.join(COLUMNS)}) FROM STDIN"
    with psycopg.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
        with cursor.copy(into) as copy:
            for number in range(count):
                copy.write_row(stored(chance, number))
        cursor.execute("VACUUM ANALYZE telemetry_gameevent")
        return int(cursor.execute("SELECT max(seq) FROM telemetry_gameevent").fetchone()[0])


def postgres_rows(url: str, last: int) -> Iterator[Row]:
    with psycopg.connect(url) as connection, connection.cursor("rows") as cursor:
        cursor.itersize = 2000
        for seq, raw, received, effective, version, flags in cursor.execute(
            SELECT.format("%s"), [last]
        ):
            yield seq, raw, moment(received), moment(effective), version, flags


def moment(value: datetime) -> str:
    return value.astimezone(UTC).replace(tzinfo=None).isoformat()


def stored(chance: random.Random, number: int) -> tuple[str, ...]:
    """A row of the table of events, in the order of `COLUMNS`."""
    player = f"u_{chance.randrange(5000)}"
    at = f"12:{number // 60 % 60:02}:{number % 60:02}.{chance.randrange(1000):03}"
    event = {
        "event_id": f"01HX{number:022}",
        "event_type": "task_result",
        "event_ts": f"2026-02-17T{at}Z",
        "user_id": player,
        "session_id": f"s_20260217_120000_{player}",
        "model_version": "baseline_v1",
        "payload": {
            "task_type": chance.choice(["stroop", "n_back", "go_no_go"]),
            "item_id": f"i{chance.randrange(60)}",
            "correct": chance.random() < 0.8,
            "rt_ms": round(chance.lognormvariate(6.6, 0.35), 1),
        },
    }
    moment = f"2026-02-17 {at}000"
    return (
        str(event["event_id"]), "task_result", moment, moment, "2026-02-17 13:00:00.123456",
        player, str(event["session_id"]), "baseline_v1", "1.0.0", "", json.dumps(event),
    )  # fmt: skip


def take(port: int, *, as_of: int, form: str = "ndjson") -> Taken:
    """Read an export to its end. Raises RuntimeError for one that is not whole."""
    request = (
        f"GET /v1/export/raw?format={form}&as_of={as_of} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"X-API-Key: {KEY}\r\nConnection: close\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", port), 60) as connection:
        began = time.perf_counter()
        connection.sendall(request.encode())
        data = b""
        while b"\r\n\r\n" not in data:
            data += connection.recv(65_536)
        head, _blank, data = data.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(data[:500].decode("latin-1"))
        while not data:
            data = connection.recv(65_536)
        first = time.perf_counter() - began
        ends = data.count(b"}\n") if form == "ndjson" else data.count(b"\r\n")
        tail = data[-5:]
        while data := connection.recv(1 << 18):
            if form == "ndjson":
                ends += data.count(b"}\n") + (tail[-1:] == b"}" and data[:1] == b"\n")
            tail = (tail + data)[-5:] if len(data) < 5 else data[-5:]
        seconds = time.perf_counter() - began
    if tail != b"0\r\n\r\n":
        raise RuntimeError("the export was cut")
    return Taken(seconds, first, ends)


def health(port: int) -> float:
    """Seconds that `/health` takes to answer."""
    began = time.perf_counter()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=30) as answer:
        answer.read()
    return time.perf_counter() - began


def serialise(selected: Iterator[Row]) -> Taken:
    """Rows with nothing between them and the database, each as a line of bytes."""
    began = time.perf_counter()
    first = 0.0
    rows = size = 0
    for seq, raw, received, effective, version, flags in selected:
        event = json.loads(raw)
        event["seq"] = seq
        event["received_at"] = received + "Z"
        event["effective_ts"] = effective + "Z"
        event["client_version"] = version
        event["flags"] = [word for word in flags.split(",") if word]
        size += len((json.dumps(event) + "\n").encode())
        rows += 1
        if rows == 1:
            first = time.perf_counter() - began
    return Taken(time.perf_counter() - began, first, rows)


@contextlib.contextmanager
def growing(pid: int) -> Iterator[list[float]]:
    """The MB by which a process grew at its peak meanwhile; 0 where the system does not say."""
    grown = [0.0]
    if sys.platform != "linux":
        yield grown
        return
    Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak counts from here
    before = resident(pid, "VmRSS")
    yield grown
    grown[0] = (resident(pid, "VmHWM") - before) / 1000


def resident(pid: int, name: str) -> int:
    """A line of a process's memory, in kB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise RuntimeError(f"{name} is not known here")
