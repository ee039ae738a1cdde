"""The task endpoints with the real sandbox."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from tasks import evaluation, serializers
from tasks.models import Assignment, Attempt
from tests.tasks.factories import RIGHT, WRONG, SessionFactory, TaskFactory

pytestmark = pytest.mark.django_db(transaction=True)

RESULT = {
    "verdict",
    "stdout",
    "stderr",
    "duration",
    "memory_kb",
    "exit_code",
    "exit_signal",
    "compile_output",
    "truncated",
    "sandbox",
    "enforcement",
    "tests",
    "passed",
    "total",
}
VISIBLE = {
    "name",
    "visible",
    "verdict",
    "passed",
    "duration",
    "memory_kb",
    "stdin",
    "expected",
    "stdout",
    "stderr",
}


@pytest.fixture(autouse=True)
def _drained(transactional_db):
    yield
    assert evaluation.drain(30)


@pytest.fixture
def session(candidate):
    return SessionFactory(candidate=candidate)


@pytest.fixture
def task(session):
    return TaskFactory()


@pytest.fixture
def issued(api, session, task):
    """The reference of an issued task."""
    answer = api.get("/tasks/next", {"session_id": str(session.pk)}).json()
    assert answer["state"] == "task_issued"
    return {"session_id": str(session.pk), "task_id": answer["task"]["id"]}


def post(api, path, reference, code, language="python", **more):
    body = {**reference, "language": language, "code": code, **more}
    return api.post(f"/tasks/{path}", body, format="json")


def assignment_of(reference):
    return Assignment.objects.get(task_id=reference["task_id"])


def test_next_answers_the_task_without_its_hidden_tests(api, session, task):
    answer = api.get("/tasks/next", {"session_id": str(session.pk)})
    body = answer.json()
    assert {
        "id",
        "slug",
        "title",
        "statement",
        "track",
        "difficulty",
        "kind",
        "languages",
        "starter",
        "visible_tests",
        "limits",
        "time_limit_s",
        "issued_at",
    } <= set(body["task"])
    assert body["task"]["visible_tests"] == [
        {"name": "sample-1", "stdin": "1 2\n", "expected": "3\n"},
        {"name": "sample-2", "stdin": "2 2\n", "expected": "4\n"},
    ]
    assert "hidden" not in answer.content.decode()
    again = api.get("/tasks/next", {"session_id": str(session.pk)}).json()
    assert again["task"]["id"] == body["task"]["id"]


def test_the_schema_names_every_field_of_a_task_and_of_a_test(api, session, task):
    given = api.get("/tasks/next", {"session_id": str(session.pk)}).json()["task"]
    assert set(given) == set(serializers.TaskSerializer().fields)
    assert set(given["limits"]) == set(serializers.LimitsSerializer().fields)
    reference = {"session_id": str(session.pk), "task_id": given["id"]}
    for test in post(api, "check", reference, WRONG).json()["tests"]:
        assert set(test) <= set(serializers.TestResultSerializer().fields)


def test_run_judges_the_visible_tests_and_costs_nothing(api, issued):
    answer = post(api, "run", issued, WRONG)
    assert answer.status_code == 200
    body = answer.json()
    assert set(body) >= RESULT
    assert (body["verdict"], body["passed"], body["total"]) == ("AC", 2, 2)
    assert set(body["tests"][0]) >= VISIBLE
    assert "attempt" not in body
    assert assignment_of(issued).attempts_used == 0
    assert assignment_of(issued).state == "awaiting_solution"


def test_run_on_own_input_compares_nothing(api, issued):
    body = post(api, "run", issued, RIGHT, stdin="20 22").json()
    assert (body["verdict"], body["stdout"], body["tests"], body["total"]) == ("AC", "42\n", [], 0)


def test_check_wrong_then_right(api, session, issued):
    wrong = post(api, "check", issued, WRONG).json()
    assert (wrong["verdict"], wrong["passed"], wrong["total"]) == ("WA", 2, 3)
    assert (wrong["attempt"], wrong["score"], wrong["state"]) == (1, 0.67, "feedback_ready")
    hidden = wrong["tests"][2]
    assert hidden == {
        "name": "hidden-2",
        "visible": False,
        "verdict": "WA",
        "passed": False,
        "duration": None,
    }
    right = post(api, "check", issued, RIGHT).json()
    assert (right["verdict"], right["attempt"], right["score"]) == ("AC", 2, 1.0)
    assignment = assignment_of(issued)
    assert (assignment.state, assignment.close_reason) == ("closed", "accepted")
    assert [(m.old, m.new) for m in assignment.moves.all()] == [
        ("", "task_issued"),
        ("task_issued", "awaiting_solution"),
        ("awaiting_solution", "evaluating"),
        ("evaluating", "feedback_ready"),
        ("feedback_ready", "evaluating"),
        ("evaluating", "feedback_ready"),
        ("feedback_ready", "closed"),
    ]
    session.refresh_from_db()
    assert session.theta > 0
    attempts = api.get(f"/interview/{session.pk}").json()["attempts"]
    assert [(a["attempt"], a["verdict"], a["code"]) for a in attempts] == [
        (1, "WA", WRONG),
        (2, "AC", RIGHT),
    ]


def test_check_is_idempotent_under_its_submission_id(api, issued):
    first = post(api, "check", issued, WRONG, submission_id="s1").json()
    again = post(api, "check", issued, WRONG, submission_id="s1").json()
    assert again == first
    assert Attempt.objects.count() == 1
    other = post(api, "check", issued, RIGHT, submission_id="s1")
    assert (other.status_code, other.json()["code"]) == (409, "submission_conflict")


def test_five_attempts_close_the_task(api, session, issued):
    for number in range(1, 6):
        body = post(api, "check", issued, f"{WRONG}# {number}").json()
        assert body["attempt"] == number
    assert body["state"] == "closed"
    refused = post(api, "check", issued, RIGHT)
    assert refused.status_code == 409
    assert (refused.json()["state"], refused.json()["close_reason"]) == ("closed", "attempts")
    end = api.get("/tasks/next", {"session_id": str(session.pk)}).json()
    assert end == {"state": "finished", "task": None, "reason": "bank"}


def test_next_task_is_another_one(api, session, issued):
    TaskFactory()
    post(api, "check", issued, RIGHT)
    answer = api.get("/tasks/next", {"session_id": str(session.pk)}).json()
    assert answer["task"]["id"] != issued["task_id"]


def test_skip_closes_once(api, session, issued):
    assert api.post("/tasks/skip", issued, format="json").json() == {"ok": True}
    again = api.post("/tasks/skip", issued, format="json")
    assert (again.status_code, again.json()["close_reason"]) == (409, "skipped")
    assert assignment_of(issued).close_reason == "skipped"
    refused = post(api, "check", issued, RIGHT)
    assert (refused.status_code, refused.json()["task_state"]) == (409, "closed")


def test_a_compile_error_is_an_attempt(api, issued):
    body = post(api, "check", issued, "def x(:\n").json()
    assert (body["verdict"], body["attempt"], body["tests"]) == ("CE", 1, [])
    assert "SyntaxError" in body["compile_output"]


def test_without_a_sandbox_a_check_is_an_ie_and_costs_nothing(api, issued, settings, monkeypatch):
    from tasks.sandbox.base import SandboxUnavailable

    def unavailable(*args, **kwargs):
        raise SandboxUnavailable("no user namespaces")

    monkeypatch.setattr("tasks.runners.get_sandbox", unavailable)
    before = assignment_of(issued).deadline
    body = post(api, "check", issued, RIGHT).json()
    assert (body["verdict"], body["attempt"], body["state"]) == ("IE", 0, "awaiting_solution")
    assert "namespaces" not in str(body)
    attempt = Attempt.objects.get()
    assert attempt.number is None
    assert "no user namespaces" in attempt.operator_detail
    assert assignment_of(issued).deadline > before


def test_too_large_code_and_input_are_413(api, issued):
    for path, code, more in (
        ("check", "#" * (128 * 1024 + 1), {}),
        ("run", "#" * (128 * 1024 + 1), {}),
        ("run", "#", {"stdin": "x" * (64 * 1024 + 1)}),
    ):
        answer = post(api, path, issued, code, **more)
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"language": "cobol"}, "language"),
        ({"code": None}, "code"),
        ({"code": 7.5, "language": None}, "language"),
        ({"code": "a\u0000b"}, "code"),
    ],
)
def test_check_refuses(api, issued, body, field):
    answer = api.post(
        "/tasks/check", {**issued, "language": "python", "code": "x", **body}, format="json"
    )
    assert answer.status_code == 400
    assert field in answer.json()["errors"]


def test_output_that_a_database_cannot_hold_is_no_error(api, issued):
    body = post(api, "run", issued, "print('a\\x00b\\udc80'.encode('utf-8', 'replace'))").json()
    assert body["verdict"] == "WA"
    answer = post(api, "run", issued, "import sys; sys.stdout.buffer.write(b'a\\x00\\xff')")
    assert (answer.status_code, answer.json()["verdict"]) == (200, "WA")


def test_run_and_check_are_throttled_together(api, issued, settings):
    settings.THROTTLES = {**settings.THROTTLES, "judge": (2, 60)}
    assert post(api, "run", issued, WRONG).status_code == 200
    assert post(api, "check", issued, WRONG).status_code == 200
    refused = post(api, "run", issued, WRONG)
    assert refused.status_code == 429
    assert int(refused["Retry-After"]) >= 1


def test_slow_evaluation_is_202_until_it_is_done(api, issued, settings):
    settings.JUDGE_WAIT_S = 0.05
    code = "import time; time.sleep(1)\n" + RIGHT
    queued = post(api, "check", issued, code, submission_id="slow")
    assert queued.status_code == 202
    assert set(queued.json()) == {"run_id", "status"}
    racing = post(api, "check", issued, RIGHT)
    assert (racing.status_code, racing.json()["state"]) == (409, "evaluating")
    settings.JUDGE_WAIT_S = 20
    done = post(api, "check", issued, code, submission_id="slow").json()
    assert (done["verdict"], done["attempt"]) == ("AC", 1)
    result = api.get(f"/tasks/runs/{queued.json()['run_id']}")
    assert (result.status_code, result.json()) == (200, done)


def test_a_crash_during_evaluation_is_evaluated_again_as_the_same_attempt(api, issued):
    assignment = assignment_of(issued)
    attempt = Attempt.objects.create(
        assignment=assignment, language="python", code=RIGHT, submission_id="lost"
    )
    Assignment.objects.filter(pk=assignment.pk).update(
        state="evaluating",
        claimed_from="awaiting_solution",
        lease_token="dead",
        lease_until=timezone.now() - timedelta(seconds=1),
    )
    assert evaluation.recover() == 1
    assert evaluation.recover() == 0
    assert evaluation.wait(attempt, 20)
    assert (attempt.verdict, attempt.number) == ("AC", 1)
    assert assignment_of(issued).state == "closed"


def test_draft_versions(api, session, issued):
    def put(code, version):
        return api.put(
            "/tasks/draft",
            {**issued, "language": "python", "code": code, "version": version},
            format="json",
        )

    first = put("one", 1)
    assert (first.status_code, set(first.json())) == (200, {"ok", "version", "saved_at"})
    assert put("one", 1).status_code == 200
    assert put("two", 2).json()["version"] == 2
    stale = put("other", 2)
    assert (stale.status_code, stale.json()["draft"]["code"]) == (409, "two")
    body = api.get(f"/interview/{session.pk}").json()
    assert set(body["draft"]) == {"task_id", "language", "code", "version", "saved_at"}
    assert (body["draft"]["code"], body["task_state"]) == ("two", "awaiting_solution")


def test_the_last_draft_is_checked_once_when_time_is_over(api, session, issued):
    from interviews import flow

    api.put(
        "/tasks/draft",
        {**issued, "language": "python", "code": RIGHT, "version": 1},
        format="json",
    )
    past = timezone.now() - timedelta(minutes=5)
    Assignment.objects.update(issued_at=past - timedelta(minutes=1), deadline=past)
    refused = post(api, "check", issued, RIGHT)
    assert (refused.status_code, refused.json()["close_reason"]) == (409, "time")
    assert flow.sweep()["drafts"] == 1
    attempt = Attempt.objects.get()
    assert evaluation.wait(attempt, 20)
    assert flow.sweep()["drafts"] == 0
    assert (attempt.automatic, attempt.verdict, attempt.number) == (True, "AC", 1)
    assignment = assignment_of(issued)
    assert (assignment.state, assignment.close_reason) == ("closed", "accepted")


def test_a_function_task_takes_own_arguments(api, session):
    TaskFactory(kind="function", entry="add", checker="json")
    answer = api.get("/tasks/next", {"session_id": str(session.pk)}).json()
    reference = {"session_id": str(session.pk), "task_id": answer["task"]["id"]}
    code = "def add(a, b):\n    return a + b\n"
    own = post(api, "run", reference, code, args=[4, 5]).json()
    assert (own["verdict"], own["returned"], own["tests"]) == ("AC", "9", [])
    assert post(api, "check", reference, code).json()["verdict"] == "AC"


def test_another_candidates_run_is_404(api, stranger_api, issued, settings):
    settings.JUDGE_WAIT_S = 0
    run_id = post(api, "run", issued, RIGHT).json()["run_id"]
    answer = stranger_api.get(f"/tasks/runs/{run_id}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
