"""`/v1/events` and `/v1/export/raw`: keys, envelopes, pages and streams."""

from __future__ import annotations

import asyncio
import dataclasses
import re
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec
from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods
from rest_framework.exceptions import Throttled

from neurogame import throttling
from neurogame.language import said
from neurogame.problems import problem_response
from telemetry import export, keys, wire
from telemetry.ingest import Batch, Busy, Counts, writer
from telemetry.keys import Grant

OK = b'{"ok": true}'
COMMIT_S = 30.0
MAX_PAGE = 10_000
PIECE = 16 << 10
DATABASE_BUSY = gettext_noop("The database is busy.")
_bearer = re.compile(r"bearer\s+(\S+)\s*\Z", re.IGNORECASE)


def header_key(request: HttpRequest) -> str:
    """The key of `X-API-Key` or `Authorization: Bearer`; empty when neither came."""
    match = _bearer.match(request.headers.get("Authorization", ""))
    return request.headers.get("X-API-Key", "").strip() or (match[1] if match else "")


async def grant_of(key: str) -> Grant | None:
    """What a key allows, without a thread when that is known already."""
    known = keys.cached(key) if key else None
    if isinstance(known, bool):
        return await sync_to_async(keys.check)(key)
    return known


def inflate(data: bytes, limit: int) -> bytes | None:
    """gzip undone up to `limit` bytes; None beyond it. Raises ValueError for what is no gzip."""
    out = bytearray()
    start = 0
    while start < len(data):
        decoder = zlib.decompressobj(wbits=31)
        while not decoder.eof:
            if start == len(data):
                raise ValueError("the gzip stream is cut short")
            # In pieces: a member leaves what follows it as a copy, and members can be tiny.
            piece = decoder.unconsumed_tail or data[start : start + PIECE]
            try:
                out += decoder.decompress(piece, limit + 1 - len(out))
            except zlib.error as error:
                raise ValueError(str(error)) from None
            if len(out) > limit:
                return None
            start += len(piece) - len(decoder.unconsumed_tail) - len(decoder.unused_data)
    return bytes(out)


def _body(request: HttpRequest) -> bytes | HttpResponse:
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower() or "identity"
    if encoding not in ("identity", "gzip"):
        return problem_response(
            "unsupported_media_type", _("Send the body as it is or with Content-Encoding: gzip.")
        )
    try:
        body = request.body
    except RequestDataTooBig:
        return problem_response("too_large")
    if encoding == "gzip":
        try:
            inflated = inflate(body, wire.MAX_BODY)
        except ValueError as error:
            return problem_response("bad_json", _("The gzip body is broken: %s") % error)
        if inflated is None:
            return problem_response("too_large", _("A batch may have 1 MiB; send it in halves."))
        body = inflated
    if len(body) > wire.MAX_BODY:
        return problem_response("too_large", _("A batch may have 1 MiB; send it in halves."))
    return body


@csrf_exempt
@require_http_methods(["POST"])
async def events(request: HttpRequest) -> HttpResponse:
    """Take a batch of events; the answer is sent after the commit."""
    key = header_key(request)
    grant = await grant_of(key)
    if key and grant is None:
        return problem_response("invalid_api_key")
    body = _body(request)
    if isinstance(body, HttpResponse):
        return body
    try:
        envelope = wire.read_envelope(body)
    except wire.EnvelopeError as error:
        if not key and error.code == "bad_envelope":
            sent = await grant_of(wire.key_in(body))
            if sent is None:
                return problem_response("invalid_api_key")
        return problem_response(error.code, str(error))
    if not key:
        grant = await grant_of(envelope.api_key)
    if grant is None:
        return problem_response("invalid_api_key")
    if not grant.can_ingest:
        return problem_response("permission_denied", _("This key may not send events."))
    if grant.requests_per_minute:
        wait = await sync_to_async(_over_limit)(grant)
        if wait is not None:
            return problem_response("throttled", retry_after=wait)
    if len(envelope.events) > wire.MAX_EVENTS:
        return problem_response("too_large", _("A batch may have 500 events; send it in halves."))
    said_by = {
        b"accept-language": request.headers.get("Accept-Language", "").encode("latin-1", "replace"),
        b"cookie": request.headers.get("Cookie", "").encode("latin-1", "replace"),
    }
    return await _stored(envelope, grant, said_by)


async def post_events(headers: Mapping[bytes, bytes], body: bytes) -> HttpResponse | None:
    """The same without Django's middleware, for what is plainly right; None: let `events` answer."""
    if headers.get(b"content-encoding", b"identity").strip().lower() not in (b"", b"identity"):
        return None
    key = key_of(headers)
    if len(body) > wire.MAX_BODY:
        return None
    try:
        envelope = wire.read_envelope(body)
    except wire.EnvelopeError:
        return None
    grant = keys.cached(key or envelope.api_key)
    if not isinstance(grant, Grant) or not grant.can_ingest or grant.requests_per_minute:
        return None
    if len(envelope.events) > wire.MAX_EVENTS:
        return None
    return await _stored(envelope, grant, headers)


def key_of(headers: Mapping[bytes, bytes]) -> str:
    match = _bearer.match(headers.get(b"authorization", b"").decode("latin-1"))
    return headers.get(b"x-api-key", b"").decode("latin-1").strip() or (match[1] if match else "")


async def _stored(
    envelope: wire.Envelope, grant: Grant, headers: Mapping[bytes, bytes]
) -> HttpResponse:
    now = timezone.now()
    parsed = wire.read_events(envelope, now)
    counts = Counts()
    if parsed:
        batch = Batch(parsed, now, envelope.client_version, grant.key_id)
        try:
            counts = await asyncio.wait_for(asyncio.wrap_future(writer.submit(batch)), COMMIT_S)
        except (Busy, TimeoutError):
            detail = said(DATABASE_BUSY, headers)
            return problem_response("unavailable", detail, retry_after=1)
    return HttpResponse(
        OK,
        content_type="application/json",
        headers={
            "X-Neurogame-Accepted": str(counts.accepted),
            "X-Neurogame-Duplicate": str(counts.duplicate),
            "X-Neurogame-Rejected": str(counts.rejected),
        },
    )


def _over_limit(grant: Grant) -> int | None:
    """Seconds to wait when the key's own limit is used up, else None."""
    scope = f"key_{grant.key_id}"
    settings.THROTTLES[scope] = (grant.requests_per_minute, 60)
    try:
        throttling.hit(scope, str(grant.key_id))
    except Throttled as error:
        return int(error.wait or 1)
    return None


# --- Export -------------------------------------------------------------------------------------


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
