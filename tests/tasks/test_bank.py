"""The bank itself: every task is whole, and the judge agrees with every program."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from tasks.enums import Kind, Verdict
from tasks.judging import judge
from tasks.models import CodingTask
from tasks.package_programs import LANGUAGES, PROVEN
from tasks.packages import BANK, Package, discover, load, parse
from tasks.verification import surprises

FOLDERS = list(discover())
TRACKS = ("algorithms", "backend", "data")
IDS = [folder.relative_to(BANK).as_posix() for folder in FOLDERS]


@pytest.fixture(scope="module")
def packages() -> list[Package]:
    return [parse(folder) for folder in FOLDERS]


def test_every_package_lies_in_the_folder_of_its_track(packages: list[Package]) -> None:
    assert [p.folder.relative_to(BANK).parts for p in packages] == [
        (p.track, p.slug) for p in packages
    ]


def test_every_track_has_enough_tasks(packages: list[Package]) -> None:
    tasks = Counter(package.track for package in packages)

    assert tuple(sorted(tasks)) == TRACKS
    assert sum(tasks.values()) >= 24
    assert min(tasks.values()) >= 8


def test_no_two_packages_share_a_slug(packages: list[Package]) -> None:
    assert len({package.slug for package in packages}) == len(packages)


def test_every_package_is_in_both_languages(packages: list[Package]) -> None:
    for package in packages:
        wanted = LANGUAGES[Kind(package.kind)]
        if package.kind == Kind.FUNCTION:
            wanted = ("python", "javascript")
        assert package.languages == wanted, package.slug
        for russian in (
            package.titles["ru"],
            package.statements["ru"],
            *(hint["ru"] for hint in package.hints),
        ):
            letters = [letter for letter in russian if letter.isalpha()]
            cyrillic = [letter for letter in letters if "а" <= letter.lower() <= "я"]
            assert len(cyrillic) > len(letters) / 4, (package.slug, russian)


def test_hints_grow_and_hold_no_code(packages: list[Package]) -> None:
    for package in packages:
        for locale in ("en", "ru"):
            hints = [hint[locale] for hint in package.hints]
            assert len(set(hints)) == 3
            assert len(hints[0]) < len(hints[2]), package.slug
            assert not any("```" in hint or "\n" in hint for hint in hints), package.slug


def test_statements_show_the_first_sample(packages: list[Package]) -> None:
    for package in packages:
        sample = package.tests[0]
        if package.kind != "stdio":
            continue
        for statement in package.statements.values():
            assert sample.stdin.strip() in statement, package.slug
            assert sample.expected.strip() in statement, package.slug


@pytest.mark.parametrize("track", TRACKS)
def test_difficulties_of_a_track_cover_the_scale(track: str, packages: list[Package]) -> None:
    difficulties = sorted(package.difficulty for package in packages if package.track == track)

    assert difficulties[0] <= -1.8
    assert difficulties[-1] >= 1.8
    assert max(high - low for low, high in pairwise(difficulties)) <= 1.0


def test_hidden_tests_catch_a_program_that_only_knows_the_samples(
    packages: list[Package],
) -> None:
    """No hidden test repeats a sample, and the answers of the hidden ones differ."""
    for package in packages:
        given = [(test.stdin, test.args) for test in package.tests]
        assert all(given.count(one) == 1 for one in given), package.slug
        answers = {repr(test.expected) for test in package.tests if not test.visible}
        assert len(answers) >= 3, package.slug


@pytest.mark.django_db
def test_the_bank_loads() -> None:
    loaded = load(FOLDERS)

    assert loaded.rejected == ()
    assert sum(loaded.stored.values()) == len(FOLDERS)
    assert set(CodingTask.objects.values_list("track", flat=True)) == set(TRACKS)
    assert load(FOLDERS).stored == {"unchanged": len(FOLDERS)}


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("folder", FOLDERS, ids=IDS)
def test_the_judge_agrees_with_every_program(folder: Path) -> None:
    package = parse(folder)

    assert [str(surprise) for surprise in surprises(package)] == []
    assert {s.expected for s in package.submissions} >= {Verdict.AC, Verdict.WA}


@pytest.mark.slow
@pytest.mark.parametrize("folder", FOLDERS, ids=IDS)
def test_starter_code_runs_and_solves_nothing(folder: Path) -> None:
    package = parse(folder)

    verdicts = {
        language: judge(package.spec, language=language, source=source, tests="visible").verdict
        for language, source in package.starter.items()
    }

    assert verdicts == dict.fromkeys(set(package.languages) & set(PROVEN), Verdict.WA)
