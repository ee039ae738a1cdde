"""Custom validators: a program of the package judges outputs, in a sandbox that holds nothing else.

It is called as Kattis and ICPC packages expect: `validator input answer feedback/ [arguments]` with
the candidate's output on its stdin, and exits with 42 for a right output or 43 for a wrong one.
Whatever else it does is our fault, not the candidate's. What it writes into `feedback/` or prints
is shown to nobody but the operator.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from tasks.sandbox.base import Evaluation, Job, Run, Status
from tasks.spec import Limits, TestCase, Validator

RIGHT, WRONG = 42, 43
LIMITS = Limits(time_s=5.0, memory_mb=512, output_kb=64)
CPU_BUDGET_S = 60.0
WALL_BUDGET_S = 60.0
_FILES = ("judge.in", "judge.ans")
_FEEDBACK = "feedback"


class Evaluate(Protocol):
    """What runs a sandbox job: `Runner.evaluate`, or a sandbox's own."""

    def __call__(self, job: Job, *, cancelled: Callable[[], bool] | None = None) -> Evaluation: ...


class ValidatorError(Exception):
    """A validator that did not judge; the message is for the operator."""


def validate(
    validator: Validator,
    outputs: Sequence[tuple[TestCase, str]],
    *,
    evaluate: Evaluate,
    cancelled: Callable[[], bool] | None = None,
) -> list[bool]:
    """Whether each output, given with its test, is right: one sandbox job for all of them.

    Raises `ValidatorError` when the validator does not compile, crashes, hits a limit or exits with
    another code, and what `evaluate` raises.
    """
    if not outputs:
        return []
    job = Job(
        language=validator.language,
        source=validator.source,
        kind="stdio",
        entry="",
        inputs=tuple(output for _test, output in outputs),
        limits=LIMITS,
        cpu_budget_s=CPU_BUDGET_S,
        wall_budget_s=WALL_BUDGET_S,
        files=tuple(
            (
                (_FILES[0], test.stdin),
                (_FILES[1], str(test.expected)),
                (f"{_FEEDBACK}/judgemessage.txt", ""),  # its folder has to be there
            )
            for test, _output in outputs
        ),
        arguments=(*_FILES, f"{_FEEDBACK}/", *validator.arguments),
    )
    evaluation = evaluate(job, cancelled=cancelled)
    if not evaluation.compiled:
        raise ValidatorError(f"the validator does not compile: {evaluation.compile_output[:2000]}")
    return [
        _decision(test, run) for (test, _output), run in zip(outputs, evaluation.runs, strict=True)
    ]


def _decision(test: TestCase, run: Run) -> bool:
    # An exit code that is not 0 is a runtime error to the sandbox; a limit is a stronger status.
    if run.status in (Status.RTE, Status.OK) and run.exit_code in (RIGHT, WRONG):
        return run.exit_code == RIGHT
    ended = run.exit_signal or f"exit code {run.exit_code}"
    raise ValidatorError(
        f"the validator did not judge test {test.name}: {run.status}, {ended}: {run.stderr[-500:]}"
    )
