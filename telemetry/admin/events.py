"""Game events, quarantine and conflicts: records to read, filter, export and submit again."""

from __future__ import annotations

import logging
from typing import Any

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.decorators import action, display

from neurogame import audit
from neurogame.desk import (
    EMPTY,
    BigRecordAdmin,
    DaysFilter,
    ExactTextFilter,
    labelled,
    link_to,
    pretty,
    shortened,
)
from neurogame.exports import ExportAdmin
from telemetry import ingest
from telemetry.admin.export import EventExport
from telemetry.models import EventConflict, GameEvent, QuarantinedEvent
from telemetry.resources import ConflictResource, QuarantineResource

logger = logging.getLogger(__name__)


@admin.register(GameEvent)
class GameEventAdmin(EventExport, BigRecordAdmin):
    change_list_template = "admin/telemetry/gameevent/change_list.html"
    list_display = (
        "event_id",
        "event_type",
        "user_id",
        "model_version",
        "effective_ts",
        "received_at",
        "shown_flags",
    )
    list_filter = (
        ("event_type", ExactTextFilter),
        ("user_id", ExactTextFilter),
        ("model_version", ExactTextFilter),
        ("received_at", DaysFilter),
    )
    search_fields = ("event_id__exact", "user_id__exact", "session_id__exact")
    search_help_text = _("The whole id of an event, a player or a game session.")
    sortable_by = ("received_at",)
    ordering = ("-seq",)
    empty_text = _("No event yet. A game sends them to POST /v1/events with a key made under Keys.")
    fieldsets = (
        (
            None,
            {
                "description": _(
                    "Stored as it was accepted; rows never change. The effective time is the "
                    "event's own, or its arrival if that lay more than five minutes ahead."
                ),
                "fields": (
                    "seq",
                    "event_id",
                    "event_type",
                    "user_id",
                    "session_id",
                    "model_version",
                    "client_version",
                    "shown_flags",
                ),
            },
        ),
        (_("When"), {"fields": ("event_ts", "effective_ts", "received_at")}),
        (_("As sent"), {"fields": ("shown_raw", "api_key", "shown_conflicts")}),
    )
    readonly_fields = ("shown_flags", "shown_raw", "shown_conflicts", "api_key")
    list_select_related = ()

    @labelled(_("flags"), "warn")
    def shown_flags(self, row: GameEvent) -> list[str] | None:
        return [word for word in row.flags.split(",") if word] or None

    @display(description=_("as sent"))
    def shown_raw(self, row: GameEvent) -> SafeString | str:
        return pretty(row.raw)

    @display(description=_("conflicts"))
    def shown_conflicts(self, row: GameEvent) -> SafeString | str:
        count = row.conflicts.count()
        if not count:
            return _now("None: nothing else came under this id.")
        url = reverse("admin:telemetry_eventconflict_changelist")
        return format_html('<a class="ng-link" href="{}?q={}">{}</a>', url, row.event_id, count)


