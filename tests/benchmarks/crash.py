"""`kill -9` of the server at random moments under load: what was acknowledged is there, once.

Rounds on SQLite, and on PostgreSQL where it is installed. Each round ends with a look past the
server into the database; the last line compares the standings with a rebuild. Any loss, any double
and any difference ends the run with an error.
"""

from __future__ import annotations

import os
import random
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.telemetry.load import Game, Round, finish, kill_under_load
from tests.telemetry.server import ServerProcess

GAMES = 4


@dataclass(frozen=True)
class Line:
    text: str

    def line(self) -> str:
        return self.text


def measure(folder: Path, *, rounds: int) -> Iterator[Line]:
    """A line for each round; raises RuntimeError at the first that is not whole."""
    given = os.environ.pop("NEUROGAME_TEST_POSTGRES", "")
    try:
        for name, cluster in (("SQLite", ""), ("PostgreSQL", given)):
            if name == "PostgreSQL" and not cluster:
                yield Line("crash, PostgreSQL: not installed here")
                continue
            if cluster:
                os.environ["NEUROGAME_TEST_POSTGRES"] = cluster
            place = folder / f"crash-{name}"
            place.mkdir()
            yield from _on(name, place, rounds)
    finally:
        if given:
            os.environ["NEUROGAME_TEST_POSTGRES"] = given


def _on(name: str, folder: Path, rounds: int) -> Iterator[Line]:
    seed = secrets.randbelow(10**6)
    rng = random.Random(seed)
    server = ServerProcess(folder)
    try:
        server.migrate()
        games = [Game(server, worker) for worker in range(GAMES)]
        for number in range(1, rounds + 1):
            server.start()
            yield _line(f"{number:>2}/{rounds}", name, kill_under_load(server, games, rng))
        server.start()
        yield _line("end", name, finish(server, games))
        check = server.manage("standings", "rebuild", "--check")
        if check.returncode:
            raise RuntimeError(check.stderr)
        yield Line(f"crash, {name}, end: {check.stdout.strip()} (seed {seed})")
    finally:
        server.close()


def _line(number: str, name: str, found: Round) -> Line:
    what = (
        f"kill -9 after {found.after_s:.2f} s of load" if found.after_s else "the rest sent again"
    )
    text = (
        f"crash, {name}, {number}: {what} | "
        f"{found.acknowledged:,} batches acknowledged in all | {found.stored:,} events stored | "
        f"lost {found.lost} | twice {found.doubled} | in the standings {found.folded:,}"
    )
    if not found.whole:
        raise RuntimeError(text)
    return Line(text)
