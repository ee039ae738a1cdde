"""The task's text on the clipboard."""

from __future__ import annotations

from django.utils.translation import gettext as _

from telemetry.integrity.records import Case, Finding

LEAST_CHARS = 80


def find(case: Case) -> list[Finding]:
    """Weak: a part of the statement that is long enough to ask somebody else was copied."""
    return [
        Finding(
            rule="statement_copied",
            strong=False,
            at=copy.at,
            text=_("Copied %d characters of the task's text") % copy.chars,
            sources=frozenset({copy.id}),
            task_id=copy.task_id,
            evidence={"chars": copy.chars},
        )
        for copy in case.of_type("task_text_copy")
        if copy.chars >= LEAST_CHARS
    ]
