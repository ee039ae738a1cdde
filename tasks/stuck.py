"""Evaluations that nobody will finish: listed for the operator, and freed.

A check whose process died is evaluated again once its lease expires (`evaluation.recover`). What
that does not reach is seen to here: a run whose candidate never asked for it again, and a task
that says it is being evaluated while none of its attempts is.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from tasks import evaluation, flow, in_line, leases
from tasks.enums import AssignmentState
from tasks.models import Assignment, Attempt, CodeRun, Progress

# Longer than a check takes that had to wait for its turn on a busy day.
LATE = timedelta(minutes=2)
# Longer than waiting in line and running may take together.
GONE = timedelta(seconds=in_line.LINE_MAX_S + in_line.RUNNING_MAX_S) + timedelta(minutes=5)


def late(rows: QuerySet[Any], now: datetime | None = None) -> QuerySet[Any]:
    """Those attempts or runs that have had no verdict for longer than `LATE`."""
    now = now or timezone.now()
    return rows.exclude(progress=Progress.DONE).filter(created_at__lt=now - LATE)


def free(now: datetime | None = None) -> dict[str, int]:
    """End lost runs as internal errors and open tasks that nobody evaluates; how many."""
    now = now or timezone.now()
    runs = CodeRun.objects.exclude(progress=Progress.DONE).filter(created_at__lt=now - GONE)
    lost = [run for run in runs.select_related("assignment") if not evaluation.is_here(run.pk)]
    for run in lost:
        evaluation.give_up_run(run)
    under_way = Attempt.objects.filter(assignment=OuterRef("pk")).exclude(progress=Progress.DONE)
    idle = Assignment.objects.filter(leases.expired(now), ~Exists(under_way))
    opened = 0
    for assignment in idle.filter(state=AssignmentState.EVALUATING):
        back = assignment.claimed_from or AssignmentState.AWAITING
        opened += flow.move(
            assignment, AssignmentState.EVALUATING, back, note="nobody evaluated it",
            lease_until=None, lease_token="",
        )  # fmt: skip
    return {"runs": len(lost), "tasks": opened}
