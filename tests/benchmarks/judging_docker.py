"""Judging in containers: a check of twenty tests, the container waiting started, against bare runs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tasks.judging import judge
from tasks.sandbox.base import SandboxError
from tasks.sandbox.docker import Docker
from tasks.spec import TaskSpec, TestCase
from tests.benchmarks.figures import Figure

TESTS = 20
SOURCE = "import sys\nprint(sum(map(int, sys.stdin.read().split())))\n"
NUMBERS = range(1000)


def measure(folder: Path, *, rounds: int) -> Iterator[Figure]:
    """No figure, and a line that says so, where no engine has the image."""
    sandbox = Docker(
        image="neurogame-sandbox", host=os.environ.get("NEUROGAME_TEST_DOCKER", ""), pool=1
    )
    try:
        sandbox.languages()
    except SandboxError as error:
        print(f"Judging in containers is not measured: {error}", file=sys.stderr)
        return
    text = " ".join(map(str, NUMBERS))
    total = str(sum(NUMBERS))
    tests = [TestCase(f"test-{n}", False, stdin=text, expected=total) for n in range(TESTS)]
    spec = TaskSpec(slug="sum", kind="stdio", tests=tuple(tests))
    program = folder / "solution.py"
    program.write_text(SOURCE)
    ours, bare = [], []
    try:
        for _turn in range(rounds):
            sandbox.pool.refill()
            if not sandbox.pool.wait_full(60):
                raise RuntimeError("the pool does not fill")
            ours.append(contained(spec, sandbox))
            bare.append(run_bare(text, program))
    finally:
        sandbox.close()
    yield Figure(
        f"judging in Docker, a check of {TESTS} tests, container waiting",
        "ms",
        [1000 * seconds for seconds in ours],
        "the same program run bare",
        [1000 * seconds for seconds in bare],
        False,
    )


def contained(spec: TaskSpec, sandbox: Docker) -> float:
    began = time.perf_counter()
    judgement = judge(spec, language="python", source=SOURCE, evaluate=sandbox.evaluate)
    seconds = time.perf_counter() - began
    if judgement.verdict != "AC":
        raise RuntimeError(f"{judgement.verdict}: {judgement.operator_detail}")
    return seconds


def run_bare(text: str, program: Path) -> float:
    """This interpreter with the sandbox's options, one process a test, and no bounds at all."""
    interpreter = str(Path(getattr(sys, "_base_executable", "") or sys.executable).resolve())
    began = time.perf_counter()
    for _test in range(TESTS):
        done = subprocess.run(
            [interpreter, "-I", "-X", "utf8", str(program)],
            input=text, capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        if int(done.stdout) != sum(NUMBERS):
            raise RuntimeError(done.stdout)
    return time.perf_counter() - began
