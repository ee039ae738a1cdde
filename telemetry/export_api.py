"""`/v1/export/raw`: pages and streams of raw events."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime

from asgiref.sync import sync_to_async
from django.db import close_old_connections
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from neurogame.problems import problem_response
from telemetry.api import grant_of, header_key
from telemetry.export import Selection
from telemetry.export_formats import KINDS
from telemetry.export_stream import Reader, Stream, begin
from telemetry.keys import Grant

PAGE = 1000
MAX_PAGE = 10_000
LAST_SEQ = 2**63 - 1


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


def selection_of(request: HttpRequest) -> Selection:
    """The filters of a request; raises `BadQuery`."""
    return Selection(
        after=_integer(request, "after", 0, LAST_SEQ) or 0,
        as_of=_integer(request, "as_of", 0, LAST_SEQ),
        since=_moment(request, "since"),
        until=_moment(request, "until"),
        user_id=_words(request, "user_id"),
        event_type=_words(request, "event_type"),
        model_version=_words(request, "model_version"),
    )


async def _export_grant(request: HttpRequest) -> Grant | HttpResponse:
    grant = await grant_of(header_key(request) or request.GET.get("api_key", ""))
    if grant is None:
        return problem_response("invalid_api_key")
    if not grant.can_export:
        return problem_response("permission_denied", _("This key may not export events."))
    return grant


def accepts_gzip(request: HttpRequest) -> bool:
    """Whether the client takes gzip (RFC 9110, section 12.5.3)."""
    weights = {}
    for part in request.headers.get("Accept-Encoding", "").lower().split(","):
        name, _semicolon, parameters = part.partition(";")
        weight = re.fullmatch(r"\s*q=([01](?:\.\d{0,3})?)\s*", parameters)
        weights[name.strip()] = float(weight[1]) if weight else 1.0
    return bool(weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0))))


@csrf_exempt
@require_http_methods(["GET", "HEAD"])
async def export_raw(request: HttpRequest) -> HttpResponseBase:
    """Raw events, a page as JSON or the whole selection as NDJSON, CSV or Parquet."""
    grant = await _export_grant(request)
    if isinstance(grant, HttpResponse):
        return grant
    try:
        form = request.GET.get("format") or "json"
        if form not in KINDS:
            raise BadQuery("format", _("One of %s.") % ", ".join(KINDS))
        selection = selection_of(request)
        limit = _integer(request, "limit", 1, MAX_PAGE)
        offset = _integer(request, "offset", 0, 2**53) or 0
    except BadQuery as error:
        return problem_response(
            "invalid", _("Some fields are not right."), errors={error.field: [str(error)]}
        )
    # What fails here, with the database, fails before the answer begins.
    selection = await sync_to_async(settled)(selection, offset)
    if form == "json" and limit is None:
        limit = PAGE
    return await answer(request, selection, form=form, limit=limit)


def settled(selection: Selection, offset: int = 0) -> Selection:
    """A selection with its snapshot, without its first `offset` events.

    The request's own connection is given back: it would else be held until the client has read.
    """
    chosen = selection.snapshot().skipped(offset)
    close_old_connections()
    return chosen


async def answer(
    request: HttpRequest, selection: Selection, *, form: str, limit: int | None
) -> HttpResponseBase:
    """A selection with its snapshot as the answer to a request; small JSON with its length."""
    if form != "json" or request.method == "HEAD":
        return streamed(request, selection, form=form, limit=limit)
    reader = Reader(selection, form=form, limit=limit, gzip=accepts_gzip(request))
    begun, is_all = await begin(reader)
    body = HttpResponse(begun) if is_all else StreamingHttpResponse(Stream(reader, begun))
    return _with_head(body, request, selection, form=form)


def streamed(
    request: HttpRequest,
    selection: Selection,
    *,
    form: str,
    limit: int | None = None,
    filename: str = "events",
    watch: Callable[[Reader], None] | None = None,
) -> HttpResponseBase:
    """A selection with its snapshot as a streamed answer, gzipped where the client takes it.

    When it cannot be finished the connection is broken, so that no client takes a part for the
    whole. `watch` is called after every page.
    """
    body: HttpResponseBase = HttpResponse()
    if request.method != "HEAD":
        gzip = KINDS[form].gzips and accepts_gzip(request)
        reader = Reader(selection, form=form, limit=limit, gzip=gzip, watch=watch)
        body = StreamingHttpResponse(Stream(reader))
    if form != "json":
        name = f"{filename}.{KINDS[form].extension}"
        body["Content-Disposition"] = f'attachment; filename="{name}"'
    return _with_head(body, request, selection, form=form)


def _with_head(
    body: HttpResponseBase, request: HttpRequest, selection: Selection, *, form: str
) -> HttpResponseBase:
    kind = KINDS[form]
    body["Content-Type"] = kind.media_type
    body["Cache-Control"] = "no-store"
    body["X-Neurogame-As-Of"] = str(selection.as_of)
    if kind.gzips:
        body["Vary"] = "Accept-Encoding"
        if accepts_gzip(request):
            body["Content-Encoding"] = "gzip"
    return body
