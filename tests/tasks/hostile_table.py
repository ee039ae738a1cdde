"""How every hostile program ends on every sandbox of this machine, as a table in Markdown.

.venv/bin/python -m tests.tasks.hostile_table
"""

from __future__ import annotations

import os

from neurogame.bootstrap import services

FUNCTIONS = ("a21", "a22", "a23")
NAMES = {
    "offered": "bubblewrap",
    "watchdog": "bubblewrap, no control groups",
    "docker": "Docker",
}


def main() -> None:
    with services.available("NEUROGAME_TEST_DOCKER") as found:
        os.environ.update(found)
        import django

        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
        django.setup()
        table()


def table() -> None:
    from tests.tasks.sandbox_support import EVERYWHERE, HOSTILE, backend

    print("| program |", " | ".join(NAMES[mode] for mode in EVERYWHERE), "|")
    print("|---|" + "---|" * len(EVERYWHERE))
    for path in sorted(HOSTILE.glob("a*.py")):
        endings = [ending(path.stem, path.read_text(), mode) for mode in EVERYWHERE]
        print(f"| `{path.stem}` |", " | ".join(endings), "|", flush=True)
    for mode in EVERYWHERE:
        backend(mode).close()


def ending(name: str, source: str, mode: str) -> str:
    """The verdict, wall time and memory, and what was left."""
    from tasks.spec import Limits
    from tests.tasks.sandbox_support import marked, marker, processes_named, run

    mark = marker()
    function = name[:3] in FUNCTIONS
    result = run(
        marked(mark, source),
        "[2, 3]" if function else "",
        mode=mode,
        entry="solve" if function else "",
        limits=Limits(time_s=1, memory_mb=256, output_kb=64),
    )
    left = processes_named(mark)
    said = f"{result.status}, {result.duration:.1f} s, {result.memory_kb / 1024:.0f} MiB"
    return f"{said}; {len(left)} PROCESSES LEFT" if left else said


if __name__ == "__main__":
    main()
