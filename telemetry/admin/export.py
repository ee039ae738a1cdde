"""The export of events: what the list shows, of any size, through the stream of the API."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.db import close_old_connections
from django.http import Http404, HttpRequest, HttpResponseBase, JsonResponse
from django.urls import path
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.widgets import INPUT_CLASSES, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from neurogame import audit
from neurogame.desk import days
from telemetry.export import Selection
from telemetry.export_api import streamed
from telemetry.export_progress import Progress, key_of, progress_of
from telemetry.models import GameEvent

if TYPE_CHECKING:
    from neurogame.desk import BigRecordAdmin as Base
else:
    Base = object


class DayInput(forms.DateInput):
    input_type = "date"

    def __init__(self) -> None:
        super().__init__(attrs={"class": " ".join(INPUT_CLASSES)}, format="%Y-%m-%d")


def _text(label: Any, length: int, help_text: Any = "") -> forms.CharField:
    return forms.CharField(
        label=label,
        required=False,
        max_length=length,
        help_text=help_text,
        widget=UnfoldAdminTextInputWidget,
    )


class EventExportForm(forms.Form):
    """What to export; the fields begin with the filters of the list."""

    event_type = _text(_("Type"), 64)
    user_id = _text(_("Player"), 128)
    model_version = _text(_("Model version"), 128)
    search = _text(_("Id"), 128, _("The whole id of an event, a player or a game session."))
    first = forms.DateField(
        label=_("Received from"),
        required=False,
        widget=DayInput,
        help_text=_("A day in UTC, with it. Empty: from the first event."),
    )
    last = forms.DateField(
        label=_("Received until"),
        required=False,
        widget=DayInput,
        help_text=_("A day in UTC, with it. Empty: to the last event."),
    )
    form = forms.ChoiceField(
        label=_("Format"),
        choices=[
            ("csv", _("CSV, for spreadsheets: cells that look like formulas are made harmless")),
            ("ndjson", _("NDJSON, one event a line, exactly as sent")),
            ("parquet", _("Parquet, typed columns for pandas, DuckDB and others")),
        ],
        widget=UnfoldAdminSelectWidget,
    )
    token = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput)

    def selection(self) -> Selection:
        chosen = self.cleaned_data
        since, until = days(str(chosen["first"] or ""), str(chosen["last"] or ""))
        words = ("user_id", "event_type", "model_version", "search")
        return Selection(since=since, until=until, **{name: chosen[name] or None for name in words})


class EventExport(Base):
    """The pages of the export, for the admin of `GameEvent`."""

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view
        return [
            path("export/", view(self.export_view), name="telemetry_gameevent_export"),
            path(
                "export/progress/<str:token>/",
                view(self.export_progress_view),
                name="telemetry_gameevent_export_progress",
            ),
            *super().get_urls(),
        ]

    def export_view(self, request: HttpRequest) -> Any:
        """Choose what and how, and count it; with `download` the answer is the file, streamed."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        asked = "download" in request.GET or "count" in request.GET
        form = EventExportForm(request.GET if asked else filtered(request))
        count = None
        if form.is_valid():
            if "download" in request.GET:
                return self._file(request, form)
            count = form.selection().events().count()
        if not asked:
            form = EventExportForm(initial=filtered(request))
        return self.page(
            request,
            "admin/telemetry/gameevent/export.html",
            title=_("Export events"),
            form=form,
            count=count,
            progress_url=self.url("export_progress", "TOKEN"),
        )

    def export_progress_view(self, request: HttpRequest, token: str) -> JsonResponse:
        """How far one's own download is."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        key = key_of(request.user.pk, token)
        if key is None:
            raise Http404
        return JsonResponse(progress_of(key))

    def _file(self, request: HttpRequest, form: EventExportForm) -> HttpResponseBase:
        kind = form.cleaned_data["form"]
        selection = form.selection().snapshot()
        key = key_of(request.user.pk, form.cleaned_data["token"])
        watch = None if key is None else Progress(key, selection.events().count())
        query = request.GET.copy()
        query.pop("token", None)
        what = f"Exported as {kind}, up to {selection.as_of}: {query.urlencode()}"
        audit.note(request, GameEvent, what[:1000])
        name = f"events-{timezone.now():%Y%m%d-%H%M}"
        close_old_connections()  # nothing of the database is held while the client reads
        return streamed(request, selection, form=kind, filename=name, watch=watch)


def filtered(request: HttpRequest) -> dict[str, Any]:
    """The filters and the search of the list, as the form's first values."""
    given = request.GET
    first, after = days(given.get("received_at_from"), given.get("received_at_to"))
    return {
        "event_type": given.get("event_type__exact", ""),
        "user_id": given.get("user_id__exact", ""),
        "model_version": given.get("model_version__exact", ""),
        "search": given.get("q", "").strip(),
        "first": first and first.date(),
        "last": after and (after - timedelta(days=1)).date(),
        "form": "csv",
    }
