"""The outcome of judging: what the candidate is answered, what is kept, what the operator reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from tasks.enums import Verdict

RECORD_FORMAT = 1


@dataclass(frozen=True, slots=True)
class TestResult:
    """What the program did on one test.

    Wall and CPU time in seconds, memory in KiB; both times are 0 for a test that the
    evaluation's budget did not reach and for one that was `skipped`: not run, because of a group
    that failed with its verdict.
    `returned` is the JSON text of a function's value, None where there is none. The test's own
    data (`stdin` or `args`, `expected`) are kept for visible tests only: the bank has the others.
    """

    __test__ = False

    name: str
    visible: bool
    verdict: Verdict
    duration: float = 0.0
    cpu_time: float = 0.0
    memory_kb: int = 0
    exit_code: int | None = None
    exit_signal: str | None = None
    stdout: str = ""
    stderr: str = ""
    truncated: bool = False
    returned: str | None = None
    stdin: str | None = None
    args: list[Any] | None = None
    expected: Any = None
    skipped: bool = False

    @property
    def passed(self) -> bool:
        return self.verdict == Verdict.AC

    def as_answer(self) -> dict[str, Any]:
        """This test in the contract's answer; of a hidden one only whether it passed, and how."""
        seen: dict[str, Any] = {
            "name": self.name,
            "visible": self.visible,
            "verdict": self.verdict.value,
            "passed": self.passed,
        }
        if not self.visible:
            return seen | {"duration": None}
        given = {"stdin": self.stdin} if self.args is None else {"args": self.args}
        returned = {} if self.args is None else {"returned": self.returned}
        skipped = {"skipped": True} if self.skipped else {}
        return (
            seen
            | {
                "duration": self.duration,
                "cpu_time": self.cpu_time,
                "memory_kb": self.memory_kb,
                "exit_code": self.exit_code,
                "exit_signal": self.exit_signal,
                "truncated": self.truncated,
            }
            | given
            | {"expected": self.expected, "stdout": self.stdout, "stderr": self.stderr}
            | returned
            | skipped
        )


@dataclass(frozen=True, slots=True)
class GroupResult:
    """A group of tests: its points, earned when all of its tests `passed`."""

    name: str
    points: int
    passed: bool

    @property
    def earned(self) -> int:
        return self.points if self.passed else 0

    def as_answer(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "points": self.points,
            "earned": self.earned,
            "passed": self.passed,
        }


