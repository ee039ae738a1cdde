"""Requests that race for the same move: one makes it, the others are told."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from tasks import evaluation
from tasks.models import Assignment, AssignmentMove, Attempt
from tests.conftest import bearer_client
from tests.tasks.factories import SessionFactory, TaskFactory

pytestmark = pytest.mark.django_db(transaction=True)

RACERS = 6
SLOW_AND_WRONG = "import time\ntime.sleep(0.4)\nprint(input())\n"


@pytest.fixture(autouse=True)
def _drained(transactional_db):
    yield
    assert evaluation.drain(30)


@pytest.fixture
def session(candidate):
    session = SessionFactory(candidate=candidate)
    TaskFactory()
    TaskFactory()
    return session


def at_once(user, ask):
    """The answers of `RACERS` clients that send `ask(client, number)` at the same moment."""
    start = threading.Barrier(RACERS)

    def race(number):
        client = bearer_client(user)
        start.wait(30)
        try:
            return ask(client, number)
        finally:
            connection.close()

    with ThreadPoolExecutor(RACERS) as pool:
        return list(pool.map(race, range(RACERS)))


def check(client, session, task_id, submission_id):
    body = {
        "session_id": str(session.pk),
        "task_id": task_id,
        "language": "python",
        "code": SLOW_AND_WRONG,
        "submission_id": submission_id,
    }
    return client.post("/tasks/check", body, format="json")


@pytest.fixture
def task_id(api, session):
    answer = api.get("/tasks/next", {"session_id": str(session.pk)})
    return answer.json()["task"]["id"]


def test_one_task_is_issued_to_all_who_ask_at_once(candidate, session):
    answers = at_once(
        candidate, lambda client, _n: client.get("/tasks/next", {"session_id": str(session.pk)})
    )
    assert {answer.status_code for answer in answers} == {200}
    (assignment,) = Assignment.objects.all()
    assert {answer.json()["task"]["id"] for answer in answers} == {str(assignment.task_id)}
    assert AssignmentMove.objects.count() == 1


def test_of_racing_checks_one_claims_the_task_and_the_others_are_409(candidate, session, task_id):
    answers = at_once(
        candidate, lambda client, number: check(client, session, task_id, f"s-{number}")
    )
    judged = [answer for answer in answers if answer.status_code == 200]
    refused = [answer for answer in answers if answer.status_code == 409]
    assert len(judged) + len(refused) == RACERS
    assert refused, "nothing raced"
    assert {answer.json()["code"] for answer in refused} == {"evaluating"}
    assert {answer.json()["state"] for answer in refused} == {"evaluating"}
    assert AssignmentMove.objects.filter(new="evaluating").count() == len(judged)
    numbers = [attempt.number for attempt in Attempt.objects.order_by("number")]
    assert numbers == list(range(1, len(judged) + 1))


def test_one_submission_sent_by_all_at_once_is_one_attempt(candidate, session, task_id):
    answers = at_once(candidate, lambda client, _n: check(client, session, task_id, "same"))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    (attempt,) = Attempt.objects.all()
    assert attempt.number == 1
    assert Assignment.objects.get().attempts_used == 1
