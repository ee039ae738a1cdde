"""The virtual environment's packages and the variables of `.env`."""

from __future__ import annotations

import hashlib
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
RUNTIME = "requirements.txt"
DEVELOPMENT = "requirements-dev.txt"


class SetupError(Exception):
    """Something on this machine has to be changed first; the message says what."""


def say(line: str) -> None:
    print(line, flush=True)  # noqa: T201


def run(*command: str, error: str) -> None:
    """Run a command of the set-up, or raise `SetupError` with what to do."""
    try:
        subprocess.run(command, cwd=ROOT, check=True)
    except (subprocess.CalledProcessError, FileNotFoundError) as fault:
        raise SetupError(error) from fault


def manage(*arguments: str, error: str = "") -> None:
    """Run `manage.py` in a process of its own."""
    command = " ".join(arguments)
    run(sys.executable, "manage.py", *arguments, error=error or f"manage.py {command} failed.")


# --- packages -------------------------------------------------------------------------------


def _digest(names: list[str]) -> str:
    content = b"\0".join((ROOT / name).read_bytes() for name in names)
    return hashlib.sha256(content + sys.version.encode()).hexdigest()


def install(*, development: bool) -> bool:
    """Install the pinned packages unless exactly these are installed. Whether it did."""
    names = [RUNTIME, DEVELOPMENT] if development else [RUNTIME]
    stamp = Path(sys.prefix) / (".installed-dev" if development else ".installed")
    wanted = _digest(names)
    if stamp.exists() and stamp.read_text() == wanted:
        return False
    if not development:
        covered = Path(sys.prefix) / ".installed-dev"
        if covered.exists() and covered.read_text() == _digest([RUNTIME, DEVELOPMENT]):
            return False
    say(f"Installing the pinned packages of {' and '.join(names)} (once; a minute or two)")
    command = [sys.executable, "-m", "pip", "install", "-qq", "--no-input"]
    command += ["--disable-pip-version-check", "--require-virtualenv"]
    for name in names:
        command += ["-r", name]
    run(*command, error="pip could not install the packages; its message stands above.")
    stamp.write_text(wanted)
    return True


# --- variables ------------------------------------------------------------------------------

_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*?)\s*\Z")


def read_env_file() -> dict[str, str]:
    """The variables of `.env`, as Django's settings will read them."""
    path = ROOT / ".env"
    if os.environ.get("NEUROGAME_ENV_FILE") == "none" or not path.exists():
        return {}
    found = {}
    for line in path.read_text().splitlines():
        match = _LINE.match(line)
        if match:
            name, value = match.groups()
            if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
                value = value[1:-1]
            else:
                value = re.sub(r"\s+#.*\Z", "", value)
            found[name] = value
    return found


def variable(name: str, default: str = "") -> str:
    """A variable as the server will see it: the real environment, then `.env`."""
    return os.environ.get(name, "").strip() or read_env_file().get(name, "").strip() or default


def port() -> int:
    """The port to serve on; a `SetupError` when it is no port or taken."""
    text = variable("PORT", "8000")
    if not text.isdecimal() or not 0 < int(text) < 65_536:
        raise SetupError(f"PORT is {text!r}; it must be a number from 1 to 65535.")
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", int(text)))
        except OSError as error:
            raise SetupError(
                f"Port {text} of 127.0.0.1 cannot be used ({error.strerror or error}). "
                f"Choose another one: PORT={int(text) + 1} make run"
            ) from error
    return int(text)
