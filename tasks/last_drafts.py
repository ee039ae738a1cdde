"""The last draft of a task that the clock closed: checked once, as if it had been sent in time."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from tasks import flow, leases, offers
from tasks.enums import AssignmentState, CloseReason, Verdict
from tasks.evaluation import start_attempt
from tasks.models import Assignment, Attempt, Draft


def check(assignment: Assignment) -> Attempt | None:
    """Check, once, the last draft of a task that the clock closed, if it was never checked."""
    with transaction.atomic():
        lease = leases.claim()
        claimed = Assignment.objects.filter(
            pk=assignment.pk, last_draft_checked=False, state=AssignmentState.CLOSED
        ).update(last_draft_checked=True, **lease)
        draft = Draft.objects.filter(assignment=assignment).first()
        if not claimed or draft is None or not draft.code.strip():
            return None
        starters = offers.starters(assignment.task, [draft.language])
        starter = starters.get(draft.language, "")
        sent = assignment.attempts.filter(code=draft.code, language=draft.language)
        if sent.exclude(verdict=Verdict.IE).exists() or draft.code.strip() == starter.strip():
            return None
        attempt = Attempt.objects.create(
            assignment=assignment,
            language=draft.language,
            code=draft.code,
            submission_id=f"last-draft-{assignment.pk}",
            automatic=True,
        )
        start_attempt(attempt, lease["lease_token"])
    return attempt


def check_due(now: datetime | None = None) -> int:
    """`check` for every task that the clock closed longer ago than the grace."""
    now = now or timezone.now()
    due = (
        Assignment.objects.filter(
            state=AssignmentState.CLOSED,
            last_draft_checked=False,
            close_reason__in=(CloseReason.TIME, CloseReason.SESSION),
            closed_at__lte=now - flow.DRAFT_GRACE,
            draft__isnull=False,
        )
        .select_related("task", "session")
        .distinct()
    )
    return sum(check(assignment) is not None for assignment in due)
