"""What judging needs to know of a task, free of the database and of the package format.

`packages.py` makes a `TaskSpec` from a folder, `models.CodingTask` from its rows;
`judging.py` and the sandbox read nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

# The checker of a task whose outputs are judged by a program of its package.
VALIDATOR = "validator"


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one run. CPU seconds, MiB for the whole process tree, KiB for each of stdout and stderr."""

    time_s: float = 2.0
    memory_mb: int = 256
    output_kb: int = 64

    @property
    def wall_s(self) -> float:
        """Wall-clock limit: twice the CPU limit plus one second (contract, section 7)."""
        return 2 * self.time_s + 1


@dataclass(frozen=True, slots=True)
class TestCase:
    """One test. `stdin` and a text `expected` for stdio; `args` (a JSON list) and a JSON `expected` for function."""

    __test__ = False

    name: str
    visible: bool
    stdin: str = ""
    args: list[Any] | None = None
    expected: Any = ""
    group: str = ""


@dataclass(frozen=True, slots=True)
class TestGroup:
    """Tests that score together: all `points` when every test of the group passes, else none.

    The tests of a group run only when every group in `requires` has passed; when a `pretest` group
    fails nothing that has not run yet runs.
    """

    __test__ = False

    name: str
    points: int
    requires: tuple[str, ...] = ()
    pretest: bool = False

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "requires": list(self.requires)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TestGroup:
        return cls(**{**data, "requires": tuple(data["requires"])})


@dataclass(frozen=True, slots=True)
class Validator:
    """A program that judges one output: called with the names of the input, the answer and an empty
    directory and then `arguments`, the output on its stdin; it exits with 42 (right) or 43 (wrong)."""

    language: str
    source: str
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """A task as the judge sees it. `checker` names an entry of `checkers.CHECKERS`, with its options,
    or is `VALIDATOR`. With `groups` every test is in one of them."""

    slug: str
    kind: str
    limits: Limits = field(default_factory=Limits)
    entry: str = ""
    checker: str = "tokens"
    checker_options: dict[str, Any] = field(default_factory=dict)
    tests: tuple[TestCase, ...] = ()
    groups: tuple[TestGroup, ...] = ()
    validator: Validator | None = None

    @property
    def visible_tests(self) -> tuple[TestCase, ...]:
        return tuple(test for test in self.tests if test.visible)
