"""Leases of evaluations: who evaluates an assignment, until when, and that it is still at it.

A claim writes a token and a time into the assignment's row. While the token is held here, a thread
moves the time on, also while the evaluation waits for its turn; when the process dies, nobody
does, and whoever comes after that time may evaluate the same submission again.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Q
from django.utils import timezone

from tasks.models import Assignment

logger = logging.getLogger(__name__)

# A lease that lasts longer than any clock is wrong by was written by one that was set back since.
SKEW = timedelta(minutes=10)
JUMP_S = 2.0
AT_ONCE = 400  # rows of one update: a database takes so many parameters

_held: dict[str, uuid.UUID] = {}
_lock = threading.Lock()
_keeper: threading.Thread | None = None


def length() -> timedelta:
    """How long a lease lasts that nobody renews."""
    return timedelta(seconds=settings.JUDGE_LEASE_S)


def claim(now: datetime | None = None) -> dict[str, Any]:
    """The fields of an assignment that give it to a new holder."""
    return {"lease_token": uuid.uuid4().hex, "lease_until": (now or timezone.now()) + length()}


def hold(assignment_id: uuid.UUID, token: str) -> None:
    """Renew a lease from now on, until `let_go`."""
    global _keeper
    with _lock:
        _held[token] = assignment_id
        if _keeper is None or not _keeper.is_alive():
            _keeper = threading.Thread(target=_keep, name="judge-leases", daemon=True)
            _keeper.start()


def let_go(token: str) -> None:
    """Renew a lease no longer."""
    with _lock:
        _held.pop(token, None)


def release(assignment_id: uuid.UUID, token: str) -> None:
    """Give a lease up: from now on another may claim it."""
    let_go(token)
    Assignment.objects.filter(pk=assignment_id, lease_token=token).update(
        lease_until=timezone.now()
    )


def expired(now: datetime | None = None) -> Q:
    """Assignments whose lease nobody renews any more."""
    now = now or timezone.now()
    over = Q(lease_until__lte=now) | Q(lease_until__gt=now + length() + SKEW)
    return over | Q(lease_until__isnull=True)


class WallClock:
    """Notices when this machine's clock is set.

    A lease ends by the wall clock, the only one that processes share. After a jump every live lease
    looks expired until its holder has renewed it by the new time: for the length of a lease nobody
    else may take it.
    """

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall, self._monotonic = wall, monotonic
        self._offset = wall() - monotonic()
        self._jumped = -float("inf")

    def is_steady(self) -> bool:
        """Whether the clock has not been set within the length of a lease."""
        offset = self._wall() - self._monotonic()
        if abs(offset - self._offset) > JUMP_S:
            self._jumped = self._monotonic()
            logger.warning("the clock jumped by %+.0f s", offset - self._offset)
        self._offset = offset
        return self._monotonic() - self._jumped >= settings.JUDGE_LEASE_S


wall_clock = WallClock()


def is_ours(assignment_id: uuid.UUID, token: str) -> bool:
    """Whether nobody has claimed the assignment since."""
    return Assignment.objects.filter(pk=assignment_id, lease_token=token).exists()


def renew(now: datetime | None = None) -> int:
    """Move every lease that is held here on; how many there are in the database."""
    with _lock:
        held = list(_held.items())
    until = (now or timezone.now()) + length()
    renewed = 0
    for start in range(0, len(held), AT_ONCE):
        some = dict(held[start : start + AT_ONCE])
        renewed += Assignment.objects.filter(
            pk__in=list(some.values()), lease_token__in=list(some)
        ).update(lease_until=until)
    return renewed


def _keep() -> None:
    resting = threading.Event()
    while True:
        resting.wait(settings.JUDGE_LEASE_S / 4)
        try:
            if _held:
                renew()
        except Exception:
            logger.exception("leases could not be renewed")
        finally:
            connection.close()
