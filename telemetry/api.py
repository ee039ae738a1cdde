"""`/v1/events`: keys, envelopes, answers after the commit."""

from __future__ import annotations

import asyncio
import re
import zlib

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods
from rest_framework.exceptions import Throttled

from neurogame import throttling
from neurogame.problems import problem_response
from telemetry import keys, wire
from telemetry.ingest import Batch, Busy, writer
from telemetry.keys import Grant

OK = b'{"ok": true}'
COMMIT_S = 30.0
PIECE = 16 << 10
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
    return await _stored(envelope, grant)


async def _stored(envelope: wire.Envelope, grant: Grant) -> HttpResponse:
    now = timezone.now()
    parsed = [wire.read_event(raw, index, now) for index, raw in enumerate(envelope.events)]
    accepted = duplicate = rejected = 0
    if parsed:
        batch = Batch(parsed, now, envelope.client_version, grant.key_id)
        try:
            counts = await asyncio.wait_for(asyncio.wrap_future(writer.submit(batch)), COMMIT_S)
        except (Busy, TimeoutError):
            return problem_response("unavailable", _("The database is busy."), retry_after=1)
        accepted, duplicate, rejected = counts.accepted, counts.duplicate, counts.rejected
    answer = HttpResponse(OK, content_type="application/json")
    answer["X-Neurogame-Accepted"] = str(accepted)
    answer["X-Neurogame-Duplicate"] = str(duplicate)
    answer["X-Neurogame-Rejected"] = str(rejected)
    return answer


def _over_limit(grant: Grant) -> int | None:
    """Seconds to wait when the key's own limit is used up, else None."""
    scope = f"key_{grant.key_id}"
    settings.THROTTLES[scope] = (grant.requests_per_minute, 60)
    try:
        throttling.hit(scope, str(grant.key_id))
    except Throttled as error:
        return int(error.wait or 1)
    return None
