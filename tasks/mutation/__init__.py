"""Mutants of a right program: how many of them do the tests of a task catch?

A test suite that lets small faults pass would also let a candidate's pass. What is changed follows
the usual operators of mutation testing (DeMillo, Lipton, Sayward: Hints on test data selection,
1978; Offutt et al.: sufficient mutation operators, 1996): relational, arithmetic and logical
operators, constants by one, negated conditions, statements left out, arguments in each other's
place, changed returns.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable

from tasks.mutation import javascript, python
from tasks.mutation.base import Change, Mutant, named

LANGUAGES: dict[str, Callable[[str], Iterable[Change]]] = {
    "python": python.changes,
    "javascript": javascript.changes,
}
PER_REFERENCE = 40


def mutants(language: str, source: str, *, limit: int = PER_REFERENCE) -> list[Mutant]:
    """At most `limit` mutants of a program, in its order; always the same for the same program.

    Those are chosen whose names hash lowest, so that a change of one line does not change the
    choice among the others. None for a language without rules, or a program that is none.
    """
    rule = LANGUAGES.get(language)
    if rule is None:
        return []
    try:
        original = python.normal(source) if language == "python" else source
        made = named(language, rule(source), original)
    except (SyntaxError, ValueError, RecursionError):
        return []
    chosen = set(sorted((mutant.id for mutant in made), key=_lot)[:limit])
    return [mutant for mutant in made if mutant.id in chosen]


def _lot(name: str) -> str:
    return hashlib.sha256(f"lot {name}".encode()).hexdigest()


__all__ = ["LANGUAGES", "PER_REFERENCE", "Mutant", "mutants"]
