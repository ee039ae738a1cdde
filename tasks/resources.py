"""What an export of attempts holds."""

from __future__ import annotations

from typing import Any

from import_export import fields, resources

from tasks.models import Attempt


class AttemptResource(resources.ModelResource):
    session = fields.Field(column_name="session_id")
    candidate = fields.Field(column_name="candidate")
    task = fields.Field(column_name="task", attribute="assignment__task__slug")
    order = fields.Field(column_name="task_number", attribute="assignment__order")
    difficulty = fields.Field(column_name="difficulty", attribute="assignment__task__difficulty")

    class Meta:
        model = Attempt
        name = "Attempts"
        fields = (
            "id", "session", "candidate", "order", "task", "difficulty", "number", "automatic",
            "submission_id", "language", "verdict", "passed", "total", "score", "created_at",
            "judged_at", "code",
        )  # fmt: skip
        export_order = fields

    def get_queryset(self) -> Any:
        rows = super().get_queryset()
        return rows.select_related("assignment__task", "assignment__session__candidate")

    def dehydrate_session(self, row: Attempt) -> str:
        return str(row.assignment.session_id)

    def dehydrate_candidate(self, row: Attempt) -> str:
        return str(row.assignment.session.candidate)
