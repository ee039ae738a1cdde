"""Long work in slices: taken by one process at a time, gone on with after a crash.

The worker runs one job after another, and the sweep that closes interviews is one of them: so a
long job does a slice of some seconds, writes down how far it is, and enqueues itself again.
"""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q
from django.tasks import Task, TaskResultStatus
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

SLICE_S = 5.0
# Longer than any one step: a slow program under its raised limit is the longest.
SILENT = timedelta(minutes=3)


class Lost(Exception):
    """Another process has taken the work, or it is gone."""


class Held:
    """Work that this process has taken, until its slice is over."""

    def __init__(self, kind: type[Any], pk: int, token: str, seconds: float) -> None:
        self._row = kind.objects.filter(pk=pk, holder=token)
        self._end = time.monotonic() + seconds
        self._saved = 0

    @property
    def over(self) -> bool:
        """Whether the slice's time is used up; not before something was done in it."""
        return self._saved > 1 and time.monotonic() >= self._end

    def save(self, **fields: Any) -> None:
        """Write fields and the sign of life. Raises `Lost`."""
        if not self._row.update(heartbeat=timezone.now(), **fields):
            raise Lost
        self._saved += 1

    def release(self) -> None:
        self._row.update(holder="", heartbeat=timezone.now())


@contextmanager
def held(
    kind: type[Any], pk: int, *, seconds: float = SLICE_S, now: datetime | None = None
) -> Iterator[Held | None]:
    """Take work that nobody is at; None when somebody is, or it is finished."""
    now = now or timezone.now()
    token = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex}"
    free = _free(kind.objects.filter(pk=pk), now)
    taken = kind.objects.filter(free, pk=pk, finished_at=None).update(holder=token, heartbeat=now)
    if not taken:
        yield None
        return
    mine = Held(kind, pk, token, seconds)
    try:
        yield mine
    except Lost:
        pass
    finally:
        mine.release()


def enqueue_again(kind: type[Any], job: Task, *, now: datetime | None = None) -> int:
    """Enqueue the unfinished work that has no job and nobody at it. Returns how much there was."""
    now = now or timezone.now()
    unfinished = kind.objects.filter(finished_at=None)
    waiting = unfinished.filter(_free(unfinished, now))
    has_job = _with_job(job)
    found = [pk for pk in waiting.values_list("pk", flat=True) if pk not in has_job]
    for pk in found:
        job.enqueue(pk)
    return len(found)


def _free(rows: Any, now: datetime) -> Q:
    """Which of `rows` nobody is at: not taken, silent, or taken by a process of this host that is
    gone, as after `kill -9`."""
    holders = rows.exclude(holder="").values_list("holder", flat=True)
    lost = [holder for holder in holders if _is_gone(holder)]
    return Q(holder="") | Q(heartbeat__lt=now - SILENT) | Q(holder__in=lost)


def _is_gone(holder: str) -> bool:
    host, pid, _token = holder.rsplit(":", 2)
    if host != socket.gethostname():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _with_job(job: Task) -> set[Any]:
    rows = DBTaskResult.objects.filter(
        task_path=job.module_path,
        status__in=(TaskResultStatus.READY, TaskResultStatus.RUNNING),
    )
    return {row.args_kwargs["args"][0] for row in rows}
