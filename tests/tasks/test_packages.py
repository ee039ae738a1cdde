"""The package format: what is read, and every rule that refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.enums import Verdict
from tasks.packages import PackageError, discover, parse
from tasks.spec import Limits, TestCase
from tests.tasks.package_support import (
    MANIFEST,
    RIGHT,
    WRONG,
    as_function,
    field,
    make_package,
    manifest,
    put,
    remove,
    rewrite_tests,
    write,
)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A valid package in its own bank."""
    return make_package(tmp_path / "bank" / "algorithms" / "double-it")


RULES = {
    "no manifest": (remove("task.toml"), "task.toml", "is missing"),
    "manifest not TOML": (put("task.toml", "slug ="), "task.toml", "is not TOML"),
    "manifest not UTF-8": (put("task.toml", b"\xff"), "task.toml", "is not UTF-8"),
    "no slug": (manifest('slug = "double-it"\n', ""), "task.toml", "slug: is missing"),
    "slug not a text": (
        manifest('slug = "double-it"', "slug = 1"),
        "task.toml",
        "slug: must be a text",
    ),
    "slug of another folder": (manifest("double-it", "triple-it"), "task.toml", "another name"),
    "slug with capitals": (manifest("double-it", "Double-It"), "task.toml", "slug: does not match"),
    "track too long": (manifest('"algorithms"', f'"{"a" * 21}"'), "task.toml", "track: is longer"),
    "unknown kind": (manifest('"stdio"', '"quiz"'), "task.toml", "kind: must be one of"),
    "entry of a stdio task": (
        manifest('kind = "stdio"', 'kind = "stdio"\nentry = "f"'),
        "task.toml",
        "entry is for the kind function",
    ),
    "function without entry": (
        manifest('kind = "stdio"', 'kind = "function"'),
        "task.toml",
        "entry: is missing",
    ),
    "entry not a name": (
        manifest('kind = "stdio"', 'kind = "function"\nentry = "a b"'),
        "task.toml",
        "entry: does not match",
    ),
    "difficulty out of range": (
        manifest("-1.5", "2.6"),
        "task.toml",
        "difficulty: must be from -2.5",
    ),
    "difficulty not finite": (manifest("-1.5", "nan"), "task.toml", "difficulty: must be a number"),
    "difficulty a boolean": (manifest("-1.5", "true"), "task.toml", "difficulty: must be a number"),
    "discrimination out of range": (
        manifest("discrimination = 1.0", "discrimination = 0.5"),
        "task.toml",
        "discrimination: must be from 0.6",
    ),
    "no time for the task": (manifest("600", "0"), "task.toml", "time_limit_s: must be from 60"),
    "time in fractions": (manifest("600", "600.5"), "task.toml", "must be a whole number"),
    "no language": (manifest('["python"]', "[]"), "task.toml", "languages: must be a list"),
    "unknown language": (
        manifest('["python"]', '["cobol"]'),
        "task.toml",
        "languages: must be a list",
    ),
    "language twice": (
        manifest('["python"]', '["python", "python"]'),
        "task.toml",
        "languages: names one of them twice",
    ),
    "unknown checker": (
        manifest("[title]", 'checker = "fuzzy"\n[title]'),
        "task.toml",
        "checker: must be one of exact, tokens",
    ),
    "unknown checker option": (
        manifest("[title]", "[checker_options]\nmood = 1\n[title]"),
        "task.toml",
        "checker: ",
    ),
    "checker refuses the expected": (
        lambda folder: (
            manifest("[title]", 'checker = "json"\n[title]')(folder),
            field(0, "expected", "[1, 2")(folder),
        ),
        "task.toml",
        "checker: ",
    ),
    "title in one language": (
        manifest('ru = "Удвойте"\n', ""),
        "task.toml",
        "title.ru: is missing",
    ),
    "empty title": (manifest('"Double it"', '" "'), "task.toml", "title.en: must be a text"),
    "title in a third language": (
        manifest('en = "Double it"', 'en = "Double it"\nde = "Doppelt"'),
        "task.toml",
        "title.de: is not a key",
    ),
    "options not a table": (
        manifest("[title]", "checker_options = 3\n[title]"),
        "task.toml",
        "checker_options: must be a table",
    ),
    "limit out of range": (
        manifest("time_s = 1", "time_s = 60"),
        "task.toml",
        "limits.time_s: must be",
    ),
    "unknown limit": (
        manifest("time_s = 1", "time_ms = 1"),
        "task.toml",
        "limits.time_ms: is not a key",
    ),
    "two hints": (
        manifest('[[hints]]\nen = "Three"\nru = "Три"\n', ""),
        "task.toml",
        "hints: there must be exactly 3",
    ),
    "hint in one language": (manifest('ru = "Два"\n', ""), "task.toml", "hints[1].ru: is missing"),
    "hints not tables": (
        lambda folder: write(
            folder, "task.toml", "hints = [1, 2, 3]\n" + MANIFEST[: MANIFEST.index("[[hints]]")]
        ),
        "task.toml",
        "hints: must be a list of tables",
    ),
    "unknown key": (
        manifest("[title]", "colour = 1\n[title]"),
        "task.toml",
        "colour: is not a key",
    ),
    "no statement": (remove("statement.ru.md"), "statement.ru.md", "is missing"),
    "empty statement": (put("statement.en.md", " \n"), "statement.en.md", "is empty"),
    "statement with NUL": (put("statement.en.md", "a\0b"), "statement.en.md", "NUL"),
    "no starter": (remove("starter/python.py"), "starter/python.py", "is missing"),
    "no tests": (remove("tests.json"), "tests.json", "is missing"),
    "tests not JSON": (put("tests.json", "["), "tests.json", "is not JSON"),
    "tests with NaN": (put("tests.json", "[NaN]"), "tests.json", "NaN is not JSON"),
    "tests nested without end": (put("tests.json", "[" * 100_000), "tests.json", "is not JSON"),
    "tests not a list": (put("tests.json", "{}"), "tests.json", "must be a list of tests"),
    "test not an object": (
        rewrite_tests(lambda tests: tests.append(1)),
        "tests.json",
        "test 9: must",
    ),
    "test without a name": (
        rewrite_tests(lambda tests: tests[2].pop("name")),
        "tests.json",
        "test 3: must have exactly the keys expected, name, stdin, visible",
    ),
    "test with args and stdin": (field(0, "args", []), "tests.json", "test 1: must have exactly"),
    "test name with a space": (field(0, "name", "sample 1"), "tests.json", "test 1: name must be"),
    "visible not a boolean": (field(0, "visible", 1), "tests.json", "test 1: visible must be"),
    "stdin not a text": (field(0, "stdin", 5), "tests.json", "test 1: stdin and expected"),
    "expected not a text": (field(7, "expected", 5), "tests.json", "test 8: stdin and expected"),
    "test with NUL": (field(0, "stdin", "\0"), "tests.json", "test 1: holds a NUL"),
    "test with half a surrogate": (
        field(0, "stdin", "\ud800"),
        "tests.json",
        "test 1: holds a lone",
    ),
    "test too large": (field(0, "stdin", "x" * 300_000), "tests.json", "test 1: is larger than"),
    "one visible test": (
        rewrite_tests(lambda tests: tests.pop(0)),
        "tests.json",
        "must have from 2 to 3 visible tests, has 1",
    ),
    "five hidden tests": (
        rewrite_tests(lambda tests: tests.pop()),
        "tests.json",
        "must have from 6 to 200 hidden tests, has 5",
    ),
    "hidden test first": (
        rewrite_tests(lambda tests: tests.reverse()),
        "tests.json",
        "visible tests must come before",
    ),
    "test name twice": (field(3, "name", "hidden-3"), "tests.json", "name used twice: hidden-3"),
    "no submissions": (
        lambda folder: (folder / "submissions").rename(folder / "programs"),
        "submissions",
        "is missing",
    ),
    "folder of no verdict": (
        put("submissions/OK/a.py", RIGHT),
        "submissions/OK",
        "named after a verdict",
    ),
    "program in no language": (
        put("submissions/AC/reference.rb", "puts 1"),
        "submissions/AC/reference.rb",
        "is in no language of this task",
    ),
    "empty program": (
        put("submissions/WA/adds_two.py", ""),
        "submissions/WA/adds_two.py",
        "is empty",
    ),
    "no right solution": (
        remove("submissions/AC/reference.py"),
        "submissions/AC",
        "needs a right solution in python",
    ),
    "no right solution in the second language": (
        lambda folder: (
            manifest('["python"]', '["python", "javascript"]')(folder),
            put("starter/javascript.js", "")(folder),
        ),
        "submissions/AC",
        "needs a right solution in javascript",
    ),
    "no wrong solution": (
        remove("submissions/WA/adds_two.py"),
        "submissions/WA",
        "needs at least one wrong solution",
    ),
}


