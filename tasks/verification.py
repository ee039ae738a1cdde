"""Does the judge agree with the bank? Every program of a package against its own tests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tasks.judging import Judgement, judge
from tasks.packages import Package


@dataclass(frozen=True, slots=True)
class Surprise:
    """A program whose verdict is not the one that its folder names."""

    path: Path
    expected: str
    verdict: str
    detail: str

    def __str__(self) -> str:
        detail = f" ({self.detail})" if self.detail else ""
        return f"{self.path}: {self.expected} -> {self.verdict}{detail}"


def surprises(package: Package) -> Iterator[Surprise]:
    """Judge each submission of `package` in the sandbox and yield those that end unexpectedly."""
    for submission in package.submissions:
        judgement = judge(package.spec, language=submission.language, source=submission.source)
        if judgement.verdict != submission.expected:
            yield Surprise(
                submission.path,
                str(submission.expected),
                str(judgement.verdict),
                _detail(judgement),
            )


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
