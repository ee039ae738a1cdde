"""The test data of a Kattis package: samples, secrets, and the points of groups."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from tasks.formats.kattis_problem import Problem, read_yaml
from tasks.manifest import PackageError, read_text
from tasks.package_tests import IMPORTED
from tasks.spec import TestCase, TestGroup

SAMPLE, SECRET = "sample", "secret"
CONFIGS = ("test_group.yaml", "testdata.yaml")
_WHOLE = ("min", "pass-fail")
_LEGACY_KEYS = {"accept_score", "grader_flags", "grading", "range"}

type Flags = tuple[str, ...]


def read(problem: Problem) -> tuple[tuple[TestCase, ...], tuple[TestGroup, ...], Flags]:
    """The tests, samples first, their groups where the problem scores, and the flags of the output
    validator, which must be the same for all tests. Raises `PackageError`.

    Hidden tests are numbered: their names in the package tell what they try.
    """
    data = problem.folder / "data"
    tests: list[TestCase] = []
    flags: set[Flags] = set()
    sources: list[Path] = []
    left = IMPORTED.all_bytes
    for part in (SAMPLE, SECRET):
        inputs = sorted((data / part).rglob("*.in"))
        for number, path in enumerate(inputs, start=1):
            stdin, expected = (
                read_text(path.with_suffix(s), limit=IMPORTED.test_bytes) for s in (".in", ".ans")
            )
            left -= len(stdin) + len(expected)
            if left < 0:
                raise PackageError(
                    data, _("is larger than %(limit)d bytes") % {"limit": IMPORTED.all_bytes}
                )
            flags.add(_flags(problem, path))
            sources.append(path)
            tests.append(
                TestCase(
                    name=f"{SAMPLE if part == SAMPLE else 'hidden'}-{number}",
                    visible=part == SAMPLE,
                    stdin=stdin,
                    expected=expected,
                    group=_group_name(path, data) if problem.scoring else "",
                )
            )
        if any((data / part).rglob("*.interaction")):
            raise PackageError(data / part, _("interactive problems are not judged here"))
        if unusual := sorted((data / part).rglob("*.files")):
            raise PackageError(unusual[0], _("files for a test are not supported"))
    if not tests:
        raise PackageError(data, _("has no tests"))
    if len(flags) > 1:
        raise PackageError(
            data, _("output validator flags that differ between tests are not supported")
        )
    groups = _groups(problem, sources) if problem.scoring else ()
    return tuple(tests), groups, next(iter(flags))


def _flags(problem: Problem, path: Path) -> Flags:
    """The output validator's flags for a test: of `problem.yaml`, then of its groups' files."""
    own = path.with_suffix(".yaml")
    if own.is_file():
        settings = read_yaml(own)
        if settings.get("args"):
            raise PackageError(own, _("command-line arguments for a test are not supported"))
        if "output_validator_args" in settings:
            return _words(own, settings["output_validator_args"])
    found: Flags = ()
    for folder in path.parents:
        if settings := _config(folder):
            key = next(
                (k for k in ("output_validator_flags", "output_validator_args") if k in settings),
                "",
            )
            if key:
                found = _words(folder, settings[key])
            if key or problem.legacy:
                break
        if folder == problem.folder / "data":
            break
    return (*_words(problem.folder / "problem.yaml", problem.meta.get("validator_flags")), *found)


def _words(path: Path, value: Any) -> Flags:
    try:
        words = shlex.split(value or "") if isinstance(value, str | None) else value
    except ValueError:
        words = None
    if not isinstance(words, list) or not all(
        isinstance(word, str | int | float) for word in words
    ):
        raise PackageError(path, _("the validator's flags must be words"))
    return tuple(map(str, words))


def _config(folder: Path) -> dict[str, Any]:
    found = next((folder / name for name in CONFIGS if (folder / name).is_file()), None)
    return read_yaml(found) if found else {}


def _group_name(path: Path, data: Path) -> str:
    """`sample`, or the folder under `secret` that holds the test."""
    parts = path.relative_to(data).parts
    return _plain(parts[1]) if parts[0] == SECRET and len(parts) > 2 else parts[0]


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60]


def _groups(problem: Problem, sources: list[Path]) -> tuple[TestGroup, ...]:
    data = problem.folder / "data"
    sizes = Counter(_group_name(path, data) for path in sources)
    groups: dict[str, TestGroup] = {}
    folders: dict[str, Path] = {}
    for path in sources:
        name = _group_name(path, data)
        folder = data.joinpath(
            *path.relative_to(data).parts[: 1 if name in (SAMPLE, SECRET) else 2]
        )
        if folders.setdefault(name, folder) != folder:
            raise PackageError(folder, _("another group has the same name"))
        if name in groups:
            continue
        if name == SAMPLE:
            groups[name] = TestGroup(SAMPLE, 0)
            continue
        nested = [one for kind in CONFIGS for one in folder.glob(f"*/**/{kind}")]
        if nested and name != SECRET:
            raise PackageError(nested[0], _("groups within groups are not supported"))
        settings = _config(folder) or (_config(folder.parent) if problem.legacy else {})
        # Newer packages still come with groups as the legacy format has them.
        points = _legacy_points if problem.legacy or _LEGACY_KEYS & settings.keys() else _points
        groups[name] = TestGroup(
            name, points(folder, settings, sizes[name]), _requires(folder, settings)
        )
    return tuple(groups.values())


def _points(folder: Path, settings: Mapping[str, Any], size: int) -> int:
    """Points of a group as 2023-07 has them; there were two ways to write them."""
    scoring = settings.get("scoring")
    scoring = scoring if isinstance(scoring, Mapping) else {}
    whole = folder.name != SECRET
    points = scoring.get("score", settings.get("max_score", None if whole else 100))
    usual = "pass-fail" if whole else "sum"
    how = scoring.get("aggregation", settings.get("score_aggregation", usual))
    if how not in _WHOLE and size > 1:
        raise PackageError(folder, _("points for single tests are not supported, only for groups"))
    return _whole(folder, points)


def _legacy_points(folder: Path, settings: Mapping[str, Any], size: int) -> int:
    if settings.get("grading", "default") != "default":
        raise PackageError(folder, _("a grader of its own is not supported"))
    if "min" not in str(settings.get("grader_flags", "")).split() and size > 1:
        raise PackageError(folder, _("points for single tests are not supported, only for groups"))
    return _whole(folder, settings.get("accept_score", 1))


def _whole(folder: Path, points: Any) -> int:
    if isinstance(points, str) and re.fullmatch(r"[0-9]{1,6}(\.0*)?", points):
        points = float(points)
    if (
        isinstance(points, bool)
        or not isinstance(points, int | float)
        or not 0 <= points <= 10_000
        or points != int(points)
    ):
        raise PackageError(folder, _("a group's points must be a whole number"))
    return int(points)


def _requires(folder: Path, settings: Mapping[str, Any]) -> tuple[str, ...]:
    scoring = settings.get("scoring")
    nested = scoring.get("require_pass") if isinstance(scoring, Mapping) else None
    names = nested or settings.get("require_pass") or []
    names = [names] if isinstance(names, str) else names
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise PackageError(folder, _("require_pass: must be a list of texts"))
    return tuple(_plain(name.rsplit("/", 1)[-1]) for name in names)
