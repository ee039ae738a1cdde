"""`/v1/export/raw`: pages and streams of raw events."""

from __future__ import annotations

import dataclasses
import re
from datetime import UTC, datetime

import msgspec
from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from neurogame.problems import problem_response
from telemetry import export
from telemetry.api import grant_of, header_key
from telemetry.keys import Grant

MAX_PAGE = 10_000


class BadQuery(ValueError):
    def __init__(self, field: str, detail: str) -> None:
        super().__init__(detail)
        self.field = field


def _integer(request: HttpRequest, name: str, low: int, high: int) -> int | None:
    text = request.GET.get(name)
    if text is None or text == "":
        return None
    if not re.fullmatch(r"[0-9]{1,19}", text) or not low <= int(text) <= high:
        raise BadQuery(name, _("A number from %(low)s to %(high)s.") % {"low": low, "high": high})
    return int(text)


def _moment(request: HttpRequest, name: str) -> datetime | None:
    text = request.GET.get(name)
    if not text:
        return None
    try:  # a `+` that was not escaped arrives as a space
        moment = datetime.fromisoformat(re.sub(r" (\d\d:?\d\d)\Z", r"+\1", text))
        return (moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadQuery(name, _("A time in ISO 8601.")) from None


def _words(request: HttpRequest, name: str) -> str | None:
    text = request.GET.get(name)
    if text is not None and "\x00" in text:
        raise BadQuery(name, _("A text without NUL."))
    return text or None


def selection_of(request: HttpRequest) -> export.Selection:
    """The filters of a request; raises `BadQuery`."""
    return export.Selection(
        after=_integer(request, "after", 0, 2**63 - 1) or 0,
        since=_moment(request, "since"),
        until=_moment(request, "until"),
        user_id=_words(request, "user_id"),
        event_type=_words(request, "event_type"),
    )


async def _export_grant(request: HttpRequest) -> Grant | HttpResponse:
    grant = await grant_of(header_key(request) or request.GET.get("api_key", ""))
    if grant is None:
        return problem_response("invalid_api_key")
    if not grant.can_export:
        return problem_response("permission_denied", _("This key may not export events."))
    return grant


@csrf_exempt
@require_http_methods(["GET", "HEAD"])
async def export_raw(request: HttpRequest) -> HttpResponseBase:
    """Raw events, a page as JSON or the whole selection as NDJSON or CSV."""
    grant = await _export_grant(request)
    if isinstance(grant, HttpResponse):
        return grant
    try:
        form = request.GET.get("format") or "json"
        if form not in ("json", "ndjson", "csv"):
            raise BadQuery("format", _("One of json, ndjson, csv."))
        selection = selection_of(request)
        limit = _integer(request, "limit", 1, MAX_PAGE)
        offset = _integer(request, "offset", 0, 2**53) or 0
    except BadQuery as error:
        return problem_response(
            "invalid", _("Some fields are not right."), errors={error.field: [str(error)]}
        )
    if form == "json":
        return await _json_page(selection, limit or 1000, offset)
    if offset:
        selection = await sync_to_async(_skipped)(selection, offset)
    upto = await sync_to_async(export.last_seq)()  # fails, if it does, before the answer begins
    return _stream(selection, form, upto, limit)


def _skipped(selection: export.Selection, offset: int) -> export.Selection:
    """The selection after its first `offset` events."""
    events = selection.events().filter(seq__gt=selection.after)
    row = events.values_list("seq", flat=True)[offset - 1 : offset].first()
    return dataclasses.replace(selection, after=export.last_seq() if row is None else row)


async def _json_page(selection: export.Selection, limit: int, offset: int) -> HttpResponse:
    page = await sync_to_async(export.page)(selection, limit=limit, offset=offset)
    body = msgspec.json.encode({"ok": True, **page})
    answer = HttpResponse(body, content_type="application/json")
    answer["Cache-Control"] = "no-store"
    return answer


def _stream(
    selection: export.Selection, form: str, upto: int, limit: int | None
) -> StreamingHttpResponse:
    kinds = {"ndjson": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}
    answer = StreamingHttpResponse(
        export.stream(selection, form=form, upto=upto, limit=limit), content_type=kinds[form]
    )
    answer["Content-Disposition"] = f'attachment; filename="events.{form}"'
    answer["Cache-Control"] = "no-store"
    return answer
