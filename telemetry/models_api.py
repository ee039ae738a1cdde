"""`GET /v1/models/current`: the model that the game is to play with.

Any valid key may ask; the one that a game carries has scope `ingest`. The answer has a strong ETag
of its bytes. Who is champion is read at most once a second, the bytes of a version once: what is
registered never changes.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse
from django.utils.http import parse_etags
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from neurogame.problems import problem_response
from telemetry.api import grant_of, header_key
from telemetry.models import ModelVersion
from telemetry.signals import champion_changed

CACHE_S = 1.0
_KEY = ("pk", "status", "promoted_at")


@dataclass(frozen=True)
class Current:
    """The answer for one version: `key` tells it from others, `etag` is quoted."""

    key: tuple[Any, ...]
    body: bytes
    etag: str


_known: Current | None = None
_until = 0.0


def current() -> Current | None:
    """The champion; before there is one, the game's own baseline; None when that is gone too."""
    global _known, _until
    status = ModelVersion.Status.CHAMPION
    versions = ModelVersion.objects
    chosen: Any = versions.filter(status=status).values_list(*_KEY).first()
    if chosen is None:
        baselines = versions.filter(kind=ModelVersion.BASELINE).order_by("created_at", "pk")
        chosen = baselines.values_list(*_KEY).first()
    if chosen is None:
        _known = None
    elif _known is None or _known.key != chosen:
        _known = _answer_of(versions.get(pk=chosen[0]))
    _until = time.monotonic() + CACHE_S
    return _known


def _answer_of(version: ModelVersion) -> Current:
    champion = version.status == ModelVersion.Status.CHAMPION
    since = version.promoted_at if champion else None
    body = msgspec.json.encode(
        {
            "ok": True,
            "name": version.name,
            "kind": version.kind,
            "params": version.params,
            "champion": champion,
            "champion_since": None if since is None else _iso(since),
            "created_at": _iso(version.created_at),
        }
    )
    return Current(
        (version.pk, version.status, version.promoted_at),
        body,
        f'"{hashlib.sha256(body).hexdigest()[:32]}"',
    )


def _iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def forget(**kwargs: Any) -> None:
    """Let a change of the champion show at once in this process."""
    global _known, _until
    _known, _until = None, 0.0


champion_changed.connect(forget)


@csrf_exempt
@require_http_methods(["GET", "HEAD"])
async def current_model(request: HttpRequest) -> HttpResponse:
    """The current model as JSON, or 304 when the client has it."""
    grant = await grant_of(header_key(request))
    if grant is None:
        return problem_response("invalid_api_key")
    if not (grant.can_ingest or grant.can_export):
        return problem_response("permission_denied", _("This key has no scope."))
    found = _known if time.monotonic() < _until else await sync_to_async(current)()
    if found is None:
        return problem_response("not_found", _("No model version is registered here."))
    if _has(request, found.etag):
        answer = HttpResponse(status=304, content_type="application/json")
    else:
        answer = HttpResponse(found.body, content_type="application/json")
    answer["ETag"] = found.etag
    answer["Cache-Control"] = "private, no-cache"  # keep it, and ask each time whether it holds
    answer["Vary"] = "Authorization, X-API-Key"
    return answer


def _has(request: HttpRequest, etag: str) -> bool:
    """Whether If-None-Match names what would be sent (RFC 9110, section 13.1.2: weakly)."""
    sent = request.headers.get("If-None-Match", "")
    if len(sent) > 4096:
        return False
    tags = parse_etags(sent)
    return tags == ["*"] or etag in (tag.removeprefix("W/") for tag in tags)
