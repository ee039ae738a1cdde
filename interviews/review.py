"""What a recruiter decides about an interview: to end it, to give it time, that it was looked at."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from interviews import flow
from interviews.models import InterviewSession
from interviews.models.sessions import FinishReason

MOST_MINUTES = 240


def end(session: InterviewSession, *, now: datetime | None = None) -> bool:
    """End a running interview; False when it was over already."""
    now = now or timezone.now()
    if not InterviewSession.objects.running(now).filter(pk=session.pk).exists():
        return False
    return flow.end(session, FinishReason.RECRUITER, at=now)


def add_minutes(session: InterviewSession, minutes: int, *, now: datetime | None = None) -> bool:
    """Give a running interview, and its open task, more minutes; False when it is over.

    Raises ValueError for less than 1 or more than 240 minutes.
    """
    if not 1 <= minutes <= MOST_MINUTES:
        raise ValueError(f"{minutes} minutes")
    now = now or timezone.now()
    extra = timedelta(minutes=minutes)
    with transaction.atomic():
        running = InterviewSession.objects.running(now).filter(pk=session.pk)
        if not running.update(ends_at=F("ends_at") + extra):
            return False
        session.assignments.open().filter(deadline__gt=now).update(deadline=F("deadline") + extra)
    session.refresh_from_db()
    return True


def reviewed(session: InterviewSession) -> bool:
    """Take the mark off; False when there was none."""
    done = InterviewSession.objects.filter(pk=session.pk, needs_review=True).update(
        needs_review=False
    )
    session.refresh_from_db()
    return bool(done)
