"""What fails under a check: the server, the client, the disk, the clock, the queue, a person."""

from __future__ import annotations

import signal
import time
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta

import httpx
import pytest
from django.utils import timezone

from neurogame.checks import judging_bounds
from tasks import evaluation, in_line, jobs, leases, stuck
from tasks.judging import judge
from tasks.models import Assignment, AssignmentMove, Attempt, CodeRun
from tasks.runners import QueueFull, Runner, ThreadRunner
from tests.desk import assignment, attempt
from tests.interviews.test_chat_process import Candidate, make_server  # noqa: F401
from tests.tasks.factories import RIGHT, SessionFactory, TaskFactory
from tests.tasks.runner_support import ECHO, SPIN, eventually
from tests.tasks.sandbox_support import run

HOUR = timedelta(hours=1)
SLOW = "import time\ntime.sleep(0.3)\nprint('no')\n"


# --- A real server --------------------------------------------------------------------------------


def test_a_killed_server_a_client_that_leaves_and_one_who_hammers(make_server, caplog):  # noqa: F811
    server = make_server(JUDGE_LEASE_S="1", JUDGE_SLOTS="1")
    server.manage("load_tasks", "-v0")
    with Candidate(server.url) as candidate:
        session = {"session_id": candidate.session_id}
        task = candidate.http.get("/tasks/next", params=session).json()["task"]
        check = session | {"task_id": task["id"], "language": "python", "code": SLOW}

        # Killed between the claim and the commit; the same attempt is judged after the lease.
        first = check | {"submission_id": "first"}
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(candidate.http.post, "/tasks/check", json=first)
            eventually(lambda: state(candidate) == "evaluating", "the check is claimed")
            server.end(signal.SIGKILL)
            with pytest.raises(httpx.TransportError):
                asked.result(timeout=30)
        server.start()
        assert state(candidate) == "evaluating"
        judged = candidate.http.post("/tasks/check", json=first, timeout=60)
        assert (judged.status_code, judged.json()["attempt"]) == (200, 1)
        assert attempts(candidate) == [("first", 1)]

        # The client goes away in the middle of the next one.
        second = check | {"submission_id": "second"}
        with pytest.raises(httpx.ReadTimeout):
            candidate.http.post("/tasks/check", json=second, timeout=0.5)
        eventually(lambda: attempts(candidate) == [("first", 1), ("second", 2)], "it is judged", 60)

        # A thousand checks of one person: throttled, and the server answers others.
        caplog.set_level("WARNING", logger="httpx")
        with ThreadPoolExecutor(8) as pool:
            answers = list(
                pool.map(lambda _n: candidate.http.post("/tasks/check", json=second), range(1000))
            )
        codes = {answer.status_code for answer in answers}
        refused = [answer for answer in answers if answer.status_code == 429]
        assert codes == {200, 429}
        assert len(refused) >= 940
        assert all(1 <= int(answer.headers["Retry-After"]) <= 60 for answer in refused)
        assert server.answers()
        assert attempts(candidate) == [("first", 1), ("second", 2)]


def state(candidate):
    return candidate.http.get(f"/interview/{candidate.session_id}").json()["task_state"]


def attempts(candidate):
    """(submission, number) of the checks that were judged."""
    found = candidate.http.get(f"/interview/{candidate.session_id}").json()["attempts"]
    return [(one["submission_id"], one["attempt"]) for one in found if one["verdict"]]


# --- The disk ---------------------------------------------------------------------------------------

FILLS = """
import errno, os
seen = []
for folder in ("/tmp", "/w"):
    try:
        for n in range(1000):
            with open(f"{folder}/{n}", "wb", buffering=0) as file:
                assert file.write(bytes(1 << 20)) == 1 << 20
    except OSError as error:
        seen.append(errno.errorcode[error.errno])
    except AssertionError:
        seen.append("SHORT")
    for n in range(1000):
        if os.path.exists(f"{folder}/{n}"):
            os.remove(f"{folder}/{n}")
print(*seen)
"""