def test_parse_reads_everything(package: Path) -> None:
    found = parse(package)

    assert (found.slug, found.track, found.kind, found.entry) == (
        "double-it",
        "algorithms",
        "stdio",
        "",
    )
    assert (found.difficulty, found.discrimination, found.time_limit_s) == (-1.5, 1.0, 600)
    assert found.languages == ("python",)
    assert found.titles == {"en": "Double it", "ru": "Удвойте"}
    assert found.statements["ru"] == "Выведите удвоенное число.\n"
    assert found.hints == (
        {"en": "One", "ru": "Раз"},
        {"en": "Two", "ru": "Два"},
        {"en": "Three", "ru": "Три"},
    )
    assert found.starter == {"python": "number = int(input())\n"}
    assert [(s.expected, s.language, s.path.name, s.source) for s in found.submissions] == [
        (Verdict.AC, "python", "reference.py", RIGHT),
        (Verdict.WA, "python", "adds_two.py", WRONG),
    ]
    spec = found.spec
    assert (spec.slug, spec.checker, spec.checker_options) == ("double-it", "tokens", {})
    assert spec.limits == Limits(time_s=1.0, memory_mb=128, output_kb=16)
    assert spec.tests[0] == TestCase(name="sample-1", visible=True, stdin="2\n", expected="4\n")
    assert len(spec.tests) == 8
    assert len(spec.visible_tests) == 2


