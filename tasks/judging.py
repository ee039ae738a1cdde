"""Judging: one program against the tests of a task, or once against an input of its own.

The sandbox compiles once and runs the program on every input; what came out is compared here,
outside of it, so that no expected output is ever within a program's reach. Whatever the program,
the input or the machinery does, the outcome is a `Judgement` with a verdict of the contract
(section 7); a fault that is ours is `IE`, with the details kept for the operator.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable
from typing import Any, Literal, Protocol

from django.utils.translation import gettext as _

from tasks import checkers
from tasks.enums import Kind, Verdict
from tasks.judgement import Judgement, TestResult
from tasks.runners import get_runner
from tasks.sandbox.base import Cancelled, Evaluation, Job, Run, Status
from tasks.spec import TaskSpec, TestCase

__all__ = ["Evaluate", "Judgement", "TestResult", "judge", "run_once"]

logger = logging.getLogger(__name__)

AC, WA, RTE, CE, IE = map(Verdict, ("AC", "WA", "RTE", "CE", "IE"))

# Characters of a hidden test's output that are kept for the recruiter.
HIDDEN_OUTPUT = 4096


class Evaluate(Protocol):
    """What runs a sandbox job: `Runner.evaluate`, or a sandbox's own."""

    def __call__(self, job: Job, *, cancelled: Callable[[], bool] | None = None) -> Evaluation: ...


