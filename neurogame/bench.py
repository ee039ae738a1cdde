"""Measures this machine over HTTP: events in, pages out, programs run.

The server is a process of its own on a database of its own, exactly as `make run` starts it; the
load comes from threads with one kept connection each. What is measured includes the client, which
shares the processor: the figures are a floor.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings

Request = tuple[str, str, bytes | None, dict[str, str]]
JSON = {"Content-Type": "application/json"}
PROGRAM = "print(sum(map(int, input().split())))"


@dataclass(frozen=True, slots=True)
class Figures:
    """One measurement: how many, in how many seconds, and the sorted latencies in seconds."""

    name: str
    seconds: float
    latencies: tuple[float, ...]
    units: int
    unit: str

    def quantile(self, share: float) -> float:
        return self.latencies[min(len(self.latencies) - 1, int(share * len(self.latencies)))]

    def line(self) -> str:
        """As a row of the table."""
        milliseconds = [f"{self.quantile(share) * 1000:8.1f}" for share in (0.5, 0.95, 1.0)]
        rate = f"{self.units / self.seconds:10,.0f} {self.unit}/s"
        return f"{self.name:<28}{rate:<22}{''.join(milliseconds)}"


class Unexpected(Exception):
    """The server answered something else than it should."""


@contextlib.contextmanager
def server() -> Iterator[int]:
    """A migrated installation of its own with the task bank; its port."""
    with tempfile.TemporaryDirectory(prefix="neurogame-bench-") as folder:
        environment = {
            **os.environ,
            "NEUROGAME_ENV_FILE": "none",
            "NEUROGAME_DB_PATH": str(Path(folder) / "bench.sqlite3"),
            "URL_DATABASE": "",
            "DEBUG": "1",
            "LOG_LEVEL": "WARNING",
        }
        manage = [sys.executable, "manage.py"]
        for command in (["migrate", "-v0"], ["load_tasks"]):
            subprocess.run(
                [*manage, *command],
                cwd=settings.BASE_DIR,
                env=environment,
                stdout=subprocess.DEVNULL,
                check=True,
            )
        process = subprocess.Popen(
            [*manage, "serve", "--port", "0"],
            cwd=settings.BASE_DIR,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            first = process.stdout.readline() if process.stdout else ""
            yield int(first.rsplit(":", 1)[1])
        finally:
            process.terminate()
            process.communicate()


def ask(connection: http.client.HTTPConnection, request: Request) -> Any:
    """One request; the decoded answer. Raises `Unexpected` unless it is a success."""
    method, path, body, headers = request
    connection.request(method, path, body=body, headers=headers)
    response = connection.getresponse()
    content = response.read()
    if response.status >= 300:
        raise Unexpected(f"{method} {path}: {response.status} {content[:300]!r}")
    return json.loads(content) if response.headers.get_content_subtype() == "json" else content


def measure(
    name: str,
    make: Callable[[int], Request],
    *,
    port: int,
    seconds: float,
    clients: int,
    units: int = 1,
    unit: str = "requests",
) -> Figures:
    """Send `make(number)` from `clients` connections for `seconds`; `units` count per request."""
    latencies: list[float] = []
    faults: list[BaseException] = []
    end = time.perf_counter() + seconds

    def client(first: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        number = first
        try:
            while time.perf_counter() < end:
                request = make(number)
                started = time.perf_counter()
                ask(connection, request)
                latencies.append(time.perf_counter() - started)
                number += clients
        except BaseException as fault:
            faults.append(fault)
        finally:
            connection.close()

    started = time.perf_counter()
    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise faults[0]
    took = time.perf_counter() - started
    return Figures(name, took, tuple(sorted(latencies)), len(latencies) * units, unit)


def batch(number: int, size: int) -> Request:
    """A batch of `size` events as the game sends them."""
    events = [
        {
            "event_id": uuid.uuid4().hex,
            "event_type": "task_result",
            "event_ts": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "user_id": f"u_{number % 500}",
            "session_id": f"s_{number}",
            "model_version": "baseline_v1",
            "payload": {"correct": index % 4 > 0, "rt_ms": 600 + 7 * index, "task_type": "stroop"},
        }
        for index in range(size)
    ]
    headers = {**JSON, "Authorization": f"Bearer {settings.NEUROGAME_API_KEY}"}
    return "POST", "/v1/events", json.dumps({"events": events}).encode(), headers


def run_of_a_candidate(port: int) -> Request:
    """Register a candidate, start an interview, take the first task: the request that runs code."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def post(path: str, body: dict[str, Any], headers: dict[str, str]) -> Any:
        return ask(connection, ("POST", path, json.dumps(body).encode(), headers))

    account = {"nickname": f"bench_{uuid.uuid4().hex[:8]}", "password": uuid.uuid4().hex}
    token = post("/auth/register", account, JSON)["access"]
    headers = {**JSON, "Authorization": f"Bearer {token}"}
    start = {"track": "backend", "level": "middle"}
    session = post("/interview/start", start, headers)["session_id"]
    path = f"/tasks/next?session_id={session}"
    task = ask(connection, ("GET", path, None, headers))["task"]
    connection.close()
    body = {
        "session_id": session,
        "task_id": task["id"],
        "language": "python",
        "code": PROGRAM,
        "stdin": "1 2 3",
    }
    if task["kind"] == "function":
        body["args"] = [1]
        del body["stdin"]
    return "POST", "/tasks/run", json.dumps(body).encode(), headers


def bench(*, seconds: float, clients: int) -> Iterator[Figures]:
    """Every measurement, each `seconds` long, one after the other."""
    with server() as port:
        everywhere = partial(measure, port=port, seconds=seconds, clients=clients)
        yield everywhere("GET /health", lambda number: ("GET", "/health", None, {}))
        yield everywhere("GET /v1/leaderboard", lambda number: ("GET", "/v1/leaderboard", None, {}))
        for size in (1, 100):
            yield everywhere(
                f"POST /v1/events, {size} a batch",
                partial(batch, size=size),
                units=size,
                unit="events",
            )
        request = run_of_a_candidate(port)
        # At most 60 runs a minute are allowed to a candidate.
        yield measure(
            "POST /tasks/run, Python",
            lambda number: request,
            port=port,
            seconds=min(seconds, 3.0),
            clients=1,
            unit="runs",
        )
