"""What is written as a package is read back as what it was."""

from __future__ import annotations

import tomllib
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import strategies as st

from tasks.formats import kattis
from tasks.formats.exporting import to_toml
from tasks.models import CodingTask, TaskTranslation
from tasks.packages import BANK, Defaults, Package, discover, load, parse, store
from tests.tasks.kattis_support import make_draft, make_legacy, make_scoring
from tests.tasks.package_support import as_function, grouped, make_package
from tests.tasks.test_humaneval import RECORD
from tests.tasks.test_humaneval import parse as parse_record

pytestmark = pytest.mark.django_db


def plain(package: Package) -> Package:
    """A package without what depends on the place of its files."""
    return replace(
        package,
        folder=Path(),
        checksum="",
        notes=(),
        submissions=tuple(
            sorted(
                (replace(one, path=Path(one.name)) for one in package.submissions),
                key=lambda one: one.name,
            )
        ),
    )


def exported(tmp_path: Path, **options: object) -> Path:
    call_command("export_tasks", tmp_path / "out", verbosity=0, **options)
    (folder,) = (tmp_path / "out").iterdir()
    return folder


@pytest.mark.parametrize(
    "make",
    [
        lambda path: parse(make_package(path / "double-it")),
        lambda path: parse(as_function(make_package(path / "double-it"))),
        lambda path: parse(grouped(make_package(path / "double-it"))),
        lambda path: replace(
            parse(make_package(path / "double-it")), equivalent_mutants=("python-00000000",)
        ),
        lambda path: kattis.parse(make_legacy(path / "doubleit"), Defaults()),
        lambda path: kattis.parse(make_draft(path / "sumpair"), Defaults()),
        lambda path: kattis.parse(make_scoring(path / "doubleit", legacy=False), Defaults()),
        lambda path: parse_record(RECORD),
    ],
    ids=["stdio", "function", "groups", "mutation", "legacy", "draft", "scoring", "humaneval"],
)
def test_a_package_comes_back_as_it_went_in(tmp_path: Path, make) -> None:
    package = make(tmp_path / "in")
    store(package)

    again = parse(exported(tmp_path))

    assert plain(again) == plain(package)


def test_what_is_loaded_from_an_export_is_what_was_there(tmp_path: Path) -> None:
    """With what an operator changed: the export is of the task, not of the package it came from."""
    store(parse(make_package(tmp_path / "double-it")))
    CodingTask.objects.update(difficulty=0.5, memory_mb=100)
    TaskTranslation.objects.filter(locale="en").update(statement="Changed\r\nhere.\n")
    before = CodingTask.objects.get().spec()
    folder = exported(tmp_path)
    CodingTask.objects.all().delete()

    call_command("load_tasks", folder, verbosity=0)

    task = CodingTask.objects.get()
    assert (task.spec(), task.difficulty) == (before, 0.5)
    assert task.text("en").statement == "Changed\nhere.\n"


def test_the_bank_comes_back_from_one_archive(tmp_path: Path) -> None:
    load(discover([BANK / "data"]))
    before = {task.slug: task.spec() for task in CodingTask.objects.all()}
    call_command("export_tasks", tmp_path / "bank.zip", verbosity=0)
    CodingTask.objects.all().delete()

    call_command("load_tasks", tmp_path / "bank.zip", verbosity=0)

    assert {task.slug: task.spec() for task in CodingTask.objects.all()} == before
    call_command("export_tasks", tmp_path / "again.zip", verbosity=0)
    assert (tmp_path / "again.zip").read_bytes() == (tmp_path / "bank.zip").read_bytes()


# --- Kattis -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("checker", "options"),
    [
        ("tokens", {}),
        ("tokens", {"ignore_case": True}),
        ("exact", {}),
        ("floats", {"abs_tol": 0.5, "rel_tol": 1e-7}),
        ("floats", {"abs_tol": 0.0, "rel_tol": 0.5, "ignore_case": True, "keep_spaces": True}),
    ],
)
def test_a_task_of_ours_as_a_kattis_package(tmp_path: Path, checker: str, options: dict) -> None:
    package = parse(make_package(tmp_path / "double-it"))
    store(replace(package, checker=checker, checker_options=options))

    again = kattis.parse(exported(tmp_path, format="kattis"), Defaults(track="algorithms"))

    assert again.notes == ()
    assert (again.titles["en"], again.statements) == (package.titles["en"], package.statements)
    assert [(t.stdin, t.expected, t.visible) for t in again.tests] == [
        (t.stdin, t.expected, t.visible) for t in package.tests
    ]
    assert (again.checker, again.checker_options) == (checker, options)
    assert (again.limits.time_s, again.limits.memory_mb) == (1.0, 128)
    assert again.languages == package.languages
    assert plain(again).submissions == plain(package).submissions


