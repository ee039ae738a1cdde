"""What the worker does for the standings."""

from __future__ import annotations

from django.tasks import task

from leaderboard import calibration, rebuild
from leaderboard.models import Board
from neurogame.periodic import periodic


@periodic(60)
@task
def keep_standings() -> str:
    """Rebuild standings that a migration has marked; rate items that events only name."""
    try:
        if Board.objects.filter(stale=True).exists():
            return f"rebuilt {rebuild.rebuild()} cells"
        if calibration.worth_it():
            return f"rated {calibration.calibrate()} items"
    except rebuild.Busy as busy:
        return str(busy)
    return "nothing to do"
