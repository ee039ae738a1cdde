"""Which languages a task is offered in: its own, as far as programs in them can be run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tasks.enums import Kind
from tasks.models import CodingTask
from tasks.runners import get_runner

# What a program that reads standard input begins with, where the task brings nothing of its own.
STARTERS = {
    path.stem: path.read_text(encoding="utf-8")
    for path in (Path(__file__).parent / "starters").iterdir()
    if path.is_file()
}

type Versions = Mapping[str, str]


def known() -> Versions | None:
    """The languages that programs can be run in, with their versions; None when nobody can say.

    Asks other processes the first time: call it outside of transactions.
    """
    return get_runner().languages()


def offered(task: CodingTask, languages: Versions | None) -> list[str]:
    """The languages of `task` among the `languages` that are known, or all when none are."""
    return [name for name in task.languages if languages is None or name in languages]


def versions(names: list[str], languages: Versions | None) -> dict[str, str]:
    """What programs in each of `names` run under, as a person writes it."""
    return {name: languages[name] for name in names if languages and languages.get(name)}


def starters(task: CodingTask, names: list[str]) -> dict[str, str]:
    """The code that the editor shows first, by language; a language may have none."""
    usual = STARTERS if task.kind == Kind.STDIO else {}
    return {name: code for name in names if (code := task.starter.get(name, usual.get(name)))}


def by_track() -> dict[str, list[str]]:
    """The languages that the active tasks of each track are offered in, the most common first."""
    languages = known()
    counts: dict[str, dict[str, int]] = {}
    for task in CodingTask.objects.filter(active=True).only("track", "languages"):
        count = counts.setdefault(task.track, {})
        for name in offered(task, languages):
            count[name] = count.get(name, 0) + 1
    return {track: sorted(count, key=lambda name: -count[name]) for track, count in counts.items()}
