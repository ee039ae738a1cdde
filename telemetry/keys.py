"""API keys: making, rotating, revoking and checking them. Only hashes are stored."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.db.models.signals import post_delete, post_save
from django.utils import timezone

from telemetry.models import ApiKey

PREFIX = "ngk_"
CACHE_S = 1.0
USED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Grant:
    """What a key allows. `key_id` is None for the environment's key."""

    key_id: int | None
    can_ingest: bool
    can_export: bool
    requests_per_minute: int | None = None


ENVIRONMENT = Grant(None, can_ingest=True, can_export=True)
_cache: dict[str, tuple[float, Grant | None]] = {}


def digest(text: str) -> str:
    """A key is random enough that a plain hash protects it."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def new_text() -> str:
    return PREFIX + secrets.token_urlsafe(32)


def make(*, name: str, **fields: Any) -> tuple[ApiKey, str]:
    """(a new key, its text, which nobody can read again)."""
    text = new_text()
    key = ApiKey.objects.create(name=name, prefix=text[:10], digest=digest(text), **fields)
    return key, text


class NotRotatable(ValueError):
    """The key is revoked, or has a successor already: of two people who rotate at once one does."""


@transaction.atomic
def rotate(key: ApiKey, *, overlap: timedelta = timedelta(days=7)) -> tuple[ApiKey, str]:
    """A successor with the same scopes; the old key works for `overlap` longer.

    Raises `NotRotatable`.
    """
    now = ApiKey.objects.select_for_update().get(pk=key.pk)
    if now.revoked_at is not None or ApiKey.objects.filter(replaces=now).exists():
        raise NotRotatable(f"{now.prefix}… is revoked or rotated")
    successor, text = make(
        name=now.name,
        can_ingest=now.can_ingest,
        can_export=now.can_export,
        requests_per_minute=now.requests_per_minute,
        replaces=now,
    )
    ends = timezone.now() + overlap
    key.expires_at = min(now.expires_at, ends) if now.expires_at else ends
    key.save(update_fields=["expires_at"])
    return successor, text


def revoke(key: ApiKey, now: datetime | None = None) -> None:
    """The key stops working at once."""
    key.revoked_at = now or timezone.now()
    key.save(update_fields=["revoked_at"])


def is_environment_key(text: str) -> bool:
    return hmac.compare_digest(digest(text), digest(settings.NEUROGAME_API_KEY))


def cached(text: str) -> Grant | bool | None:
    """The grant of a key without the database; True when only the database knows."""
    if is_environment_key(text):
        return ENVIRONMENT
    if not text.startswith(PREFIX) or len(text) > 100:
        return None
    known = _cache.get(digest(text))
    if known is not None and known[0] > time.monotonic():
        return known[1]
    return True


def check(text: str) -> Grant | None:
    """The grant of a key's text; None for a wrong, expired or revoked one."""
    known = cached(text)
    if not isinstance(known, bool):
        return known
    now = timezone.now()
    found = ApiKey.objects.usable(now).filter(digest=digest(text)).first()
    grant, seconds = None, CACHE_S
    if found is not None:
        grant = Grant(found.pk, found.can_ingest, found.can_export, found.requests_per_minute)
        if found.expires_at is not None:
            seconds = min(seconds, (found.expires_at - now).total_seconds())
        ApiKey.objects.filter(pk=found.pk).filter(
            Q(last_used_at=None) | Q(last_used_at__lt=now - USED_EVERY)
        ).update(last_used_at=now)
    if len(_cache) > 10_000:
        _cache.clear()
    _cache[digest(text)] = (time.monotonic() + seconds, grant)
    return grant


def forget(**kwargs: Any) -> None:
    """Drop what is cached, so that a change of a key holds at once in this process.

    Again after the commit: until then other threads read, and cache, what was before.
    """
    _cache.clear()
    transaction.on_commit(_cache.clear)


post_save.connect(forget, sender=ApiKey)
post_delete.connect(forget, sender=ApiKey)
