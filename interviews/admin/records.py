"""Records of the conversation: messages, consents, calls to a model."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from interviews.models import Consent, LLMCall, Message
from neurogame.desk import (
    EMPTY,
    BigRecordAdmin,
    DaysFilter,
    ExactTextFilter,
    block,
    labelled,
    link_to,
    pretty,
    shortened,
)


@admin.register(Message)
class MessageAdmin(BigRecordAdmin):
    seen_by = "session__team__members"
    list_display = ("shown_text", "shown_session", "role", "kind", "shown_status", "created_at")
    list_filter = ("role", "kind", "status", "source", ("created_at", DaysFilter))
    list_select_related = ("session__candidate",)
    search_fields = ("text", "session__candidate__nickname_key")
    search_help_text = _("Part of a text, or a candidate's nickname.")
    sortable_by = ("created_at",)
    ordering = ("-created_at",)
    empty_text = _("No message yet: an interview begins with a greeting.")
    fieldsets = (
        (None, {"fields": ("shown_session", "role", "kind", "full_text", "shown_status")}),
        (
            _("How it was made"),
            {"fields": ("source", "model", "error_code", "retryable", "shown_meta")},
        ),
        (_("When"), {"fields": ("seq", "created_at", "completed_at")}),
    )
    readonly_fields = ("shown_session", "full_text", "shown_meta", "shown_status")

    @display(description=_("text"))
    def shown_text(self, row: Message) -> str:
        return shortened(row.text) or EMPTY

    @display(description=_("text"))
    def full_text(self, row: Message) -> SafeString | str:
        return block(row.text)

    @display(description=_("interview"))
    def shown_session(self, row: Message) -> SafeString | str:
        return link_to(row.session)

    @labelled(
        _("status"), {"complete": "good", "pending": "info", "error": "bad"}, ordering="status"
    )
    def shown_status(self, row: Message) -> tuple[str, Any]:
        return row.status, row.get_status_display()

    @display(description=_("details"))
    def shown_meta(self, row: Message) -> SafeString | str:
        return pretty(row.meta)


@admin.register(Consent)
class ConsentAdmin(BigRecordAdmin):
    seen_by = "session__team__members"
    list_display = ("version", "shown_session", "signals", "video", "taken_by", "given_at")
    list_filter = ("version", "signals", ("given_at", DaysFilter))
    list_select_related = ("session__candidate",)
    search_fields = ("session__candidate__nickname_key", "taken_by")
    search_help_text = _("A candidate's nickname, or the client that took it.")
    sortable_by = ("given_at",)
    ordering = ("-given_at",)
    empty_text = _("No consent yet: it is given with the start of an interview.")
    fieldsets = (
        (
            None,
            {
                "description": _(
                    "What the candidate agreed to, by the version of the text that they were "
                    "shown. Without `signals` nothing about their behaviour is recorded."
                ),
                "fields": ("shown_session", "version", "signals", "video", "taken_by", "given_at"),
            },
        ),
    )
    readonly_fields = ("shown_session",)

    @display(description=_("interview"))
    def shown_session(self, row: Consent) -> SafeString | str:
        return link_to(row.session)


class FailedFilter(admin.SimpleListFilter):
    title = _("outcome")
    parameter_name = "failed"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("failed")), ("no", _("answered"))]

    def queryset(self, request: Any, queryset: Any) -> Any:
        if self.value() == "yes":
            return queryset.exclude(outcome="ok")
        return queryset.filter(outcome="ok") if self.value() == "no" else queryset


@admin.register(LLMCall)
class LLMCallAdmin(BigRecordAdmin):
    seen_by = "session__team__members"
    list_display = (
        "model", "purpose", "shown_outcome", "attempt", "first_token_ms", "latency_ms", "tokens",
        "created_at",
    )  # fmt: skip
    list_filter = (
        FailedFilter,
        ("model", ExactTextFilter),
        ("purpose", ExactTextFilter),
        ("created_at", DaysFilter),
    )
    list_select_related = ()
    search_fields = ("outcome__exact", "detail")
    search_help_text = _("An outcome, or part of a failure's detail.")
    sortable_by = ("created_at", "latency_ms")
    ordering = ("-created_at",)
    empty_text = _("No call yet. Without OPENAI_API_KEY the scripted interviewer answers.")
    fieldsets = (
        (
            None,
            {
                "description": _("What a call cost and how it ended; no content and no key."),
                "fields": ("model", "purpose", "prompt_version", "attempt", "shown_session"),
            },
        ),
        (_("Outcome"), {"fields": ("shown_outcome", "detail")}),
        (
            _("Cost"),
            {"fields": ("prompt_tokens", "completion_tokens", "first_token_ms", "latency_ms")},
        ),
        (_("When"), {"fields": ("created_at",)}),
    )
    readonly_fields = ("shown_session", "shown_outcome")

    @labelled(_("outcome"), {"ok": "good", "failed": "bad"})
    def shown_outcome(self, row: LLMCall) -> tuple[str, str]:
        return ("ok" if row.outcome == "ok" else "failed"), row.outcome

    @display(description=_("tokens"))
    def tokens(self, row: LLMCall) -> str:
        return f"{row.prompt_tokens or 0} + {row.completion_tokens or 0}"

    @display(description=_("interview"))
    def shown_session(self, row: LLMCall) -> SafeString | str:
        return link_to(row.session)
