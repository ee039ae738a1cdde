"""`/v1/events`: keys, envelopes, answers after the commit."""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import Mapping

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods
from rest_framework.exceptions import Throttled

from neurogame import throttling
from neurogame.language import said
from neurogame.problems import problem_response
from telemetry import keys, wire
from telemetry.ingest import Batch, Busy, Counts, writer
from telemetry.keys import Grant

OK = b'{"ok": true}'
COMMIT_S = 30.0
PIECE = 16 << 10
DATABASE_BUSY = gettext_noop("The database is busy.")
_bearer = re.compile(r"bearer\s+(\S+)\s*\Z", re.IGNORECASE)


def header_key(request: HttpRequest) -> str:
    """The key of `X-API-Key` or `Authorization: Bearer`; empty when neither came."""
    return _key(request.headers.get("X-API-Key", ""), request.headers.get("Authorization", ""))


def _key(own: str, authorization: str) -> str:
    match = _bearer.match(authorization)
    return own.strip() or (match[1] if match else "")


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
    own, authorization = (
        headers.get(name, b"").decode("latin-1") for name in (b"x-api-key", b"authorization")
    )
    key = _key(own, authorization)
    if len(body) > wire.MAX_BODY or (key and not isinstance(keys.cached(key), Grant)):
        return None  # a body is not read for a key that is not known to be good
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
