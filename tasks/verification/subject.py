"""What is proven: a task with the programs that show whether its tests are right."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.enums import Verdict
from tasks.packages import Package
from tasks.spec import TaskSpec, TestCase


@dataclass(frozen=True, slots=True)
class Program:
    """A program of a task, and the verdict that it must get."""

    name: str
    language: str
    source: str
    expected: str


@dataclass(frozen=True, slots=True)
class Subject:
    """What is proven: a task, its programs, and the mutants that are said to be equivalent."""

    spec: TaskSpec
    programs: tuple[Program, ...]
    equivalent: frozenset[str] = frozenset()

    @classmethod
    def of(cls, package: Package) -> Subject:
        programs = tuple(
            Program(
                one.name,
                one.language,
                one.source,
                str(one.expected),
            )
            for one in package.submissions
        )
        return cls(package.spec, programs, frozenset(package.equivalent_mutants))

    @property
    def hidden(self) -> tuple[TestCase, ...]:
        return tuple(test for test in self.spec.tests if not test.visible)

    def references(self) -> dict[str, Program]:
        """The right program of each language that mutants are made of: the first by name that
        is called a reference, else the first."""
        right = [one for one in self.programs if one.expected == Verdict.AC]
        right.sort(key=lambda one: ("reference" not in one.name, one.name))
        found: dict[str, Program] = {}
        for one in right:
            found.setdefault(one.language, one)
        return found
