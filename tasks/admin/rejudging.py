"""Judging attempts again: the question before it, its progress, and what it changed."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminTextareaWidget

from neurogame import audit
from neurogame.desk import EMPTY, BigRecordAdmin, link_to
from tasks import rejudging
from tasks.admin.progress import progress_bar, rejudge_progress
from tasks.models import Attempt, AttemptRejudge, CodingTask, Rejudge
from tasks.proofs import Outcome

PERMISSION = "tasks.rejudge_attempt"
SHOWN_ROWS = 200
MEANING = _(
    "Verdict, tests passed and score become what the task's present tests, checker and limits "
    "give. That can change the score and the ability of interviews that are over, and a task that "
    "was closed can become accepted. Attempts are not counted anew, the candidate is told nothing, "
    "and where the judge fails the old verdict stays."
)


class ReasonForm(forms.Form):
    reason = forms.CharField(
        label=_("Reason"), max_length=1000, widget=UnfoldAdminTextareaWidget, help_text=MEANING
    )


class Rejudges:
    """What the pages that start a rejudging have in common."""

    def has_rejudge_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm(PERMISSION)

    def start(self, request: HttpRequest, attempts: QuerySet[Attempt], reason: str) -> HttpResponse:
        """Have attempts judged again, and show how far it is."""
        if not self.has_rejudge_permission(request):
            raise PermissionDenied
        made = rejudging.request(attempts, who=request.user, reason=reason)
        audit.note(request, made, f"rejudge {made.total}: {reason}")
        return redirect(reverse("admin:tasks_rejudge_change", args=[made.pk]))

    def title(self, attempts: QuerySet[Attempt]) -> str:
        count = rejudging.judgeable(attempts).count()
        return ngettext("Judge %d attempt again", "Judge %d attempts again", count) % count


class RejudgesAttempts(Rejudges):
    """An action on ticked attempts."""

    @action(description=_("Judge again"), permissions=["rejudge"])
    def rejudge(self, request: HttpRequest, queryset: QuerySet[Attempt]) -> Any:
        form = ReasonForm(request.POST if "confirmed" in request.POST else None)
        if form.is_bound and form.is_valid():
            return self.start(request, queryset, form.cleaned_data["reason"])
        if not rejudging.judgeable(queryset).exists():
            text = _now("Only attempts with a number, of tasks that are closed, are judged again.")
            self.message_user(request, text, messages.WARNING)
            return None
        return self.ask(
            request,
            list(queryset.select_related("assignment__task")),
            action="rejudge",
            form=form,
            title=self.title(queryset),
            submit_label=_("Judge again"),
            tone="danger",
        )


class RejudgesTask(Rejudges):
    """A page of a task, for all of its attempts."""

    @action(
        description=_("Judge all attempts again"),
        url_path="rejudge",
        icon="gavel",
        permissions=["rejudge"],
    )
    def rejudge_all(self, request: HttpRequest, object_id: str) -> HttpResponse:
        task: CodingTask = self.found(request, object_id)
        attempts = Attempt.objects.filter(assignment__task=task)
        if not request.user.is_superuser:
            attempts = attempts.filter(assignment__session__team__members=request.user)
        form = ReasonForm(request.POST or None)
        if form.is_bound and form.is_valid():
            return self.start(request, attempts, form.cleaned_data["reason"])
        return self.page(
            request,
            "admin/desk/form.html",
            title=self.title(attempts),
            obj=task,
            form=form,
            submit_label=_("Judge again"),
            tone="danger",
        )


@admin.register(Rejudge)
class RejudgeAdmin(BigRecordAdmin):
    list_display = ("created_at", "who", "done", "total", "changed", "finished_at")
    list_select_related = ("who",)
    sortable_by = ("created_at",)
    ordering = ("-created_at",)
    empty_text = _("Nothing was judged again yet: an action on attempts does it, or on a task.")
    fieldsets = (
        (None, {"description": MEANING, "fields": ("progress", "reason", "who")}),
        (_("Changed"), {"fields": ("rows",)}),
        (_("Record"), {"fields": ("created_at", "started_at", "finished_at", "heartbeat")}),
    )
    readonly_fields = ("progress", "rows")

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.progress_view)
        name = "tasks_rejudge_progress"
        return [path("<path:object_id>/progress/", view, name=name), *super().get_urls()]

    def progress_view(self, request: HttpRequest, object_id: str) -> JsonResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return JsonResponse(rejudge_progress(self.found(request, object_id)))

    @display(description=_("progress"))
    def progress(self, row: Rejudge) -> SafeString:
        return progress_bar(self.url("progress", row.pk), rejudge_progress(row))

    @display(description=_("attempts"))
    def rows(self, row: Rejudge) -> SafeString | str:
        found = row.rows.filter(outcome__in=(Outcome.CHANGED, Outcome.KEPT))
        found = found.select_related("attempt__assignment__task")[:SHOWN_ROWS]
        lines = [
            (link_to(one.attempt, str(one.attempt.assignment)), before_and_after(one))
            for one in found
        ]
        return format_html_join("", "<p>{}: {}</p>", lines) or EMPTY


def before_and_after(row: AttemptRejudge) -> SafeString:
    """One attempt's old and new verdict, score and closing."""
    if row.outcome == Outcome.KEPT:
        return format_html("{} ({})", row.old.get("verdict", ""), row.get_outcome_display())
    parts = [
        f"{row.old.get(name)} → {row.new.get(name)}"
        for name in ("verdict", "score", "close_reason")
        if row.old.get(name) != row.new.get(name)
    ]
    return format_html("{}", ", ".join(parts))
