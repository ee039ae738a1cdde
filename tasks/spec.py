"""What judging needs to know of a task, free of the database and of the package format.

`packages.py` makes a `TaskSpec` from a folder, `models.CodingTask` from its rows;
`judging.py` and the sandbox read nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


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


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """A task as the judge sees it. `checker` names an entry of `checkers.CHECKERS`, with its options."""

    slug: str
    kind: str
    limits: Limits = field(default_factory=Limits)
    entry: str = ""
    checker: str = "tokens"
    checker_options: dict[str, Any] = field(default_factory=dict)
    tests: tuple[TestCase, ...] = ()

    @property
    def visible_tests(self) -> tuple[TestCase, ...]:
        return tuple(test for test in self.tests if test.visible)