def test_a_program_on_a_full_disk_is_told_so_and_goes_on():
    first = run(FILLS)
    assert first.status == "OK", first.stderr
    assert set(first.stdout.split()) <= {"ENOSPC", "SHORT"}
    assert len(first.stdout.split()) == 2
    again = run("import os\nprint(sorted(os.listdir('/tmp')), len(os.listdir('/w')))")
    assert again.stdout == "[] 1\n"  # its own source, and nothing of the last one


# --- The clock --------------------------------------------------------------------------------------


class Clocks:
    """A wall clock that can be set, and a monotonic one that runs."""

    def __init__(self) -> None:
        self.wall, self.monotonic = 1_000_000.0, 50.0

    def watch(self) -> leases.WallClock:
        return leases.WallClock(lambda: self.wall, lambda: self.monotonic)

    def run(self, seconds: float) -> None:
        self.wall += seconds
        self.monotonic += seconds


@pytest.mark.parametrize("jump", [3600, -3600])
def test_after_a_jump_no_lease_is_taken_until_its_holder_had_time_to_renew_it(jump, settings):
    settings.JUDGE_LEASE_S = 20.0
    clocks = Clocks()
    watch = clocks.watch()
    clocks.run(100)
    assert watch.is_steady()
    clocks.wall += jump
    assert not watch.is_steady()
    clocks.run(19)
    assert not watch.is_steady()
    clocks.run(1)
    assert watch.is_steady()


def test_a_clock_that_is_nudged_is_steady():
    clocks = Clocks()
    watch = clocks.watch()
    for _ in range(10):
        clocks.run(5)
        clocks.wall += 0.5
        assert watch.is_steady()


@pytest.fixture
def lost(db):
    """An attempt whose process died."""
    task = assignment(
        state="evaluating", claimed_from="awaiting_solution", lease_token="dead",
        lease_until=timezone.now() - timedelta(seconds=1),
    )  # fmt: skip
    return attempt(to=task, progress="running", verdict="", number=None, code=RIGHT)


@pytest.fixture
def _drained(transactional_db):
    yield
    assert evaluation.drain(30)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_drained")
def test_a_live_lease_is_not_taken_while_the_clock_jumps(lost, monkeypatch):
    clocks = Clocks()
    monkeypatch.setattr(leases, "wall_clock", clocks.watch())
    clocks.wall += 3600
    assert evaluation.recover() == 0
    clocks.run(60)
    assert evaluation.recover() == 1
    assert evaluation.wait(lost, 30)
    assert (lost.verdict, lost.number) == ("AC", 1)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_drained")
@pytest.mark.parametrize("until", [timedelta(hours=1), None])
def test_a_lease_that_nobody_can_have_is_taken(lost, until):
    """One of a clock that was an hour ahead and set back since, and one without an end."""
    Assignment.objects.update(lease_until=until and timezone.now() + until)
    assert evaluation.recover() == 1
    assert evaluation.wait(lost, 30)


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
def test_a_running_program_does_not_notice_a_jump(monkeypatch, jump):
    """Its budgets are monotonic time: the wall clock jumps with every look at it."""
    real, looks = time.time, iter(range(1, 10**9))
    monkeypatch.setattr(time, "time", lambda: real() + jump * next(looks))
    assert run("import time\ntime.sleep(0.3)\nprint('done')").stdout == "done\n"


# --- The queue --------------------------------------------------------------------------------------