@pytest.mark.parametrize(
    "make", [make_legacy, make_draft, lambda folder: make_scoring(folder, legacy=True)]
)
def test_a_kattis_package_comes_back_through_the_database(tmp_path: Path, make) -> None:
    package = kattis.parse(make(tmp_path / "in" / "sumpair"), Defaults())
    store(package)

    again = kattis.parse(exported(tmp_path, format="kattis"), Defaults())

    assert {(test.stdin, test.expected, test.group) for test in again.tests} == {
        (t.stdin, t.expected, t.group) for t in package.tests
    }
    assert {(group.name, group.points) for group in again.groups} == {
        (group.name, group.points) for group in package.groups
    }
    assert again.validator == package.validator
    assert plain(again).submissions == plain(package).submissions


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"checker": "sorted_tokens"}, "no counterpart"),
        ({"kind": "function"}, "read and print"),
        ({"groups": [{"name": "a", "points": 1, "requires": ["b"], "pretest": False}]}, "depend"),
        ({"cpu_s": 99.0}, "the time limit must be"),
    ],
)
def test_what_kattis_cannot_say_is_refused_and_nothing_is_left(
    tmp_path: Path, change: dict, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    store(parse(make_package(tmp_path / "double-it")))
    CodingTask.objects.update(**change)

    with pytest.raises(CommandError, match="0 written, 1 not"):
        call_command("export_tasks", tmp_path / "out", format="kattis")

    assert f"double-it: {reason}" in (said := capsys.readouterr().err) or reason in said
    assert list((tmp_path / "out").iterdir()) == []


# --- The command --------------------------------------------------------------------------------


def test_slugs_choose_tasks_and_nothing_is_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for slug in ("one", "two"):
        store(parse(make_package(tmp_path / "in" / slug)))

    call_command("export_tasks", tmp_path / "out", slug=["two"])
    assert capsys.readouterr().out == "1 written, 0 not\n"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["two"]
    with pytest.raises(CommandError, match="1 written, 1 not"):
        call_command("export_tasks", tmp_path / "out")
    assert "two: " in capsys.readouterr().err
    with pytest.raises(CommandError, match="no such task: three"):
        call_command("export_tasks", tmp_path / "out", slug=["three"])
    call_command("export_tasks", tmp_path / "all.zip", verbosity=0)
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        assert {name.split("/")[0] for name in archive.namelist()} == {"one", "two"}
    with pytest.raises(CommandError, match="is there already"):
        call_command("export_tasks", tmp_path / "all.zip")


def test_a_program_whose_name_leads_out_is_not_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store(parse(make_package(tmp_path / "in" / "one")))
    CodingTask.objects.get().programs.filter(name="WA/adds_two.py").update(name="../../../../x.py")

    with pytest.raises(CommandError):
        call_command("export_tasks", tmp_path / "out")

    assert "leads out" in capsys.readouterr().err
    assert not list(tmp_path.rglob("x.py"))


def test_a_task_that_the_format_would_refuse_is_not_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store(parse(make_package(tmp_path / "in" / "one")))
    CodingTask.objects.update(difficulty=3.5)

    with pytest.raises(CommandError):
        call_command("export_tasks", tmp_path / "out")

    assert "one: task.toml: difficulty: must be from" in capsys.readouterr().err
    assert list((tmp_path / "out").iterdir()) == []


keys = st.text(st.characters(codec="utf-8"), min_size=1, max_size=6)
plain_values = st.recursive(
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3)
        | st.dictionaries(keys, inner, min_size=1, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(keys, plain_values, max_size=5))
def test_toml_says_what_it_was_given(values: dict) -> None:
    assert tomllib.loads(to_toml(values)) == values
