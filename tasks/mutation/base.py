"""A mutant: a right program with one small fault put into it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Change:
    """One way to break a program: in `line`, `old` became `new`, and `source` is what comes out."""

    line: int
    old: str
    new: str
    source: str


@dataclass(frozen=True, slots=True)
class Mutant:
    """A change with its name, which stays the same while the changed piece of the program does."""

    id: str
    language: str
    line: int
    old: str
    new: str
    source: str

    def __str__(self) -> str:
        old, new = (" ".join(text.split()) for text in (self.old, self.new))
        return f"{self.id} (line {self.line}: {old} -> {new})"


def named(language: str, changes: Iterable[Change], original: str) -> list[Mutant]:
    """The changes as mutants, without those that change nothing or repeat another."""
    seen = {original}
    times: Counter[tuple[str, str]] = Counter()
    mutants = []
    for change in changes:
        if change.source in seen:
            continue
        seen.add(change.source)
        times[change.old, change.new] += 1
        parts = (language, change.old, change.new, str(times[change.old, change.new]))
        digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:8]
        name = f"{language}-{digest}"
        mutants.append(Mutant(name, language, change.line, change.old, change.new, change.source))
    return mutants
