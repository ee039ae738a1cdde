"""Judging: one program against the tests of a task, or once against an input of its own.

The sandbox compiles once and runs the program on every input; what came out is compared here,
outside of it, so that no expected output is ever within a program's reach. Whatever the program,
the input or the machinery does, the outcome is a `Judgement` with a verdict of the contract
(section 7); a fault that is ours is `IE`, with the details kept for the operator.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

from django.utils.translation import gettext as _

from tasks import checkers, groups
from tasks.enums import Kind, Verdict
from tasks.judgement import GroupResult, Judgement, TestResult
from tasks.runners import get_runner
from tasks.sandbox.base import (
    CPU_BUDGET_S,
    WALL_BUDGET_S,
    Cancelled,
    Evaluation,
    Job,
    Run,
    Status,
)
from tasks.spec import VALIDATOR, TaskSpec, TestCase
from tasks.validation import Evaluate, ValidatorError, validate

__all__ = ["Evaluate", "Judgement", "TestResult", "judge", "run_once"]

logger = logging.getLogger(__name__)

AC, WA, RTE, CE, IE = map(Verdict, ("AC", "WA", "RTE", "CE", "IE"))

# Characters of a hidden test's output that are kept for the recruiter.
HIDDEN_OUTPUT = 4096


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

    All tests go in one sandbox job, and a second one where a validator judges their outputs. Only
    all the tests of a task with groups go in stages (see `groups`).
    """
    chosen = spec.tests if tests == "all" else spec.visible_tests
    in_groups = bool(spec.groups) and tests == "all"

    def work(program: _Program) -> Judgement:
        results = _in_stages(program) if in_groups else program.test(chosen)
        ordered = tuple(results[test.name] for test in chosen)
        return Judgement(
            verdict=Verdict.strongest(result.verdict for result in ordered),
            tests=ordered,
            total=len(chosen),
            groups=_groups(spec, ordered) if in_groups else (),
            **program.facts,
        )

    return _judged(_Program(spec, language, source, evaluate, cancelled), work, total=len(chosen))


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

    def work(program: _Program) -> Judgement:
        (run,) = program.run([_input(spec, stdin=stdin, args=args)])
        own = _result(spec, "", run, _ended(spec, run), limit=_output_limit(spec), visible=True)
        return Judgement(verdict=own.verdict, own=own, **program.facts)

    return _judged(_Program(spec, language, source, evaluate, cancelled), work, total=0)


class _NotCompiled(Exception):
    pass


class _Program:
    """The program being judged: runs it, within the budget of one evaluation over all its jobs."""

    def __init__(
        self,
        spec: TaskSpec,
        language: str,
        source: str,
        evaluate: Evaluate | None,
        cancelled: Callable[[], bool] | None,
    ) -> None:
        self.spec = spec
        self.language = language
        self.source = source
        self.evaluate = evaluate
        self.cancelled = cancelled
        self.cpu_left_s = CPU_BUDGET_S
        self.wall_left_s = WALL_BUDGET_S
        self.facts: dict[str, Any] = {}

    def run(self, inputs: Iterable[str]) -> tuple[Run, ...]:
        """Run the program on each input. Raises `_NotCompiled`, and what the runner raises."""
        job = Job(
            language=self.language,
            source=self.source,
            kind=self.spec.kind,
            entry=self.spec.entry,
            inputs=tuple(inputs),
            limits=self.spec.limits,
            cpu_budget_s=self.cpu_left_s,
            wall_budget_s=self.wall_left_s,
        )
        evaluation = self._evaluate(job)
        self.facts = {
            "sandbox": evaluation.sandbox,
            "enforcement": evaluation.enforcement,
            "compile_output": _clean(evaluation.compile_output),
        }
        if not evaluation.compiled:
            raise _NotCompiled
        self.cpu_left_s = max(0.0, self.cpu_left_s - sum(run.cpu_time for run in evaluation.runs))
        self.wall_left_s = max(0.0, self.wall_left_s - sum(run.duration for run in evaluation.runs))
        return evaluation.runs

    def test(self, tests: Sequence[TestCase]) -> dict[str, TestResult]:
        """The results of `tests` by their names."""
        spec = self.spec
        runs = self.run(_input(spec, stdin=test.stdin, args=test.args) for test in tests)
        ran = [(test, run, _ended(spec, run)) for test, run in zip(tests, runs, strict=True)]
        answered = [(test, run) for test, run, verdict in ran if verdict == AC]
        right = {test.name for test in self._right(answered)}
        return {
            test.name: _tested(
                spec, test, run, WA if verdict == AC and test.name not in right else verdict
            )
            for test, run, verdict in ran
        }

    def _right(self, answered: list[tuple[TestCase, Run]]) -> Iterable[TestCase]:
        spec = self.spec
        if spec.checker != VALIDATOR:
            return [test for test, run in answered if _matches(spec, test, run)]
        if spec.validator is None:
            raise ValidatorError("the task has no validator")
        outputs = [(test, run.stdout) for test, run in answered]
        right = validate(spec.validator, outputs, evaluate=self._evaluate, cancelled=self.cancelled)
        return [test for (test, _run), ok in zip(answered, right, strict=True) if ok]

    def _evaluate(self, job: Job, *, cancelled: Callable[[], bool] | None = None) -> Evaluation:
        evaluate = self.evaluate or get_runner().evaluate
        return evaluate(job, cancelled=cancelled or self.cancelled)


