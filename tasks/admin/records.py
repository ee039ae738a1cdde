"""The records of what was given, tried and judged."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.formats import date_format
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from neurogame.desk import EMPTY, BigRecordAdmin, DaysFilter, block, labelled, link_to, pretty
from neurogame.exports import ExportAdmin
from tasks import stuck
from tasks.admin.rejudging import RejudgesAttempts, before_and_after
from tasks.models import Assignment, AssignmentMove, Attempt, CodeRun, Draft
from tasks.proofs import Outcome
from tasks.resources import AttemptResource

VERDICT_TONES = {"AC": "good", "IE": "bad", "WA": "warn", "RTE": "warn"}
STATE_TONES = {"closed": "", "evaluating": "info", "feedback_ready": "good"}


@admin.register(Assignment)
class AssignmentAdmin(BigRecordAdmin):
    seen_by = "session__team__members"
    list_display = (
        "task", "shown_session", "order", "shown_state", "close_reason", "attempts_used", "passed",
        "hints_given", "issued_at",
    )  # fmt: skip
    list_filter = ("state", "close_reason", "task__track", ("issued_at", DaysFilter))
    list_select_related = ("task", "session__candidate")
    search_fields = ("task__slug", "session__candidate__nickname_key")
    search_help_text = _("A task's slug, or a candidate's nickname.")
    sortable_by = ("issued_at", "attempts_used")
    ordering = ("-issued_at",)
    empty_text = _("No task has been given yet.")
    fieldsets = (
        (
            None,
            {
                "description": _(
                    "A task as one candidate got it. The interview's page has it all."
                ),
                "fields": ("shown_session", "task", "order", "shown_state", "close_reason"),
            },
        ),
        (_("Time"), {"fields": ("issued_at", "deadline", "closed_at")}),
        (_("Outcome"), {"fields": ("attempts_used", "passed", "hints_given")}),
        (_("Ability"), {"fields": ("theta_before", "theta_after")}),
    )
    readonly_fields = ("shown_session", "shown_state", "passed")

    @display(description=_("interview"))
    def shown_session(self, row: Assignment) -> SafeString | str:
        return link_to(row.session)

    @labelled(_("state"), STATE_TONES, ordering="state")
    def shown_state(self, row: Assignment) -> tuple[str, Any]:
        return row.state, row.get_state_display()

    @display(description=_("tests passed"))
    def passed(self, row: Assignment) -> str:
        return f"{row.best_passed} / {row.total_tests}"


@admin.register(AssignmentMove)
class AssignmentMoveAdmin(BigRecordAdmin):
    seen_by = "assignment__session__team__members"
    list_display = ("at", "assignment", "old", "new", "note")
    list_filter = (("at", DaysFilter),)
    list_select_related = ("assignment__task",)
    search_fields = ("assignment__task__slug",)
    sortable_by = ("at",)
    ordering = ("-at", "-id")
    fields = ("assignment", "old", "new", "note", "at")


class LateFilter(admin.SimpleListFilter):
    """Evaluations that nobody has finished for too long."""

    title = _("stuck")
    parameter_name = "late"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("1", _("without a verdict for minutes"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return stuck.late(queryset) if self.value() == "1" else queryset


class EvaluationAdmin(BigRecordAdmin):
    """What attempts and runs have in common."""

    seen_by = "assignment__session__team__members"
    list_filter = (LateFilter, "verdict", "language", "progress", ("created_at", DaysFilter))
    list_select_related = ("assignment__task", "assignment__session__candidate")
    search_fields = ("assignment__task__slug", "assignment__session__candidate__nickname_key")
    search_help_text = _("A task's slug, or a candidate's nickname.")
    sortable_by = ("created_at",)
    ordering = ("-created_at",)
    readonly_fields = (
        "task", "candidate", "shown_verdict", "shown_passed", "shown_code", "shown_result",
        "shown_error",
    )  # fmt: skip
    outcome: Any = (_("Outcome"), {"fields": ("shown_verdict", "shown_passed", "shown_result")})

    def get_queryset(self, request: HttpRequest) -> Any:
        rows = super().get_queryset(request)
        listing = request.resolver_match and request.resolver_match.url_name.endswith("_changelist")
        return rows.defer("code", "result") if listing else rows

    @display(description=_("task"), ordering="assignment__task__slug")
    def task(self, row: Any) -> str:
        return str(row.assignment)

    @display(description=_("candidate"))
    def candidate(self, row: Any) -> SafeString | str:
        return link_to(row.assignment.session, row.assignment.session.candidate)

    @labelled(_("verdict"), VERDICT_TONES, ordering="verdict")
    def shown_verdict(self, row: Any) -> tuple[str, Any]:
        return row.verdict or row.progress, row.verdict or row.get_progress_display()

    @display(description=_("tests passed"))
    def shown_passed(self, row: Any) -> str:
        return f"{row.passed} / {row.total}"

    @display(description=_("code"))
    def shown_code(self, row: Any) -> SafeString | str:
        return block(row.code)

    @display(description=_("result"))
    def shown_result(self, row: Any) -> SafeString | str:
        return pretty(row.result)

    @display(description=_("internal error"))
    def shown_error(self, row: Any) -> SafeString | str:
        return block(row.operator_detail)


@admin.register(Attempt)
class AttemptAdmin(RejudgesAttempts, ExportAdmin, EvaluationAdmin):
    resource_classes = [AttemptResource]
    actions = ("rejudge",)
    list_display = (
        "task", "candidate", "number", "shown_verdict", "shown_passed", "score", "language",
        "created_at",
    )  # fmt: skip
    empty_text = _("No attempt yet: a `check` of a candidate makes one.")
    fieldsets = (
        (
            None,
            {
                "description": _(
                    "A check of a candidate's program by all tests. IE is our fault: it has no "
                    "number and costs the candidate nothing."
                ),
                "fields": ("task", "candidate", "number", "automatic", "language", "score"),
            },
        ),
        (_("Code"), {"fields": ("shown_code",)}),
        EvaluationAdmin.outcome,
        (
            _("Record"),
            {
                "fields": (
                    "submission_id", "created_at", "judged_at", "judged_again", "shown_error",
                )
            },
        ),
    )  # fmt: skip
    readonly_fields = (*EvaluationAdmin.readonly_fields, "judged_again")

    @display(description=_("judged again"))
    def judged_again(self, row: Attempt) -> SafeString | str:
        rows = row.rejudged.exclude(outcome=Outcome.WAITING).select_related("rejudge__who")
        lines = (
            (date_format(one.at, "SHORT_DATETIME_FORMAT"), one.rejudge.who or "", one.rejudge.reason,
             before_and_after(one) or one.get_outcome_display())
            for one in rows
        )  # fmt: skip
        return format_html_join("", "<p>{} {}: {}: {}</p>", lines) or EMPTY


@admin.register(CodeRun)
class CodeRunAdmin(EvaluationAdmin):
    list_display = (
        "task", "candidate", "shown_verdict", "shown_passed", "language", "created_at",
    )  # fmt: skip
    empty_text = _("No run yet: a `run` of a candidate makes one.")
    fieldsets = (
        (
            None,
            {
                "description": _("Tried on the visible tests or an input of one's own; no score."),
                "fields": ("task", "candidate", "language"),
            },
        ),
        (_("Code"), {"fields": ("shown_code", "stdin", "args")}),
        EvaluationAdmin.outcome,
        (_("Record"), {"fields": ("created_at", "judged_at", "shown_error")}),
    )


@admin.register(Draft)
class DraftAdmin(BigRecordAdmin):
    seen_by = "assignment__session__team__members"
    list_display = ("assignment", "candidate", "language", "version", "saved_at")
    list_filter = ("language", ("saved_at", DaysFilter))
    list_select_related = ("assignment__task", "assignment__session__candidate")
    search_fields = ("assignment__task__slug", "assignment__session__candidate__nickname_key")
    search_help_text = _("A task's slug, or a candidate's nickname.")
    sortable_by = ("saved_at",)
    ordering = ("-saved_at",)
    empty_text = _("No draft yet: the candidate's page saves one while they type.")
    fields = ("assignment", "candidate", "language", "version", "saved_at", "shown_code")
    readonly_fields = ("candidate", "shown_code")

    @display(description=_("candidate"))
    def candidate(self, row: Draft) -> SafeString | str:
        return link_to(row.assignment.session, row.assignment.session.candidate)

    @display(description=_("code"))
    def shown_code(self, row: Draft) -> SafeString | str:
        return block(row.code)
