"""Server processes of a benchmark: a folder, free ports, and an end whatever happens."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KEY = secrets.token_hex(16)
START_S = 60.0


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A folder beside the product's own database: on the same disk, gone afterwards."""
    (ROOT / "data").mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=ROOT / "data"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def environment(folder: Path) -> dict[str, str]:
    """The variables of a production server on SQLite whose files lie in `folder`."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {
        **kept,
        "DJANGO_SETTINGS_MODULE": "neurogame.settings",
        "NEUROGAME_ENV_FILE": "none",
        "NEUROGAME_DB_PATH": str(folder / "neurogame.sqlite3"),
        "NEUROGAME_API_KEY": KEY,
        "SECRET_KEY": secrets.token_hex(32),
        "DEBUG": "0",
        "OPEN_SESSIONS": "1",
        "PYTHONUNBUFFERED": "1",
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def manage(folder: Path, *arguments: str, timeout: float = 120.0) -> None:
    """Run a management command on the database in `folder`."""
    command = [sys.executable, "manage.py", *arguments]
    subprocess.run(
        command, cwd=ROOT, env=environment(folder), check=True, timeout=timeout,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip


@contextlib.contextmanager
def running(
    command: list[str], *, variables: dict[str, str], port: int, log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """A server process once it accepts connections on 127.0.0.1:`port`; killed at the end."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=variables,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
        )
    try:
        deadline = time.monotonic() + START_S
        while True:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command} did not start:\n{log.read_text()[-3000:]}")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdin:
            process.stdin.close()
