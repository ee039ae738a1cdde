"""Judging: a check of ten tests in the sandbox against the same program run bare."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tasks.judging import judge
from tasks.spec import TaskSpec, TestCase
from tests.benchmarks.figures import Figure

TESTS = 10
SOURCE = "import sys\nprint(sum(map(int, sys.stdin.read().split())))\n"


def cases() -> tuple[TestCase, ...]:
    return tuple(
        TestCase(
            name=f"test-{number}",
            visible=number < 2,
            stdin=" ".join(str(value) for value in range(number, number + 1000)),
            expected=str(sum(range(number, number + 1000))),
        )
        for number in range(TESTS)
    )


def measure(folder: Path, *, rounds: int) -> Iterator[Figure]:
    spec = TaskSpec(slug="sum", kind="stdio", tests=cases())
    program = folder / "solution.py"
    program.write_text(SOURCE)
    sandboxed(spec)  # builds the copy of the runtimes on a machine that has none
    ours, bare = [], []
    for _turn in range(rounds):
        ours.append(sandboxed(spec))
        bare.append(run_bare(spec, program))
    yield Figure(
        f"judging, a check of {TESTS} tests in Python, compiled and compared",
        "ms",
        [1000 * seconds for seconds in ours],
        "the same program run bare",
        [1000 * seconds for seconds in bare],
        False,
    )


def sandboxed(spec: TaskSpec) -> float:
    began = time.perf_counter()
    judgement = judge(spec, language="python", source=SOURCE)
    seconds = time.perf_counter() - began
    if judgement.verdict != "AC":
        raise RuntimeError(f"{judgement.verdict}: {judgement.operator_detail}")
    return seconds


def run_bare(spec: TaskSpec, program: Path) -> float:
    """The interpreter of the sandbox with its options, one process a test, and no bounds at all."""
    interpreter = str(Path(getattr(sys, "_base_executable", "") or sys.executable).resolve())
    began = time.perf_counter()
    for test in spec.tests:
        done = subprocess.run(
            [interpreter, "-I", "-X", "utf8", str(program)],
            input=test.stdin, capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        if done.stdout.split() != [test.expected]:
            raise RuntimeError(f"{test.name}: {done.stdout!r}")
    return time.perf_counter() - began