def test_a_line_of_threads_is_bounded():
    runner = ThreadRunner(slots=1, line_max=2)
    running = runner.submit(SPIN)
    eventually(running.running, "it is running")
    waiting = [runner.submit(ECHO) for _ in range(2)]
    assert runner.waiting() == 2
    with pytest.raises(QueueFull):
        runner.submit(ECHO).result(timeout=0)
    runner.shutdown()
    assert all(future.done() for future in (running, *waiting))


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_drained")
@pytest.mark.parametrize("path", ["run", "check"])
def test_past_the_bound_the_answer_is_503_and_nothing_is_claimed(api, candidate, settings, path):
    session = SessionFactory(candidate=candidate)
    TaskFactory()
    task = api.get("/tasks/next", {"session_id": str(session.pk)}).json()["task"]
    body = {
        "session_id": str(session.pk), "task_id": task["id"], "language": "python", "code": RIGHT,
    }  # fmt: skip
    settings.JUDGE_QUEUE_MAX = 0
    refused = api.post(f"/tasks/{path}", body, format="json")
    assert (refused.status_code, refused.json()["code"]) == (503, "judge_busy")
    assert int(refused["Retry-After"]) >= 1
    assert (Attempt.objects.count(), CodeRun.objects.count()) == (0, 0)
    assert Assignment.objects.get().state == "task_issued"
    settings.JUDGE_QUEUE_MAX = 200
    assert api.post(f"/tasks/{path}", body, format="json").status_code == 200


@pytest.mark.parametrize("name", ["JUDGE_QUEUE_MAX", "JUDGE_LEASE_S", "JUDGE_SLOTS"])
def test_bounds_that_judge_nothing_are_refused(settings, name):
    assert judging_bounds() == []
    setattr(settings, name, 0)
    (found,) = judging_bounds()
    assert (found.id, found.hint) == ("neurogame.E004", f"Set {name} to 1 or more.")


class Stalled(Runner):
    """A runner whose slots all hang; `started` of its jobs have left the line."""

    def __init__(self, *, started: bool) -> None:
        self.started = started

    def submit(self, job, *, cancelled=None):
        future: Future = Future()
        if self.started:
            future.set_running_or_notify_cancel()
        return future


@pytest.mark.django_db
@pytest.mark.parametrize(("started", "says"), [(True, "gave no answer"), (False, "nobody ran")])
def test_a_runner_that_never_answers_ends_as_an_internal_error(monkeypatch, started, says):
    monkeypatch.setattr(in_line, "get_runner", lambda: Stalled(started=started))
    monkeypatch.setattr(in_line, "LINE_MAX_S", 0.05)
    monkeypatch.setattr(in_line, "RUNNING_MAX_S", 0.05)
    row = attempt(progress="queued")
    evaluate = in_line.telling(Attempt.objects.filter(pk=row.pk))
    judgement = judge(row.assignment.task.spec(), language="python", source="", evaluate=evaluate)
    assert judgement.verdict == "IE"
    assert says in judgement.operator_detail


# --- What nobody finishes ---------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_run_that_nobody_asks_for_is_ended():
    task = assignment()
    long_ago = timezone.now() - stuck.GONE - timedelta(seconds=1)
    code = {"assignment": task, "language": "python", "code": "x", "progress": "running"}
    lost, live = CodeRun.objects.create(created_at=long_ago, **code), CodeRun.objects.create(**code)
    assert list(stuck.late(CodeRun.objects.all())) == [lost]
    assert jobs.free_stuck.call() == {"runs": 1, "tasks": 0}
    lost.refresh_from_db()
    live.refresh_from_db()
    assert (lost.verdict, lost.progress, live.progress) == ("IE", "done", "running")


@pytest.mark.django_db
def test_a_task_that_nobody_evaluates_is_opened_again():
    over = timezone.now() - timedelta(seconds=1)
    idle = assignment(state="evaluating", claimed_from="feedback_ready", lease_until=over)
    attempt(to=idle)
    live = assignment(state="evaluating", lease_until=timezone.now() + timedelta(seconds=20))
    under_way = assignment(state="evaluating", lease_until=over)
    attempt(to=under_way, progress="running", verdict="", number=None)

    assert jobs.free_stuck.call() == {"runs": 0, "tasks": 1}
    states = [Assignment.objects.get(pk=one.pk).state for one in (idle, live, under_way)]
    assert states == ["feedback_ready", "evaluating", "evaluating"]
    assert AssignmentMove.objects.get().note == "nobody evaluated it"
