"""Packages whose tasks are queries, and tasks of our own in more languages than they prove."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.manifest import PackageError
from tasks.packages import parse
from tasks.verification import surprises
from tests.tasks.package_support import MANIFEST, TESTS, make_package, write

RIGHT = "SELECT 2 * n AS doubled FROM numbers ORDER BY n"
WRONG = "SELECT 2 + n AS doubled FROM numbers"


def query_test(number: int, test: dict) -> dict:
    script = f"CREATE TABLE numbers (n INTEGER); INSERT INTO numbers VALUES (2), ({number});"
    rows = sorted([[4], [2 * number]])
    return {**test, "stdin": script, "expected": {"rows": rows, "columns": ["doubled"]}}


QUERY_TESTS = [query_test(number, test) for number, test in enumerate(TESTS, start=3)]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "double-it"
    manifest = MANIFEST.replace('"stdio"', '"sql"').replace('["python"]', '["sql"]')
    manifest = manifest.replace("[title]", "[checker_options]\nordered = true\n\n[title]")
    write(folder, "task.toml", manifest)
    for name in ("statement.en.md", "statement.ru.md", "starter/sql.sql"):
        write(folder, name, "SELECT n FROM numbers\n")
    write(folder, "tests.json", json.dumps(QUERY_TESTS))
    write(folder, "submissions/AC/reference.sql", RIGHT)
    write(folder, "submissions/WA/adds_two.sql", WRONG)
    return folder


def test_a_query_is_read_and_judged(package: Path) -> None:
    found = parse(package)

    assert (found.kind, found.languages, found.checker) == ("sql", ("sql",), "sql_rows")
    assert found.tests[0].expected == {"rows": [[4], [6]], "columns": ["doubled"]}
    assert [str(surprise) for surprise in surprises(found)] == []


def changed(**fields: object) -> Callable[[Path], None]:
    tests = [{**QUERY_TESTS[0], **fields}, *QUERY_TESTS[1:]]
    return lambda folder: write(folder, "tests.json", json.dumps(tests))


def manifest(old: str, new: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        text = (folder / "task.toml").read_text(encoding="utf-8")
        assert old in text
        write(folder, "task.toml", text.replace(old, new))

    return change


@pytest.mark.parametrize(
    ("change", "file", "reason"),
    [
        (changed(expected="4\n"), "tests.json", "test 1: expected must be an object with rows"),
        (changed(expected={"columns": ["a"]}), "tests.json", "test 1: expected must be an object"),
        (changed(expected={"rows": [], "row": 1}), "tests.json", "test 1: expected must be"),
        (changed(stdin=["x"]), "tests.json", "test 1: stdin and expected must be texts"),
        (changed(expected={"rows": [[1], [2, 3]]}), "task.toml", "checker: rows are needed"),
        (manifest('["sql"]', '["python"]'), "task.toml", "languages"),
        (manifest("ordered = true", 'ordered = "yes"'), "task.toml", "ordered is true or false"),
        (
            manifest("[checker_options]", 'checker = "tokens"\n\n[checker_options]'),
            "task.toml",
            "checker: must be one of",
        ),
    ],
)
def test_what_breaks_the_format_is_refused(
    package: Path, change: Callable[[Path], None], file: str, reason: str
) -> None:
    change(package)
    with pytest.raises(PackageError) as refusal:
        parse(package)
    assert refusal.value.path == package / file
    assert reason in refusal.value.reason


def test_queries_are_for_no_other_kind(tmp_path: Path) -> None:
    folder = make_package(tmp_path / "double-it")
    manifest('["python"]', '["python", "sql"]')(folder)
    with pytest.raises(PackageError, match="languages"):
        parse(folder)


def test_a_compiled_language_needs_no_program_of_its_own(tmp_path: Path) -> None:
    folder = make_package(tmp_path / "double-it")
    manifest('["python"]', '["python", "cpp", "java"]')(folder)
    write(folder, "starter/java.java", "class Main {}\n")
    write(folder, "submissions/RTE/crash.cpp", "int main() { __builtin_trap(); }\n")
    found = parse(folder)
    assert found.languages == ("python", "cpp", "java")
    assert sorted(found.starter) == ["java", "python"]
    assert [s.language for s in found.submissions] == ["python", "cpp", "python"]
