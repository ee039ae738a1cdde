"""Housekeeping in the background."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.sessions.models import Session
from django.db.models import Max
from django.tasks import task
from django.utils import timezone
from django_tasks_db.models import DBTaskResult
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from neurogame.models import JobWorker
from neurogame.periodic import periodic

KEEP_SUCCESSES = timedelta(days=1)
KEEP_FAILURES = timedelta(days=30)
KEEP_WORKERS = timedelta(days=1)


def prune_job_results() -> int:
    """Delete old results of jobs, but the newest of each: it tells when a periodic one ran.

    Returns how many were deleted.
    """
    now = timezone.now()
    newest = DBTaskResult.objects.order_by().values("task_path").annotate(last=Max("enqueued_at"))
    kept = [row["last"] for row in newest]
    old = DBTaskResult.objects.successful().filter(finished_at__lt=now - KEEP_SUCCESSES)
    failed = DBTaskResult.objects.failed().filter(finished_at__lt=now - KEEP_FAILURES)
    return sum(rows.exclude(enqueued_at__in=kept).delete()[0] for rows in (old, failed))


@periodic(3600)
@task
def tidy() -> dict[str, int]:
    """Delete what has expired: sessions, refresh tokens, job results, workers that are gone."""
    now = timezone.now()
    return {
        "job_results": prune_job_results(),
        "sessions": Session.objects.filter(expire_date__lt=now).delete()[0],
        "tokens": OutstandingToken.objects.filter(expires_at__lt=now).delete()[0],
        "workers": JobWorker.objects.filter(seen_at__lt=now - KEEP_WORKERS).delete()[0],
    }
