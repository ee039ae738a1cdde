"""Model versions: what the game says it serves, and what training made."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.decorators import action, display

from neurogame import audit
from neurogame.desk import DeskAdmin, labelled, pretty
from telemetry.models import ModelVersion

TONES = {
    "unregistered": "warn",
    "registered": "info",
    "champion": "good",
    "archived": "",
}


@admin.register(ModelVersion)
class ModelVersionAdmin(DeskAdmin):
    list_display = ("name", "shown_status", "kind", "first_seen_at", "created_at")
    list_filter = ("status", "kind")
    search_fields = ("name", "notes")
    search_help_text = _("Part of a name or of the notes.")
    actions = ("register_versions",)
    empty_text = _("No model version yet. `manage.py train` registers one.")
    fieldsets = (
        (
            None,
            {
                "description": _(
                    "A version that turned up in events without being known here is listed as "
                    "unregistered: check with whoever ships the game, then register it. Only the "
                    "notes can be edited; metrics and parameters never change."
                ),
                "fields": ("name", "shown_status", "kind", "notes"),
            },
        ),
        (_("How good it is"), {"fields": ("shown_metrics",)}),
        (
            _("What it was made from"),
            {"fields": ("shown_params", "shown_manifest", "artefact"), "classes": ["collapse"]},
        ),
        (_("When"), {"fields": ("first_seen_at", "created_at")}),
    )
    readonly_fields = (
        "name",
        "shown_status",
        "kind",
        "shown_metrics",
        "shown_params",
        "shown_manifest",
        "artefact",
        "first_seen_at",
        "created_at",
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @labelled(_("status"), TONES, ordering="status")
    def shown_status(self, row: ModelVersion) -> tuple[str, Any]:
        return row.status, row.get_status_display()

    @display(description=_("metrics"))
    def shown_metrics(self, row: ModelVersion) -> SafeString | str:
        return pretty(row.metrics)

    @display(description=_("parameters"))
    def shown_params(self, row: ModelVersion) -> SafeString | str:
        return pretty(row.params)

    @display(description=_("manifest"))
    def shown_manifest(self, row: ModelVersion) -> SafeString | str:
        return pretty(row.manifest)

    @action(description=_("Register"), permissions=["change"])
    def register_versions(self, request: HttpRequest, queryset: QuerySet[ModelVersion]) -> None:
        """Accept versions that were only seen in events."""
        status = ModelVersion.Status
        names = list(queryset.filter(status=status.UNREGISTERED).values_list("name", flat=True))
        done = ModelVersion.objects.filter(name__in=names, status=status.UNREGISTERED).update(
            status=status.REGISTERED
        )
        if not done:
            self.message_user(request, _("All of these were registered already."), messages.INFO)
            return
        audit.note(request, ModelVersion, f"Registered {', '.join(names)}"[:1000])
        text = ngettext("%d version was registered.", "%d versions were registered.", done)
        self.message_user(request, text % done, messages.SUCCESS)
