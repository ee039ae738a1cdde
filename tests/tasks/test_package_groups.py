"""Groups, validators and imported packages in the bank's own format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.manifest import PackageError
from tasks.packages import parse
from tasks.spec import TestGroup, Validator
from tests.tasks.package_support import (
    VALIDATOR,
    field,
    grouped,
    make_package,
    manifest,
    put,
    remove,
    rewrite_tests,
)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return grouped(make_package(tmp_path / "double-it"))


def test_parse_reads_groups_and_a_validator(package: Path) -> None:
    found = parse(package)

    assert found.groups == (
        TestGroup("samples", 0, pretest=True),
        TestGroup("all", 100, requires=("samples",)),
    )
    assert [test.group for test in found.tests] == ["samples"] * 2 + ["all"] * 6
    assert found.checker == "validator"
    assert found.validator == Validator("python", VALIDATOR, ("-x", "a b"))
    assert found.spec.validator == found.validator
    assert found.spec.groups == found.groups
    assert found.credits == 'Ann \x7f "A"'


TOML, JSON = "task.toml", "tests.json"
RULES = {
    "test without group": (field(0, "group", ""), TOML, "a test without a group"),
    "test of no group": (field(0, "group", "other"), TOML, "every test must be in a group"),
    "group not a text": (field(0, "group", 1), JSON, "group must be the name"),
    "group without tests": (
        rewrite_tests(lambda tests: [test.update(group="all") for test in tests]),
        TOML,
        "every group have a test: samples",
    ),
    "groups without declaration": (
        lambda folder: manifest(
            (folder / TOML).read_text().partition("[[groups]]")[2].partition("[[hints]]")[0], ""
        )(folder) or manifest("[[groups]]", "")(folder),
        TOML,
        "every test must be in a group",
    ),
    "no points": (manifest("points = 100", "points = 0"), TOML, "at least one must have points"),
    "points in fractions": (manifest("= 100", "= 1.5"), TOML, "points: must be a whole number"),
    "negative points": (manifest("= 100", "= -1"), TOML, "points: must be from 0"),
    "name twice": (manifest('name = "all"', 'name = "samples"'), TOML, "names must differ"),
    "requires itself": (manifest('["samples"]', '["all"]'), TOML, "requires a group"),
    "requires nothing known": (manifest('["samples"]', '["x"]'), TOML, "requires a group"),
    "requires no list": (manifest('["samples"]', '"samples"'), TOML, "must be a list of texts"),
    "pretest waits": (
        manifest("pretest = true", 'pretest = true\nrequires = ["all"]'),
        TOML,
        "requires a group",
    ),
    "pretest not a flag": (manifest("pretest = true", "pretest = 1"), TOML, "true or false"),
    "unknown key": (manifest("points = 0", "points = 0\nmood = 1"), TOML, "not a key"),
    "no validator": (remove("validator.py"), "validator.py", "exactly one validator"),
    "two validators": (put("validator.js", "1"), "validator.py", "exactly one validator"),
    "empty validator": (put("validator.py", " \n"), "validator.py", "is empty"),
    "arguments not texts": (manifest('["-x", "a b"]', "[1]"), TOML, "must be a list of texts"),
    "validator not chosen": (
        manifest('checker = "validator"', 'checker = "tokens"'), TOML, "validator.arguments: is not",
    ),
    "validator of values": (
        manifest('kind = "stdio"', 'kind = "function"\nentry = "f"'), JSON, "exactly the keys",
    ),
    "options of a validator": (
        manifest("[limits]", "[checker_options]\na = 1\n[limits]"), TOML, "takes no options",
    ),
}  # fmt: skip


@pytest.mark.parametrize("rule", RULES)
def test_parse_refuses(package: Path, rule: str) -> None:
    change, name, reason = RULES[rule]
    change(package)

    with pytest.raises(PackageError) as refused:
        parse(package)

    assert refused.value.path == package / name
    assert reason in refused.value.reason


def imported(folder: Path) -> Path:
    manifest('track = "algorithms"', 'track = "algorithms"\norigin = "kattis"')(folder)
    return folder


def test_an_imported_package_may_lack_what_other_formats_lack(tmp_path: Path) -> None:
    folder = imported(make_package(tmp_path / "double-it"))
    text = (folder / TOML).read_text().partition("[[hints]]")[0].replace('ru = "Удвойте"\n', "")
    put(TOML, text)(folder)
    for name in ("statement.ru.md", "starter/python.py", "submissions/WA/adds_two.py"):
        remove(name)(folder)
    rewrite_tests(lambda tests: tests.__delitem__(slice(0, 7)))(folder)

    found = parse(folder)

    assert (found.origin, found.titles) == ("kattis", {"en": "Double it"})
    assert (found.hints, found.starter, len(found.tests)) == ((), {}, 1)
    manifest('origin = "kattis"\n', "")(folder)
    with pytest.raises(PackageError):
        parse(folder)


@pytest.mark.parametrize(
    ("change", "name", "reason"),
    [
        (put("statement.x.md", "?"), "statement.x.md", "no known language"),
        (manifest('ru = "Удвойте"\n', ""), TOML, "title.ru: is missing"),
        (manifest('"kattis"', '"elsewhere"'), TOML, "origin: must be one of"),
        (lambda folder: [path.unlink() for path in folder.glob("statement.*")],
         "statement.en.md", "is missing"),
        (put(JSON, "[]"), JSON, "from 1 to 200 hidden"),
    ],
)  # fmt: skip
def test_an_imported_package_is_refused(
    tmp_path: Path, change: Callable[[Path], object], name: str, reason: str
) -> None:
    folder = imported(make_package(tmp_path / "double-it"))
    change(folder)

    with pytest.raises(PackageError) as refused:
        parse(folder)

    assert (refused.value.path, reason in refused.value.reason) == (folder / name, True)
