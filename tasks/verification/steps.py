"""Carrying a proof out: every program and mutant through the judge, one step each.

Each step leaves an entry in a record of plain JSON, so a proof can stop anywhere and go on in
another process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from typing import Any

from tasks.enums import Verdict
from tasks.judging import Judgement, judge
from tasks.mutation import PER_REFERENCE, Mutant, mutants
from tasks.spec import TaskSpec, TestCase
from tasks.verification.subject import Program, Subject

type Record = dict[str, Any]

# A slow program is measured under a limit raised this much, in CPU seconds at most `RAISED_MAX_S`.
RAISED = 4
RAISED_MAX_S = 20.0
RAISED_TESTS = 3
# A mutant that takes this many times as long as the reference on the same tests never ends.
MUTANT_SLOWER = 10
MUTANT_MIN_S = 0.5
FIRST_BATCHES = (2, 4)


@dataclass(frozen=True, slots=True)
class Step:
    """One piece of a proof; `key` names its entry in the record."""

    key: str
    what: Program | Mutant


def steps(subject: Subject, *, per_reference: int = PER_REFERENCE) -> list[Step]:
    """All steps of a proof, always the same for the same subject: programs, then at most
    `per_reference` mutants of each reference."""
    found = [Step(f"program {one.name}", one) for one in subject.programs]
    for language, reference in sorted(subject.references().items()):
        for mutant in mutants(language, reference.source, limit=per_reference):
            if mutant.id not in subject.equivalent:
                found.append(Step(f"mutant {mutant.id}", mutant))
    return found


def entry(subject: Subject, step: Step, record: Mapping[str, Any]) -> dict[str, Any]:
    """Carry a step out in the sandbox and return its entry; `record` holds the earlier ones.

    Raises `Cancelled` when this process is ending; a fault of ours is the verdict IE.
    """
    if isinstance(step.what, Mutant):
        return _mutant(subject, step.what, record)
    slow = step.what.expected == Verdict.TLE
    return _slow(subject, step.what) if slow else _program(subject, step.what)


def prove(
    subject: Subject,
    *,
    per_reference: int = PER_REFERENCE,
    workers: int = 1,
    told: Callable[[], Any] | None = None,
) -> Record:
    """The whole proof, `workers` steps at one time; `told` is called after each. Its record."""
    record: Record = {}
    todo = steps(subject, per_reference=per_reference)
    with ThreadPoolExecutor(workers) as pool:
        for wave in (
            [step for step in todo if isinstance(step.what, Program)],
            [step for step in todo if isinstance(step.what, Mutant)],
        ):
            known = dict(record)  # mutants go by the times of the references
            futures: dict[Future[dict[str, Any]], Step] = {
                pool.submit(entry, subject, step, known): step for step in wave
            }
            for future in as_completed(futures):
                record[futures[future].key] = future.result()
                if told is not None:
                    told()
    return {step.key: record[step.key] for step in todo}


# --- Programs -----------------------------------------------------------------------------------


def _program(subject: Subject, program: Program) -> dict[str, Any]:
    judgement = judge(subject.spec, language=program.language, source=program.source)
    times = {test.name: test.cpu_time for test in judgement.tests}
    return _told(program, judgement) | {"cpu_s": max(times.values(), default=0.0), "times": times}


def _slow(subject: Subject, program: Program) -> dict[str, Any]:
    """A program that is to be too slow: the last tests, which are the large ones, come first, and
    the first that takes too long decides; then how long it would have taken."""
    spec = subject.spec
    raised = min(RAISED * spec.limits.time_s, max(RAISED_MAX_S, spec.limits.time_s))
    seen: list[Judgement] = []
    measured: list[float] = []
    for test in reversed(spec.tests):
        judgement = _part(spec, program, [test])
        seen.append(judgement)
        if judgement.verdict in (Verdict.IE, Verdict.CE):
            break
        if judgement.verdict != Verdict.TLE:
            continue
        under = _part(spec, program, [test], time_s=raised)
        measured.append(raised if under.verdict == Verdict.TLE else under.tests[0].cpu_time)
        if measured[-1] * 2 / 3 >= spec.limits.time_s or len(measured) == RAISED_TESTS:
            break
    verdict = Verdict.strongest(one.verdict for one in seen)
    deciding = next(one for one in seen if one.verdict == verdict)
    return _told(program, deciding) | {
        "verdict": str(verdict),
        "cpu_s": max(measured, default=0.0),
        "raised_s": raised,
    }


def _part(
    spec: TaskSpec,
    program: Program | Mutant,
    tests: Iterable[TestCase],
    *,
    time_s: float | None = None,
) -> Judgement:
    """Some of the tests alone, under another time limit perhaps."""
    limits = replace(spec.limits, time_s=time_s) if time_s else spec.limits
    alone = tuple(replace(test, group="") for test in tests)
    part = replace(spec, tests=alone, groups=(), limits=limits)
    return judge(part, language=program.language, source=program.source)


def _told(program: Program, judgement: Judgement) -> dict[str, Any]:
    return {
        "language": program.language,
        "expected": program.expected,
        "verdict": str(judgement.verdict),
        "detail": _detail(judgement)[:2000],
    }


def _detail(judgement: Judgement) -> str:
    """What to look at first: our own fault, the compiler, or the first test that decided."""
    if judgement.operator_detail or judgement.compile_output:
        return judgement.operator_detail or judgement.compile_output.strip()
    deciding = (test for test in judgement.tests if test.verdict == judgement.verdict)
    test = next(deciding, None)
    if test is None:
        return ""
    error = test.stderr.strip().splitlines()
    return ", ".join([test.name, f"{test.cpu_time:.2f} s", *error[-1:]])


# --- Mutants ------------------------------------------------------------------------------------


def _mutant(subject: Subject, mutant: Mutant, record: Mapping[str, Any]) -> dict[str, Any]:
    """Judge a mutant by the hidden tests, cheap ones first, until one of them fails it.

    Its time limit is `MUTANT_SLOWER` times what the reference took on the same tests, between
    `MUTANT_MIN_S` and the task's own: an endless loop need not be waited for.
    """
    reference = subject.references()[mutant.language]
    known = record.get(f"program {reference.name}", {}).get("times", {})
    tests = sorted(subject.hidden, key=lambda test: known.get(test.name, 0.0))
    told = {"line": mutant.line, "old": mutant.old, "new": mutant.new}
    for batch in _batches(tests):
        usual = max(known.get(test.name, subject.spec.limits.time_s) for test in batch)
        time_s = min(subject.spec.limits.time_s, max(MUTANT_MIN_S, MUTANT_SLOWER * usual))
        judgement = _part(subject.spec, mutant, batch, time_s=time_s)
        if judgement.verdict != Verdict.AC:
            failed = next((test.name for test in judgement.tests if not test.passed), "")
            return told | {"verdict": str(judgement.verdict), "test": failed}
    return told | {"verdict": str(Verdict.AC), "test": ""}


def _batches(tests: list[TestCase]) -> Iterator[list[TestCase]]:
    """A few tests, some more, the rest: most mutants fail at once, and each batch costs a start."""
    at = 0
    for size in FIRST_BATCHES:
        if at < len(tests):
            yield tests[at : at + size]
        at += size
    if at < len(tests):
        yield tests[at:]
