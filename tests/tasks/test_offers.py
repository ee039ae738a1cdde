"""A task is offered in those of its languages that programs can be run in."""

import pytest

from tasks import offers
from tasks.models import CodingTask
from tasks.sandbox import installed_versions
from tasks.sandbox.base import Status
from tests.tasks.factories import SessionFactory, TaskFactory
from tests.tasks.sandbox_support import run

pytestmark = pytest.mark.django_db


def next_task(api, session):
    return api.get("/tasks/next", {"session_id": str(session.pk)}).json()


def test_a_language_that_is_not_here_is_not_offered(api, candidate):
    TaskFactory(languages=["cobol", "python"])
    session = SessionFactory(candidate=candidate)
    task = next_task(api, session)["task"]
    assert task["languages"] == ["python"]
    assert task["starter"] == {"python": "# write here\n"}
    assert task["language_versions"] == {"python": installed_versions()["python"]}
    reference = {"session_id": str(session.pk), "task_id": task["id"]}
    answer = api.post("/tasks/run", {**reference, "language": "cobol", "code": "x"}, format="json")
    assert answer.status_code == 400
    assert answer.json()["errors"] == {"language": ["One of: python."]}


def test_a_task_in_no_language_that_is_here_is_never_given(api, candidate):
    TaskFactory(languages=["cobol"])
    session = SessionFactory(candidate=candidate)
    assert next_task(api, session) == {"state": "finished", "task": None, "reason": "bank"}


def test_nothing_is_held_back_while_nobody_knows():
    task = CodingTask(languages=["cobol", "python"])
    assert offers.offered(task, None) == ["cobol", "python"]
    assert offers.versions(["cobol", "python"], None) == {}


def test_the_languages_of_a_track_are_those_of_its_active_tasks():
    TaskFactory(languages=["python", "cobol"])
    TaskFactory(languages=["python", "javascript"])
    TaskFactory(languages=["sql"], track="data")
    TaskFactory(languages=["python"], track="backend", active=False)
    assert offers.by_track() == {"algorithms": ["python", "javascript"], "data": ["sql"]}


@pytest.mark.parametrize("language", sorted(set(offers.STARTERS) & set(installed_versions())))
def test_the_usual_starter_code_runs(language):
    done = run(offers.STARTERS[language], "7\n", language=language)
    assert (done.status, done.stderr) == (Status.OK, "")


def test_the_usual_starter_code_is_for_programs_that_read_input():
    task = CodingTask(kind="stdio", starter={"python": "mine"})
    assert offers.starters(task, ["python", "go"]) == {
        "python": "mine",
        "go": offers.STARTERS["go"],
    }
    task.kind = "function"
    assert offers.starters(task, ["python", "typescript"]) == {"python": "mine"}
