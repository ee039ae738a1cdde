"""Throttles: so many requests in so many seconds, counted in the cache, answered 429.

The window of a key starts with its first request, so a limit of 10 in 5 minutes lets ten
through and tells the eleventh how long the window has to run.
"""

from __future__ import annotations

import hashlib
import logging
import math
import time

from django.conf import settings
from django.core.cache import cache
from rest_framework.exceptions import Throttled

logger = logging.getLogger(__name__)


def _keys(scope: str, ident: str) -> tuple[str, str]:
    digest = hashlib.sha256(ident.encode("utf-8", "replace")).hexdigest()[:32]
    return f"throttle:{scope}:{digest}", f"throttle:{scope}:{digest}:since"


def count(scope: str, ident: str) -> int:
    """Count one request against `scope` for `ident`; the number in the running window.

    Without a working cache nothing is counted and the failure is logged: an outage of Redis
    must not lock people out.
    """
    _limit, seconds = settings.THROTTLES[scope]
    key, since = _keys(scope, ident)
    try:
        if cache.add(key, 1, timeout=seconds):
            cache.set(since, time.time(), timeout=seconds)
            return 1
        return cache.incr(key)
    except ValueError:  # expired between the two calls
        cache.set(key, 1, timeout=seconds)
        cache.set(since, time.time(), timeout=seconds)
        return 1
    except Exception:
        logger.exception("throttle %s: the cache does not answer", scope)
        return 0


def wait_for(scope: str, ident: str) -> int:
    """Seconds until the window of `ident` ends, at least 1."""
    _limit, seconds = settings.THROTTLES[scope]
    try:
        started = cache.get(_keys(scope, ident)[1])
    except Exception:
        started = None
    left = seconds if started is None else started + seconds - time.time()
    return max(1, math.ceil(left))


def exceeded(scope: str, ident: str) -> bool:
    """Whether the window of `ident` is used up, without counting anything."""
    limit, _seconds = settings.THROTTLES[scope]
    if not limit:
        return False
    try:
        return int(cache.get(_keys(scope, ident)[0], 0)) >= limit
    except Exception:
        logger.exception("throttle %s: the cache does not answer", scope)
        return False


def check(scope: str, ident: str) -> None:
    """Raise `Throttled` (429 with Retry-After) when the window is used up; count nothing."""
    if exceeded(scope, ident):
        raise Throttled(wait=wait_for(scope, ident))


def hit(scope: str, ident: str) -> None:
    """Count one request; raise `Throttled` when it is one too many."""
    limit, _seconds = settings.THROTTLES[scope]
    if limit and count(scope, ident) > limit:
        raise Throttled(wait=wait_for(scope, ident))
