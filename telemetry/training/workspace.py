"""Files of a run: written whole or not at all, in a directory that one process at a time uses.

A run that was interrupted, by ``kill -9`` too, leaves its finished stages behind; the same run
again takes them from here instead of making them anew.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _


class Locked(Exception):
    """Another process works in the directory; the message says which."""


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold ``directory`` alone. Raises ``Locked``. The end of the process ends the hold."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / ".lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            raise Locked(
                _("Another training run (process %(process)s) works in %(directory)s. Wait for it.")
                % {"process": file.read().strip() or "?", "directory": directory}
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
        file.truncate(0)


def json_bytes(value: Any) -> bytes:
    """The bytes of a JSON artefact: keys sorted, a final newline; floats as Python repeats them."""
    text = json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode("utf-8", "surrogatepass")


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def write(path: Path, data: bytes) -> None:
    """Put ``data`` at ``path``: a crash leaves the old content, or none, or all of the new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)


def remove(directory: Path) -> None:
    """Delete a folder: killed in the midst of it, nobody takes the rest for the whole."""
    trash = directory.with_name(f".{directory.name}.trash")
    shutil.rmtree(trash, ignore_errors=True)
    with contextlib.suppress(FileNotFoundError):
        os.replace(directory, trash)
    shutil.rmtree(trash, ignore_errors=True)


@dataclass(frozen=True)
class Workspace:
    """The finished stages of one run, by name."""

    directory: Path

    @classmethod
    def of(cls, parent: Path, key: Any) -> Workspace:
        """The workspace of the run that ``key`` (JSON) tells from others."""
        return cls(parent / sha256(json_bytes(key))[:16])

    @property
    def begun(self) -> bool:
        return self.directory.exists()

    def stage(self, name: str, make: Callable[[], Any]) -> Any:
        """What ``make`` answered, as JSON: now, or in the run that was interrupted."""
        path = self.directory / f"{name}.json"
        with contextlib.suppress(FileNotFoundError):
            return json.loads(path.read_bytes())
        data = json_bytes(make())
        write(path, data)
        return json.loads(data)

    def clear(self) -> None:
        """Forget every stage."""
        remove(self.directory)
