"""Background jobs of the telemetry room."""

from __future__ import annotations

from django.tasks import task
from django.utils import timezone

from neurogame.periodic import periodic
from telemetry import retention


@periodic(3600)
@task
def prune_old_events() -> int:
    """Delete events that `EVENT_RETENTION_DAYS` no longer keeps; how many."""
    return retention.prune_by_setting(timezone.now())
