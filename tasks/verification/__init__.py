"""Proof of a task's tests: do its programs get their verdicts, do mutants of its references fail,
and does the time limit tell the right programs from the slow ones?"""

from __future__ import annotations

from tasks.packages import Package
from tasks.verification.report import MIN_SHARE, Report, report
from tasks.verification.steps import Record, Step, entry, prove, steps
from tasks.verification.subject import Program, Subject


def surprises(package: Package) -> list[str]:
    """The programs of a package whose verdict is not the one that their folder names, judged in
    the sandbox now."""
    subject = Subject.of(package)
    return report(subject, prove(subject, per_reference=0), per_reference=0).surprises


__all__ = [
    "MIN_SHARE",
    "Program",
    "Record",
    "Report",
    "Step",
    "Subject",
    "entry",
    "prove",
    "report",
    "steps",
    "surprises",
]
