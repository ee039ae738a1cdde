"""Proving tasks and judging again on the desk: who may, what is asked, and live progress."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.utils import timezone

from interviews.models import Team
from neurogame.worker import work
from tasks import publishing
from tasks.models import Attempt, CodingTask, Rejudge, TaskProgram, Verification
from tests.desk import (
    EVIL,
    address,
    assignment,
    attempt,
    elements,
    inline_scripts,
    page_of,
    root,
    signed_in,
    staff,
)
from tests.tasks.factories import RIGHT, provable_task
from tests.tasks.test_admin import management

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def task():
    return provable_task()


@pytest.fixture
def operator():
    return signed_in(root())


def save(client, task, **changes):
    return client.post(page_of(task), management(task) | changes, follow=True)


def told(answer):
    return [str(message) for message in answer.context["messages"]]


# --- Proofs ---------------------------------------------------------------------------------------


def test_making_a_task_active_proves_it_first(operator, task):
    answer = save(operator, task, active="on")
    assert any("becomes active when they pass" in text for text in told(answer))
    asked = Verification.objects.get()
    assert (asked.publish, asked.who.nickname, asked.total) == (True, "root", 5)
    assert not CodingTask.objects.get().active

    html = operator.get(page_of(task)).content.decode()
    bars = [attrs for _tag, attrs in elements(html) if "data-progress" in attrs]
    assert [bar["data-progress"] for bar in bars] == [page_of(task, "proof")]
    assert "data-finished" not in bars[0]
    assert inline_scripts(html) == []
    assert operator.get(page_of(task, "proof")).json() == {
        "done": 0, "total": 5, "finished": False, "text": "Waiting for the worker.",
    }  # fmt: skip

    assert publishing.carry_on(asked.pk, seconds=0)
    running = operator.get(page_of(task, "proof")).json()
    assert (running["done"], running["finished"]) == (1, False)
    assert running["text"] == "1 of 5 programs judged."
    work(batch=True)
    done = operator.get(page_of(task, "proof")).json()
    assert done["finished"]
    assert done["text"] == "Passed: 2 programs; the hidden tests kill 3 of 3 mutants."
    assert CodingTask.objects.get().active


def test_a_form_saved_while_the_proof_runs_keeps_the_wish(operator, task):
    save(operator, task, active="on")
    form = operator.get(page_of(task)).context["adminform"].form
    assert form.initial["active"] is True
    save(operator, task, active="on", difficulty="1.0")
    assert Verification.objects.get().publish
    save(operator, task)
    assert not Verification.objects.get().publish


def test_an_edited_limit_takes_an_active_task_out_until_it_is_proven(operator, task):
    save(operator, task, active="on")
    work(batch=True)
    task.refresh_from_db()
    answer = save(operator, task, active="on", difficulty="1.0")
    assert not any("proven" in text for text in told(answer))  # no content of the proof
    save(operator, task, active="on", cpu_s="1.5")
    assert not CodingTask.objects.get().active
    work(batch=True)
    assert CodingTask.objects.get().active


def test_an_edited_limit_of_an_inactive_task_is_proven_too(operator, task):
    save(operator, task, memory_mb="128")
    work(batch=True)
    asked = Verification.objects.get()
    assert (asked.state, CodingTask.objects.get().active) == ("passed", False)


def test_a_task_that_fails_says_why_and_stays_out(operator, task):
    TaskProgram.objects.filter(expected="WA").update(source=RIGHT)
    save(operator, task, active="on")
    work(batch=True)
    answer = operator.get(page_of(task, "proof")).json()
    assert answer["text"].startswith("Failed: WA/one.py: WA -> AC")
    assert "Failed: WA/one.py" in operator.get(page_of(task)).content.decode()
    assert not CodingTask.objects.get().active


def test_a_proof_is_asked_for_on_the_page_and_for_many(operator, task):
    path = f"{address('tasks.CodingTask')}{task.pk}/prove/"
    assert operator.get(path).status_code == 200
    assert not Verification.objects.exists()
    operator.post(path)
    ticked = {"action": "prove_many", "_selected_action": [str(task.pk)]}
    operator.post(address("tasks.CodingTask"), ticked)
    assert Verification.objects.count() == 1


def test_a_recruiter_sees_a_proof_and_starts_none(task):
    recruiter = signed_in(staff("recruiter", "Recruiters"))
    publishing.request(task, publish=False)
    assert recruiter.get(page_of(task, "proof")).json()["total"] == 5
    assert recruiter.post(f"{address('tasks.CodingTask')}{task.pk}/prove/").status_code == 403
    assert recruiter.get(page_of(Verification.objects.get())).status_code == 403
    assert recruiter.get(page_of(Verification.objects.get(), "progress")).status_code == 403
    analyst = signed_in(staff("analyst", "Analysts"))
    assert analyst.get(page_of(task, "proof")).status_code == 403


def test_what_a_proof_found_is_escaped(operator, task):
    row = Verification.objects.create(
        task=task, fingerprint="0", state="failed", faults=[EVIL], findings=[EVIL],
        detail={"program x": EVIL}, finished_at=timezone.now(),
    )  # fmt: skip
    for path in (page_of(row), page_of(task), address("tasks.Verification")):
        html = operator.get(path).content.decode()
        assert inline_scripts(html) == []
        assert "<script>alert" not in html
    assert operator.get(page_of(row, "progress")).json()["finished"]


# --- Judging again --------------------------------------------------------------------------------


@pytest.fixture
def team(db):
    return Team.objects.create(name="Core")


@pytest.fixture
def judged(team):
    """A right attempt that was judged wrong, of a closed task."""
    closed = assignment(
        team, state="closed", close_reason="attempts", closed_at=timezone.now(), attempts_used=1
    )
    return attempt(to=closed, code=RIGHT)


def rejudge(client, *rows, **more):
    ticked = {"action": "rejudge", "_selected_action": [str(row.pk) for row in rows]}
    return client.post(address("tasks.Attempt"), ticked | more)


def test_judging_again_is_asked_about_counted_and_recorded(operator, judged):
    question = rejudge(operator, judged)
    html = question.content.decode()
    assert "Judge 1 attempt again" in html
    assert "can change the score and the ability of interviews that are over" in html
    assert not Rejudge.objects.exists()
    without = rejudge(operator, judged, confirmed="1", reason="")
    assert without.context["form"].errors["reason"]

    answer = rejudge(operator, judged, confirmed="1", reason="a test was wrong")
    made = Rejudge.objects.get()
    assert answer.url == page_of(made)
    assert (made.total, made.who.nickname, made.reason) == (1, "root", "a test was wrong")
    assert LogEntry.objects.filter(change_message="rejudge 1: a test was wrong").count() == 1
    assert operator.get(page_of(made, "progress")).json() == {
        "done": 0, "total": 1, "finished": False,
        "text": "0 of 1 attempts judged again, 0 verdicts changed.",
    }  # fmt: skip
    work(batch=True)
    assert operator.get(page_of(made, "progress")).json()["finished"]
    html = operator.get(page_of(made)).content.decode()
    assert "WA → AC" in html
    assert "attempts → accepted" in html
    judged.refresh_from_db()
    assert (judged.verdict, judged.assignment.attempts.count()) == ("AC", 1)
    assert "a test was wrong" in operator.get(page_of(judged)).content.decode()


def test_all_attempts_of_a_task_are_judged_again(operator, judged):
    attempt()  # of another task
    path = f"{address('tasks.CodingTask')}{judged.assignment.task_id}/rejudge/"
    assert "Judge 1 attempt again" in operator.get(path).content.decode()
    answer = operator.post(path, {"reason": "mended"})
    assert answer.url == page_of(Rejudge.objects.get())
    assert Rejudge.objects.get().total == 1


def test_what_may_not_be_judged_again_is_said(operator):
    answer = rejudge(operator, attempt())
    assert answer.status_code == 302
    assert not Rejudge.objects.exists()


def test_judging_again_has_a_permission_of_its_own(team, judged):
    recruiter = staff("recruiter", "Recruiters", teams=(team,))
    client = signed_in(recruiter)
    rejudge(client, judged, confirmed="1", reason="please")
    path = f"{address('tasks.CodingTask')}{judged.assignment.task_id}/rejudge/"
    assert client.post(path, {"reason": "please"}).status_code == 403
    assert not Rejudge.objects.exists()

    recruiter.user_permissions.add(Permission.objects.get(codename="rejudge_attempt"))
    other = attempt(to=assignment(
        Team.objects.create(name="Other"), task=judged.assignment.task, state="closed",
        close_reason="time", closed_at=timezone.now(),
    ))  # fmt: skip
    client = signed_in(type(recruiter).objects.get(pk=recruiter.pk))
    rejudge(client, judged, other, confirmed="1", reason="please")
    client.post(path, {"reason": "please"})
    made = Rejudge.objects.order_by("pk")
    assert [row.total for row in made] == [1, 1]  # of the own team alone
    assert set(Attempt.objects.filter(rejudged__isnull=False)) == {judged}


# --- Stuck ----------------------------------------------------------------------------------------


def test_stuck_evaluations_are_listed_and_counted(operator):
    old = timezone.now() - timedelta(minutes=5)
    late = attempt(progress="queued", verdict="", number=None, created_at=old)
    attempt(progress="queued", verdict="", number=None)
    attempt(created_at=old)
    rows = operator.get(address("tasks.Attempt") + "?late=1").context["cl"].result_list
    assert list(rows) == [late]
    sections = operator.get("/admin/").context["sections"]
    cards = [card for section in sections for card in section.cards]
    (card,) = [card for card in cards if "late=1" in str(card)]
    assert "1" in str(card)
