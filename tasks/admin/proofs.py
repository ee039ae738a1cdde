"""Proofs of tests: how far they are, and what they found."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from neurogame.desk import EMPTY, BigRecordAdmin, DaysFilter, labelled, link_to, pretty
from tasks.admin.progress import PROOF_TONES, progress_bar, proof_progress
from tasks.models import Verification


def sentences(texts: list[str]) -> SafeString | str:
    return format_html_join("", "<p>{}</p>", ((text,) for text in texts)) or EMPTY


@admin.register(Verification)
class VerificationAdmin(BigRecordAdmin):
    list_display = ("created_at", "shown_task", "shown_state", "done", "total", "killed", "mutants")
    list_filter = ("state", "shipped", ("created_at", DaysFilter))
    list_select_related = ("task",)
    search_fields = ("task__slug",)
    search_help_text = _("Part of the slug.")
    sortable_by = ("created_at",)
    ordering = ("-created_at",)
    empty_text = _("Nothing was proven yet: making a task active does it.")
    fieldsets = (
        (
            None,
            {
                "description": _(
                    "Every program of the task is judged, and small faults put into its right "
                    "programs (mutants): at least four in five of them must fail a hidden test."
                ),
                "fields": ("shown_task", "shown_state", "progress", "publish", "shipped"),
            },
        ),
        (_("Outcome"), {"fields": ("programs", "killed", "mutants", "shown_faults", "shown_findings")}),
        (
            _("Record"),
            {
                "fields": (
                    "fingerprint", "who", "created_at", "started_at", "finished_at", "heartbeat",
                    "shown_detail",
                ),
                "classes": ["collapse"],
            },
        ),
    )  # fmt: skip
    readonly_fields = (
        "shown_task", "shown_state", "progress", "shown_faults", "shown_findings", "shown_detail",
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> Any:
        rows = super().get_queryset(request)
        listing = request.resolver_match and request.resolver_match.url_name.endswith("_changelist")
        return rows.defer("detail", "findings") if listing else rows

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.progress_view)
        name = "tasks_verification_progress"
        return [path("<path:object_id>/progress/", view, name=name), *super().get_urls()]

    def progress_view(self, request: HttpRequest, object_id: str) -> JsonResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return JsonResponse(proof_progress(self.found(request, object_id)))

    @display(description=_("task"))
    def shown_task(self, row: Verification) -> SafeString | str:
        return link_to(row.task)

    @labelled(_("state"), PROOF_TONES, ordering="state")
    def shown_state(self, row: Verification) -> tuple[str, Any]:
        return row.state, row.get_state_display()

    @display(description=_("progress"))
    def progress(self, row: Verification) -> SafeString:
        return progress_bar(self.url("progress", row.pk), proof_progress(row))

    @display(description=_("faults"))
    def shown_faults(self, row: Verification) -> SafeString | str:
        return sentences(row.faults)

    @display(description=_("findings"))
    def shown_findings(self, row: Verification) -> SafeString | str:
        return sentences(row.findings)

    @display(description=_("record"))
    def shown_detail(self, row: Verification) -> SafeString | str:
        return pretty(row.detail)
