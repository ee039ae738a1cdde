"""Section 7 of the contract, sentence by sentence, with the real sandbox."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import time
from contextlib import suppress
from datetime import timedelta

import httpx
import pytest
from django.utils import timezone

from interviews import flow
from interviews.models import InterviewSession
from tasks import evaluation, leases
from tasks.models import Assignment, Attempt, CodeRun, Progress, TaskTest
from tests.contract.racing import race
from tests.interviews.chat_tools import until
from tests.interviews.test_chat_process import Server
from tests.tasks.factories import RIGHT, WRONG, SessionFactory, TaskFactory

pytestmark = pytest.mark.django_db(transaction=True)

SLOW = "import time; time.sleep(0.4)\n" + RIGHT
SLOW_WRONG = "import time; time.sleep(0.4)\n" + WRONG
HIDDEN = ("4242421", "4273758")  # a number of the hidden test's input, and its expected output


@pytest.fixture(autouse=True)
def _drained(transactional_db):
    yield
    assert evaluation.drain(30)


@pytest.fixture
def session(candidate):
    return SessionFactory(candidate=candidate)


@pytest.fixture
def reference(api, session):
    """An issued task with a hidden test that can be recognised anywhere."""
    task = TaskFactory(cpu_s=0.5)
    given, expected = HIDDEN
    TaskTest.objects.filter(task=task, visible=False).update(
        stdin=f"31337 {given}\n", expected=f"{expected}\n"
    )
    return issue(api, session)


def issue(api, session):
    task = api.get("/tasks/next", {"session_id": str(session.pk)}).json()["task"]
    return {"session_id": str(session.pk), "task_id": task["id"]}


@pytest.fixture
def send(api, reference):
    def post(path, code=RIGHT, **more):
        body = {**reference, "language": "python", "code": code, **more}
        return api.post(f"/tasks/{path}", body, format="json")

    return post


def save(api, reference, code, version):
    body = {**reference, "language": "python", "code": code, "version": version}
    return api.put("/tasks/draft", body, format="json")


def answers(responses):
    return sorted((r.status_code, r.json().get("state")) for r in responses)


def moves():
    return [(move.old, move.new) for move in Assignment.objects.get().moves.all()]


@pytest.fixture
def broken_sandbox(settings):
    """A choice that this version does not have: every evaluation is an internal error."""
    settings.SANDBOX = "nowhere"


# --- Moves and races ----------------------------------------------------------------------------


def test_of_racing_checks_one_claims_and_the_others_are_told_the_state(send):
    found = race(*(lambda n=n: send("check", f"{SLOW_WRONG}# {n}") for n in range(4)))
    assert answers(found) == [(200, "feedback_ready")] + [(409, "evaluating")] * 3
    refused = next(r.json() for r in found if r.status_code == 409)
    assert (refused["task_state"], refused["session_state"]) == ("evaluating", "active")
    assert Attempt.objects.get().number == 1


def test_the_same_submission_arriving_at_once_is_one_attempt_with_one_answer(send):
    found = race(*(lambda: send("check", SLOW, submission_id="same") for _ in range(4)))
    assert [r.status_code for r in found] == [200] * 4
    assert len({r.content for r in found}) == 1
    assert Attempt.objects.count() == 1
    assert moves().count(("awaiting_solution", "evaluating")) == 1


def test_racing_next_issues_one_task(api, session):
    TaskFactory()
    TaskFactory()
    found = race(*(lambda: issue(api, session)["task_id"] for _ in range(4)))
    assert len(set(found)) == 1
    assert moves() == [("", "task_issued")]


def test_of_two_skips_one_is_refused(api, reference):
    found = race(*(lambda: api.post("/tasks/skip", reference, format="json") for _ in range(2)))
    assert answers(found) == [(200, None), (409, "closed")]
    assert moves()[-1] == ("task_issued", "closed")


def test_a_skip_never_takes_a_task_from_under_its_evaluation(api, send, reference):
    checked, skipped = race(
        lambda: send("check", SLOW), lambda: api.post("/tasks/skip", reference, format="json")
    )
    assert sorted([checked.status_code, skipped.status_code]) == [200, 409]
    state = Assignment.objects.get()
    if checked.status_code == 200:
        assert (state.attempts_used, skipped.json()["state"]) == (1, "evaluating")
    else:
        assert (state.close_reason, checked.json()["state"]) == ("skipped", "closed")


def test_finishing_during_an_evaluation_keeps_its_result(api, send, session, settings):
    settings.JUDGE_WAIT_S = 0.05
    run_id = send("check", SLOW_WRONG, submission_id="s").json()["run_id"]
    api.post("/interview/finish", {"session_id": str(session.pk)}, format="json")
    end = api.get("/tasks/next", {"session_id": str(session.pk)}).json()
    assert end == {"state": "finished", "task": None, "reason": "ended"}
    assert evaluation.drain(20)
    result = api.get(f"/tasks/runs/{run_id}").json()
    assert (result["verdict"], result["attempt"]) == ("WA", 1)
    assert send("check", SLOW_WRONG, submission_id="s").json() == result
    body = api.get(f"/interview/{session.pk}").json()
    assert (body["task_state"], body["attempts"][0]["verdict"]) == ("closed", "WA")


def test_a_write_after_the_end_names_every_state(api, send, session):
    api.post("/interview/finish", {"session_id": str(session.pk)}, format="json")
    refused = send("run").json()
    assert (refused["state"], refused["session_state"], refused["task_state"]) == (
        "finished",
        "finished",
        "closed",
    )


def test_next_says_what_field_is_missing(api):
    answer = api.get("/tasks/next")
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["session_id"])


@pytest.mark.parametrize(
    ("setting", "value", "reason"),
    [("SELECTION_LENGTH", 1, "length"), ("SELECTION_SE", 99.0, "precise"), (None, None, "bank")],
)
def test_next_says_why_there_is_no_more(api, session, reference, settings, setting, value, reason):
    if setting:
        TaskFactory()
        setattr(settings, setting, value)
    api.post("/tasks/skip", reference, format="json")
    end = api.get("/tasks/next", {"session_id": str(session.pk)}).json()
    assert end == {"state": "finished", "task": None, "reason": reason}


def test_time_that_is_added_gives_another_task(api, session):
    TaskFactory()
    InterviewSession.objects.update(ends_at=timezone.now() + timedelta(seconds=30))
    ask = {"session_id": str(session.pk)}
    assert api.get("/tasks/next", ask).json()["reason"] == "time"
    InterviewSession.objects.update(ends_at=timezone.now() + timedelta(minutes=10))
    assert api.get("/tasks/next", ask).json()["state"] == "task_issued"


# --- Limits -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "code", "more", "status"),
    [
        ("run", "#" + "a" * (128 * 1024 - 1), {}, 200),
        ("check", "#" + "я" * (64 * 1024 - 1) + "a", {}, 200),
        ("check", "#" + "я" * (64 * 1024), {}, 413),
        ("run", RIGHT, {"stdin": "1 1" + "\n" * (64 * 1024 - 3)}, 200),
        ("run", RIGHT, {"stdin": "1 1" + "\n" * (64 * 1024 - 2)}, 413),
    ],
)
def test_sizes_are_counted_in_bytes_to_the_last(send, path, code, more, status):
    assert send(path, code, **more).status_code == status


def test_own_arguments_are_measured_as_compact_json(api, session):
    TaskFactory(kind="function", entry="add", checker="json")
    reference = issue(api, session)
    body = {**reference, "language": "python", "code": "def add(a):\n    return len(a)\n"}
    fits = {**body, "args": ["я" * (32 * 1024 - 2)]}  # and `[""]`
    answer = api.post("/tasks/run", fits, format="json")
    assert (answer.status_code, answer.json()["returned"]) == (200, "32766")
    more = {**body, "args": ["я" * (32 * 1024 - 2) + "a"]}
    assert api.post("/tasks/run", more, format="json").status_code == 413
    literal = {**body, "args": ["\\u0000"]}
    assert api.post("/tasks/run", literal, format="json").json()["returned"] == "6"
    for odd in ('"\\u0000"', '"\\ud800"', "1e999"):
        text = json.dumps(body)[:-1] + f', "args": [{odd}]}}'
        refused = api.post("/tasks/run", text, content_type="application/json")
        assert (refused.status_code, list(refused.json()["errors"])) == (400, ["args"])


def test_a_submission_without_an_id_is_always_a_new_one(send):
    for number, given in enumerate(("", None), 1):
        assert send("check", WRONG, submission_id=given).json()["attempt"] == number


@pytest.mark.parametrize(
    ("code", "verdict", "exit_code", "exit_signal", "truncated"),
    [
        ("import sys; sys.stdout.buffer.write(b'\\xff\\x00')", "AC", 0, None, False),
        ("import sys; sys.exit(7)", "RTE", 7, None, False),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "RTE", None, "SIGSEGV", False),
        ("while True: pass", "TLE", None, "SIGKILL", False),
        ("import time; time.sleep(60)", "TLE", None, "SIGKILL", False),
        ("while True: print('x' * 999)", "OLE", None, "SIGKILL", True),
    ],
)
def test_a_run_on_own_input_says_how_it_ended(
    send, code, verdict, exit_code, exit_signal, truncated
):
    body = send("run", code, stdin="").json()
    assert (body["verdict"], body["exit_code"], body["exit_signal"], body["truncated"]) == (
        verdict,
        exit_code,
        exit_signal,
        truncated,
    )
    assert (body["tests"], body["total"]) == ([], 0)
    if verdict == "OLE":
        assert len(body["stdout"].encode()) == 64 * 1024


# --- Hidden tests -------------------------------------------------------------------------------


def test_nothing_of_a_hidden_test_ever_leaves(api, send, session, client, candidate):
    from interviews.interviewer import prompts, script
    from interviews.interviewer.assemble import context_for

    tell = "import sys; t = sys.stdin.read(); print(t); sys.stderr.write(t); 1 / 0"
    said = [send("run", tell), send("check", tell), send("check", RIGHT + "print('x')")]
    client.force_login(candidate)
    said += [
        api.get(f"/interview/{session.pk}"),
        api.get("/tasks/next", {"session_id": str(session.pk)}),
        client.get("/interview/"),
    ]
    texts = [answer.content.decode() for answer in said]
    assert [answer.status_code for answer in said] == [200] * 6
    messages = session.messages.filter(kind="verdict")
    assert len(messages) == 2
    for context in map(context_for, messages):
        texts += [repr(context), script.reply(context), repr(prompts.messages_for(context))]
    assert not [text for text in texts if any(secret in text for secret in HIDDEN)]
    hidden = said[1].json()["tests"][2]
    assert set(hidden) == {"name", "visible", "verdict", "passed", "duration"}


# --- Internal errors ----------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["run", "check"])
def test_an_internal_error_gives_its_time_back(send, broken_sandbox, path):
    before = Assignment.objects.get()
    ends_at = InterviewSession.objects.get().ends_at
    found = race(lambda: send(path), lambda: send(path))
    took = timezone.now() - before.issued_at
    body = next(answer.json() for answer in found if answer.status_code == 200)
    assert (body["verdict"], body.get("attempt", 0)) == ("IE", 0)
    assert "nowhere" not in json.dumps(body)
    after = Assignment.objects.get()
    assert (after.attempts_used, after.state) == (0, "awaiting_solution")
    assert timedelta(0) < after.deadline - before.deadline < took
    assert InterviewSession.objects.get().ends_at - ends_at == after.deadline - before.deadline


def test_an_internal_error_goes_back_to_where_it_was_claimed(send, settings):
    assert send("check", WRONG).json()["state"] == "feedback_ready"
    settings.SANDBOX = "nowhere"
    assert send("check", RIGHT).json()["state"] == "feedback_ready"
    settings.SANDBOX = "auto"
    assert send("check", RIGHT).json()["attempt"] == 2


# --- The last draft -----------------------------------------------------------------------------


@pytest.fixture
def ended(api, reference):
    """The task's time ended five minutes ago, with a draft that was never checked."""
    assert save(api, reference, WRONG, 1).status_code == 200
    past = timezone.now() - timedelta(minutes=5)
    Assignment.objects.update(issued_at=past - timedelta(minutes=9), deadline=past)
    return reference


