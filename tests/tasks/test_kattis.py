"""Kattis packages: what they become, what is left out, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.enums import Verdict
from tasks.formats import kattis, kattis_programs
from tasks.judging import judge
from tasks.manifest import PackageError
from tasks.packages import Defaults, Package
from tasks.spec import Limits, TestCase, TestGroup, Validator
from tests.tasks.kattis_support import (
    VALIDATOR,
    make_draft,
    make_legacy,
    make_scoring,
)
from tests.tasks.package_support import put, remove, replace, write


def parse(folder: Path) -> Package:
    return kattis.parse(folder, Defaults(track="data", difficulty=0.5))


def verdicts(package: Package) -> dict[str, Verdict]:
    found = {}
    for one in package.submissions:
        judgement = judge(package.spec, language=one.language, source=one.source)
        found[one.name] = judgement.verdict
    return found


def test_a_legacy_package(tmp_path: Path) -> None:
    package = parse(make_legacy(tmp_path / "Double_it"))

    assert (package.slug, package.track, package.kind) == ("double-it", "data", "stdio")
    assert (package.difficulty, package.discrimination, package.origin) == (0.5, 1.0, "kattis")
    assert package.titles == {"en": "Double it"}
    assert package.statements == {
        "en": "Print `2 · n`.\n\n## Input\n\nOne number `n` with `-10^9 ≤ n ≤ 10^9`.\n"
    }
    assert (package.checker, package.checker_options) == ("tokens", {"ignore_case": True})
    assert package.limits == Limits(time_s=1.0, memory_mb=256, output_kb=64)
    assert package.tests == (
        TestCase("sample-1", True, stdin="2\n", expected="4\n"),
        TestCase("hidden-1", False, stdin="-3\n", expected="-6\n"),
        TestCase("hidden-2", False, stdin="10\n", expected="20\n"),
        TestCase("hidden-3", False, stdin="0\n", expected="0\n"),
    )
    assert (package.groups, package.validator, package.hints, package.starter) == ((), None, (), {})
    assert package.credits == "Author: Ann Author\nSource: Club round 3\nLicence: cc by-sa"
    assert package.notes == (
        "problem.en.tex: not understood: \\illustration",
        "submissions/accepted/ann.pas: is in no language of this task, or of many files",
    )


def test_the_submissions_of_a_package_get_their_verdicts(tmp_path: Path) -> None:
    package = parse(make_legacy(tmp_path / "doubleit"))

    expected = {
        "AC/ann.py": "AC", "RTE/crashes.py": "RTE", "TLE/slow.py": "TLE", "WA/no_sign.py": "WA",
    }  # fmt: skip
    assert {one.name: one.expected for one in package.submissions} == expected
    assert verdicts(package) == expected


def test_a_package_of_2023_07_with_its_own_validator(tmp_path: Path) -> None:
    package = parse(make_draft(tmp_path / "sumpair"))

    assert package.titles == {"en": "Sum pair", "ru": "Пара с суммой"}
    assert package.statements["en"] == "Two numbers with a sum to 1000.\n"
    assert package.checker == "validator"
    assert package.validator == Validator(
        "python", VALIDATOR.replace("{{max_sum}}", "1000"), ("strict",)
    )
    assert package.limits == Limits(time_s=1.5, memory_mb=512, output_kb=64)
    assert package.notes == ("submissions/brute_force/either.py: may get different verdicts",)
    expected = {"AC/any.py": "AC", "RTE/crashes.py": "RTE", "WA/prints_one.py": "WA"}
    assert {one.name: one.expected for one in package.submissions} == expected
    assert verdicts(package) == expected


@pytest.mark.parametrize("legacy", [True, False])
def test_groups_with_points(tmp_path: Path, legacy: bool) -> None:
    package = parse(make_scoring(tmp_path / "doubleit", legacy=legacy))

    requires = () if legacy else ("sample", "g1")
    assert package.groups == (
        TestGroup("sample", 0), TestGroup("g-2", 70, requires), TestGroup("g1", 30),
    )  # fmt: skip
    assert [test.group for test in package.tests] == ["sample", "g-2", "g-2", "g1"]


def test_groups_of_the_legacy_format_in_a_newer_package(tmp_path: Path) -> None:
    folder = make_scoring(tmp_path / "doubleit", legacy=True)
    replace("problem.yaml", "name:", "problem_format_version: 2025-09\nname:")(folder)

    assert [group.points for group in parse(folder).groups] == [0, 70, 30]


@pytest.mark.parametrize(
    ("flags", "checker", "options"),
    [
        ("case_sensitive", "tokens", {}),
        ("space_change_sensitive", "exact", {"ignore_case": True}),
        ("case_sensitive space_change_sensitive", "exact", {}),
        ("float_tolerance 1e-4", "floats", {"ignore_case": True, "abs_tol": 1e-4, "rel_tol": 1e-4}),
        (
            "case_sensitive float_absolute_tolerance 0.5",
            "floats",
            {"abs_tol": 0.5, "rel_tol": 0.0},
        ),
        (
            "case_sensitive space_change_sensitive float_relative_tolerance 0.5",
            "floats",
            {"abs_tol": 0.0, "rel_tol": 0.5, "keep_spaces": True},
        ),
    ],
)
def test_flags_choose_the_checker(tmp_path: Path, flags: str, checker: str, options: dict) -> None:
    folder = make_legacy(tmp_path / "doubleit")
    replace("problem.yaml", "limits:", f"validator_flags: {flags}\nlimits:")(folder)

    package = parse(folder)

    assert (package.checker, package.checker_options) == (checker, options)


def test_flags_of_the_data_follow_those_of_the_problem(tmp_path: Path) -> None:
    folder = make_legacy(tmp_path / "doubleit")
    replace("problem.yaml", "limits:", "validator_flags: case_sensitive\nlimits:")(folder)
    write(folder, "data/testdata.yaml", "output_validator_flags: float_tolerance 0.5\n")

    package = parse(folder)

    assert package.checker_options == {"abs_tol": 0.5, "rel_tol": 0.5}


@pytest.mark.parametrize(
    ("change", "time_s"),
    [
        (put(".timelimit", "3\n"), 3.0),
        (put("domjudge-problem.ini", "color = red\ntimelimit='2.5'\n"), 2.5),
        (put("data/nothing.txt", ""), 2.0),
    ],
)
def test_where_a_time_limit_stands(
    tmp_path: Path, change: Callable[[Path], None], time_s: float
) -> None:
    folder = make_legacy(tmp_path / "doubleit")
    replace("problem.yaml", "  time_limit: 1\n", "")(folder)
    change(folder)

    package = parse(folder)

    assert package.limits.time_s == time_s
    assert any("no time limit" in note for note in package.notes) == (time_s == 2.0)


def test_markdown_is_taken_as_it_is_before_latex(tmp_path: Path) -> None:
    folder = make_legacy(tmp_path / "doubleit")
    write(folder, "problem_statement/problem.md", "Print `2 * n`.\n![cat](cat.png)\n")
    write(folder, "problem_statement/problem.sv.tex", "\\problemname{Dubbla} Skriv talet.\n")

    package = parse(folder)

    assert package.statements == {"en": "Print `2 * n`.\n\n", "sv": "Skriv talet.\n"}
    assert "problem.md: 1 images are not shown" in package.notes


def test_programs_of_python_2_are_left_out(tmp_path: Path) -> None:
    folder = make_legacy(tmp_path / "doubleit")
    write(folder, "submissions/accepted/old.py", "print 2 * int(raw_input())\n")

    package = parse(folder)

    assert "AC/old.py" not in {one.name for one in package.submissions}
    assert "submissions/accepted/old.py: is no Python 3" in package.notes


@pytest.mark.parametrize(
    ("source", "called"),
    [
        ("public class Ann { Ann() {} }\nclass Anna {}", "public class Main { Main() {} }\nclass Anna {}"),
        ("class Main { } // by Ann", "class Main { } // by Ann"),
    ],
)  # fmt: skip
def test_the_class_of_a_java_program_is_called_main(source: str, called: str) -> None:
    assert kattis_programs._as_main(source, "Ann") == called


def test_headers_of_a_validator_are_put_in_their_place() -> None:
    source = '#include <cstdio>\n#include "a.h"\n # include "b.h"\n#include "c.h"\nint main() {}\n'
    headers = {"a.h": '#include "b.h"\nint a;', "b.h": "int b;"}

    assert kattis_programs._with_headers(source, headers) == (
        '#include <cstdio>\nint b;\nint a;\n\n#include "c.h"\nint main() {}\n'
    )


YAML = "problem.yaml"
REFUSED = [
    (put(YAML, "a: [1"), YAML, "is not YAML"),
    (put(YAML, 'name: "a\\0b"'), YAML, "is not YAML"),
    (put(YAML, 'name: "\\ud800"'), YAML, "is not YAML"),
    (put(YAML, "a: &a [1]\nname: *a"), YAML, "aliases are not read"),
    (put(YAML, "a: &a [*a]"), YAML, "aliases are not read"),
    (put(YAML, "name: !!python/object/apply:os.system [true]"), YAML, "is not YAML"),
    (put(YAML, "limits: {2020-01-01: 1}"), YAML, "is not YAML"),
    (put(YAML, "- 1"), YAML, "must be a map"),
    (put(YAML, "name: " + "[" * 5000), YAML, "is not YAML"),
    (replace(YAML, "limits:", "type: interactive\nlimits:"), YAML, "not judged here"),
    (replace(YAML, "limits:", "type: [pass-fail, multi-pass]\nlimits:"), YAML, "not judged here"),
    (replace(YAML, "limits:", "problem_format_version: 2030-01\nlimits:"), YAML, "is not known"),
    (replace(YAML, "limits:", "validation: custom interactive\nlimits:"), YAML, "interactive"),
    (replace(YAML, "limits:", "validation: custom score\nlimits:"), YAML, "score is not supported"),
    (replace(YAML, "limits:", "validation: magic\nlimits:"), YAML, "default or custom"),
    (replace(YAML, "limits:", "validation: custom\nlimits:"), "output_validators", "exactly one"),
    (replace(YAML, "limits:", "validator_flags: telepathy\nlimits:"), YAML, "telepathy is not known"),
    (replace(YAML, "limits:", "validator_flags: float_tolerance\nlimits:"), YAML, "float_tolerance"),
    (replace(YAML, "limits:", "validator_flags: float_tolerance nan\nlimits:"), YAML, "float_tol"),
    (replace(YAML, "limits:", "languages: [cobol]\nlimits:"), YAML, "none of them"),
    (replace(YAML, "time_limit: 1", "time_limit: 60"), YAML, "from 0.1 to 10.0 seconds"),
    (replace(YAML, "time_limit: 1", "time_limit: soon"), YAML, "must be a number"),
    (replace(YAML, "memory: 256", "memory: much"), YAML, "must be a number"),
    (put("include/python3/a.py", ""), "include", "not supported"),
    (remove("problem_statement/problem.en.tex"), "problem_statement", "no statement"),
    (put("problem_statement/problem.en.tex", "\\problemname{x} % nothing"), "problem_statement/problem.en.tex", "is empty"),
    (remove("data/secret/03-zero.ans"), "data/secret/03-zero.ans", "is missing"),
    (put("data/secret/03-zero.in", b"\xff"), "data/secret/03-zero.in", "is not UTF-8"),
    (put("data/secret/03-zero.in", "0\n" * 2_000_000), "data/secret/03-zero.in", "is larger than"),
    (put("data/secret/03-zero.ans", "0\n" * 600_000), "data", "that a program may print"),
    (put("data/sample/1.interaction", ">1"), "data/sample", "interactive"),
    (put("data/secret/03-zero.files/a.txt", ""), "data/secret/03-zero.files", "not supported"),
    (put("data/secret/03-zero.yaml", "args: [x]"), "data/secret/03-zero.yaml", "command-line"),
    (put("data/secret/testdata.yaml", "output_validator_flags: case_sensitive"), "data", "differ"),
    (put("data/secret/testdata.yaml", "output_validator_flags: '\"'"), "data/secret", "must be words"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "name", "reason"), REFUSED, ids=[f"{name} {reason}" for _c, name, reason in REFUSED]
)
def test_a_package_that_cannot_be_judged_is_refused(
    tmp_path: Path, change: Callable[[Path], None], name: str, reason: str
) -> None:
    folder = make_legacy(tmp_path / "doubleit")
    change(folder)

    with pytest.raises(PackageError) as refused:
        parse(folder)

    assert refused.value.path == folder / name
    assert reason in refused.value.reason


def test_a_package_without_secrets_is_refused(tmp_path: Path) -> None:
    folder = make_legacy(tmp_path / "doubleit")
    for path in (folder / "data/secret").iterdir():
        path.unlink()

    with pytest.raises(PackageError, match="from 1 to 200 hidden tests, has 0"):
        parse(folder)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (put("output_validator/second.py", "1"), "one program of one file"),
        (put("output_validator/build", "make"), "one program of one file"),
        (lambda folder: (folder / "output_validator/validate.py").rename(
            folder / "output_validator/validate.pas"), "in no language"),
        (put("output_validators/old/validate.py", "1"), "exactly one validator"),
    ],
)  # fmt: skip
def test_a_validator_that_cannot_be_run_is_refused(
    tmp_path: Path, change: Callable[[Path], object], reason: str
) -> None:
    folder = make_draft(tmp_path / "sumpair")
    change(folder)

    with pytest.raises(PackageError, match=reason):
        parse(folder)


@pytest.mark.parametrize(
    ("legacy", "name", "settings", "reason"),
    [
        (True, "G_2/testdata.yaml", "accept_score: 70", "points for single tests"),
        (True, "G_2/testdata.yaml", "grading: custom", "a grader of its own"),
        (True, "G_2/testdata.yaml", "{grader_flags: min, accept_score: 0.5}", "whole number"),
        (True, "G_2/testdata.yaml", "{grader_flags: min, accept_score: -1}", "whole number"),
        (True, "G_2/deep/testdata.yaml", "accept_score: 1", "groups within groups"),
        (False, "G_2/test_group.yaml", "scoring: {score: 1, aggregation: sum}", "single tests"),
        (False, "G_2/test_group.yaml", "scoring: {score: unbounded}", "whole number"),
        (False, "G_2/test_group.yaml", "", "whole number"),
        (False, "G_2/test_group.yaml", "{max_score: 1, require_pass: 5}", "require_pass"),
        (
            False,
            "G_2/test_group.yaml",
            "{max_score: 1, require_pass: secret/x}",
            "requires a group",
        ),
        (False, "g-2/test_group.yaml", "max_score: 1", "the same name"),
    ],
)
def test_points_that_we_do_not_give_are_refused(
    tmp_path: Path, legacy: bool, name: str, settings: str, reason: str
) -> None:
    folder = make_scoring(tmp_path / "doubleit", legacy=legacy)
    write(folder, f"data/secret/{name}", settings)
    if name.startswith("g-2"):
        write(folder, "data/secret/g-2/x.in", "1\n")
        write(folder, "data/secret/g-2/x.ans", "2\n")

    with pytest.raises(PackageError, match=reason):
        parse(folder)


def test_a_link_out_of_the_package_is_refused(tmp_path: Path) -> None:
    folder = make_legacy(tmp_path / "doubleit")
    secret = tmp_path / "secret.txt"
    secret.write_text("4")
    (folder / "data/secret/01-negative.ans").unlink()
    (folder / "data/secret/01-negative.ans").symlink_to(secret)
    (folder / "input_validators").symlink_to(tmp_path)  # is never read
    (folder / "data/secret/02-large.ans").unlink()
    (folder / "data/secret/02-large.ans").symlink_to(folder / "data/sample/1.ans")

    with pytest.raises(PackageError, match="a link out of the package") as refused:
        parse(folder)
    assert refused.value.path == folder / "data/secret/01-negative.ans"

    write(tmp_path, "doubleit/data/secret/01-negative.tmp", "-6\n")
    (folder / "data/secret/01-negative.ans").unlink()
    (folder / "data/secret/01-negative.tmp").rename(folder / "data/secret/01-negative.ans")
    assert parse(folder).tests[2].expected == "4\n"
