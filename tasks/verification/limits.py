"""Time limits: which one would tell the right programs from the slow ones, and does the task's?"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from tasks.enums import Verdict
from tasks.packages import MANIFEST
from tasks.verification.subject import Subject

# A limit is at least this many times the slowest right program, and at most this share of the
# fastest one that is to be too slow.
RIGHT_FACTOR = 2.0
SLOW_SHARE = 2 / 3
# Under a second the start of an interpreter on a busy machine would decide.
FLOOR_S = 1.0
NICE_S = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)


@dataclass(frozen=True, slots=True)
class Times:
    """CPU seconds in one language: of the slowest right program, and of the fastest that is to be
    too slow (or where measuring it stopped); None where there is none."""

    right_s: float | None = None
    slow_s: float | None = None

    def __str__(self) -> str:
        shown = [] if self.right_s is None else [f"AC {self.right_s:.2f} s"]
        if self.slow_s is not None:
            shown.append(f"TLE {self.slow_s:.2f} s")
        return ", ".join(shown)


def times_of(subject: Subject, record: Mapping[str, Any]) -> dict[str, Times]:
    """The times of each language, from the programs that got the verdict they must get."""
    right: dict[str, float] = {}
    slow: dict[str, float] = {}
    for program in subject.programs:
        entry = record.get(f"program {program.name}")
        if entry is None or entry["verdict"] != program.expected:
            continue
        language, cpu_s = program.language, entry["cpu_s"]
        if program.expected == Verdict.AC:
            right[language] = max(right.get(language, 0.0), cpu_s)
        elif program.expected == Verdict.TLE:
            slow[language] = min(slow.get(language, math.inf), cpu_s)
    return {
        language: Times(right.get(language), slow.get(language))
        for language in sorted({*right, *slow})
    }


def check_limit(declared_s: float, times: Mapping[str, Times]) -> tuple[float | None, list[str]]:
    """(the limit that the times suggest, what is wrong with the declared one).

    None where no limit tells them apart, or nothing was measured.
    """
    right = max((one.right_s for one in times.values() if one.right_s is not None), default=None)
    slow = min((one.slow_s for one in times.values() if one.slow_s is not None), default=math.inf)
    if right is None:
        return None, []
    low, high = RIGHT_FACTOR * right, SLOW_SHARE * slow
    findings = []
    if declared_s < low:
        findings.append(
            _(
                "The time limit of %(declared)g s is under twice the slowest right program, %(time)g s."
            )
            % {"declared": declared_s, "time": right}
        )
    if declared_s > high:
        findings.append(
            _(
                "The time limit of %(declared)g s is over two thirds of the fastest program that "
                "is to be too slow, %(time)g s."
            )
            % {"declared": declared_s, "time": slow}
        )
    if low > high:
        findings.append(_("No time limit tells the right programs from the slow ones."))
        return None, findings
    nice = [limit for limit in NICE_S if max(low, FLOOR_S) <= limit <= high]
    nice = nice or [limit for limit in reversed(NICE_S) if low <= limit <= high]
    return (nice[0] if nice else round(low, 2)), findings


def write_limit(folder: Path, time_s: float) -> None:
    """Put a time limit into a package's task.toml and leave every other line as it is."""
    path = folder / MANIFEST
    text = path.read_text("utf-8")
    line = f"time_s = {time_s:g}"
    head = re.search(r"^\[limits\][^\n]*\n", text, re.MULTILINE)
    if head is None:
        text = f"{text.rstrip()}\n\n[limits]\n{line}\n"
    else:
        stop = re.search(r"^\s*\[", text[head.end() :], re.MULTILINE)
        end = head.end() + stop.start() if stop else len(text)
        table, found = re.subn(
            r"^time_s\s*=\s*[\d._]+", line, text[head.end() : end], count=1, flags=re.MULTILINE
        )
        text = text[: head.end()] + (table if found else f"{line}\n{table}") + text[end:]
    path.write_text(text, "utf-8")
