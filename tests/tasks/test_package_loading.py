"""Packages into the database, and their programs into the sandbox."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from tasks.models import CodingTask
from tasks.packages import Stored, discover, load, parse, store
from tests.tasks.package_support import (
    RIGHT,
    WRONG,
    as_function,
    field,
    make_package,
    manifest,
    remove,
    rewrite_tests,
    write,
)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A valid package in its own bank."""
    return make_package(tmp_path / "bank" / "algorithms" / "double-it")


@pytest.mark.django_db
def test_store_writes_what_was_parsed(package: Path) -> None:
    found = parse(package)

    task, outcome = store(found)

    assert outcome == Stored.CREATED
    task = CodingTask.objects.get(pk=task.pk)
    assert task.spec() == found.spec
    assert (task.slug, task.track, task.difficulty, task.discrimination, task.time_limit_s) == (
        "double-it",
        "algorithms",
        -1.5,
        1.0,
        600,
    )
    assert (task.languages, task.starter) == (["python"], found.starter)
    assert (task.text("ru").title, task.text("ru").hints) == ("Удвойте", ["Раз", "Два", "Три"])
    assert task.text("en").statement == "Print the number doubled.\n"
    assert task.active


@pytest.mark.django_db
def test_store_keeps_an_expected_null(package: Path) -> None:
    as_function(package)
    field(0, "expected", None)(package)

    task, _ = store(parse(package))

    assert CodingTask.objects.get(pk=task.pk).tests.first().expected is None


@pytest.mark.django_db
def test_store_keeps_the_programs_with_the_verdicts_of_their_folders(package: Path) -> None:
    task, _ = store(parse(package))

    assert list(task.programs.values_list("role", "name", "language", "expected", "source")) == [
        ("submission", "AC/reference.py", "python", "AC", RIGHT),
        ("submission", "WA/adds_two.py", "python", "WA", WRONG),
    ]


@pytest.mark.django_db
def test_store_adds_the_programs_of_a_task_that_was_stored_without(package: Path) -> None:
    task, _ = store(parse(package))
    task.programs.all().delete()
    CodingTask.objects.update(difficulty=0.25)

    assert store(parse(package))[1] == Stored.UNCHANGED
    assert task.programs.count() == 2
    assert CodingTask.objects.get().difficulty == 0.25


@pytest.mark.django_db
def test_store_again_changes_nothing(package: Path) -> None:
    store(parse(package))
    CodingTask.objects.update(difficulty=0.25, active=False)

    task, outcome = store(parse(package))

    assert outcome == Stored.UNCHANGED
    assert CodingTask.objects.count() == 1
    task.refresh_from_db()
    assert (task.difficulty, task.active, task.tests.count()) == (0.25, False, 8)


@pytest.mark.django_db
def test_store_updates_the_same_task(package: Path) -> None:
    before, _ = store(parse(package))
    CodingTask.objects.update(active=False)
    manifest("Double it", "Twice")(package)
    rewrite_tests(lambda tests: tests.append({**tests[-1], "name": "hidden-9"}))(package)

    after, outcome = store(parse(package))

    assert (outcome, after.pk) == (Stored.CHANGED, before.pk)
    after = CodingTask.objects.get()
    assert after.text("en").title == "Twice"
    assert [test.name for test in after.tests.all()][-1] == "hidden-9"
    assert after.translations.count() == 2
    assert not after.active


@pytest.mark.django_db
def test_load_goes_on_after_a_broken_package(tmp_path: Path) -> None:
    broken = make_package(tmp_path / "a-broken")
    make_package(tmp_path / "b-whole")
    load(discover([tmp_path]))
    manifest("Double it", "Changed")(broken)
    remove("tests.json")(broken)
    changed = manifest("Double it", "Changed")
    changed(tmp_path / "b-whole")

    loaded = load(discover([tmp_path]))

    assert loaded.stored == {Stored.CHANGED: 1}
    assert [error.path for error in loaded.rejected] == [broken / "tests.json"]
    titles = {task.slug: task.text("en").title for task in CodingTask.objects.all()}
    assert titles == {"a-broken": "Double it", "b-whole": "Changed"}
    assert CodingTask.objects.get(slug="a-broken").tests.count() == 8


@pytest.mark.django_db
def test_load_refuses_a_slug_that_two_packages_have(tmp_path: Path) -> None:
    make_package(tmp_path / "algorithms" / "twin")
    second = make_package(tmp_path / "data" / "twin")

    loaded = load(discover([tmp_path]))

    assert loaded.stored == {Stored.CREATED: 1}
    assert [(e.path, e.reason) for e in loaded.rejected] == [
        (second, "another package has the same slug")
    ]


@pytest.mark.django_db
def test_load_tasks_reports_what_it_did(package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("load_tasks", package)
    call_command("load_tasks", package.parent.parent)

    assert capsys.readouterr().out.splitlines() == [
        "1 created, 0 changed, 0 unchanged, 0 rejected",
        "1 task waits for the proof of its tests, which a background job carries out.",
        "0 created, 0 changed, 1 unchanged, 0 rejected",
    ]


@pytest.mark.django_db
def test_load_tasks_fails_when_a_package_is_rejected(
    package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    remove("statement.en.md")(package)

    with pytest.raises(CommandError, match=r"^0 created, 0 changed, 0 unchanged, 1 rejected$"):
        call_command("load_tasks", package)

    assert f"{package / 'statement.en.md'}: is missing" in capsys.readouterr().err
    assert not CodingTask.objects.exists()


def test_load_tasks_fails_for_a_path_without_packages(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no package here"):
        call_command("load_tasks", tmp_path)


def test_verify_tasks_judges_every_submission(
    package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("verify_tasks", package)

    assert capsys.readouterr().out == "1 tasks, 2 programs, 0 surprises\n"


def test_verify_tasks_names_each_surprise(
    package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(package, "submissions/TLE/quick.py", RIGHT)
    write(package, "submissions/AC/second.py", "import nothing_of_the_kind\n")
    broken = make_package(package.parent / "broken")
    remove("submissions/WA/adds_two.py")(broken)

    with pytest.raises(CommandError, match=r"^2 tasks, 4 programs, 3 surprises$"):
        call_command("verify_tasks", package.parent)

    lines = [
        line
        for line in capsys.readouterr().err.splitlines()
        if line.startswith(str(package.parent))
    ]
    assert [line.partition(" (")[0] for line in lines] == [
        f"{broken / 'submissions/WA'}: needs at least one wrong solution",
        f"{package / 'submissions/AC/second.py'}: AC -> RTE",
        f"{package / 'submissions/TLE/quick.py'}: TLE -> AC",
    ]
    assert "ModuleNotFoundError" in lines[1]


def test_verify_tasks_takes_slugs(package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_package(package.parent / "other")

    call_command("verify_tasks", package.parent, slug=["other"])

    assert capsys.readouterr().out == "1 tasks, 2 programs, 0 surprises\n"
    with pytest.raises(CommandError, match="no such task: third"):
        call_command("verify_tasks", package.parent, slug=["other", "third"])
