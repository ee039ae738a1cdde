"""What is proven: a task with the programs that show whether its tests are right."""

from __future__ import annotations

import hashlib
import json
from dataclasses import MISSING, dataclass, fields, is_dataclass
from typing import Any

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
    def fingerprint(self) -> str:
        """SHA-256 over everything that may change a verdict, in hex: tests, checker, limits,
        programs. Titles, hints and what candidates may write in are no part of it."""
        content = {
            "spec": _content(self.spec),
            "programs": [_content(one) for one in sorted(self.programs, key=lambda one: one.name)],
            "equivalent": sorted(self.equivalent),
        }
        text = json.dumps(content, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

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


def _content(value: Any) -> Any:
    """A record as JSON without what has its default: a field that is added later changes nothing."""
    if is_dataclass(value):
        return {
            field.name: _content(getattr(value, field.name))
            for field in fields(value)
            if field.default is MISSING or getattr(value, field.name) != field.default
        }
    if isinstance(value, tuple):
        return [_content(one) for one in value]
    return value
