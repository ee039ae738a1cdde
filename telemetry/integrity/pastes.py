"""Text from elsewhere."""

from __future__ import annotations

from django.utils.translation import ngettext

from telemetry.integrity.records import Case, Finding

STRONG_CHARS = 200
LEAST_CHARS = 30


def find(case: Case) -> list[Finding]:
    """A paste from elsewhere of at least 30 characters; strong from 200."""
    return [
        Finding(
            rule="external_paste",
            strong=paste.chars >= STRONG_CHARS,
            at=paste.at,
            text=ngettext(
                "Pasted %d character from elsewhere",
                "Pasted %d characters from elsewhere",
                paste.chars,
            )
            % paste.chars,
            sources=frozenset({paste.id}),
            task_id=paste.task_id,
            evidence={"chars": paste.chars, "place": paste.text("place")},
            quote=paste.text(),
        )
        for paste in case.external_pastes
        if paste.chars >= LEAST_CHARS
    ]
