"""What the tests could use and this machine lacks, for a run of the tests to say so."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

# The game client runs on these and later ones; what is tested anyway is not looked for.
CLIENT_MINORS = range(8, 12)


def missing() -> dict[str, str]:
    """What is not tested here, by its name, and the command that changes it."""
    from tasks.sandbox.languages import LANGUAGES

    lacking = {
        name: f"programs in {name}. To test them: apt-get install {language.package}"
        for name, language in LANGUAGES.items()
        if not language.available()
    }
    if "3.8" not in old_pythons():
        lacking["Python 3.8"] = "the game client on Python 3.8. To test it: pyenv install 3.8"
    return lacking


def old_pythons() -> dict[str, str]:
    """Interpreters older than the product's own, that games run on: {"3.8": path, ...}."""
    found = {}
    for minor in CLIENT_MINORS:
        candidates = [shutil.which(f"python3.{minor}")]
        pyenv = (Path.home() / ".pyenv" / "versions").glob(f"3.{minor}.*/bin/python")
        for path in [*candidates, *map(str, sorted(pyenv))]:
            if path and _version(path) == f"3.{minor}":
                found[f"3.{minor}"] = path
                break
    return found


def _version(python: str) -> str:
    """`major.minor` of an interpreter; empty for one that does not start."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run(
            [python, "-I", "-c", code], capture_output=True, text=True, timeout=20, check=False
        )
    except OSError:
        return ""
    return done.stdout.strip()