def judge(
    spec: TaskSpec,
    *,
    language: str,
    source: str,
    tests: Literal["all", "visible"] = "all",
    evaluate: Evaluate | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Judgement:
    """Judge `source` against the tests of `spec`, all of them or the visible ones.

    Blocks until the runner has answered; call it outside of transactions. `evaluate` is the
    configured runner's unless given, `cancelled` is asked now and then and stops the evaluation.
    Whatever the program or the machinery does is a verdict; only an evaluation that was called off,
    by `cancelled` or because this process is ending, has none and raises `Cancelled`.
    """
    chosen = spec.tests if tests == "all" else spec.visible_tests

    def compare(evaluation: Evaluation) -> Judgement:
        results = tuple(
            _tested(spec, test, run) for test, run in zip(chosen, evaluation.runs, strict=True)
        )
        return Judgement(
            verdict=Verdict.strongest(result.verdict for result in results),
            tests=results,
            total=len(chosen),
            sandbox=evaluation.sandbox,
            enforcement=evaluation.enforcement,
            compile_output=_clean(evaluation.compile_output),
        )

    inputs = (_input(spec, stdin=test.stdin, args=test.args) for test in chosen)
    return _judged(spec, language, source, inputs, compare, evaluate, cancelled, total=len(chosen))


def run_once(
    spec: TaskSpec,
    *,
    language: str,
    source: str,
    stdin: str = "",
    args: list[Any] | None = None,
    evaluate: Evaluate | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Judgement:
    """Run `source` once on the candidate's own `stdin`, or on `args` for a function.

    Compares nothing: AC when the program ended well within its limits, no tests, total 0.
    Everything else is as in `judge`.
    """

    def look(evaluation: Evaluation) -> Judgement:
        (run,) = evaluation.runs
        own = _result(spec, "", run, _ended(spec, run), limit=_output_limit(spec), visible=True)
        return Judgement(
            verdict=own.verdict,
            own=own,
            sandbox=evaluation.sandbox,
            enforcement=evaluation.enforcement,
            compile_output=_clean(evaluation.compile_output),
        )

    inputs = (_input(spec, stdin=given, args=args) for given in (stdin,))
    return _judged(spec, language, source, inputs, look, evaluate, cancelled, total=0)


def _judged(
    spec: TaskSpec,
    language: str,
    source: str,
    inputs: Iterable[str],
    conclude: Callable[[Evaluation], Judgement],
    evaluate: Evaluate | None,
    cancelled: Callable[[], bool] | None,
    *,
    total: int,
) -> Judgement:
    try:
        source.encode("utf-8")
    except UnicodeEncodeError:
        reason = _("The program is not valid Unicode text: it holds half of a surrogate pair.")
        return Judgement(CE, total=total, compile_output=reason)
    try:
        job = Job(
            language=language,
            source=source,
            kind=spec.kind,
            entry=spec.entry,
            inputs=tuple(inputs),
            limits=spec.limits,
        )
        evaluation = (evaluate or get_runner().evaluate)(job, cancelled=cancelled)
        if not evaluation.compiled:
            return Judgement(
                CE,
                total=total,
                compile_output=_clean(evaluation.compile_output),
                sandbox=evaluation.sandbox,
                enforcement=evaluation.enforcement,
            )
        return conclude(evaluation)
    except Cancelled:
        raise
    except Exception as error:
        # Whatever it was, it was not the candidate's doing, and they are owed an answer.
        logger.exception("judging %s failed", spec.slug)
        detail = _clean(f"{type(error).__name__}: {error}")
        return Judgement(IE, total=total, operator_detail=detail)


def _input(spec: TaskSpec, *, stdin: str, args: list[Any] | None) -> str:
    if spec.kind == Kind.FUNCTION:
        return json.dumps(args or [], allow_nan=False)
    return stdin.encode("utf-8", "replace").decode("utf-8")


def _tested(spec: TaskSpec, test: TestCase, run: Run) -> TestResult:
    verdict = _ended(spec, run)
    if verdict == AC and not _matches(spec, test, run):
        verdict = WA
    if not test.visible:
        return _result(spec, test.name, run, verdict, limit=HIDDEN_OUTPUT, visible=False)
    given: dict[str, Any] = {"stdin": test.stdin}
    if spec.kind == Kind.FUNCTION:
        given = {"args": test.args or []}
    return _result(
        spec,
        test.name,
        run,
        verdict,
        limit=_output_limit(spec),
        visible=True,
        expected=test.expected,
        **given,
    )


def _ended(spec: TaskSpec, run: Run) -> Verdict:
    """The verdict of a run before its answer is compared.

    A function's program that ends without an answer, by `exit(0)` say, is a runtime error.
    """
    if run.status != Status.OK:
        return Verdict(run.status.value)
    if spec.kind == Kind.FUNCTION and not run.has_result:
        return RTE
    return AC


def _matches(spec: TaskSpec, test: TestCase, run: Run) -> bool:
    match = checkers.match_value if spec.kind == Kind.FUNCTION else checkers.match_text
    actual = run.result if spec.kind == Kind.FUNCTION else run.stdout
    return match(spec.checker, test.expected, actual, spec.checker_options)


def _result(
    spec: TaskSpec,
    name: str,
    run: Run,
    verdict: Verdict,
    *,
    limit: int,
    visible: bool,
    **given: Any,
) -> TestResult:
    returned = _returned(run)[:limit] if run.has_result else None
    ended_by_itself = run.exit_code == 0 and run.status in (Status.OK, Status.RTE)
    complaint = run.protocol_error if ended_by_itself else ""
    return TestResult(
        name=name,
        visible=visible,
        verdict=verdict,
        duration=round(run.duration, 3),
        cpu_time=round(run.cpu_time, 3),
        memory_kb=run.memory_kb,
        exit_code=run.exit_code,
        exit_signal=run.exit_signal,
        stdout=_clean(run.stdout[:limit]),
        stderr=_clean("\n".join(filter(None, (run.stderr, complaint)))[:limit]),
        truncated=run.truncated,
        returned=returned,
        **given,
    )


def _output_limit(spec: TaskSpec) -> int:
    return 1024 * spec.limits.output_kb


def _returned(run: Run) -> str:
    try:
        return _clean(json.dumps(run.result, ensure_ascii=False))
    except (RecursionError, ValueError):
        return _("a value too deep or too large to show")


def _clean(text: str) -> str:
    """Text that every database and every JSON parser takes: no NUL, no lone surrogate."""
    readable = text.replace("\0", "\N{SYMBOL FOR NULL}")
    return readable.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
