"""`python -m neurogame.bootstrap run|test|bench|lint|format|setup|messages|image`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from neurogame.bootstrap import browser, catalogues, engine, services, toolchains
from neurogame.bootstrap.environment import (
    ROOT,
    SetupError,
    install,
    manage,
    port,
    read_env_file,
    say,
    variable,
)
from neurogame.bootstrap.prepare import prepare

PACKAGES = ("neurogame", "telemetry", "tasks", "leaderboard", "interviews")
TRUE = ("1", "true", "on", "yes", "y", "ok")
# What the second database is for: everything that stores, but not the pages' scripts, the sandbox
# and the set-up.
POSTGRES_TESTS = (
    *("tests/interviews", "tests/telemetry", "tests/tasks", "tests/leaderboard"),
    "tests/neurogame/test_periodic.py",
    *("--ignore-glob=*/test_workspace*", "--ignore-glob=*/test_sandbox_*"),
    *("--ignore-glob=*/test_bank.py", "--ignore-glob=*/test_runners.py"),
    *("--ignore-glob=*/test_judg*.py", "--ignore-glob=*/test_package*.py"),
    *("--ignore-glob=*/test_docker_*", "--ignore-glob=*/test_latex.py"),
    *("--ignore-glob=*/test_mutation.py", "--ignore-glob=*/test_validation.py"),
    *("--ignore-glob=*/test_kattis.py", "--ignore-glob=*/test_humaneval.py"),
    *("--ignore-glob=*/test_checkers.py", "--ignore-glob=*/test_irt.py"),
    *("--ignore-glob=*/test_selection.py", "--ignore-glob=*/test_verification.py"),
)


def start(arguments: list[str]) -> int:
    """Set up and serve in the foreground; this process becomes honcho."""
    chosen = port()
    install(development=False)
    catalogues.compile_all()
    prepare()
    if variable("DEBUG", "1").lower() not in TRUE:
        manage("collectstatic", "--no-input", "--verbosity", "0")
    environment = os.environ
    environment["PYTHONUNBUFFERED"] = "1"
    # honcho gives each process of the Procfile another PORT; links must carry the server's.
    environment["PORT"] = str(chosen)
    if not (environment.get("PUBLIC_URL") or read_env_file().get("PUBLIC_URL")):
        environment["PUBLIC_URL"] = f"http://127.0.0.1:{chosen}"
    supervisors = [os.getpid()] + ([os.getppid()] if "MAKELEVEL" in environment else [])
    environment["NEUROGAME_SUPERVISORS"] = " ".join(map(str, supervisors))
    command = [sys.executable, "-m", "honcho", "-e", os.devnull, "start", "-p", str(chosen)]
    sys.stdout.flush()
    os.execv(sys.executable, command)  # noqa: S606


def test(arguments: list[str]) -> int:
    """Set up, browser and services included, and run the tests."""
    set_up([])
    environment = {**os.environ, "NEUROGAME_TEST_BROWSER": browser.ensure()}
    workers = os.environ.get("PYTEST_WORKERS", "2")
    pytest = [sys.executable, "-m", "pytest", "-n", workers, "--dist", "loadfile"]
    with services.available() as found:
        required = os.environ.get("CI", "") not in ("", "0", "false")
        missing = [name for name in services.VARIABLES if name not in found]
        needed = [name for name in missing if name not in services.OPTIONAL]
        if needed and required:
            raise SetupError(f"CI needs what is not installed here: {', '.join(needed)}")
        for name in missing:
            say(f"Not tested here: {services.VARIABLES[name]}")
        for sentence in toolchains.missing().values():
            say(f"Not tested here: {sentence}")
        second = found.pop("NEUROGAME_TEST_POSTGRES", None)
        environment.pop("NEUROGAME_TEST_POSTGRES", None)
        environment.update(found)
        if second and not arguments:
            say("The same on PostgreSQL:")
            on_postgres = {**environment, "NEUROGAME_TEST_POSTGRES": second}
            if code := attend([*pytest, *POSTGRES_TESTS], on_postgres):
                return code
        return attend([*pytest, *arguments], environment)


def attend(command: list[str], environment: dict[str, str]) -> int:
    """Run a command to its end and pass signals on, so that the services end after it."""
    process = subprocess.Popen(command, cwd=ROOT, env=environment)
    previous = {
        number: signal.signal(number, lambda number, frame: process.send_signal(number))
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        return process.wait()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def bench(arguments: list[str]) -> int:
    """Measure this machine beside peers."""
    install(development=True)
    catalogues.compile_all()
    with services.available("NEUROGAME_TEST_DOCKER", "NEUROGAME_TEST_POSTGRES") as found:
        command = [sys.executable, "-m", "tests.benchmarks", *arguments]
        return subprocess.run(command, env={**os.environ, **found}).returncode


def lint(arguments: list[str]) -> int:
    """All checks of the code; every one runs, the first failure does not hide the others."""
    install(development=True)
    python = [sys.executable, "-m"]
    checks = {
        "style": [*python, "ruff", "check", "."],
        "format": [*python, "ruff", "format", "--check", "."],
        "types": [*python, "mypy", *PACKAGES],
        "imports": [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports_command as c; c()",
        ],
        "catalogues": [*python, "neurogame.bootstrap.catalogues", "--check"],
        "migrations": [sys.executable, "manage.py", "makemigrations", "--check", "--dry-run"],
    }
    failed = []
    for name, command in checks.items():
        say(f"-- {name}")
        if subprocess.run(command, cwd=ROOT).returncode:
            failed.append(name)
    say(f"-- failed: {', '.join(failed)}" if failed else "-- all clean")
    return 1 if failed else 0


def format_code(arguments: list[str]) -> int:
    """Format the code as `lint` wants it."""
    install(development=True)
    subprocess.run([sys.executable, "-m", "ruff", "check", "--fix", "--quiet", "."], cwd=ROOT)
    return subprocess.run([sys.executable, "-m", "ruff", "format", "."], cwd=ROOT).returncode


def set_up(arguments: list[str]) -> int:
    """Everything that `run` and `test` install."""
    install(development=True)
    catalogues.compile_all()
    browser.ensure()
    return 0


def image(arguments: list[str]) -> int:
    """Make the image that Docker sandboxes are tested with."""
    install(development=False)
    say(str(engine.build()))
    return 0


def messages(arguments: list[str]) -> int:
    """Collect the texts to translate and compile the catalogues."""
    install(development=False)
    from neurogame.bootstrap.messages import main as collect

    collect()
    say(f"{catalogues.compile_all()} catalogues compiled")
    return 0


COMMANDS = {
    "run": start,
    "test": test,
    "bench": bench,
    "lint": lint,
    "format": format_code,
    "setup": set_up,
    "messages": messages,
    "image": image,
}


def main() -> int:
    name, *arguments = sys.argv[1:] or [""]
    if name not in COMMANDS:
        say(__doc__ or "")
        return 2
    os.chdir(ROOT)
    try:
        return COMMANDS[name](arguments)
    except SetupError as error:
        print(f"\n{error}", file=sys.stderr)  # noqa: T201
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
