"""Background jobs of the interview room."""

from __future__ import annotations

from django.tasks import task

from interviews import flow
from neurogame.periodic import periodic


@periodic(10)
@task
def sweep() -> dict[str, int]:
    """Close overdue sessions, check last drafts, recover lost evaluations."""
    return flow.sweep()
