"""Programs for the tests of both runners."""

import time
from pathlib import Path

from tasks.sandbox.base import Job
from tasks.spec import Limits

ROOT = Path(__file__).resolve().parents[2]


def program(source, *inputs, time_s=5.0):
    return Job(
        language="python",
        source=source,
        kind="stdio",
        entry="",
        inputs=inputs or ("",),
        limits=Limits(time_s=time_s, output_kb=64),
    )


ECHO = program("print(input()[::-1])", "abc\n", "xyz\n")
SPIN = program("while True: pass", time_s=2.0)


def outputs(evaluation):
    return [run.stdout for run in evaluation.runs]


def eventually(condition, what, timeout=30.0):
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(0.01)
