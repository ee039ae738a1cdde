"""Jobs that run again and again: registered where they are written, enqueued by the worker.

    @periodic(30)
    @task
    def close_expired() -> int: ...

in an app's `jobs.py`, which the worker imports. A job is enqueued when its last enqueueing is
`seconds` ago and none of it is waiting or running, however many workers look at the clock.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connections, router
from django.tasks import Task, TaskResultStatus
from django.utils.module_loading import autodiscover_modules
from django_tasks_db.models import DBTaskResult
from django_tasks_db.utils import exclusive_transaction

PENDING = (TaskResultStatus.READY, TaskResultStatus.RUNNING)
# Two clocks and a loop that wakes once a second: a job may come this share of its period early.
EARLY = 0.02


@dataclass(frozen=True, slots=True)
class Periodic:
    """A job and its period in seconds."""

    task: Task
    seconds: float


_registry: dict[str, Periodic] = {}


def periodic(seconds: float) -> Callable[[Task], Task]:
    """Register a `django.tasks` task that takes no arguments to run every `seconds`."""
    if seconds <= 0:
        raise ValueError("the period must be positive")

    def register(task: Task) -> Task:
        if not isinstance(task, Task):
            raise TypeError("periodic() goes above @task")
        _registry[task.module_path] = Periodic(task, seconds)
        return task

    return register


def discover() -> list[Periodic]:
    """Every periodic job of the installed apps, by path."""
    autodiscover_modules("jobs")
    return [_registry[path] for path in sorted(_registry)]


def is_due(job: Periodic, *, now: datetime) -> bool:
    """Whether none of `job` is pending and its period has passed since the last."""
    rows = DBTaskResult.objects.filter(
        task_path=job.task.module_path, backend_name=job.task.backend
    )
    if rows.filter(status__in=PENDING).exists():
        return False
    newest = now - timedelta(seconds=job.seconds * (1 - EARLY))
    return not rows.filter(enqueued_at__gt=newest).exists()


def enqueue_if_due(job: Periodic, *, now: datetime) -> bool:
    """Enqueue `job` when it is due. Safe against other workers doing the same."""
    if not is_due(job, now=now):
        return False
    using = router.db_for_write(DBTaskResult)
    with exclusive_transaction(using):
        if connections[using].vendor == "postgresql":
            with connections[using].cursor() as cursor:
                key = zlib.crc32(job.task.module_path.encode())
                cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [0x4E47, key - (1 << 31)])
        if not is_due(job, now=now):
            return False
        job.task.enqueue()
    return True
