"""The first page: can programs run, and what did the judge fail to do?"""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Count, Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _now

from neurogame import dashboard
from neurogame.dashboard import Card, Section
from tasks import stuck
from tasks.enums import Verdict
from tasks.models import Attempt, CodeRun
from tasks.sandbox import sandbox_refusal, sandbox_status


def _judging(request: HttpRequest) -> list[Section]:
    """For operators: what the judge could not do, and whether it can work at all."""
    if not request.user.is_superuser:
        return []
    day = timezone.now() - timedelta(days=1)
    counts = Attempt.objects.filter(created_at__gte=day).aggregate(
        all=Count("pk"), failed=Count("pk", filter=Q(verdict=Verdict.IE))
    )
    late = sum(stuck.late(kind.objects.all()).count() for kind in (Attempt, CodeRun))
    sandbox = sandbox_status()
    working = sandbox != "unavailable"
    return [
        Section(
            title=_now("Operation"),
            order=90,
            cards=[
                Card(
                    _now("Sandbox"),
                    sandbox,
                    _now("Programs run.") if working else _why_not(sandbox_refusal()),
                    tone="good" if working else "bad",
                ),
                Card(
                    _now("Internal errors, last 24 hours"),
                    counts["failed"],
                    _now("Of %(all)s attempts. Each cost a candidate a wait.")
                    % {"all": counts["all"]},
                    reverse("admin:tasks_attempt_changelist") + "?verdict__exact=IE",
                    "bad" if counts["failed"] else "good",
                ),
                Card(
                    _now("Stuck evaluations"),
                    late,
                    _now("Checks and runs without a verdict for minutes."),
                    reverse("admin:tasks_attempt_changelist") + "?late=1",
                    "bad" if late else "good",
                ),
            ],
        )
    ]


def _why_not(refusal: str) -> str:
    hint = _now("No program runs: `manage.py sandbox_doctor` says what is missing.")
    return f"{hint} {refusal}".strip()


dashboard.register("judging", _judging)
