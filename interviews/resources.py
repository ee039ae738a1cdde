"""What an export of interviews holds: one row an interview."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, Q
from import_export import fields, resources

from interviews.models import InterviewSession


class SessionResource(resources.ModelResource):
    candidate = fields.Field(column_name="candidate", attribute="candidate__nickname")
    email = fields.Field(column_name="email", attribute="candidate__email")
    invited_as = fields.Field(column_name="invited_as", attribute="invite__candidate_name")
    team = fields.Field(column_name="team", attribute="team__name")
    tasks = fields.Field(column_name="tasks", attribute="tasks_given")
    accepted = fields.Field(column_name="accepted", attribute="tasks_accepted")
    attempts = fields.Field(column_name="attempts", attribute="attempts_made")
    current_state = fields.Field(column_name="state")

    class Meta:
        model = InterviewSession
        name = "Interviews"
        fields = (
            "id", "candidate", "email", "invited_as", "team", "track", "level", "locale",
            "time_factor", "current_state", "finish_reason", "stop_reason", "started_at",
            "ends_at", "finished_at", "theta", "theta_se", "tasks", "accepted", "attempts",
            "needs_review",
        )  # fmt: skip
        export_order = fields

    def filter_export(self, queryset: Any, **kwargs: Any) -> Any:
        return counted(queryset).select_related("candidate", "team", "invite")

    def dehydrate_current_state(self, row: InterviewSession) -> str:
        return str(row.current_state())


def counted(queryset: Any) -> Any:
    """Interviews with the numbers of their tasks, accepted tasks and attempts."""
    return queryset.annotate(
        tasks_given=Count("assignments", distinct=True),
        tasks_accepted=Count(
            "assignments", filter=Q(assignments__close_reason="accepted"), distinct=True
        ),
        attempts_made=Count(
            "assignments__attempts",
            filter=Q(assignments__attempts__number__isnull=False),
            distinct=True,
        ),
    )
