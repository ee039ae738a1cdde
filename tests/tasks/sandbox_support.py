"""What the sandbox's tests share: one backend for each way of holding limits, and its programs."""

from __future__ import annotations

import os
import secrets
from functools import cache
from pathlib import Path

from tasks.sandbox.base import Evaluation, Job, Run, Sandbox
from tasks.sandbox.bubblewrap import Bubblewrap
from tasks.sandbox.docker import Docker
from tasks.spec import Limits

HOSTILE = Path(__file__).parent / "hostile"
MODES = ("offered", "watchdog")
ENGINE = os.environ.get("NEUROGAME_TEST_DOCKER", "")
EVERYWHERE = (*MODES, "docker") if ENGINE else MODES


@cache
def backend(mode: str) -> Sandbox:
    """`offered`: control groups where this machine lets us; `watchdog`: always without; `docker`."""
    if mode == "docker":
        return Docker(image="neurogame-sandbox", host=ENGINE, pool=2)
    return Bubblewrap(watchdog=mode == "watchdog")


def evaluate(
    source: str,
    *inputs: str,
    mode: str = "offered",
    language: str = "python",
    entry: str = "",
    limits: Limits | None = None,
    **budget: float,
) -> Evaluation:
    job = Job(
        language=language,
        source=source,
        kind="function" if entry else "stdio",
        entry=entry,
        inputs=inputs or ("[]" if entry else "",),
        limits=limits or Limits(time_s=4),
        **budget,
    )
    return backend(mode).evaluate(job)


def run(source: str, *inputs: str, **options) -> Run:
    """The only run of a program that compiles."""
    evaluation = evaluate(source, *inputs, **options)
    assert evaluation.compiled, evaluation.compile_output
    (only,) = evaluation.runs
    return only


def hostile(name: str) -> str:
    (path,) = HOSTILE.glob(f"{name}_*.py")
    return path.read_text()


def marker() -> str:
    """A process name that nothing else on this machine has."""
    return f"mark{secrets.token_hex(5)}"


def marked(name: str, source: str) -> str:
    """`source` under the process name `name`, which all of its children inherit."""
    return f"with open('/proc/self/comm', 'w') as _: _.write({name!r})\n{source}"


def processes_named(name: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/comm"):
        try:
            if path.read_text().strip() == name:
                found.append(path.parent.name)
        except OSError:
            continue
    return found


def facts(run: Run) -> list[str]:
    return [
        line.removeprefix("FACT ") for line in run.stdout.splitlines() if line.startswith("FACT")
    ]
