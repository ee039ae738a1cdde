"""Periodic jobs and the worker that runs, beats and revives."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.db import connections
from django.tasks import TaskResultStatus
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from neurogame.jobs import prune_job_results, tidy
from neurogame.models import JobWorker
from neurogame.periodic import Periodic, discover, enqueue_if_due, periodic
from neurogame.worker import MAX_STARTS, JobRunner, revive_lost_jobs, work

ROOT = Path(__file__).resolve().parent.parent.parent
JOB = Periodic(tidy, 60.0)

pytestmark = pytest.mark.django_db


def enqueued(**fields: Any) -> DBTaskResult:
    """One waiting `tidy`, then changed as given."""
    tidy.enqueue()
    row = DBTaskResult.objects.latest("enqueued_at")
    DBTaskResult.objects.filter(pk=row.pk).update(**fields)
    row.refresh_from_db()
    return row


# --- periodic -------------------------------------------------------------------------------


def test_jobs_of_the_apps_are_found() -> None:
    found = {job.task.module_path: job.seconds for job in discover()}
    assert found["neurogame.jobs.tidy"] == 3600


@pytest.mark.parametrize("seconds", [0, -1])
def test_period_must_be_positive(seconds: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        periodic(seconds)


def test_only_tasks_can_be_periodic() -> None:
    with pytest.raises(TypeError):
        periodic(5)(print)  # type: ignore[arg-type]


@pytest.mark.django_db(transaction=True)  # the worker closes connections
def test_job_is_enqueued_once_until_its_period_has_passed() -> None:
    now = timezone.now()
    assert enqueue_if_due(JOB, now=now) is True
    assert enqueue_if_due(JOB, now=now + timedelta(days=1)) is False  # it still waits
    work(batch=True)
    assert enqueue_if_due(JOB, now=now + timedelta(seconds=30)) is False
    assert enqueue_if_due(JOB, now=now + timedelta(seconds=60)) is True
    assert DBTaskResult.objects.count() == 2


def test_running_job_is_not_enqueued_again() -> None:
    enqueued(status=TaskResultStatus.RUNNING)
    assert enqueue_if_due(JOB, now=timezone.now() + timedelta(days=1)) is False


@pytest.mark.django_db(transaction=True)
def test_workers_that_race_enqueue_one_job() -> None:
    outcomes: list[bool] = []
    barrier = threading.Barrier(4)

    def race() -> None:
        barrier.wait()
        try:
            outcomes.append(enqueue_if_due(JOB, now=timezone.now()))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=race) for _index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(outcomes) == [False, False, False, True]
    assert DBTaskResult.objects.count() == 1


# --- running --------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)  # the worker closes connections
def test_batch_runs_what_is_queued_and_signs_off() -> None:
    row, handler = enqueued(), signal.getsignal(signal.SIGTERM)
    work(batch=True)
    assert signal.getsignal(signal.SIGTERM) == handler
    row.refresh_from_db()
    assert row.status == TaskResultStatus.SUCCESSFUL
    assert set(row.return_value) == {"job_results", "sessions", "tokens", "workers"}
    assert JobWorker.objects.count() == 0


def test_beat_renews_the_row_and_the_file(tmp_path: Path) -> None:
    runner = JobRunner(alive_file=tmp_path / "alive")
    runner.beat()
    JobWorker.objects.update(seen_at=timezone.now() - timedelta(hours=1))
    runner.beat()
    row = JobWorker.objects.get()
    assert (row.pk, row.pid, row.host) == (runner.worker_id, os.getpid(), socket.gethostname())
    assert timezone.now() - row.seen_at < timedelta(seconds=10)
    assert (tmp_path / "alive").exists()


# --- lost jobs ------------------------------------------------------------------------------


def a_worker(*, pid: int | None = None, host: str = "elsewhere", silent_s: float = 0) -> JobWorker:
    now = timezone.now()
    return JobWorker.objects.create(
        id=f"w{JobWorker.objects.count()}",
        host=host,
        pid=os.getpid() if pid is None else pid,
        started_at=now,
        seen_at=now - timedelta(seconds=silent_s),
    )


def running_at(worker_ids: list[str], *, age_s: float = 1.0) -> DBTaskResult:
    started = timezone.now() - timedelta(seconds=age_s)
    return enqueued(status=TaskResultStatus.RUNNING, worker_ids=worker_ids, started_at=started)


def status_after_revival(row: DBTaskResult) -> str:
    revive_lost_jobs(now=timezone.now())
    row.refresh_from_db()
    return row.status


def test_job_of_a_living_worker_is_left_alone() -> None:
    row = running_at([a_worker(silent_s=20).pk], age_s=7200)
    assert status_after_revival(row) == TaskResultStatus.RUNNING


def test_job_of_a_silent_worker_is_queued_again() -> None:
    row = running_at([a_worker(silent_s=31).pk])
    assert status_after_revival(row) == TaskResultStatus.READY
    assert JobWorker.objects.count() == 0


def test_job_of_a_dead_process_of_this_host_is_queued_at_once() -> None:
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    row = running_at([a_worker(pid=done.pid, host=socket.gethostname()).pk])
    assert status_after_revival(row) == TaskResultStatus.READY


def test_job_without_any_worker_is_queued_after_an_hour() -> None:
    young, old = running_at(["unknown"], age_s=3000), running_at(["unknown"], age_s=4000)
    assert status_after_revival(young) == TaskResultStatus.RUNNING
    old.refresh_from_db()
    assert old.status == TaskResultStatus.READY


def test_job_that_is_lost_again_and_again_fails() -> None:
    row = running_at(["a"] * (MAX_STARTS - 1) + [a_worker(silent_s=60).pk])
    assert status_after_revival(row) == TaskResultStatus.FAILED
    assert row.exception_class_path == "neurogame.worker.WorkerLost"
    assert row.task_result.errors[0].exception_class.__name__ == "WorkerLost"


# --- housekeeping ---------------------------------------------------------------------------


def test_old_results_go_but_the_newest_of_each_job_stays() -> None:
    long_ago = timezone.now() - timedelta(days=3)
    finished = {"status": TaskResultStatus.SUCCESSFUL, "finished_at": long_ago}
    enqueued(**finished, enqueued_at=long_ago)
    newest = enqueued(**finished)
    failed = enqueued(
        status=TaskResultStatus.FAILED,
        finished_at=long_ago,
        enqueued_at=long_ago - timedelta(seconds=5),
    )
    assert prune_job_results() == 1
    assert set(DBTaskResult.objects.values_list("pk", flat=True)) == {newest.pk, failed.pk}


def test_expired_sessions_go() -> None:
    for key, days in (("old", -1), ("new", 1)):
        Session.objects.create(
            session_key=key, session_data="", expire_date=timezone.now() + timedelta(days=days)
        )
    tidy.call()
    assert [session.pk for session in Session.objects.all()] == ["new"]


# --- the process ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of an installation of its own, migrated."""
    environment = {
        **os.environ,
        "NEUROGAME_DB_PATH": str(tmp_path_factory.mktemp("worker") / "worker.sqlite3"),
        "URL_DATABASE": "",
        "DJANGO_SETTINGS_MODULE": "neurogame.settings",
    }
    command = [sys.executable, "manage.py", "migrate", "-v0"]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=120)
    return environment


