"""The task bank: what a task is, and whether its tests are proven."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import path
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.admin import StackedInline, TabularInline
from unfold.decorators import action, display

from neurogame.desk import DeskAdmin, block, labelled, pretty
from tasks import publishing
from tasks.admin.progress import PROOF_TONES, progress_bar, proof_progress
from tasks.admin.rejudging import RejudgesTask
from tasks.models import CodingTask, TaskTest, TaskTranslation, Verification
from tasks.proofs import ProofState

# What a saved form may change of a task's content; its tests come with the package.
CONTENT = {"cpu_s", "memory_mb", "output_kb", "checker", "checker_options"}


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
class CodingTaskAdmin(RejudgesTask, DeskAdmin):
    list_display = (
        "slug", "track", "kind", "difficulty", "discrimination", "given", "shown_state", "active",
    )  # fmt: skip
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
                    "package itself changes. A task is active only with a proof of its present "
                    "tests and limits: without one, a job carries it out, and the task becomes "
                    "active when it passes."
                ),
                "fields": ("slug", "track", "kind", "entry", "active", "proof"),
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
        "checker_options", "created_at", "updated_at", "proof",
    )  # fmt: skip
    actions = ("prove_many",)
    actions_detail = ("prove_one", "rejudge_all")

    def get_queryset(self, request: HttpRequest) -> Any:
        last = Verification.objects.filter(task=OuterRef("pk")).values("state")[:1]
        rows = super().get_queryset(request)
        return rows.annotate(
            times_given=Count("assignments"),
            proof_state=Subquery(last),
        )

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Any:
        """A task that waits for its proof to become active is shown as one that is to be: whoever
        saves its form does not take that back by the way."""
        task = super().get_object(request, object_id, from_field)
        if task is not None and not task.active:
            pending = task.verifications.filter(state__in=ProofState.pending(), publish=True)
            task.active = pending.exists()
        return task

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Without a proof of what was saved, the task waits for one."""
        super().save_related(request, form, formsets, change)
        task = CodingTask.objects.get(pk=form.instance.pk)
        asked = publishing.settle(task, who=request.user)
        if asked is None and not task.active and CONTENT & set(form.changed_data):
            asked = publishing.request(task, publish=False, who=request.user)
        if asked is not None:
            text = _now("The tests of the task are being proven; see its page.")
            if asked.publish:
                text = _now(
                    "The tests of the task are being proven; it becomes active when they pass."
                )
            self.message_user(request, text, messages.INFO)

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.proof_view)
        name = "tasks_codingtask_proof"
        return [path("<path:object_id>/proof/", view, name=name), *super().get_urls()]

    def proof_view(self, request: HttpRequest, object_id: str) -> JsonResponse:
        """How far the task's last proof is, for the bar on its page."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return JsonResponse(proof_progress(self.found(request, object_id).verifications.first()))

    @action(
        description=_("Prove the tests"), url_path="prove", icon="verified", permissions=["change"]
    )
    def prove_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        task = self.found(request, object_id)
        if request.method == "POST":
            publishing.request(task, publish=task.active, who=request.user)
            return redirect(self.url("change", task.pk))
        return self.page(
            request,
            "admin/desk/form.html",
            title=_("Prove the tests"),
            obj=task,
            form=forms.Form(),
            submit_label=_("Prove"),
            question=_("Every program of the task and mutants of its references are judged."),
        )

    @action(description=_("Prove the tests"), permissions=["change"])
    def prove_many(self, request: HttpRequest, queryset: QuerySet[CodingTask]) -> None:
        count = 0
        for task in queryset:
            publishing.request(task, publish=task.active, who=request.user)
            count += 1
        text = ngettext("%d proof was asked for.", "%d proofs were asked for.", count)
        self.message_user(request, text % count, messages.SUCCESS)

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

    @labelled(_("tests"), PROOF_TONES)
    def shown_state(self, row: Any) -> tuple[str, Any]:
        state = row.proof_state
        return (state, ProofState(state).label) if state else ("", _("not proven"))

    @display(description=_("proof of its tests"))
    def proof(self, row: CodingTask) -> SafeString:
        last = row.verifications.first()
        bar = progress_bar(self.url("proof", row.pk), proof_progress(last))
        notes = [] if last is None else [*last.faults[1:], *last.findings]
        texts = format_html_join("", "<p>{}</p>", ((text,) for text in notes))
        return format_html("{}{}", bar, texts)
