"""Integrity signals of the candidates' pages, for the team that leads the interview."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from neurogame.desk import BigRecordAdmin, DaysFilter, ExactTextFilter, link_to, pretty, shortened
from neurogame.exports import ExportAdmin
from telemetry.models import AntiCheatSignal
from telemetry.resources import SignalResource


@admin.register(AntiCheatSignal)
class AntiCheatSignalAdmin(ExportAdmin, BigRecordAdmin):
    resource_classes = [SignalResource]
    seen_by = "session__team__members"
    list_display = ("type", "shown_session", "summary", "ts", "received_at", "known")
    list_display_links = ("type",)
    list_filter = (("type", ExactTextFilter), "known", ("received_at", DaysFilter))
    list_select_related = ("session__candidate",)
    search_fields = ("event_id__exact", "session__candidate__nickname_key", "type__exact")
    search_help_text = _("A candidate's nickname, a type, or the id of an event.")
    sortable_by = ("received_at",)
    ordering = ("-received_at", "-id")
    empty_text = _(
        "No signal yet. They come from the candidate's page, with the candidate's consent."
    )
    fieldsets = (
        (
            None,
            {
                "description": _(
                    "What the candidate's page reported. A signal is no verdict: read it in the "
                    "interview's timeline, beside the code of that moment."
                ),
                "fields": ("type", "known", "shown_session", "task_id", "seq"),
            },
        ),
        (_("When"), {"fields": ("ts", "received_at")}),
        (_("What it says"), {"fields": ("shown_payload",)}),
    )
    readonly_fields = ("shown_session", "shown_payload")

    @display(description=_("interview"))
    def shown_session(self, row: AntiCheatSignal) -> SafeString | str:
        return link_to(row.session)

    @display(description=_("says"))
    def summary(self, row: AntiCheatSignal) -> str:
        said: dict[str, Any] = row.payload if isinstance(row.payload, dict) else {}
        text = said.get("text")
        return shortened(str(text if text else ", ".join(f"{k} {v}" for k, v in said.items())), 60)

    @display(description=_("payload"))
    def shown_payload(self, row: AntiCheatSignal) -> SafeString | str:
        return pretty(row.payload)
