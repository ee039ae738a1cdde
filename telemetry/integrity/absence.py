"""Time away from the page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from telemetry.integrity.records import Case, Finding

LONG = timedelta(seconds=60)
SOON = timedelta(seconds=60)
PASTE_CHARS = 30
MANY = 10
MUCH = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Absence:
    """From leaving the page, or its window, until coming back."""

    since: datetime
    until: datetime
    sources: frozenset[str]

    @property
    def length(self) -> timedelta:
        return self.until - self.since


def absences(case: Case) -> list[Absence]:
    """Absences by time. Leaving twice (the window, then the tab) is one; one without an end none."""
    found: list[Absence] = []
    since: datetime | None = None
    left: set[str] = set()
    away = ("blur", "visibility_hidden")
    kinds = case.of_type(*away, "focus", "visibility_visible")
    for signal in sorted(kinds, key=lambda signal: signal.at):
        if signal.type in away:
            since = since or signal.at
            left.add(signal.id)
        elif since is not None:
            found.append(Absence(since, signal.at, frozenset(left | {signal.id})))
            since, left = None, set()
    return found


def find_before_pastes(case: Case) -> list[Finding]:
    """A paste from elsewhere within a minute after a minute or more away."""
    found = []
    long = [absence for absence in absences(case) if absence.length >= LONG]
    for paste in case.external_pastes:
        before = [absence for absence in long if absence.until <= paste.at <= absence.until + SOON]
        if not before or paste.chars < PASTE_CHARS:
            continue
        last = before[-1]
        away_s = round(last.length.total_seconds())
        after_s = round((paste.at - last.until).total_seconds())
        found.append(
            Finding(
                rule="absence_then_paste",
                strong=True,
                at=paste.at,
                text=_("Away for %(away)d s, then a paste from elsewhere %(after)d s later")
                % {"away": away_s, "after": after_s},
                sources=last.sources | {paste.id},
                task_id=paste.task_id,
                evidence={"away_s": away_s, "after_s": after_s, "chars": paste.chars},
                quote=paste.text(),
            )
        )
    return found


def find_many(case: Case) -> list[Finding]:
    """Weak: away ten times, or for five minutes in all."""
    all_of_them = absences(case)
    total = sum((absence.length for absence in all_of_them), timedelta())
    if len(all_of_them) < MANY and total < MUCH:
        return []
    minutes = round(total.total_seconds() / 60)
    return [
        Finding(
            rule="absences",
            strong=False,
            at=all_of_them[0].since,
            text=ngettext(
                "Left the page %(times)d time, for %(minutes)d min in all",
                "Left the page %(times)d times, for %(minutes)d min in all",
                len(all_of_them),
            )
            % {"times": len(all_of_them), "minutes": minutes},
            sources=frozenset().union(*(absence.sources for absence in all_of_them)),
            evidence={"times": len(all_of_them), "seconds": round(total.total_seconds())},
        )
    ]
