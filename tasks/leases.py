"""Leases of evaluations: who evaluates an assignment, until when, and that it is still at it.

A claim writes a token and a time into the assignment's row. While the token is held here, a thread
moves the time on, also while the evaluation waits for its turn; when the process dies, nobody
does, and whoever comes after that time may evaluate the same submission again.
"""

from __future__ import annotations

import logging
import threading
import uuid
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from tasks.models import Assignment

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=20)
RENEW_S = 5.0
AT_ONCE = 400  # rows of one update: a database takes so many parameters

_held: dict[str, uuid.UUID] = {}
_lock = threading.Lock()
_keeper: threading.Thread | None = None


def claim(now: datetime | None = None) -> dict[str, Any]:
    """The fields of an assignment that give it to a new holder."""
    return {"lease_token": uuid.uuid4().hex, "lease_until": (now or timezone.now()) + LEASE}


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


def is_ours(assignment_id: uuid.UUID, token: str) -> bool:
    """Whether nobody has claimed the assignment since."""
    return Assignment.objects.filter(pk=assignment_id, lease_token=token).exists()


def renew(now: datetime | None = None) -> int:
    """Move every lease that is held here on; how many there are in the database."""
    with _lock:
        held = list(_held.items())
    until = (now or timezone.now()) + LEASE
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
        resting.wait(RENEW_S)
        try:
            if _held:
                renew()
        except Exception:
            logger.exception("leases could not be renewed")
        finally:
            connection.close()