def succeeded(environment: dict[str, str]) -> int:
    """How many runs of `tidy` the installation's database shows."""
    path = environment["NEUROGAME_DB_PATH"]
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        table = DBTaskResult._meta.db_table
        query = f"SELECT count(*) FROM {table} WHERE status = ? AND task_path = ?"
        return connection.execute(query, ["SUCCESSFUL", "neurogame.jobs.tidy"]).fetchone()[0]


def test_worker_process_runs_periodic_jobs_and_ends_on_sigterm(
    installation: dict[str, str], tmp_path: Path
) -> None:
    alive = tmp_path / "alive"
    command = [sys.executable, "manage.py", "worker", "--supervised", "--alive-file", str(alive)]
    process = subprocess.Popen(
        command, cwd=ROOT, env=installation, stderr=subprocess.PIPE, text=True
    )
    try:
        deadline = time.monotonic() + 60
        while succeeded(installation) < 1:
            time.sleep(0.05)
            assert time.monotonic() < deadline
            assert process.poll() is None
        assert alive.exists()
        process.send_signal(signal.SIGTERM)
        _out, errors = process.communicate(timeout=15)
        assert process.returncode == 0, errors
    finally:
        process.kill()
        process.communicate()


def lives(pid: int) -> bool:
    """Whether a process runs; one that nobody has collected yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_worker_process_ends_with_its_parent(installation: dict[str, str]) -> None:
    code = (
        "import subprocess, sys\n"
        "p = subprocess.Popen([sys.executable, 'manage.py', 'worker', '--supervised'])\n"
        "print(p.pid, flush=True)\n"
        "p.wait()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=installation,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout
    assert parent.stderr
    child = int(parent.stdout.readline())
    try:
        assert any("is ready for jobs" in line for line in parent.stderr)
        parent.kill()
        parent.wait()
        deadline = time.monotonic() + 20
        while lives(child):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        parent.stdout.close()
        parent.stderr.close()
        if lives(child):
            os.kill(child, signal.SIGKILL)