class WaitingFilter(admin.SimpleListFilter):
    title = _("state")
    parameter_name = "waiting"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("waits for a person")), ("no", _("resolved"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() in ("yes", "no"):
            return queryset.filter(resolved_at__isnull=self.value() == "yes")
        return queryset


@admin.register(QuarantinedEvent)
class QuarantinedEventAdmin(ExportAdmin, BigRecordAdmin):
    resource_classes = [QuarantineResource]
    list_display = ("reason", "shown_detail", "source", "index", "received_at", "resolved_at")
    list_filter = (
        WaitingFilter,
        "source",
        ("reason", ExactTextFilter),
        ("received_at", DaysFilter),
    )
    search_fields = ("reason", "detail", "raw")
    search_help_text = _("A reason, or any part of the raw JSON.")
    sortable_by = ("received_at",)
    ordering = ("-received_at", "-id")
    actions = ("submit_again",)
    empty_text = _("Nothing is in quarantine: every event so far could be stored.")
    fieldsets = (
        (
            None,
            {
                "description": _(
                    "The sender was answered 200 and will not send this again. When the cause "
                    "is mended on our side, submit it again from the list; what is stored then "
                    "counts as resolved."
                ),
                "fields": ("reason", "detail", "source", "index", "shown_session"),
            },
        ),
        (_("Raw JSON"), {"fields": ("shown_raw",)}),
        (_("When and whose"), {"fields": ("received_at", "resolved_at", "client_version", "key")}),
    )
    readonly_fields = ("shown_raw", "key", "shown_session")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Game events for whoever may see the quarantine; signals of a candidate for their team."""
        rows = super().get_queryset(request).select_related("api_key")
        if request.user.is_superuser:
            return rows
        seen = Q(source=QuarantinedEvent.Source.GAME)
        if request.user.has_perm("telemetry.view_anticheatsignal"):
            teams = request.user.teams.values("pk")
            seen |= Q(source=QuarantinedEvent.Source.ANTICHEAT, session__team__in=teams)
        return rows.filter(seen)

    @display(description=_("detail"))
    def shown_detail(self, row: QuarantinedEvent) -> str:
        return shortened(row.detail) or EMPTY

    @display(description=_("raw JSON"))
    def shown_raw(self, row: QuarantinedEvent) -> SafeString | str:
        return pretty(row.raw)

    @display(description=_("key"))
    def key(self, row: QuarantinedEvent) -> str:
        return str(row.api_key or EMPTY)

    @display(description=_("interview"))
    def shown_session(self, row: QuarantinedEvent) -> SafeString | str:
        return link_to(row.session) if row.session_id else EMPTY

    def has_submit_again_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("telemetry.change_quarantinedevent")

    @action(description=_("Submit again"), permissions=["submit_again"])
    def submit_again(self, request: HttpRequest, queryset: QuerySet[QuarantinedEvent]) -> None:
        """Try the ticked game events once more, oldest first."""
        stored = refused = left = 0
        for row in queryset.order_by("pk"):
            if row.resolved_at is not None or row.source != QuarantinedEvent.Source.GAME:
                left += 1
                continue
            try:
                counts = ingest.resubmit(row)
            except Exception:
                logger.exception("quarantined event %s could not be submitted again", row.pk)
                counts = ingest.Counts(rejected=1)
            stored += not counts.rejected
            refused += counts.rejected
        audit.note(request, QuarantinedEvent, f"Submitted again: {stored} stored, {refused} not.")
        if stored:
            text = ngettext("%d event was stored.", "%d events were stored.", stored) % stored
            self.message_user(request, text, messages.SUCCESS)
        if refused:
            text = ngettext(
                "%d event was refused again; its reason is up to date.",
                "%d events were refused again; their reasons are up to date.",
                refused,
            )
            self.message_user(request, text % refused, messages.WARNING)
        if left:
            text = ngettext(
                "%d was left alone: resolved already, or a signal of a candidate's page.",
                "%d were left alone: resolved already, or signals of a candidate's page.",
                left,
            )
            self.message_user(request, text % left, messages.INFO)


@admin.register(EventConflict)
class EventConflictAdmin(ExportAdmin, BigRecordAdmin):
    resource_classes = [ConflictResource]
    list_display = ("event", "player", "event_type", "received_at", "client_version")
    list_filter = (("received_at", DaysFilter),)
    list_select_related = ("event",)
    search_fields = ("event__event_id__exact", "event__user_id__exact")
    search_help_text = _("The whole id of an event or a player.")
    sortable_by = ("received_at",)
    ordering = ("-received_at", "-id")
    empty_text = _("No conflict: every id came with one content.")
    fieldsets = (
        (
            None,
            {
                "description": _(
                    "The same event id came again with other content. The first one was kept "
                    "and counts; compare the two to find the client that reuses ids."
                ),
                "fields": ("event", "received_at", "client_version", "api_key"),
            },
        ),
        (_("Side by side"), {"fields": ("kept", "later")}),
    )
    readonly_fields = ("kept", "later", "api_key")

    @display(description=_("player"))
    def player(self, row: EventConflict) -> str:
        return row.event.user_id

    @display(description=_("type"))
    def event_type(self, row: EventConflict) -> str:
        return row.event.event_type

    @display(description=_("the first, kept"))
    def kept(self, row: EventConflict) -> SafeString | str:
        return pretty(row.event.raw)

    @display(description=_("the later one"))
    def later(self, row: EventConflict) -> SafeString | str:
        return pretty(row.raw)
