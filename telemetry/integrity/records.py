"""The records that the rules read and write."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any


@dataclass(frozen=True, slots=True)
class Signal:
    """A signal with the time that `clock.corrected` gives it. The payload is whatever was sent."""

    id: str
    type: str
    at: datetime
    task_id: str = ""
    payload: Mapping[str, Any] = field(default_factory=dict)

    def number(self, name: str) -> float:
        """A finite number of the payload that is not negative; 0 for anything else."""
        value = self.payload.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return 0.0
        return float(value) if 0 <= value < 1e12 else 0.0

    def text(self, name: str = "text") -> str:
        value = self.payload.get(name)
        return value if isinstance(value, str) else ""

    @property
    def chars(self) -> int:
        """Characters of a paste: as reported, but never fewer than its text has."""
        return max(int(self.number("chars")), len(self.text()))


@dataclass(frozen=True, slots=True)
class Submission:
    """Code that was sent to be checked. `label` is what a person calls it."""

    id: str
    task_id: str
    at: datetime
    code: str
    label: str = ""


def plain(text: str) -> str:
    """A text without what an editor or a clipboard may change: runs of white space are one."""
    return " ".join(text.split())


@dataclass(frozen=True)
class Case:
    """All that is known of one interview. `own_texts` are texts that the page itself showed."""

    signals: tuple[Signal, ...] = ()
    submissions: tuple[Submission, ...] = ()
    own_texts: tuple[str, ...] = ()

    @cached_property
    def shown(self) -> tuple[str, ...]:
        return tuple(plain(text) for text in self.own_texts)

    def of_type(self, *types: str) -> Iterator[Signal]:
        return (signal for signal in self.signals if signal.type in types)

    @cached_property
    def external_pastes(self) -> tuple[Signal, ...]:
        """Pastes that came from elsewhere, by time.

        The page says so itself; what the page showed, or what the candidate had submitted
        before, is not from elsewhere whatever the page says.
        """
        found = (
            signal
            for signal in self.of_type("paste")
            if signal.text("source") != "internal" and not self._known(signal)
        )
        return tuple(sorted(found, key=lambda signal: signal.at))

    def _known(self, paste: Signal) -> bool:
        text = plain(paste.text())
        if not text:
            return False
        if any(text in shown for shown in self.shown):
            return True
        before = (sent.code for sent in self.submissions if sent.at < paste.at)
        return any(text in plain(code) for code in before)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule found. `sources` are the ids of the signals and submissions it rests on."""

    rule: str
    strong: bool
    at: datetime
    text: str
    sources: frozenset[str]
    task_id: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    quote: str = ""


@dataclass(frozen=True, slots=True)
class Integrity:
    """The outcome: signals by type, most frequent first, and the findings."""

    counts: Mapping[str, int]
    findings: tuple[Finding, ...]

    @property
    def strong(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.strong)

    @property
    def weak(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if not finding.strong)


Rule = Callable[[Case], list[Finding]]
