"""Developer tools beside the page."""

from __future__ import annotations

from django.utils.translation import ngettext

from telemetry.integrity.records import Case, Finding


def find(case: Case) -> list[Finding]:
    """One finding for all moments at which the page lost a strip as docked tools take it."""
    seen = sorted(case.of_type("devtools_suspected"), key=lambda signal: signal.at)
    if not seen:
        return []
    return [
        Finding(
            rule="devtools",
            strong=True,
            at=seen[0].at,
            text=ngettext(
                "Developer tools were probably opened %d time",
                "Developer tools were probably opened %d times",
                len(seen),
            )
            % len(seen),
            sources=frozenset(signal.id for signal in seen),
            task_id=seen[0].task_id,
            evidence={"times": len(seen)},
        )
    ]
