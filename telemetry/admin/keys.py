"""API keys: made here, their text shown once; rotated with an overlap; revoked."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminIntegerFieldWidget

from neurogame import audit
from neurogame.desk import DeskAdmin, labelled
from telemetry import keys
from telemetry.models import ApiKey


class OverlapForm(forms.Form):
    overlap = forms.IntegerField(
        label=_("Days that the old key keeps working"),
        min_value=0,
        max_value=365,
        initial=7,
        help_text=_("Long enough to bring the new key to everyone who uses the old one."),
        widget=UnfoldAdminIntegerFieldWidget,
    )


@admin.register(ApiKey)
class ApiKeyAdmin(DeskAdmin):
    list_display = ("name", "shown_prefix", "scopes", "shown_state", "expires_at", "last_used_at")
    list_filter = ("can_ingest", "can_export")
    search_fields = ("name", "prefix")
    search_help_text = _("A name, or how a key begins.")
    empty_text = _(
        "No key yet. The key of the environment works without one; games need their own."
    )
    readonly_fields = (
        "shown_prefix",
        "shown_state",
        "created_at",
        "created_by",
        "last_used_at",
        "replaces",
    )
    add_fieldsets = (
        (
            None,
            {
                "description": _(
                    "The text of the key is shown once, on the next page. A game that is handed "
                    "out carries a key that may only send events, since whoever plays can read it."
                ),
                "fields": ("name", "can_ingest", "can_export", "requests_per_minute", "expires_at"),
            },
        ),
    )
    fieldsets = (
        (None, {"fields": ("name", "shown_prefix", "shown_state")}),
        (
            _("What it may do"),
            {"fields": ("can_ingest", "can_export", "requests_per_minute", "expires_at")},
        ),
        (_("History"), {"fields": ("created_at", "created_by", "last_used_at", "replaces")}),
    )
    actions_detail = ("rotate", "revoke")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Keys are revoked, so that events keep saying whose key brought them."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        gone = isinstance(obj, ApiKey) and obj.revoked_at is not None
        return not gone and super().has_change_permission(request, obj)

    @display(description=_("begins with"), ordering="prefix")
    def shown_prefix(self, row: ApiKey) -> str:
        return f"{row.prefix}…"

    @labelled(_("scopes"), "info")
    def scopes(self, row: ApiKey) -> list[str]:
        words = [(row.can_ingest, _now("ingest")), (row.can_export, _now("export"))]
        return [word for holds, word in words if holds] or [_now("none")]

    @labelled(_("state"), {"works": "good", "revoked": "bad", "expired": "warn"})
    def shown_state(self, row: ApiKey) -> tuple[str, str]:
        if row.revoked_at is not None:
            return "revoked", _now("revoked")
        if row.expires_at is not None and row.expires_at <= timezone.now():
            return "expired", _now("expired")
        return "works", _now("works")

    # --- Making -------------------------------------------------------------------------------

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
            return
        made, text = keys.make(
            name=obj.name,
            can_ingest=obj.can_ingest,
            can_export=obj.can_export,
            requests_per_minute=obj.requests_per_minute,
            expires_at=obj.expires_at,
            created_by=request.user,
        )
        obj.pk, obj.prefix, obj.digest = made.pk, made.prefix, made.digest
        request.made_key = text  # type: ignore[attr-defined]

    def response_add(
        self, request: HttpRequest, obj: ApiKey, post_url_continue: Any = None
    ) -> HttpResponse:
        return self._shown_once(request, obj, request.made_key)  # type: ignore[attr-defined]

    def _shown_once(
        self, request: HttpRequest, key: ApiKey, text: str, note: str = ""
    ) -> HttpResponse:
        return self.page(
            request,
            "admin/telemetry/apikey/made.html",
            title=_("Copy the key"),
            obj=key,
            key_text=text,
            note=note,
        )

    # --- Rotating and revoking ----------------------------------------------------------------

    @action(description=_("Rotate"), url_path="rotate", icon="autorenew", permissions=["change"])
    def rotate(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """A successor with the same scopes; the old key works for some days more."""
        key = self.found(request, object_id)
        problem = _not_rotatable(key)
        if problem:
            messages.error(request, problem)
            return redirect(self.url("change", key.pk))
        form = OverlapForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            days = form.cleaned_data["overlap"]
            try:
                with transaction.atomic():
                    successor, text = keys.rotate(key, overlap=timedelta(days=days))
                    ApiKey.objects.filter(pk=successor.pk).update(created_by=request.user)
                    audit.note(request, key, f"Rotated; it works for {days} days more.")
                    audit.note(request, successor, f"Made as the successor of {key.prefix}….")
            except keys.NotRotatable:  # somebody was faster
                key.refresh_from_db()
                messages.error(request, _not_rotatable(key))
                return redirect(self.url("change", key.pk))
            ends = timezone.localtime(key.expires_at)
            note = _now("The old key %(prefix)s… works until %(ends)s UTC.") % {
                "prefix": key.prefix,
                "ends": f"{ends:%Y-%m-%d %H:%M}",
            }
            return self._shown_once(request, successor, text, note)
        return self.page(
            request,
            "admin/desk/form.html",
            title=_("Rotate the key"),
            obj=key,
            form=form,
            submit_label=_("Make the new key"),
            intro=_("The new key has the same name, scopes and limit; its text is shown once."),
        )

    @action(description=_("Revoke"), url_path="revoke", icon="block", permissions=["change"])
    def revoke(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The key stops working at once, after a confirmation."""
        key = self.found(request, object_id)
        if key.revoked_at is not None:
            messages.info(request, _now("This key is revoked already."))
            return redirect(self.url("change", key.pk))
        if request.method == "POST":
            keys.revoke(key)
            audit.note(request, key, "Revoked.")
            messages.success(request, _now("The key is revoked: it is refused from now on."))
            return redirect(self.url("changelist"))
        return self.page(
            request,
            "admin/desk/form.html",
            title=_("Revoke the key"),
            obj=key,
            form=forms.Form(),
            tone="danger",
            submit_label=_("Revoke now"),
            question=_("Whoever uses “%(key)s” is refused at once. This cannot be undone.")
            % {"key": key},
        )


def _not_rotatable(key: ApiKey) -> str:
    if key.revoked_at is not None:
        return _now("A revoked key cannot be rotated: make a new one.")
    if ApiKey.objects.filter(replaces=key).exists():
        return _now("This key has a successor already: rotate that one.")
    return ""
