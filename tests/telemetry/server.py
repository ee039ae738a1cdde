"""The product as a process of its own: migrated, served as in production, on a free port."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


class ServerProcess:
    """Start, kill, start again on the same port and database (`migrate` first).

    The database is a SQLite file in `directory`, or with NEUROGAME_TEST_POSTGRES a database of
    that cluster, made here and dropped by `close`; `copy_of` names a server whose database it
    begins with, `same_as` one whose database it shares.
    """

    def __init__(
        self,
        directory: Path,
        *,
        copy_of: ServerProcess | None = None,
        same_as: ServerProcess | None = None,
        **variables: str,
    ) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = directory / "server.log"
        self.tmp = directory / "tmp"
        self.tmp.mkdir()
        self.env = {
            **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
            "DJANGO_SETTINGS_MODULE": "neurogame.settings",
            "NEUROGAME_ENV_FILE": "none",
            "NEUROGAME_DB_PATH": str(directory / "neurogame.sqlite3"),
            "TMPDIR": str(self.tmp),
            "PORT": str(self.port),
            "DEBUG": "1",
            **variables,
        }
        self.cluster = os.environ.get("NEUROGAME_TEST_POSTGRES", "")
        self.name = ""
        if same_as:
            for variable in ("NEUROGAME_DB_PATH", "URL_DATABASE"):
                self.env[variable] = same_as.env.get(variable, "")
        elif self.cluster:
            self.name = f"server_{secrets.token_hex(6)}"
            template = f" TEMPLATE {copy_of.name}" if copy_of else ""
            self._on_cluster(f"CREATE DATABASE {self.name}{template}")
            self.env["URL_DATABASE"] = f"{self.cluster.rpartition('/')[0]}/{self.name}"
        elif copy_of:
            shutil.copy(copy_of.env["NEUROGAME_DB_PATH"], self.env["NEUROGAME_DB_PATH"])
        self.process: subprocess.Popen[bytes] | None = None

    # --- the database ---

    def _on_cluster(self, statement: str) -> None:
        import psycopg

        with psycopg.connect(self.cluster, autocommit=True) as connection:
            connection.execute(statement)

    @contextlib.contextmanager
    def database(self) -> Iterator[Any]:
        """A connection past the server, for what is really there; transactions by hand."""
        if self.cluster:
            import psycopg

            connection: Any = psycopg.connect(self.env["URL_DATABASE"], autocommit=True)
        else:
            path = self.env["NEUROGAME_DB_PATH"]
            connection = sqlite3.connect(path, timeout=30, isolation_level=None)
        try:
            yield connection
        finally:
            connection.close()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.database() as connection:
            return list(connection.execute(query).fetchall())

    @contextlib.contextmanager
    def nobody_writes(self) -> Iterator[None]:
        """Hold what every insert of an event needs."""
        with self.database() as connection:
            if self.cluster:
                connection.execute("BEGIN")
                connection.execute("LOCK TABLE telemetry_gameevent IN ACCESS EXCLUSIVE MODE")
            else:
                connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            finally:
                connection.execute("ROLLBACK")

    # --- the process ---

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a management command against this server's database."""
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT, env=self.env, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    def migrate(self) -> None:
        done = self.manage("migrate", "-v0")
        assert done.returncode == 0, done.stderr

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "serve", "--port", str(self.port)],
                cwd=ROOT, env=self.env, stdout=log, stderr=log,
            )  # fmt: skip
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log.read_text()
            try:
                with urllib.request.urlopen(f"{self.url}/health", timeout=5):
                    return
            except urllib.error.HTTPError:
                return  # it answers, if only to say what is missing
            except OSError:
                time.sleep(0.05)
        raise AssertionError(self.log.read_text())

    def kill(self) -> None:
        """`kill -9`: nothing of the process runs any more."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def close(self) -> None:
        self.kill()
        if self.name:
            self._on_cluster(f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)")

    def status(self, field: str) -> int:
        """A figure in kB of /proc/PID/status: VmRSS now, VmHWM at the most so far."""
        assert self.process is not None
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith(f"{field}:")).split()[1])

    def written(self) -> int:
        """Bytes that the process has handed to write(), a temporary file included."""
        assert self.process is not None
        lines = Path(f"/proc/{self.process.pid}/io").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("wchar:")).split()[1])