def test_a_last_draft_is_checked_when_the_sandbox_works_again(ended, settings):
    settings.SANDBOX = "nowhere"
    assert flow.sweep()["drafts"] == 1
    assert evaluation.drain(20)
    attempt = Attempt.objects.get()
    assert (attempt.progress, attempt.number) == (Progress.QUEUED, None)
    assert "nowhere" in attempt.operator_detail
    settings.SANDBOX = "auto"
    assert flow.sweep() == {"closed": 0, "drafts": 0, "recovered": 0}
    later = timezone.now() + evaluation.RETRY_AUTOMATIC
    assert flow.sweep(later)["recovered"] == 1
    assert evaluation.wait(attempt, 20)
    assert (attempt.verdict, attempt.number) == ("WA", 1)
    assert flow.sweep()["drafts"] == 0


def test_a_draft_is_taken_for_one_minute_after_the_task(api, ended):
    Assignment.objects.update(deadline=timezone.now() - timedelta(seconds=50))
    assert save(api, ended, RIGHT, 2).status_code == 200
    assert flow.sweep()["drafts"] == 0
    Assignment.objects.update(closed_at=timezone.now() - timedelta(seconds=61))
    late = save(api, ended, "late", 3)
    assert (late.status_code, late.json()["close_reason"]) == (409, "time")
    assert flow.sweep()["drafts"] == 1


