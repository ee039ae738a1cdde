"""What signals of a candidate's page amount to: findings, each with its evidence. Pure.

`examine` takes plain records that the caller assembled and knows nothing of where they come
from. A finding is no verdict: strong ones ask a person to look, weak ones stand beside them. The
ability of a candidate never depends on any of this.
"""

from __future__ import annotations

from collections import Counter

from django.utils.translation import gettext_lazy as _

from telemetry.integrity import absence, devtools, pastes, solution, statement
from telemetry.integrity.records import Case, Finding, Integrity, Rule, Signal, Submission

RULES: dict[str, Rule] = {
    "external_paste": pastes.find,
    "pasted_solution": solution.find,
    "absence_then_paste": absence.find_before_pastes,
    "devtools": devtools.find,
    "absences": absence.find_many,
    "statement_copied": statement.find,
}


TITLES = {
    "copy": _("copied"),
    "cut": _("cut"),
    "paste": _("pasted"),
    "task_text_copy": _("copied the task's text"),
    "blur": _("left the window"),
    "focus": _("came back to the window"),
    "visibility_hidden": _("hid the page"),
    "visibility_visible": _("came back to the page"),
    "devtools_suspected": _("developer tools suspected"),
    "fullscreen_enter": _("entered full screen"),
    "fullscreen_exit": _("left full screen"),
    "keystroke_batch": _("typed"),
    "edit": _("edited"),
    "idle": _("was idle"),
    "reconnect": _("reconnected"),
}
"""What a signal says, for people; a type that is not here is shown as it was sent."""


def examine(case: Case) -> Integrity:
    """How many signals of each type there were, and the findings: strong first, then by time."""
    findings = [finding for rule in RULES.values() for finding in rule(case)]
    findings.sort(key=lambda finding: (not finding.strong, finding.at))
    counts = Counter(signal.type for signal in case.signals)
    return Integrity(counts=dict(counts.most_common()), findings=tuple(findings))


__all__ = [
    "RULES",
    "TITLES",
    "Case",
    "Finding",
    "Integrity",
    "Rule",
    "Signal",
    "Submission",
    "examine",
]
