"""Only a task whose present content is proven is given in interviews; the proof is a job."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from neurogame.worker import work
from tasks import jobs, publishing, slices
from tasks.models import CodingTask, TaskTest, Verification
from tasks.packages import BANK, discover, load, parse, store
from tasks.verification import Subject
from tests.interviews.test_chat_process import ROOT, Server
from tests.tasks.package_support import make_package, rewrite_tests, write
from tests.tasks.runner_support import eventually

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def task(tmp_path) -> CodingTask:
    """A task from a package that nobody has proven."""
    return store(parse(make_package(tmp_path / "double-it")))[0]


def reloaded(row):
    row.refresh_from_db()
    return row


def pending_jobs(job=jobs.verify):
    rows = DBTaskResult.objects.filter(task_path=job.module_path, status="READY")
    return [row.args_kwargs["args"][0] for row in rows]


def test_a_task_becomes_active_when_its_proof_passes(task):
    assert task.active
    asked = publishing.settle(task)
    assert (reloaded(task).active, asked.state, asked.total) == (False, "queued", 6)

    work(batch=True)

    row = reloaded(asked)
    assert (row.state, row.done, row.total, row.faults) == ("passed", 6, 6, [])
    assert (row.programs, row.killed, row.mutants) == (2, 4, 4)
    assert reloaded(task).active
    assert publishing.settle(task) is None


def test_a_task_with_a_surprise_does_not(task):
    task.programs.filter(expected="AC").update(expected="TLE")
    asked = publishing.settle(task)
    work(batch=True)

    assert reloaded(asked).state == "failed"
    assert asked.faults[0].startswith("AC/reference.py: TLE -> AC")
    assert not reloaded(task).active


@pytest.mark.parametrize(
    "change",
    [
        lambda task: CodingTask.objects.update(cpu_s=1.5),
        lambda task: CodingTask.objects.update(checker="exact"),
        lambda task: CodingTask.objects.update(equivalent_mutants=["python-00000000"]),
        lambda task: task.programs.filter(expected="WA").delete(),
        lambda task: TaskTest.objects.filter(name="hidden-3").update(stdin="30\n"),
        lambda task: TaskTest.objects.filter(name="hidden-3").update(visible=True),
    ],
)
def test_another_content_needs_another_proof(task, change):
    content = publishing.subject_of(task).fingerprint
    Verification.objects.create(task=task, fingerprint=content, state="passed")
    assert publishing.settle(task) is None
    change(task)
    assert publishing.settle(CodingTask.objects.get()) is not None


def test_a_title_needs_none(task):
    content = publishing.subject_of(task).fingerprint
    task.translations.update(title="Another")
    CodingTask.objects.update(difficulty=1.0)
    assert publishing.subject_of(CodingTask.objects.get()).fingerprint == content


def test_a_proof_of_an_earlier_content_is_given_up(task):
    first = publishing.request(task, publish=True)
    assert publishing.request(task, publish=True).pk == first.pk
    CodingTask.objects.update(cpu_s=1.5)
    second = publishing.request(task, publish=True)

    assert reloaded(first).state == "failed"
    assert "changed" in first.faults[0]
    assert not publishing.carry_on(first.pk)
    assert second.state == "queued"


def test_a_content_that_changes_under_the_proof_is_not_published(task):
    asked = publishing.settle(task)
    assert publishing.carry_on(asked.pk, seconds=0)
    CodingTask.objects.update(cpu_s=1.5)
    assert not publishing.carry_on(asked.pk)
    assert (reloaded(asked).state, reloaded(task).active) == ("failed", False)


def test_a_task_that_is_taken_out_does_not_come_back(task):
    asked = publishing.settle(task)
    publishing.settle(reloaded(task))  # saved as inactive meanwhile
    work(batch=True)
    assert (reloaded(asked).state, reloaded(task).active) == ("passed", False)


def test_a_proof_goes_on_in_slices(task):
    asked = publishing.settle(task)
    DBTaskResult.objects.all().delete()
    slices_taken = 0
    while publishing.carry_on(asked.pk, seconds=0.01):
        slices_taken += 1
        assert reloaded(asked).holder == ""
    assert slices_taken >= 3
    assert reloaded(asked).state == "passed"


def test_two_workers_do_not_do_the_same(task):
    asked = publishing.settle(task)
    with slices.held(Verification, asked.pk) as mine:
        assert mine is not None
        assert not publishing.carry_on(asked.pk)
        assert reloaded(asked).done == 0


def test_a_lost_proof_is_taken_up_again(task):
    """A worker is killed in the middle: its job is gone, the row still names a holder."""
    asked = publishing.settle(task)
    publishing.carry_on(asked.pk, seconds=0)
    DBTaskResult.objects.all().delete()
    Verification.objects.update(holder="elsewhere:1:dead", heartbeat=timezone.now())

    assert jobs.go_on.call() == {"verifications": 0, "rejudgings": 0}
    Verification.objects.update(heartbeat=timezone.now() - slices.SILENT - timedelta(seconds=1))
    assert jobs.go_on.call() == {"verifications": 1, "rejudgings": 0}
    assert jobs.go_on.call() == {"verifications": 0, "rejudgings": 0}
    assert pending_jobs() == [asked.pk]
    work(batch=True)
    assert (reloaded(asked).state, reloaded(task).active) == ("passed", True)


def test_a_killed_worker_leaves_its_proof_to_the_next(tmp_path):
    """Real processes: the first is killed in the middle, the second finds and finishes it."""
    server = Server(tmp_path)
    server.manage("migrate", "-v0")
    package = make_package(tmp_path / "double-it")
    slow = "import time\nn = int(input())\ntime.sleep(0.1)\nprint(2 * n)\n"
    write(package, "submissions/AC/reference.py", slow)
    server.manage("load_tasks", "-v0", str(package))

    def row():
        with closing(sqlite3.connect(tmp_path / "chat.sqlite3", timeout=10)) as database:
            fields = "done, total, state, active"
            joined = "tasks_verification JOIN tasks_codingtask ON task_id = tasks_codingtask.id"
            return database.execute(f"SELECT {fields} FROM {joined}").fetchone()

    def started():
        command = [sys.executable, "manage.py", "worker"]
        return subprocess.Popen(
            command, cwd=ROOT, env=server.environment, stderr=subprocess.DEVNULL
        )

    first = started()
    eventually(lambda: row()[0] >= 2, "some of it is done", 60)
    first.kill()
    first.wait()
    done, total, state, active = row()
    assert (done < total, state, active) == (True, "running", 0)
    second = started()
    try:
        eventually(lambda: row()[2:] == ("passed", 1), "it is finished", 60)
    finally:
        second.terminate()
        second.wait(30)
    assert row()[0] == total


def test_a_slice_that_lost_its_work_writes_nothing(task):
    asked = publishing.settle(task)
    with slices.held(Verification, asked.pk) as mine:
        Verification.objects.update(holder="elsewhere:1:another")
        mine.save(done=99)
    assert (reloaded(asked).done, asked.holder) == (0, "elsewhere:1:another")


def test_a_judge_that_fails_is_asked_again_and_then_given_up(task, settings):
    asked = publishing.settle(task)
    settings.RUNNER_REDIS_URL = "redis://127.0.0.1:1/0"  # nobody there
    for failures in range(1, publishing.FAILURES):
        assert not publishing.carry_on(asked.pk)
        assert (reloaded(asked).state, asked.failures) == ("running", failures)
    assert not publishing.carry_on(asked.pk)
    assert reloaded(asked).state == "failed"
    assert asked.faults[0].startswith("The judge failed: ")
    assert not reloaded(task).active


@pytest.fixture
def proofs(task, tmp_path):
    """A file that says that the task was proven by those who made it."""
    content = publishing.subject_of(task).fingerprint
    proof = {"content": content, "programs": 2, "mutants": 4, "killed": 4}
    path = tmp_path / "verified.json"
    path.write_text(json.dumps({"format": 1, "tasks": {"double-it": proof}}))
    return path


def test_loading_takes_over_what_was_proven_with_the_bank(task, proofs):
    assert publishing.settle_all(proofs) == 0
    row = Verification.objects.get()
    assert (row.state, row.shipped, row.share) == ("passed", True, 1.0)
    assert reloaded(task).active
    assert publishing.settle_all(proofs) == 0
    assert Verification.objects.count() == 1


def test_loading_does_not_take_it_over_for_what_an_operator_edited(task, proofs):
    CodingTask.objects.update(memory_mb=64)
    assert publishing.settle_all(proofs) == 1
    assert not reloaded(task).active


def test_loading_a_package_without_a_proof_asks_for_one(tmp_path, capsys):
    package = make_package(tmp_path / "double-it")
    call_command("load_tasks", package)
    out = capsys.readouterr().out.splitlines()
    assert out[1].startswith("1 task waits for the proof")
    row = Verification.objects.get()
    assert (row.publish, CodingTask.objects.get().active) == (True, False)
    call_command("load_tasks", package)
    assert (Verification.objects.count(), pending_jobs()) == (1, [row.pk])
    rewrite_tests(lambda tests: tests[2].update(stdin="50\n", expected="100\n"))(package)
    call_command("load_tasks", package)
    again = Verification.objects.first()
    assert (again.publish, again.state, reloaded(row).state) == (True, "queued", "failed")
    assert not CodingTask.objects.get().active


def test_a_package_and_its_rows_have_one_fingerprint():
    folders = list(discover([BANK]))[::6]
    load(folders)
    for folder in folders:
        subject = Subject.of(parse(folder))
        task = CodingTask.objects.get(slug=folder.name)
        assert publishing.subject_of(task).fingerprint == subject.fingerprint