def test_after_finishing_the_last_draft_is_checked_once(api, session, reference):
    save(api, reference, RIGHT, 1)
    api.post("/interview/finish", {"session_id": str(session.pk)}, format="json")
    assert flow.sweep()["drafts"] == 0
    assert flow.sweep(timezone.now() + timedelta(seconds=61))["drafts"] == 1
    assert evaluation.drain(20)
    assert flow.sweep(timezone.now() + timedelta(seconds=99))["drafts"] == 0
    body = api.get(f"/interview/{session.pk}").json()
    assert [(a["verdict"], a["attempt"]) for a in body["attempts"]] == [("AC", 1)]
    assert not session.messages.filter(kind="verdict").exists()


def test_of_drafts_from_two_tabs_one_wins_and_the_other_is_shown_it(api, reference):
    found = race(lambda: save(api, reference, "one", 1), lambda: save(api, reference, "two", 1))
    assert sorted(r.status_code for r in found) == [200, 409]
    refused = next(r.json() for r in found if r.status_code == 409)
    kept = api.get(f"/interview/{reference['session_id']}").json()["draft"]
    assert refused["draft"] == kept
    assert refused["code"] == "draft_conflict"


# --- Leases -------------------------------------------------------------------------------------


def test_an_evaluation_in_line_keeps_its_lease(send, settings):
    settings.JUDGE_WAIT_S = 0.05
    send("check", SLOW)
    claimed = Assignment.objects.get()
    Assignment.objects.update(lease_until=timezone.now() + timedelta(seconds=1))
    assert leases.renew() == 1
    assert Assignment.objects.get().lease_until >= claimed.lease_until - timedelta(seconds=1)
    assert flow.sweep()["recovered"] == 0
    assert evaluation.drain(20)
    assert leases.renew() == 0