def _in_stages(program: _Program) -> dict[str, TestResult]:
    spec = program.spec
    results: dict[str, TestResult] = {}
    verdicts: dict[str, Verdict] = {}
    for stage in groups.stages(spec.groups):
        tests = [test for test in spec.tests if test.group in {group.name for group in stage}]
        blocked = {
            group.name: verdict
            for group in stage
            if (verdict := groups.blocked_by(group, spec.groups, verdicts))
        }
        if ready := [test for test in tests if test.group not in blocked]:
            results |= program.test(ready)
        for test in tests:
            if test.group in blocked:
                results[test.name] = _not_run(spec, test, blocked[test.group])
        for group in stage:
            verdicts[group.name] = Verdict.strongest(
                results[test.name].verdict for test in tests if test.group == group.name
            )
    return results


def _groups(spec: TaskSpec, results: Iterable[TestResult]) -> tuple[GroupResult, ...]:
    failed = {
        test.group for test, result in zip(spec.tests, results, strict=True) if not result.passed
    }
    return tuple(
        GroupResult(group.name, group.points, passed=group.name not in failed)
        for group in spec.groups
    )


def _judged(program: _Program, work: Callable[[_Program], Judgement], *, total: int) -> Judgement:
    try:
        program.source.encode("utf-8")
    except UnicodeEncodeError:
        reason = _("The program is not valid Unicode text: it holds half of a surrogate pair.")
        return Judgement(CE, total=total, compile_output=reason)
    try:
        return work(program)
    except _NotCompiled:
        return Judgement(CE, total=total, **program.facts)
    except Cancelled:
        raise
    except Exception as error:
        # Whatever it was, it was not the candidate's doing, and they are owed an answer.
        logger.exception("judging %s failed", program.spec.slug)
        detail = _clean(f"{type(error).__name__}: {error}")
        return Judgement(IE, total=total, operator_detail=detail)


def _input(spec: TaskSpec, *, stdin: str, args: list[Any] | None) -> str:
    if spec.kind == Kind.FUNCTION:
        return json.dumps(args or [], allow_nan=False)
    return stdin.encode("utf-8", "replace").decode("utf-8")


def _tested(spec: TaskSpec, test: TestCase, run: Run, verdict: Verdict) -> TestResult:
    if not test.visible:
        return _result(spec, test.name, run, verdict, limit=HIDDEN_OUTPUT, visible=False)
    return _result(
        spec,
        test.name,
        run,
        verdict,
        limit=_output_limit(spec),
        visible=True,
        **_shown(spec, test),
    )


def _not_run(spec: TaskSpec, test: TestCase, verdict: Verdict) -> TestResult:
    shown = _shown(spec, test) if test.visible else {}
    return TestResult(test.name, test.visible, verdict, skipped=True, **shown)


def _shown(spec: TaskSpec, test: TestCase) -> dict[str, Any]:
    """What a visible test asked for and expected."""
    given = {"args": test.args or []} if spec.kind == Kind.FUNCTION else {"stdin": test.stdin}
    return {"expected": test.expected, **given}


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
