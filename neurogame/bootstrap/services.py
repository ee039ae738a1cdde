"""PostgreSQL, Redis and Docker for a run of the tests: own processes, own folder, gone afterwards."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from neurogame.bootstrap import engine
from neurogame.bootstrap.environment import SetupError, say

START_SECONDS = 60.0
REDIS = "redis-server"
# What a machine without them leaves untested, and the command that changes it.
VARIABLES = {
    "NEUROGAME_TEST_POSTGRES": (
        "PostgreSQL. To test it: apt-get install postgresql, or"
        " NEUROGAME_TEST_POSTGRES=postgres://USER:PASSWORD@HOST/DATABASE make test"
    ),
    "NEUROGAME_TEST_REDIS": (
        "Redis. To test it: apt-get install redis-server, or"
        " NEUROGAME_TEST_REDIS=redis://HOST:6379/15 make test"
    ),
    "NEUROGAME_TEST_DOCKER": (
        "the Docker sandbox. To test it: apt-get install docker.io debootstrap (as root), or"
        " NEUROGAME_TEST_DOCKER=unix:///var/run/docker.sock make test"
    ),
}
# An engine wants root and control groups, which not every machine that is CI gives.
OPTIONAL = ("NEUROGAME_TEST_DOCKER",)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def postgres_programs() -> Path | None:
    """The folder with `initdb` and `postgres`: on PATH or where Debian puts them."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    return max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)


def _die_with_parent() -> None:
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)


def _unprivileged() -> pwd.struct_passwd | None:
    """PostgreSQL refuses to run as root; whom to run it as then."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise SetupError("There is no user to run PostgreSQL as: PostgreSQL refuses to run as root.")


def _wait(process: subprocess.Popen[bytes], is_up: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not is_up():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise SetupError(f"{process.args!r} did not start:\n{log.read_text()[-2000:]}")
        time.sleep(0.05)


def _stop(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    process.send_signal(how)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextlib.contextmanager
def redis(*options: str) -> Iterator[str]:
    """A Redis server that keeps nothing; its URL. `options` go to its command line."""
    with tempfile.TemporaryDirectory(prefix="neurogame-redis-") as folder:
        port, log = free_port(), Path(folder) / "log"
        command = [REDIS, "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
        command += ["--appendonly", "no", "--dir", folder, *options]
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )

        def is_up() -> bool:
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("127.0.0.1", port), 1) as s,
            ):
                s.sendall(b"PING\r\n")
                return s.recv(16).startswith((b"+PONG", b"-NOAUTH"))
            return False

        try:
            _wait(process, is_up, log)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            _stop(process, signal.SIGTERM)


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """A PostgreSQL cluster of its own; the URL of its database `neurogame`."""
    programs = postgres_programs()
    if programs is None:
        raise SetupError("initdb is not installed")
    user = _unprivileged()

    def become() -> None:
        if user is not None:
            os.initgroups(user.pw_name, user.pw_gid)
            os.setgid(user.pw_gid)
            os.setuid(user.pw_uid)
        _die_with_parent()

    with tempfile.TemporaryDirectory(prefix="neurogame-pg-") as folder:
        base = Path(folder)
        if user is not None:
            os.chown(base, user.pw_uid, user.pw_gid)
        log, data = base / "log", str(base / "data")
        environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C.UTF-8"}
        initdb = [str(programs / "initdb"), "-D", data, "-U", "neurogame", "--auth=trust"]
        initdb += ["--encoding=UTF8", "--no-sync"]
        made = subprocess.run(
            initdb, cwd="/", env=environment, preexec_fn=become, capture_output=True, text=True
        )
        if made.returncode:
            raise SetupError(f"initdb failed:\n{made.stderr}")
        port = free_port()
        command = [str(programs / "postgres"), "-D", data, "-p", str(port), "-k", folder]
        for setting in (
            "listen_addresses=127.0.0.1",
            "fsync=off",
            "max_connections=200",
            "shared_buffers=64MB",
        ):
            command += ["-c", setting]
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd="/",
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=become,
            )

        def is_up() -> bool:
            import psycopg

            where = f"postgres://neurogame@127.0.0.1:{port}/postgres?connect_timeout=2"
            with contextlib.suppress(psycopg.OperationalError):
                with psycopg.connect(where, autocommit=True) as connection:
                    connection.execute("CREATE DATABASE neurogame")
                return True
            return False

        try:
            _wait(process, is_up, log)
            yield f"postgres://neurogame@127.0.0.1:{port}/neurogame"
        finally:
            _stop(process, signal.SIGINT)


@contextlib.contextmanager
def docker() -> Iterator[str]:
    """A Docker engine that has the sandbox image; its address."""
    with engine.docker() as daemon:
        yield daemon.url


@contextlib.contextmanager
def available(*names: str) -> Iterator[dict[str, str]]:
    """What can be started here, as the variables of the tests; what is set already stays.

    Only those of `names`, unless there are none.
    """
    with contextlib.ExitStack() as stack:
        found = {}
        for name, there, start in (
            ("NEUROGAME_TEST_POSTGRES", postgres_programs() is not None, postgres),
            ("NEUROGAME_TEST_REDIS", shutil.which(REDIS) is not None, redis),
            ("NEUROGAME_TEST_DOCKER", engine.installed(), docker),
        ):
            if names and name not in names:
                continue
            if given := os.environ.get(name):
                found[name] = given
            elif there:
                try:
                    found[name] = stack.enter_context(start())
                except SetupError as error:
                    if name not in OPTIONAL:
                        raise
                    say(str(error))
        yield found
