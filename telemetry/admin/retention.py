"""What was deleted, by whom it was asked for: records to read."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from neurogame.desk import DaysFilter, RecordAdmin
from telemetry.models import EventPrune


@admin.register(EventPrune)
class EventPruneAdmin(RecordAdmin):
    list_display = (
        "started_at",
        "kind",
        "before",
        "event_type",
        "events",
        "conflicts",
        "quarantined",
        "finished_at",
    )
    list_filter = ("kind", ("started_at", DaysFilter))
    search_fields = ("event_type__exact", "player_digest__exact")
    search_help_text = _("A type of events, or the keyed hash of a player.")
    sortable_by = ("started_at",)
    empty_text = _(
        "Nothing was ever deleted. EVENT_RETENTION_DAYS or manage.py prune_events delete events "
        "past their time; prune_events --user-id deletes what is held of a player."
    )
    fieldsets = (
        (
            None,
            {
                "description": _(
                    "Raw events that are gone. Their ids stay taken, so that none is counted "
                    "twice; standings stay, but for a player whose data was deleted."
                ),
                "fields": ("kind", "before", "event_type", "player_digest"),
            },
        ),
        (_("When"), {"fields": ("started_at", "finished_at")}),
        (_("What"), {"fields": ("events", "conflicts", "quarantined", "standings_day")}),
    )
