"""The product as its users meet it: `manage.py serve` in a process of its own, seen over HTTP."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
KEY = "dev-key-change-me"
PROBLEM = {"ok", "type", "title", "status", "code", "detail", "request_id"}


@dataclass
class Answer:
    """What came back: status, headers (names in lower case), bytes."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        def refuse(word: str) -> None:
            raise AssertionError(f"{word} is not JSON")

        return json.loads(self.body, parse_constant=refuse)

    def counts(self) -> tuple[int, ...]:
        return tuple(
            int(self.headers[f"x-neurogame-{name}"])
            for name in ("accepted", "duplicate", "rejected")
        )


def problem(answer: Answer, status: int, code: str, *more: str) -> dict[str, Any]:
    """The body of a problem, after a look at all that the contract says of one."""
    body = answer.json
    assert (answer.status, body["code"]) == (status, code), body
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(body) == PROBLEM | set(more)
    assert body["ok"] is False
    assert (body["type"], body["status"]) == ("about:blank", status)
    assert body["title"]
    assert body["detail"]
    assert body["request_id"] == answer.headers["x-request-id"]
    if status == 401:
        assert answer.headers["www-authenticate"].startswith("Bearer")
    if status in (429, 503):
        assert int(answer.headers["retry-after"]) >= 1
    return body


def environment(directory: Path, **variables: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {
        **kept,
        "NEUROGAME_ENV_FILE": "none",
        "NEUROGAME_DB_PATH": str(directory / "neurogame.sqlite3"),
        "DEBUG": "1",
        **variables,
    }


def manage(env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT, env=env, capture_output=True, text=True, timeout=150, check=False,
    )  # fmt: skip


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Product:
    """A running server. `call` asks it one thing over a connection of its own."""

    def __init__(self, directory: Path, **variables: str) -> None:
        self.port = free_port()
        self.env = environment(directory, PORT=str(self.port), **variables)
        self.database = Path(self.env["NEUROGAME_DB_PATH"])
        self.log = directory / "server.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "serve", "--port", str(self.port)],
                cwd=ROOT, env=self.env, stdout=log, stderr=log,
            )  # fmt: skip
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log.read_text()
            try:
                self.call("GET", "/health")
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError(self.log.read_text())

    def call(
        self,
        method: str,
        target: str,
        body: Any = None,
        *,
        token: str = "",
        timeout: float = 30,
        **headers: str,
    ) -> Answer:
        """`body`: bytes as they are, anything else as JSON; `X_Name=...` is a header."""
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            fields["Authorization"] = f"Bearer {token}"
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if body is not None:
            fields.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, target, body=body, headers=fields)
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        names: dict[str, str] = {}
        for name, value in response.getheaders():  # cookies come in headers of the same name
            known = names.get(name.lower())
            names[name.lower()] = value if known is None else f"{known}, {value}"
        assert names["x-request-id"]
        return Answer(response.status, names, content)

    def raw(self, data: bytes, timeout: float = 20) -> bytes:
        """Send bytes as they are and read until the server closes."""
        out = b""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as connection:
            connection.sendall(data)
            with contextlib.suppress(ConnectionError):
                while part := connection.recv(65536):
                    out += part
        return out

    def post_events(self, events: list[Any], key: str = KEY, **more: Any) -> Answer:
        return self.call("POST", "/v1/events", {"events": events, **more}, X_API_Key=key)

    def rss_kb(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(x for x in status.splitlines() if x.startswith("VmRSS")).split()[1])

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return manage(self.env, *arguments)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(15)
        finally:
            self.process.kill()


@contextlib.contextmanager
def running(directory: Path, database: Path, **variables: str) -> Iterator[Product]:
    """A server on a copy of `database`, stopped at the end."""
    directory.mkdir(parents=True, exist_ok=True)
    shutil.copy(database, directory / "neurogame.sqlite3")
    started = Product(directory, **variables)
    try:
        yield started
    finally:
        started.stop()
