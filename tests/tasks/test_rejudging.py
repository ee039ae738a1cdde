"""Judging attempts again: what changes, what does not, and that it survives a lost worker."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from interviews.models import Message
from neurogame.worker import work
from tasks import flow, rejudging, slices
from tasks.judgement import Judgement
from tasks.models import Assignment, Attempt, AttemptRejudge, Rejudge, TaskTest
from tests.desk import assignment, attempt
from tests.tasks.factories import RIGHT, WRONG

pytestmark = pytest.mark.django_db(transaction=True)

MINUTE = timedelta(minutes=1)


@pytest.fixture
def closed(db):
    """A task whose five attempts were judged wrong; the second is right in truth."""
    now = timezone.now()
    row = assignment(
        state="closed", close_reason="attempts", attempts_used=5, best_passed=1, total_tests=3,
        issued_at=now - 10 * MINUTE, closed_at=now - 2 * MINUTE,
    )  # fmt: skip
    for number in range(1, 6):
        attempt(
            to=row, number=number, code=RIGHT if number == 2 else WRONG,
            created_at=now - (8 - number) * MINUTE, result={"judgement": {}, "attempt": number, "state": "x"},
        )  # fmt: skip
    flow.update_ability(row.session)
    return row


def again(rows=None):
    made = rejudging.request(
        Attempt.objects.all() if rows is None else rows, who=None, reason="mended"
    )
    work(batch=True)
    made.refresh_from_db()
    return made


def test_a_right_attempt_that_was_judged_wrong_is_mended(closed):
    before = closed.session.theta
    made = again()
    closed = Assignment.objects.get()

    verdicts = list(Attempt.objects.order_by("number").values_list("verdict", "passed", "score"))
    wrong = ("WA", 2, 0.67)
    assert verdicts == [wrong, ("AC", 3, 1.0), wrong, wrong, wrong]
    second = Attempt.objects.get(number=2)
    assert (closed.close_reason, closed.closed_at) == ("accepted", second.created_at)
    assert (closed.best_passed, closed.attempts_used) == (3, 5)
    assert closed.session.theta > before
    assert (second.result["attempt"], second.result["state"]) == (2, "x")
    assert second.result["judgement"]["verdict"] == "AC"
    assert (made.done, made.total, made.changed) == (5, 5, 1)
    assert made.finished_at is not None
    row = AttemptRejudge.objects.get(outcome="changed")
    assert (row.attempt, row.old["verdict"], row.new["verdict"]) == (second, "WA", "AC")
    assert (row.old["close_reason"], row.new["close_reason"]) == ("attempts", "accepted")
    assert row.new["theta"] == closed.session.theta
    assert not Message.objects.exists()


def test_what_a_rejudging_accepted_the_next_one_takes_back(closed):
    again()
    TaskTest.objects.filter(name="hidden-2").update(expected="43\n")
    made = again()
    after = Assignment.objects.get()
    assert (after.close_reason, after.closed_at) == ("attempts", closed.closed_at)
    assert (made.changed, after.best_passed) == (1, 2)
    assert Attempt.objects.get(number=2).verdict == "WA"


def test_a_task_that_the_candidate_was_told_is_accepted_stays_so(closed):
    Assignment.objects.update(close_reason="accepted", best_passed=3)
    Attempt.objects.filter(number=5).update(verdict="AC", passed=3, score=1.0)
    Attempt.objects.exclude(number=5).update(code=WRONG)
    again()
    assert Attempt.objects.get(number=5).verdict == "WA"
    after = Assignment.objects.get()
    assert (after.close_reason, after.closed_at) == ("accepted", closed.closed_at)
    assert after.best_passed == 2


def test_an_internal_error_keeps_the_old_verdict(closed, settings):
    settings.RUNNER_REDIS_URL = "redis://127.0.0.1:1/0"
    before = list(Attempt.objects.values())
    made = again()
    assert list(Attempt.objects.values()) == before
    assert (made.done, made.changed) == (5, 0)
    assert set(AttemptRejudge.objects.values_list("outcome", flat=True)) == {"kept"}


def test_open_tasks_and_attempts_that_do_not_count_are_left_out(closed):
    attempt(verdict="IE", number=None)
    attempt(progress="running", number=None, verdict="")
    attempt()  # its task is open
    assert again().total == 5


def test_a_row_is_recorded_once_after_a_crash(closed):
    """The worker dies between two attempts: what is done stays, the rest follows."""
    made = rejudging.request(Attempt.objects.all(), who=None, reason="mended")
    assert rejudging.carry_on(made.pk, seconds=0.01)
    made.refresh_from_db()
    done = made.done
    assert 0 < done < 5
    Rejudge.objects.update(
        holder="elsewhere:1:dead", heartbeat=timezone.now() - slices.SILENT - MINUTE
    )
    work(batch=True)
    made.refresh_from_db()
    assert (made.done, made.changed) == (5, 1)
    assert AttemptRejudge.objects.filter(outcome="waiting").count() == 0


def test_a_task_that_was_opened_again_meanwhile_is_left_alone(closed):
    made = rejudging.request(Attempt.objects.all(), who=None, reason="mended")
    Assignment.objects.update(state="awaiting_solution")
    row = AttemptRejudge.objects.filter(rejudge=made).first()
    assert rejudging.record(row, Judgement("AC", total=3)) is False
    assert Attempt.objects.filter(verdict="AC").count() == 0