@dataclass(frozen=True, slots=True)
class Judgement:
    """The outcome of judging one program.

    `tests` holds the results in the task's order; it is empty when nothing ran (CE, IE) and for an
    own input, whose one run is `own`. `total` counts the tests that were asked for. `groups` holds
    the results of the task's test groups, where it has any and all tests were asked for.
    `operator_detail` says what failed on our side and is never part of an answer.
    """

    verdict: Verdict
    tests: tuple[TestResult, ...] = ()
    total: int = 0
    own: TestResult | None = None
    compile_output: str = ""
    sandbox: str = ""
    enforcement: str = ""
    groups: tuple[GroupResult, ...] = ()
    operator_detail: str = field(default="", repr=False)

    @property
    def passed(self) -> int:
        return sum(test.passed for test in self.tests)

    @property
    def points(self) -> int:
        return sum(group.earned for group in self.groups)

    @property
    def total_points(self) -> int:
        return sum(group.points for group in self.groups)

    @property
    def score(self) -> float:
        """Share of the tests that passed, or of the points earned where there are groups, to two
        digits; 1 only when all tests passed."""
        if self.total and self.passed == self.total:
            return 1.0
        got, total = self.passed, self.total
        if self.groups:
            got, total = self.points, self.total_points
        return min(0.99, round(got / total, 2)) if total else 0.0

    @property
    def shown(self) -> TestResult | None:
        """The run whose output stands at the top of the answer: the own one, the first visible
        test that failed, else the last visible one; never a hidden one."""
        visible = [test for test in self.tests if test.visible]
        failed = (test for test in visible if not test.passed)
        return self.own or next(failed, visible[-1] if visible else None)

    @property
    def stdout(self) -> str:
        return self.shown.stdout if self.shown else ""

    @property
    def stderr(self) -> str:
        return self.shown.stderr if self.shown else ""

    @property
    def exit_code(self) -> int | None:
        return self.shown.exit_code if self.shown else None

    @property
    def exit_signal(self) -> str | None:
        return self.shown.exit_signal if self.shown else None

    @property
    def memory_kb(self) -> int:
        return self.shown.memory_kb if self.shown else 0

    @property
    def truncated(self) -> bool:
        return self.shown.truncated if self.shown else False

    @property
    def duration(self) -> float:
        """Wall seconds of the longest run that the candidate may know of."""
        return max((run.duration for run in self._open_runs), default=0.0)

    @property
    def cpu_time(self) -> float:
        """CPU seconds, the most of the same runs."""
        return max((run.cpu_time for run in self._open_runs), default=0.0)

    @property
    def _open_runs(self) -> list[TestResult]:
        return [self.own] if self.own else [test for test in self.tests if test.visible]

    def as_answer(self, *, score: bool = False) -> dict[str, Any]:
        """The contract's answer without `attempt` and `state`; with `score` for a check."""
        answer: dict[str, Any] = {
            "verdict": self.verdict.value,
            "stdout": self.stdout,
            "stderr": self.stderr,
            "duration": self.duration,
            "cpu_time": self.cpu_time,
            "memory_kb": self.memory_kb,
            "exit_code": self.exit_code,
            "exit_signal": self.exit_signal,
            "compile_output": self.compile_output,
            "truncated": self.truncated,
            "sandbox": self.sandbox,
            "enforcement": self.enforcement,
            "tests": [test.as_answer() for test in self.tests],
            "passed": self.passed,
            "total": self.total,
        }
        if self.own and self.own.returned is not None:
            answer["returned"] = self.own.returned
        if score:
            answer["score"] = self.score
            if self.groups:
                answer["groups"] = [group.as_answer() for group in self.groups]
        return answer

    def as_record(self) -> dict[str, Any]:
        """Everything as JSON for the database: no NUL, no lone surrogate, no NaN in it."""
        record = {name: getattr(self, name) for name in _names(Judgement)}
        return record | {
            "format": RECORD_FORMAT,
            "verdict": self.verdict.value,
            "tests": [_test_record(test) for test in self.tests],
            "own": _test_record(self.own) if self.own else None,
            "groups": [asdict(group) for group in self.groups],
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Judgement:
        """The judgement that `as_record` wrote. Raises ValueError for anything else."""
        try:
            if record["format"] != RECORD_FORMAT:
                raise ValueError(f"a judgement of format {record['format']!r}")
            own = record["own"]
            record = {"groups": [], **record}  # a field younger than the format
            known = {name: record[name] for name in _names(Judgement)} | {
                "verdict": Verdict(record["verdict"]),
                "tests": tuple(_test_from_record(test) for test in record["tests"]),
                "own": _test_from_record(own) if own else None,
                "groups": tuple(GroupResult(**group) for group in record["groups"]),
            }
        except (KeyError, TypeError) as error:
            raise ValueError(f"not the record of a judgement: {error!r}")
        return cls(**known)


def _names(record: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(record))


def _test_record(test: TestResult) -> dict[str, Any]:
    return {name: getattr(test, name) for name in _names(TestResult)} | {
        "verdict": test.verdict.value
    }


def _test_from_record(record: Mapping[str, Any]) -> TestResult:
    record = {"skipped": False, **record}  # a field younger than the format
    known = {name: record[name] for name in _names(TestResult)}
    return TestResult(**known | {"verdict": Verdict(record["verdict"])})
