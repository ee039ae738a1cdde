"""The task bank, and the records of what was given, tried and judged."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Count, Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from unfold.admin import StackedInline, TabularInline
from unfold.decorators import display

from neurogame import dashboard
from neurogame.dashboard import Card, Section
from neurogame.desk import BigRecordAdmin, DaysFilter, DeskAdmin, block, labelled, link_to, pretty
from neurogame.exports import ExportAdmin
from tasks.enums import Verdict
from tasks.models import (
    Assignment,
    AssignmentMove,
    Attempt,
    CodeRun,
    CodingTask,
    Draft,
    TaskTest,
    TaskTranslation,
)
from tasks.resources import AttemptResource
from tasks.sandbox import sandbox_refusal, sandbox_status

VERDICT_TONES = {"AC": "good", "IE": "bad", "WA": "warn", "RTE": "warn"}
STATE_TONES = {"closed": "", "evaluating": "info", "feedback_ready": "good"}


# --- The bank -----------------------------------------------------------------------------------


class SeenWithTask:
    """Whoever may see a task may see what belongs to it."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("tasks.view_codingtask")


class TranslationInline(SeenWithTask, StackedInline):
    model = TaskTranslation
    extra = 0
    tab = True
    fields = ("locale", "title", "statement", "hints")


class TestInline(SeenWithTask, TabularInline):
    """Tests come with the package; a changed test would make earlier verdicts untrue."""

    model = TaskTest
    extra = 0
    tab = True
    fields = readonly_fields = ("name", "visible", "given", "wanted")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @display(description=_("input"))
    def given(self, row: TaskTest) -> SafeString | str:
        return block(row.stdin) if row.args is None else pretty(row.args)

    @display(description=_("expected"))
    def wanted(self, row: TaskTest) -> SafeString | str:
        return block(row.expected) if isinstance(row.expected, str) else pretty(row.expected)


@admin.register(CodingTask)
class CodingTaskAdmin(DeskAdmin):
    list_display = ("slug", "track", "kind", "difficulty", "discrimination", "given", "active")
    list_filter = ("track", "kind", "active")
    search_fields = ("slug", "translations__title")
    search_help_text = _("Part of the slug or of the title.")
    empty_text = _("The bank is empty. `manage.py load_tasks` loads it.")
    inlines = (TranslationInline, TestInline)
    fieldsets = (
        (
            None,
            {
                "description": _(
                    "Tasks come from packages in tasks/bank. What is changed here stays until the "
                    "package itself changes; `active` is never touched by loading."
                ),
                "fields": ("slug", "track", "kind", "entry", "active"),
            },
        ),
        (
            _("Measuring"),
            {
                "description": _(
                    "How the interview chooses: the task that tells most about the ability that "
                    "the candidate has shown so far. Change these only with data."
                ),
                "fields": ("difficulty", "discrimination"),
            },
        ),
        (_("Limits"), {"fields": ("time_limit_s", "cpu_s", "memory_mb", "output_kb")}),
        (
            _("Package"),
            {
                "fields": (
                    "languages", "shown_starter", "checker", "checker_options", "created_at",
                    "updated_at",
                ),
                "classes": ["collapse"],
            },
        ),
    )  # fmt: skip
    readonly_fields = (
        "slug", "track", "kind", "entry", "languages", "shown_starter", "checker",
        "checker_options", "created_at", "updated_at",
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).annotate(times_given=Count("assignments"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @display(description=_("given"), ordering="times_given")
    def given(self, row: Any) -> int:
        return row.times_given

    @display(description=_("starter code"))
    def shown_starter(self, row: CodingTask) -> SafeString | str:
        return block("\n\n".join(f"# {name}\n{code}" for name, code in row.starter.items()))


# --- Records ------------------------------------------------------------------------------------


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


class EvaluationAdmin(BigRecordAdmin):
    """What attempts and runs have in common."""

    seen_by = "assignment__session__team__members"
    list_filter = ("verdict", "language", "progress", ("created_at", DaysFilter))
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
class AttemptAdmin(ExportAdmin, EvaluationAdmin):
    resource_classes = [AttemptResource]
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
        (_("Record"), {"fields": ("submission_id", "created_at", "judged_at", "shown_error")}),
    )


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


# --- The first page -----------------------------------------------------------------------------


def _judging(request: HttpRequest) -> list[Section]:
    """For operators: what the judge could not do, and whether it can work at all."""
    if not request.user.is_superuser:
        return []
    day = timezone.now() - timedelta(days=1)
    counts = Attempt.objects.filter(created_at__gte=day).aggregate(
        all=Count("pk"), failed=Count("pk", filter=Q(verdict=Verdict.IE))
    )
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
            ],
        )
    ]


def _why_not(refusal: str) -> str:
    hint = _now("No program runs: `manage.py sandbox_doctor` says what is missing.")
    return f"{hint} {refusal}".strip()


dashboard.register("judging", _judging)
