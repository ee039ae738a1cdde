"""Packages of every format by one command: found by what they hold, refused one by one."""

from __future__ import annotations

import json
import stat
import zipfile
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from tasks.enums import Verdict
from tasks.formats import archives
from tasks.judging import judge
from tasks.models import CodingTask
from tests.tasks.kattis_support import make_draft, make_legacy, make_scoring, zipped
from tests.tasks.package_support import make_package, remove, write
from tests.tasks.test_humaneval import PAIRS, RECORD

pytestmark = pytest.mark.django_db


def load(*paths: Path, **options: object) -> str:
    """What the command says when it fails, or nothing."""
    try:
        call_command("load_tasks", *paths, verbosity=0, **options)
    except CommandError as error:
        return str(error)
    return ""


def test_one_folder_of_several_formats(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_package(tmp_path / "ours" / "double-it")
    make_legacy(tmp_path / "theirs" / "doubleit")
    make_draft(tmp_path / "theirs" / "sumpair")
    write(tmp_path, "theirs/sumpair/attachments/problem.yaml", "not: one")

    call_command("load_tasks", tmp_path, track="data", difficulty=1.5, discrimination=0.7)

    captured = capsys.readouterr()
    assert captured.out.splitlines()[0] == "3 created, 0 changed, 0 unchanged, 0 rejected"
    assert f"{tmp_path}/theirs/doubleit: problem.en.tex: not understood" in captured.err
    rows = CodingTask.objects.order_by("slug").values_list(
        "slug", "origin", "track", "difficulty", "discrimination"
    )
    assert list(rows) == [
        ("double-it", "neurogame", "algorithms", -1.5, 1.0),
        ("doubleit", "kattis", "data", 1.5, 0.7),
        ("sumpair", "kattis", "data", 1.5, 0.7),
    ]


def test_an_imported_task_is_judged_from_the_database(tmp_path: Path) -> None:
    load(make_draft(tmp_path / "sumpair"))

    task = CodingTask.objects.get()
    assert (task.track, task.checker) == ("imported", "validator")
    assert task.text("ru").title == "Пара с суммой"
    assert task.text("fr").title == "Sum pair"
    roles = [(one.role, one.name, one.expected) for one in task.programs.all()]
    assert roles == [
        ("submission", "AC/any.py", "AC"), ("submission", "RTE/crashes.py", "RTE"),
        ("submission", "WA/prints_one.py", "WA"), ("validator", "validator.py", ""),
    ]  # fmt: skip
    for program in task.programs.filter(role="submission"):
        judgement = judge(task.spec(), language=program.language, source=program.source)
        assert judgement.verdict == program.expected, judgement.operator_detail


def test_a_package_does_not_replace_a_task_of_another_format(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    load(make_package(tmp_path / "ours" / "doubleit"))
    before = CodingTask.objects.get().spec()
    folder = make_legacy(tmp_path / "theirs" / "doubleit")

    assert load(folder) == "0 created, 0 changed, 0 unchanged, 1 rejected"
    assert f"{folder}: a task of another format has the slug doubleit" in capsys.readouterr().err
    assert CodingTask.objects.get().spec() == before


def test_groups_come_from_the_database_as_they_went_in(tmp_path: Path) -> None:
    load(make_scoring(tmp_path / "doubleit", legacy=False))

    spec = CodingTask.objects.get().spec()
    assert [(group.name, group.points, group.requires) for group in spec.groups] == [
        ("sample", 0, ()), ("g-2", 70, ("sample", "g1")), ("g1", 30, ()),
    ]  # fmt: skip
    assert {test.group for test in spec.tests} == {"sample", "g-2", "g1"}


def test_loading_again_changes_nothing_until_package_or_arguments_change(tmp_path: Path) -> None:
    folder = make_legacy(tmp_path / "doubleit")
    load(folder)
    CodingTask.objects.update(difficulty=0.25)

    assert load(folder) == ""
    assert CodingTask.objects.get().difficulty == 0.25
    load(folder, difficulty=1.0)
    assert CodingTask.objects.get().difficulty == 1.0
    CodingTask.objects.update(difficulty=0.25)
    write(folder, "data/secret/03-zero.ans", "0\n\n")
    load(folder)
    assert CodingTask.objects.get().difficulty == 0.0


@pytest.mark.parametrize("under", ["", "anything/", "a/b/"])
def test_an_archive_is_named_by_its_folder_or_by_itself(tmp_path: Path, under: str) -> None:
    archive = zipped(make_legacy(tmp_path / "x"), tmp_path / "doubleit.zip", under=under)

    assert load(archive) == ""
    expected = {"": "doubleit", "anything/": "anything", "a/b/": "b"}
    assert CodingTask.objects.get().slug == expected[under]
    assert CodingTask.objects.get().tests.count() == 4


def test_an_archive_may_hold_our_format_and_many_packages(tmp_path: Path) -> None:
    make_package(tmp_path / "bank" / "first")
    make_package(tmp_path / "bank" / "second")

    assert load(zipped(tmp_path / "bank", tmp_path / "bank.kpp")) == ""
    assert set(CodingTask.objects.values_list("slug", flat=True)) == {"first", "second"}


def test_a_package_refused_in_an_archive_is_named_by_the_archive(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_legacy(tmp_path / "x")
    remove("data/secret/03-zero.ans")(folder)
    archive = zipped(folder, tmp_path / "doubleit.zip")
    good = make_draft(tmp_path / "sumpair")

    assert load(archive, good) == "1 created, 0 changed, 0 unchanged, 1 rejected"
    assert f"{archive}/data/secret/03-zero.ans: is missing" in capsys.readouterr().err
    assert CodingTask.objects.get().slug == "sumpair"


def test_records_are_tasks_of_one_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "records.jsonl"
    broken = {**PAIRS, "task_id": "broken", "test": "def check(candidate): pass"}
    path.write_text("\n".join([json.dumps(RECORD), "", json.dumps(broken), json.dumps(PAIRS)]))

    assert load(path) == "2 created, 0 changed, 0 unchanged, 1 rejected"
    assert f"{path}: line 3: broken: must have from 1 to 200 hidden" in capsys.readouterr().err
    task = CodingTask.objects.get(slug="humaneval-901")
    reference = task.programs.get()
    assert (reference.name, reference.expected) == ("AC/canonical_solution.py", "AC")
    assert task.tests.get(name="hidden-2").expected is None
    assert load(path) == "0 created, 0 changed, 2 unchanged, 1 rejected"


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("nothing", None, "no such file"),
        ("empty.jsonl", "\n\n", "holds no record"),
        ("folder/readme.txt", "", "no package here"),
    ],
)
def test_a_path_without_packages_is_an_error(
    tmp_path: Path, name: str, content: str | None, says: str
) -> None:
    if content is not None:
        write(tmp_path, name, content)

    assert says in load(tmp_path / name.split("/")[0])


@pytest.mark.parametrize("options", [{"track": "No"}, {"difficulty": 9.0}, {"discrimination": 0.0}])
def test_arguments_are_checked(tmp_path: Path, options: dict) -> None:
    folder = make_legacy(tmp_path / "doubleit")

    assert "must be from" in (said := load(folder, **options)) or "a track is" in said
    assert not CodingTask.objects.exists()


# --- Archives that nobody should unpack ---------------------------------------------------------


def archive_of(path: Path, *members: zipfile.ZipInfo | str, data: bytes = b"x") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member in members:
            archive.writestr(member, data)
    return path


def link(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name)
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    return member


@pytest.mark.parametrize(
    "member", ["../out", "/out", "a/../../out", "a\\..\\out", "C:/out", link("a")]
)
def test_an_archive_that_leads_out_of_itself_is_refused(
    tmp_path: Path, member: zipfile.ZipInfo | str, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = archive_of(tmp_path / "evil.zip", member)

    assert load(archive).endswith("1 rejected")
    assert "holds a name that is not allowed" in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"evil.zip"}


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_archive_with_one_name_twice_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    load(archive_of(tmp_path / "evil.zip", "a", "A"))

    assert "one name twice: A" in capsys.readouterr().err


def test_a_bomb_is_stopped_while_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(archives, "MAX_BYTES", 1024 * 1024)
    bomb = archive_of(tmp_path / "bomb.zip", "a", data=b"\0" * 5_000_000)
    assert bomb.stat().st_size < 50_000
    # The header says that the file is small; what comes out counts.
    content = bomb.read_bytes().replace(
        (5_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little")
    )
    (tmp_path / "liar.zip").write_bytes(content)

    assert load(bomb, tmp_path / "liar.zip").endswith("2 rejected")
    lines = capsys.readouterr().err.splitlines()
    assert "bomb.zip: is larger than 1048576 bytes unpacked" in lines[0]
    assert "liar.zip: cannot be unpacked" in lines[1] or "larger than" in lines[1]


def test_too_many_files_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(archives, "MAX_MEMBERS", 2)

    load(archive_of(tmp_path / "many.zip", "a", "b", "c"))

    assert "holds more than 2 files" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"PK\3\4 no zip", b"\0" * 100])
def test_what_is_no_archive_is_refused(
    tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, "broken.zip", content)

    assert load(tmp_path / "broken.zip").endswith("1 rejected")
    assert "cannot be unpacked" in capsys.readouterr().err


def test_a_wrong_verdict_of_an_example_shows(tmp_path: Path) -> None:
    """The submissions that are kept are enough to find a package whose answers are wrong."""
    folder = make_legacy(tmp_path / "doubleit")
    write(folder, "data/secret/03-zero.ans", "1\n")
    load(folder)

    task = CodingTask.objects.get()
    program = task.programs.get(name="AC/ann.py")
    verdict = judge(task.spec(), language=program.language, source=program.source).verdict
    assert (program.expected, verdict) == (Verdict.AC, Verdict.WA)
