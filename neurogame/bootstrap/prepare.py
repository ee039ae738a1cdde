"""Decides whether `manage.py prepare` has anything to do, without starting Django.

`prepare` migrates, loads the task bank and makes the demo accounts. With SQLite a stamp beside
the database remembers what it was made from; when that is unchanged and the database still has
the migrations that were applied, a start needs none of it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
import sys
from pathlib import Path

from neurogame.bootstrap.environment import ROOT, RUNTIME, manage, read_env_file, variable

SOURCES = (
    RUNTIME,
    "neurogame/settings.py",
    "*/migrations/*.py",
    "*/management/commands/*.py",
    "*/models.py",
    "tasks/*.py",
    "tasks/bank/**/*",
)
VARIABLES = ("URL_DATABASE", "NEUROGAME_DB_PATH", "DEBUG", "SANDBOX", "SECRET_KEY")


def database_path() -> Path:
    """The SQLite file, as the settings choose it."""
    return ROOT / variable("NEUROGAME_DB_PATH", "data/neurogame.sqlite3")


def fingerprint() -> str:
    """A digest of all that `manage.py prepare` works from."""
    digest = hashlib.sha256(sys.version.encode())
    for pattern in SOURCES:
        for path in sorted(ROOT.glob(pattern)):
            if path.is_file() and path.suffix != ".pyc":
                digest.update(f"\0{path.relative_to(ROOT)}\0".encode())
                digest.update(path.read_bytes())
    variables = {**read_env_file(), **{n: os.environ[n] for n in VARIABLES if n in os.environ}}
    digest.update(json.dumps(variables, sort_keys=True).encode())
    return digest.hexdigest()


def _applied(path: Path) -> list[list[str]]:
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        rows = connection.execute("SELECT app, name FROM django_migrations ORDER BY app, name")
        return [list(row) for row in rows]


def _stamp() -> Path:
    path = database_path()
    return path.with_name(f".{path.name}.prepared")


def is_prepared() -> bool:
    """Whether the SQLite database is as `manage.py prepare` would leave it."""
    if variable("URL_DATABASE"):
        return False
    try:
        stamp = json.loads(_stamp().read_text())
        applied = _applied(database_path())
    except (OSError, ValueError, sqlite3.Error):
        return False
    return bool(stamp == {"fingerprint": fingerprint(), "applied": applied})


def prepare() -> None:
    """Run `manage.py prepare` when there is something to do."""
    if is_prepared():
        return
    manage("prepare", error="The database could not be prepared; the message stands above.")
    if variable("URL_DATABASE"):
        return
    stamp = {"fingerprint": fingerprint(), "applied": _applied(database_path())}
    _stamp().write_text(json.dumps(stamp))