def test_an_evaluation_that_is_called_off_gives_its_lease_up(send, monkeypatch):
    from tasks.sandbox.base import Cancelled

    def ending(*_arguments, **_options):
        raise Cancelled("this process is ending")

    with monkeypatch.context() as patch:
        patch.setattr(evaluation, "judge", ending)
        patch.setattr(evaluation, "POLL_S", 0.01)
        attempt = evaluation.start_check(
            Assignment.objects.get(), language="python", code=RIGHT, submission_id="s"
        )
        assert evaluation.drain(5)
    assert flow.sweep()["recovered"] == 1
    assert evaluation.wait(attempt, 20)
    assert (attempt.verdict, attempt.number) == ("AC", 1)


def test_a_run_that_was_lost_is_run_again(api, send):
    lost = CodeRun.objects.create(
        assignment=Assignment.objects.get(), language="python", code=RIGHT, progress="running"
    )
    assert api.get(f"/tasks/runs/{lost.pk}").status_code == 202
    assert evaluation.drain(20)
    answer = api.get(f"/tasks/runs/{lost.pk}")
    assert (answer.status_code, answer.json()["verdict"]) == (200, "AC")


# --- The real server ----------------------------------------------------------------------------


@pytest.fixture
def server(tmp_path, database):
    shutil.copy(database, tmp_path / "chat.sqlite3")
    made = Server(tmp_path, CHAT_SCRIPT_SECONDS="0")
    yield made.start()
    made.end()


def test_a_killed_servers_evaluation_is_finished_by_the_next_as_the_same_attempt(server, tmp_path):
    with httpx.Client(base_url=server.url, timeout=60) as http:

        def post(path, **body):
            return http.post(path, json=body)

        account = post("/auth/register", nickname="grace", password="a long pass phrase 7").json()
        http.headers["Authorization"] = f"Bearer {account['access']}"
        started = post("/interview/start", track="algorithms", level="junior").json()
        session = {"session_id": started["session_id"]}
        task = http.get("/tasks/next", params=session).json()["task"]
        submission = {
            **session,
            "task_id": task["id"],
            "language": "python",
            "code": "import time; time.sleep(0.5)\nprint('no')",
            "submission_id": "one",
        }

        def judging():
            body = http.get(f"/interview/{started['session_id']}").json()
            return body["task_state"] == "evaluating"

        with suppress(httpx.TransportError):  # a client that goes away
            httpx.post(
                f"{server.url}/tasks/check", json=submission, headers=http.headers, timeout=0.3
            )
        until(judging)
        server.end(signal.SIGKILL)
        with sqlite3.connect(tmp_path / "chat.sqlite3") as database:  # the lease's time passes
            database.execute("UPDATE tasks_assignment SET lease_until = '2026-01-01 00:00:00'")
        database.close()
        server.start()
        other = post("/tasks/check", **{**submission, "code": "print(2)"})
        assert (other.status_code, other.json()["code"]) == (409, "submission_conflict")
        answer = post("/tasks/check", **submission)
        while answer.status_code == 202:
            assert set(answer.json()) == {"run_id", "status"}
            time.sleep(0.2)
            answer = http.get(f"/tasks/runs/{answer.json()['run_id']}")
        body = answer.json()
        assert (body["verdict"], body["attempt"], body["state"]) == ("WA", 1, "feedback_ready")
        assert post("/tasks/check", **submission).json() == body
        whole = http.get(f"/interview/{started['session_id']}").json()
        assert [a["attempt"] for a in whole["attempts"]] == [1]
