"""How every hostile program ends on every sandbox of this machine, as a table in Markdown.

NEUROGAME_TEST_DOCKER=unix:///var/run/docker.sock .venv/bin/python -m tests.tasks.hostile_table
"""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

import django

django.setup()

from tasks.spec import Limits  # noqa: E402

from .sandbox_support import (  # noqa: E402
    EVERYWHERE,
    HOSTILE,
    backend,
    marked,
    marker,
    processes_named,
    run,
)

LIMITS = Limits(time_s=1, memory_mb=256, output_kb=64)
FUNCTIONS = ("a21", "a22", "a23")
NAMES = {"offered": "bubblewrap", "watchdog": "bubblewrap, no control groups", "docker": "Docker"}


def main() -> None:
    print("| program |", " | ".join(NAMES[mode] for mode in EVERYWHERE), "|")
    print("|---|" + "---|" * len(EVERYWHERE))
    for path in sorted(HOSTILE.glob("a*.py")):
        endings = [ending(path.stem, path.read_text(), mode) for mode in EVERYWHERE]
        print(f"| `{path.stem}` |", " | ".join(endings), "|")
    for mode in EVERYWHERE:
        backend(mode).close()


def ending(name: str, source: str, mode: str) -> str:
    """The verdict, the bound that held, and whatever was left of it."""
    mark = marker()
    function = name[:3] in FUNCTIONS
    result = run(
        marked(mark, source),
        "[2, 3]" if function else "",
        mode=mode,
        entry="solve" if function else "",
        limits=LIMITS,
    )
    left = processes_named(mark)
    said = f"{result.status}, {result.duration:.1f} s, {result.memory_kb / 1024:.0f} MiB"
    return f"{said}; LEFT: {len(left)} processes" if left else f"{said}, nothing left"


if __name__ == "__main__":
    main()
