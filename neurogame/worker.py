"""The background worker: runs queued jobs, enqueues the periodic ones, revives lost ones.

django-tasks-db runs one job after the other but knows no heartbeat: a job whose worker was
killed would stay RUNNING for ever. Here each worker has a row that it renews; jobs of a worker
that stopped doing so are queued again, so every job must be idempotent. After `MAX_STARTS`
starts a job counts as failed.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
import uuid
from datetime import datetime, timedelta
from pathlib import Path
from types import FrameType

from django.db import InterfaceError, OperationalError, close_old_connections
from django.tasks import DEFAULT_TASK_BACKEND_ALIAS, TaskResultStatus
from django.utils import timezone
from django_tasks_db.management.commands.db_worker import Worker
from django_tasks_db.models import DBTaskResult
from django_tasks_db.utils import exclusive_transaction, is_locked_database_exception

from neurogame.models import JobWorker
from neurogame.periodic import Periodic, discover, enqueue_if_due

logger = logging.getLogger("neurogame.worker")

POLL_SECONDS = 0.5
BEAT_SECONDS = 5.0
LOST_SECONDS = 30.0  # without a beat
ORPHAN_SECONDS = 3600.0  # a job of a worker that has no row at all
MAX_STARTS = 3


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def lost_workers(*, now: datetime) -> list[JobWorker]:
    """Workers that are gone: silent too long, or of this host and without their process."""
    host = socket.gethostname()
    silent = now - timedelta(seconds=LOST_SECONDS)
    return [
        worker
        for worker in JobWorker.objects.all()
        if worker.seen_at < silent or (worker.host == host and not _alive(worker.pid))
    ]


def revive_lost_jobs(*, now: datetime) -> int:
    """Queue the jobs of lost workers again. Returns how many."""
    gone = lost_workers(now=now)
    gone_ids = {worker.pk for worker in gone}
    known = set(JobWorker.objects.values_list("pk", flat=True))
    orphaned = now - timedelta(seconds=ORPHAN_SECONDS)
    revived = 0
    for job in DBTaskResult.objects.running():
        owner = job.worker_ids[-1] if job.worker_ids else ""
        is_orphan = owner not in known and (job.started_at is None or job.started_at < orphaned)
        if owner in gone_ids or is_orphan:
            revived += _revive(job)
    JobWorker.objects.filter(pk__in=gone_ids).delete()
    return revived


def _revive(job: DBTaskResult) -> int:
    row = DBTaskResult.objects.filter(
        pk=job.pk, status=TaskResultStatus.RUNNING, started_at=job.started_at
    )
    if len(job.worker_ids) >= MAX_STARTS:
        logger.error("job %s was lost %d times and is given up", job.task_path, MAX_STARTS)
        row.update(
            status=TaskResultStatus.FAILED,
            finished_at=timezone.now(),
            exception_class_path="neurogame.worker.WorkerLost",
            traceback="The workers that ran this job ended without finishing it.",
        )
        return 0
    logger.warning("job %s was lost with its worker and is queued again", job.task_path)
    return row.update(status=TaskResultStatus.READY, started_at=None)


class WorkerLost(Exception):
    """Stands in the result of a job that was given up."""


class JobRunner(Worker):
    """django-tasks-db's worker with a heartbeat, and signals that never cut a job short."""

    def __init__(
        self,
        *,
        batch: bool = False,
        interval: float = POLL_SECONDS,
        alive_file: Path | None = None,
    ) -> None:
        super().__init__(
            queue_names=["*"],
            interval=interval,
            batch=batch,
            backend_name=DEFAULT_TASK_BACKEND_ALIAS,
            startup_delay=False,
            max_tasks=None,
            worker_id=uuid.uuid4().hex,
            excluded_queue_names=[],
        )
        self.stopping = threading.Event()
        self.alive_file = alive_file

    def shutdown(self, signum: int, frame: FrameType | None) -> None:
        """First signal: finish the job at hand. Second: leave it to be revived."""
        if not self.running:
            os._exit(1)
        self.running = False
        self.stopping.set()

    # --- the main thread: jobs ---

    def run(self) -> None:
        """Run jobs until a signal, or in batch mode until none is ready."""
        while self.running:
            close_old_connections()
            job = self.claim()
            if job is not None:
                self.run_task(job)
            elif self.batch:
                return
            else:
                self.stopping.wait(self.interval)

    def claim(self) -> DBTaskResult | None:
        """The next ready job, marked as run by this worker; None without one."""
        ready = DBTaskResult.objects.ready().filter(backend_name=self.backend_name)
        try:
            if not ready.exists():  # look before taking SQLite's one write lock
                return None
            with exclusive_transaction(ready.db):
                job = ready.get_locked()
                if job is not None:
                    job.claim(self.worker_id)
                return job
        except (OperationalError, InterfaceError) as error:
            locked = isinstance(error, OperationalError) and is_locked_database_exception(error)
            if not locked:
                logger.exception("the database does not answer")
                self.stopping.wait(2.0)
            return None

    # --- a thread of its own: heartbeat, periodic jobs, lost jobs ---

    def beat(self) -> None:
        now = timezone.now()
        JobWorker.objects.update_or_create(
            pk=self.worker_id,
            defaults={"seen_at": now},
            create_defaults={
                "host": socket.gethostname(),
                "pid": os.getpid(),
                "started_at": now,
                "seen_at": now,
            },
        )
        if self.alive_file is not None:
            self.alive_file.touch()

    def tick(self) -> None:
        """The thread's loop, until the worker stops."""
        jobs = discover()
        due: dict[str, float] = {}
        next_beat = 0.0
        while not self.stopping.wait(1.0 if next_beat else 0.0):
            try:
                if time.monotonic() >= next_beat:
                    next_beat = time.monotonic() + BEAT_SECONDS
                    self.beat()
                    revive_lost_jobs(now=timezone.now())
                self.enqueue_due(jobs, due)
            except Exception:
                logger.exception("the worker's clock failed and goes on")
            finally:
                close_old_connections()

    def enqueue_due(self, jobs: list[Periodic], due: dict[str, float]) -> None:
        """Ask the database only about jobs whose time may have come by this process's clock."""
        for job in jobs:
            path = job.task.module_path
            if time.monotonic() < due.get(path, 0.0):
                continue
            enqueued = enqueue_if_due(job, now=timezone.now())
            due[path] = time.monotonic() + (job.seconds if enqueued else min(job.seconds, 5.0))

    def forget(self) -> None:
        """The worker ends: nobody needs to wait for its beat."""
        try:
            JobWorker.objects.filter(pk=self.worker_id).delete()
        except (OperationalError, InterfaceError):
            logger.exception("the worker could not sign off")


def work(*, batch: bool = False, alive_file: Path | None = None) -> None:
    """Run the worker in this process until SIGTERM or SIGINT (`batch`: until nothing is ready).

    `alive_file` is touched with every heartbeat, for a container's health check.
    """
    runner = JobRunner(batch=batch, alive_file=alive_file)
    previous = {
        number: signal.signal(number, runner.shutdown) for number in (signal.SIGTERM, signal.SIGINT)
    }
    runner.beat()  # before the first job: a job's worker always has a row
    clock = threading.Thread(target=runner.tick, name="clock", daemon=True)
    if not batch:
        clock.start()
    logger.info("worker %s is ready for jobs", runner.worker_id)
    try:
        runner.run()
    finally:
        runner.stopping.set()
        if clock.ident is not None:
            clock.join(5.0)
        runner.forget()
        for number, handler in previous.items():
            signal.signal(number, handler)
