"""The bank and the records of judging on the desk."""

from __future__ import annotations

import pytest
from django.test import Client

from interviews.models import Team
from tasks.models import CodeRun, Draft, TaskTest
from tests.desk import (
    EVIL,
    address,
    assignment,
    attempt,
    inline_scripts,
    page_of,
    root,
    signed_in,
    staff,
)
from tests.tasks.factories import TaskFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def team(db):
    return Team.objects.create(name="Core")


@pytest.fixture
def recruiter(team) -> Client:
    return signed_in(staff("recruiter", "Recruiters", teams=(team,)))


def management(row) -> dict[str, str]:
    """The fields of a task's form, with its texts as they are."""
    texts = list(row.translations.all())
    data = {
        "difficulty": str(row.difficulty), "discrimination": str(row.discrimination),
        "time_limit_s": "900", "cpu_s": "1.0", "memory_mb": "256", "output_kb": "64",
        "translations-TOTAL_FORMS": str(len(texts)), "translations-INITIAL_FORMS": str(len(texts)),
        "tests-TOTAL_FORMS": "0", "tests-INITIAL_FORMS": "0",
    }  # fmt: skip
    for number, text in enumerate(texts):
        data |= {
            f"translations-{number}-id": str(text.pk),
            f"translations-{number}-task": str(row.pk),
            f"translations-{number}-locale": text.locale,
            f"translations-{number}-title": text.title,
            f"translations-{number}-statement": text.statement,
            f"translations-{number}-hints": '["one", "two", "three"]',
        }
    return data


def test_a_task_is_taken_out_of_interviews():
    row = TaskFactory()
    answer = signed_in(root()).post(page_of(row), management(row) | {"difficulty": "1.5"})
    assert answer.status_code == 302
    row.refresh_from_db()
    assert (row.active, row.difficulty) == (False, 1.5)
    assert TaskTest.objects.filter(task=row).count() == 3


@pytest.mark.parametrize("difficulty", ["9", "x", ""])
def test_a_wrong_difficulty_is_said(difficulty):
    row = TaskFactory()
    answer = signed_in(root()).post(page_of(row), management(row) | {"difficulty": difficulty})
    assert answer.status_code == 200
    assert answer.context["adminform"].form.errors["difficulty"]


def test_a_recruiter_reads_the_bank_and_changes_nothing(recruiter):
    row = TaskFactory()
    html = recruiter.get(page_of(row)).content.decode()
    assert "40 2" in html  # a hidden test: recruiters see what candidates do not
    assert recruiter.post(page_of(row), management(row)).status_code == 403
    assert recruiter.get(address("tasks.CodingTask", "add")).status_code == 403


def test_tasks_say_how_often_they_were_given(team):
    row = assignment(team).task
    assignment(team, task=row)
    (listed,) = signed_in(root()).get(address("tasks.CodingTask")).context["cl"].result_list
    assert listed.times_given == 2


@pytest.mark.parametrize(
    "label", ["tasks.Assignment", "tasks.Attempt", "tasks.CodeRun", "tasks.Draft"]
)
def test_records_are_the_teams(recruiter, team, label):
    def make(owner):
        task = assignment(owner)
        code = {"assignment": task, "language": "python", "code": "x"}
        return {
            "tasks.Assignment": lambda: task,
            "tasks.Attempt": lambda: attempt(to=task),
            "tasks.CodeRun": lambda: CodeRun.objects.create(**code),
            "tasks.Draft": lambda: Draft.objects.create(**code),
        }[label]()

    mine, other, nobodys = make(team), make(Team.objects.create(name="Other")), make(None)
    assert list(recruiter.get(address(label)).context["cl"].result_list) == [mine]
    assert recruiter.get(page_of(mine)).status_code == 200
    assert recruiter.get(page_of(other)).status_code == 302
    assert recruiter.get(page_of(nobodys)).status_code == 302


def test_code_and_results_are_escaped(recruiter, team):
    row = attempt(team, code=f"</pre>{EVIL}", result={"tests": [{"stdout": EVIL}]})
    run = CodeRun.objects.create(
        assignment=row.assignment, language="python", code=EVIL, stdin=EVIL, args=[EVIL]
    )
    draft = Draft.objects.create(assignment=row.assignment, language="python", code=EVIL)
    for path in (page_of(row), page_of(run), page_of(draft), address("tasks.Attempt")):
        html = recruiter.get(path).content.decode()
        assert inline_scripts(html) == []
        assert "<script>alert" not in html


def test_attempts_are_filtered_by_verdict_and_found(recruiter, team):
    wrong, fault = attempt(team), attempt(team, verdict="IE", number=None)
    rows = recruiter.get(address("tasks.Attempt") + "?verdict__exact=IE").context["cl"].result_list
    assert list(rows) == [fault]
    name = wrong.assignment.session.candidate.nickname.upper()
    rows = recruiter.get(address("tasks.Attempt"), {"q": name}).context["cl"].result_list
    assert list(rows) == [wrong]


def test_a_list_of_attempts_does_not_load_their_code(recruiter, team):
    attempt(team, code="x" * 100_000)
    (row,) = recruiter.get(address("tasks.Attempt")).context["cl"].result_list
    assert {"code", "result"} <= row.get_deferred_fields()