def test_parse_reads_a_function(package: Path) -> None:
    found = parse(as_function(package))

    assert (found.spec.kind, found.spec.entry) == ("function", "pair")
    assert found.tests[1] == TestCase(name="sample-2", visible=True, args=[1], expected=[1, None])


@pytest.mark.parametrize("rule", RULES)
def test_parse_refuses(package: Path, rule: str) -> None:
    change, name, reason = RULES[rule]
    change(package)

    with pytest.raises(PackageError) as caught:
        parse(package)

    assert caught.value.path == package / name
    assert reason in caught.value.reason
    assert str(caught.value) == f"{package / name}: {caught.value.reason}"


def test_parse_refuses_args_that_are_no_list(package: Path) -> None:
    as_function(package)
    field(0, "args", {})(package)

    with pytest.raises(PackageError, match="test 1: args must be a list"):
        parse(package)


def test_parse_refuses_a_file(package: Path) -> None:
    with pytest.raises(PackageError, match="a package is a folder"):
        parse(package / "task.toml")


def test_a_written_out_escape_is_no_nul_character(package: Path) -> None:
    field(0, "stdin", "\\u0000")(package)

    assert parse(package).tests[0].stdin == "\\u0000"


def test_discover_finds_each_package_once(tmp_path: Path) -> None:
    bank = tmp_path / "bank"
    first = make_package(bank / "algorithms" / "a")
    second = make_package(bank / "data" / "b")

    assert list(discover([bank])) == [first, second]
    assert list(discover([bank / "data", second / "task.toml", bank])) == [second, first]


def test_discover_finds_a_package_without_its_manifest(package: Path) -> None:
    (package / "task.toml").unlink()

    assert list(discover([package.parent])) == [package]


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_discover_refuses_a_path_without_packages(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()

    with pytest.raises(PackageError):
        list(discover([tmp_path / name]))
