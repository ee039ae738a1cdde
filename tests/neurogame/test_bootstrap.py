"""How `make` finds Python, sets itself up, starts everything and leaves nothing behind."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polib
import pytest

from neurogame.bootstrap import browser, catalogues, engine, environment, prepare, services

ROOT = Path(__file__).resolve().parent.parent.parent
TOOLS = ("sh", "dirname", "rm", "env", "cat")


# --- finding Python -------------------------------------------------------------------------


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A tree with what start.sh needs, and folders for PATH."""
    folder = tmp_path / "clone"
    shutil.copytree(ROOT / "neurogame" / "bootstrap", folder / "neurogame" / "bootstrap")
    (folder / "neurogame" / "__init__.py").touch()
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in TOOLS:
        (tools / tool).symlink_to(str(shutil.which(tool)))
    return folder


def program(path: Path, script: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def start(clone: Path, *path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    folders = [*path, clone.parent / "tools"]
    return subprocess.run(
        ["sh", str(clone / "neurogame" / "bootstrap" / "start.sh"), "nonsense"],
        env={"PATH": ":".join(map(str, folders)), "HOME": str(clone.parent), **variables},
        capture_output=True,
        text=True,
        timeout=120,
    )


# What an interpreter of that version answers to the questions of start.sh.
OLD = 'case "$2" in *exit*) exit 1 ;; *) echo 3.11.2 ;; esac'
SHIM = 'echo "pyenv: version 3.12 is not installed" >&2; exit 127'


def test_without_a_new_python_the_error_names_what_was_found(clone: Path, tmp_path: Path) -> None:
    old = program(tmp_path / "bin" / "python3", OLD)
    shim = program(tmp_path / "shims" / "python3.12", SHIM)
    done = start(clone, shim.parent, old.parent)
    assert done.returncode == 1
    assert "needs Python 3.12 or newer" in done.stderr
    assert f"{old} (Python 3.11.2: too old)" in done.stderr
    assert f"{shim} (does not start)" in done.stderr
    assert "make PYTHON=" in done.stderr
    assert not (clone / ".venv").exists()


def test_new_python_behind_an_old_one_and_a_dead_shim_is_found(clone: Path, tmp_path: Path) -> None:
    old = program(tmp_path / "bin" / "python3", OLD)
    shim = program(tmp_path / "shims" / "python3", SHIM)
    good = tmp_path / "good"
    good.mkdir()
    (good / "python3").symlink_to(Path(sys.executable).resolve())
    done = start(clone, shim.parent, old.parent, good)
    assert done.returncode == 2, done.stderr  # the bootstrap's own answer to an unknown command
    assert "run|test" in done.stdout
    made = clone / ".venv" / "bin" / "python"
    version = subprocess.run([made, "-c", "import sys; print(*sys.version_info[:2])"],
                             capture_output=True, text=True)  # fmt: skip
    assert version.stdout.split() == [str(number) for number in sys.version_info[:2]]
    again = start(clone, old.parent)  # the environment is there: nothing is looked for
    assert again.returncode == 2
    assert "Making" not in again.stdout


# --- variables ------------------------------------------------------------------------------


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project root of its own, with `.env` being read."""
    for module in (environment, prepare, catalogues):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    for name in ("NEUROGAME_ENV_FILE", "PORT", "URL_DATABASE", "NEUROGAME_DB_PATH", "DEBUG"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_env_file_is_read_and_real_variables_win(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tree / ".env").write_text(
        "# comment\nA=1\nexport B = 'two words'\nC=\"x # y\"\nD=z # note\nE=\nnonsense\n"
    )
    assert environment.read_env_file() == {
        "A": "1", "B": "two words", "C": "x # y", "D": "z", "E": "",
    }  # fmt: skip
    monkeypatch.setenv("A", "9")
    assert [environment.variable(name, "-") for name in "ABEF"] == ["9", "two words", "-", "-"]


def test_taken_port_is_refused_with_the_command_for_another(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        monkeypatch.setenv("PORT", str(number))
        with pytest.raises(environment.SetupError, match=f"PORT={number + 1} make run"):
            environment.port()
    assert environment.port() == number


@pytest.mark.parametrize("text", ["0", "65536", "http", "-1"])
def test_port_that_is_none_is_refused(
    tree: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("PORT", text)
    with pytest.raises(environment.SetupError, match="1 to 65535"):
        environment.port()


# --- what a second start may leave out ------------------------------------------------------


@pytest.fixture
def prepared(tree: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree whose database `prepare` has just been run on; the migrations are one table."""
    (tree / "tasks" / "bank" / "a").mkdir(parents=True)
    (tree / "tasks" / "bank" / "a" / "task.json").write_text("{}")
    (tree / "data").mkdir()

    def migrate(*arguments: str, error: str) -> None:
        with contextlib.closing(sqlite3.connect(prepare.database_path())) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS django_migrations (app, name)")
            connection.execute("DELETE FROM django_migrations")
            connection.execute("INSERT INTO django_migrations VALUES ('tasks', '0001')")
            connection.commit()

    monkeypatch.setattr(prepare, "manage", migrate)
    assert not prepare.is_prepared()
    prepare.prepare()
    assert prepare.is_prepared()
    return tree


def _change_task(tree: Path) -> None:
    (tree / "tasks" / "bank" / "a" / "task.json").write_text("{ }")


def _add_migration(tree: Path) -> None:
    (tree / "tasks" / "migrations").mkdir()
    (tree / "tasks" / "migrations" / "0002_more.py").touch()


def _change_env_file(tree: Path) -> None:
    (tree / ".env").write_text("DEBUG=0\n")


def _roll_back(tree: Path) -> None:
    with contextlib.closing(sqlite3.connect(prepare.database_path())) as connection:
        connection.execute("DELETE FROM django_migrations")
        connection.commit()


def _delete_database(tree: Path) -> None:
    prepare.database_path().unlink()


@pytest.mark.parametrize(
    "change", [_change_task, _add_migration, _change_env_file, _roll_back, _delete_database]
)
def test_change_is_prepared_again(prepared: Path, change: Callable[[Path], None]) -> None:
    change(prepared)
    assert not prepare.is_prepared()
    prepare.prepare()
    assert prepare.is_prepared()


def test_postgresql_is_always_prepared(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("URL_DATABASE", "postgres://x/y")
    assert not prepare.is_prepared()


# --- catalogues -----------------------------------------------------------------------------

PO = """
msgid ""
msgstr ""
"Content-Type: text/plain; charset=UTF-8\\n"

msgid "Task %(n)d of {total}"
msgstr "Задача %(n)d из {total}"
"""


@pytest.fixture
def catalogue(tree: Path) -> Path:
    path = tree / "app" / "locale" / "ru" / "LC_MESSAGES" / "django.po"
    path.parent.mkdir(parents=True)
    path.write_text(PO)
    return path


def test_catalogue_is_compiled_once(catalogue: Path) -> None:
    assert (catalogues.compile_all(), catalogues.compile_all()) == (1, 0)
    compiled = polib.mofile(str(catalogue.with_suffix(".mo")))
    assert [entry.msgstr for entry in compiled] == ["Задача %(n)d из {total}"]
    os.utime(catalogue, (time.time() + 5, time.time() + 5))
    assert catalogues.compile_all() == 1


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("Задача", "Задача", None),
        ("%(n)d из", "%(m)d из", "other placeholders"),
        (" из {total}", "", "other placeholders"),
        ("Задача %(n)d из {total}", "", "not translated"),
        ('msgid "Task', '#, fuzzy\nmsgid "Task', "fuzzy"),
    ],
)
def test_faults_of_a_catalogue_are_found(
    catalogue: Path, old: str, new: str, fault: str | None
) -> None:
    catalogue.write_text(PO.replace(old, new))
    found = catalogues.faults(catalogue)
    assert len(found) == (fault is not None)
    assert all(fault in line for line in found if fault)


# --- browser, services ----------------------------------------------------------------------


def test_named_browser_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEUROGAME_TEST_BROWSER", sys.executable)
    assert browser.ensure() == sys.executable
    monkeypatch.setenv("NEUROGAME_TEST_BROWSER", "/nowhere/chrome")
    with pytest.raises(environment.SetupError, match="apt-get install chromium"):
        browser.ensure()


if shutil.which(services.REDIS):

    def test_redis_is_there_while_it_is_needed() -> None:
        from redis import Redis
        from redis.exceptions import ConnectionError as RedisDown

        with services.redis() as url, Redis.from_url(url) as connection:
            assert connection.ping()
        with pytest.raises(RedisDown), Redis.from_url(url) as connection:
            connection.ping()


if services.postgres_programs():

    def test_postgresql_is_there_while_it_is_needed() -> None:
        import psycopg

        with services.postgres() as url, psycopg.connect(url) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(url)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "debian.sources",
            "Types: deb\n# a note\nURIs: http://mirror.example/debian\n"
            "Suites: bookworm bookworm-updates\nComponents: main contrib\n"
            "\nTypes: deb-src\nURIs: http://source.example\nSuites: bookworm\nComponents: main\n",
        ),
        (
            "sources.list",
            "# deb http://old.example/debian bookworm main\n"
            "deb [signed-by=/x.gpg] http://mirror.example/debian bookworm main contrib\n",
        ),
    ],
)
def test_mirror_of_the_machine_is_found(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    ((address, suites, components),) = engine.sources(tmp_path / name)
    assert (address, suites[0]) == ("http://mirror.example/debian", "bookworm")
    assert components == ["main", "contrib"]


def test_engine_that_cannot_start_is_a_line_and_no_failure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program(tmp_path / "dockerd", "echo no control groups here; exit 1")
    (tmp_path / "neurogame").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("NEUROGAME_TEST_DOCKER", raising=False)
    monkeypatch.setattr(engine, "installed", lambda: True)
    engine.archive().touch()
    with services.available("NEUROGAME_TEST_DOCKER") as found:
        assert found == {}
    assert "no control groups here" in capsys.readouterr().out


# --- make run -------------------------------------------------------------------------------


class Running:
    """`make run` in a session of its own, on a free port and a database of its own."""

    def __init__(self, folder: Path) -> None:
        self.port = services.free_port()
        self.log = folder / f"log-{self.port}"
        variables = {
            "PORT": str(self.port),
            "NEUROGAME_DB_PATH": str(folder / "run.sqlite3"),
            "URL_DATABASE": "",
            "DEBUG": "1",
            "NEUROGAME_ENV_FILE": "none",
            "DJANGO_SETTINGS_MODULE": "neurogame.settings",
        }
        self.started = time.monotonic()
        with self.log.open("wb") as output:
            self.make = subprocess.Popen(
                ["make", "run"],
                cwd=ROOT,
                env={**os.environ, **variables},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def text(self) -> str:
        return self.log.read_text()

    def wait(self, timeout: float = 120.0) -> float:
        """Seconds until /health answers."""
        deadline = self.started + timeout
        url = f"http://127.0.0.1:{self.port}/health"
        while True:
            with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:
                assert json.load(answer)["ok"] is True
                return time.monotonic() - self.started
            assert self.make.poll() is None, self.text()
            assert time.monotonic() < deadline, self.text()
            time.sleep(0.05)

    def processes(self) -> list[int]:
        """The live processes of this start, found by the port that all of them were given."""
        wanted = f"\0PUBLIC_URL=http://127.0.0.1:{self.port}\0".encode()
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                if state != "Z" and wanted in b"\0" + (entry / "environ").read_bytes():
                    found.append(int(entry.name))
        return found

    def ended(self, timeout: float = 20.0) -> bool:
        deadline = time.monotonic() + timeout
        while self.processes():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def stop(self) -> None:
        if self.make.poll() is None:
            os.killpg(self.make.pid, signal.SIGINT)  # what Ctrl-C does
        self.make.wait(30)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one database for all starts: the first one prepares it."""
    return tmp_path_factory.mktemp("installation")


@pytest.fixture
def make_run(installation: Path) -> Iterator[Callable[[], Running]]:
    started: list[Running] = []

    def run() -> Running:
        started.append(Running(installation))
        return started[-1]

    yield run
    for running in started:
        running.stop()
        for pid in running.processes():
            os.kill(pid, signal.SIGKILL)


def get(port: int, path: str) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
        return int(answer.status)


def test_make_run_serves_and_ctrl_c_leaves_nothing(make_run: Callable[[], Running]) -> None:
    first = make_run()
    first.wait()
    base = f"http://127.0.0.1:{first.port}"
    for line in (
        f"candidate page  {base}/interview/",
        f"leaderboard     {base}/leaderboard/",
        f"admin           {base}/admin/",
        "demo logins     admin, recruiter, analyst, candidate; password: neurogame",
    ):
        assert line in first.text()
    assert get(first.port, "/admin/login/") == 200
    assert len(first.processes()) >= 5  # honcho, two of its watchers, web, worker
    first.stop()
    assert first.ended(), first.text()

    second = make_run()
    took = second.wait()
    for work in ("Installing", "Applying", "Loading the task bank", "demo accounts"):
        assert work not in second.text()
    assert took < 20  # under 5 s on an idle machine; the tests share this one


def test_nothing_survives_a_killed_supervisor(make_run: Callable[[], Running]) -> None:
    running = make_run()
    running.wait()
    os.killpg(running.make.pid, signal.SIGKILL)  # make, honcho and its watchers
    assert running.ended(), running.processes()


def test_taken_port_ends_make_run_at_once(
    make_run: Callable[[], Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr(services, "free_port", lambda: taken.getsockname()[1])
        running = make_run()
        assert running.make.wait(30) != 0
    assert f"Choose another one: PORT={running.port + 1} make run" in running.text()


# --- serve ----------------------------------------------------------------------------------


def serve(**variables: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "serve", "--port", "0"],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "neurogame.settings", **variables},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_server_refuses_unsafe_production_settings() -> None:
    done = serve(DEBUG="0")
    assert done.returncode != 0
    assert "NEUROGAME_API_KEY is the development key" in done.stderr
    assert "SECRET_KEY" in done.stderr
