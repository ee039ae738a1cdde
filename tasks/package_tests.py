"""The tests of a package: `tests.json`, a list in which the visible tests come first.

A test of a stdio task has `name`, `visible`, `stdin` and `expected` (two texts), one of a function
has `name`, `visible`, `args` (a list) and `expected` (any JSON value). One of a query has as `stdin`
the script that makes its tables, and an `expected` with `rows` and, to have them compared, `columns`.
Where the manifest declares groups each test has its `group` too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from django.utils.translation import gettext as _

from tasks import checkers
from tasks.enums import Kind
from tasks.groups import stages
from tasks.manifest import MAX_FILE_BYTES, PackageError, Table, read_text
from tasks.spec import VALIDATOR, TaskSpec, TestCase, TestGroup


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many tests a package may have, and how large: each in bytes, and the file of all."""

    visible: tuple[int, int]
    hidden: tuple[int, int]
    test_bytes: int
    all_bytes: int


OWN = Bounds(visible=(2, 3), hidden=(6, 200), test_bytes=256 * 1024, all_bytes=MAX_FILE_BYTES)
IMPORTED = Bounds(visible=(0, 20), hidden=(1, 200), test_bytes=2 * 1024**2, all_bytes=32 * 1024**2)
MAX_GROUPS = 50
MAX_POINTS = 10_000

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_NUL = re.compile(r"(?<!\\)(\\\\)*\\u0000")


def read_tests(path: Path, kind: str, bounds: Bounds) -> tuple[TestCase, ...]:
    def not_json(constant: str) -> NoReturn:
        raise ValueError(_("%(constant)s is not JSON") % {"constant": constant})

    try:
        rows = json.loads(read_text(path, limit=bounds.all_bytes), parse_constant=not_json)
    except (ValueError, RecursionError) as error:
        raise PackageError(path, _("is not JSON: %(error)s") % {"error": error})
    if not isinstance(rows, list):
        raise PackageError(path, _("must be a list of tests"))
    read = _TESTS[kind]
    tests = tuple(read(path, index, row, bounds) for index, row in enumerate(rows))
    check_counts(path, tests, bounds)
    if any(not test.visible for test in tests[: sum(test.visible for test in tests)]):
        raise PackageError(path, _("visible tests must come before hidden ones"))
    names = [test.name for test in tests]
    if twice := {name for name in names if names.count(name) > 1}:
        raise PackageError(path, _("name used twice: %(names)s") % {"names": sorted(twice)[0]})
    return tests


def check_counts(path: Path, tests: Sequence[TestCase], bounds: Bounds) -> None:
    """Raises `PackageError` for too few or too many visible or hidden tests."""
    visible = sum(test.visible for test in tests)
    for count, (low, high), what in (
        (visible, bounds.visible, _("visible")),
        (len(tests) - visible, bounds.hidden, _("hidden")),
    ):
        if not low <= count <= high:
            raise PackageError(
                path,
                _("must have from %(low)d to %(high)d %(what)s tests, has %(count)d")
                % {"low": low, "high": high, "what": what, "count": count},
            )


def read_groups(manifest: Table, tests: Sequence[TestCase]) -> tuple[TestGroup, ...]:
    """The test groups that the manifest declares. Raises `PackageError` for tests without a group,
    groups without a test, and groups that wait for one another."""
    declared = []
    for table in manifest.tables("groups", default=[]):
        declared.append(
            TestGroup(
                name=table.text("name", pattern=_NAME, max_length=60),
                points=table.integer("points", 0, MAX_POINTS),
                requires=_names(table, "requires"),
                pretest=table.flag("pretest"),
            )
        )
        table.close()
    check_groups(manifest.path, declared, tests)
    return tuple(declared)


def check_groups(path: Path, declared: Sequence[TestGroup], tests: Sequence[TestCase]) -> None:
    """Raises `PackageError` for groups by which `tests` cannot be judged."""
    names = [group.name for group in declared]
    used = {test.group for test in tests}
    if len(set(names)) != len(names) or len(names) > MAX_GROUPS:
        raise PackageError(
            path, _("groups: names must differ, and be at most %(limit)d") % {"limit": MAX_GROUPS}
        )
    if not declared and used <= {""}:
        return
    if wrong := sorted(used.symmetric_difference(names)):
        raise PackageError(
            path,
            _("groups: every test must be in a group, and every group have a test: %(name)s")
            % {"name": wrong[0] or _("a test without a group")},
        )
    if not any(group.points for group in declared):
        raise PackageError(path, _("groups: at least one must have points"))
    try:
        list(stages(declared))
    except ValueError as error:
        raise PackageError(path, _("groups: %(error)s") % {"error": error})


def _names(table: Table, key: str) -> tuple[str, ...]:
    value = table.take(key, [])
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        table.refuse_key(key, _("must be a list of texts"))
    return tuple(value)


def _test_fields(
    path: Path,
    index: int,
    row: Any,
    bounds: Bounds,
    given: str,
    texts: tuple[str, ...] = ("stdin", "expected"),
) -> dict[str, Any]:
    """The fields of one test after the checks that all kinds share; `given` is `stdin` or `args`."""

    def refuse(reason: str) -> NoReturn:
        raise PackageError(
            path, _("test %(number)d: %(reason)s") % {"number": index + 1, "reason": reason}
        )

    expected_keys = {"name", "visible", given, "expected"}
    if not isinstance(row, dict) or set(row) - {"group"} != expected_keys:
        refuse(
            _("must have exactly the keys %(keys)s") % {"keys": ", ".join(sorted(expected_keys))}
        )
    if not isinstance(row["name"], str) or not (
        len(row["name"]) <= 60 and _NAME.fullmatch(row["name"])
    ):
        refuse(_("name must be lower-case letters, digits and single dashes, at most 60"))
    if not isinstance(row.get("group", ""), str):
        refuse(_("group must be the name of a group"))
    if not isinstance(row["visible"], bool):
        refuse(_("visible must be true or false"))
    text = json.dumps([row[given], row["expected"]], ensure_ascii=False)
    try:
        size = len(text.encode("utf-8"))
    except UnicodeEncodeError:
        refuse(_("holds a lone surrogate"))
    if size > bounds.test_bytes:
        refuse(_("is larger than %(limit)d bytes") % {"limit": bounds.test_bytes})
    if _NUL.search(text):
        refuse(_("holds a NUL character"))
    if given == "stdin" and not all(isinstance(row[name], str) for name in texts):
        refuse(_("stdin and expected must be texts"))
    if given == "args" and not isinstance(row["args"], list):
        refuse(_("args must be a list"))
    return row


def _stdio_test(path: Path, index: int, row: Any, bounds: Bounds) -> TestCase:
    return TestCase(**_test_fields(path, index, row, bounds, "stdin"))


def _sql_test(path: Path, index: int, row: Any, bounds: Bounds) -> TestCase:
    expected = row.get("expected") if isinstance(row, dict) else None
    if not isinstance(expected, dict) or not {"rows"} <= set(expected) <= {"rows", "columns"}:
        raise PackageError(
            path,
            _("test %(number)d: %(reason)s")
            % {
                "number": index + 1,
                "reason": _("expected must be an object with rows and, if you want, columns"),
            },
        )
    return TestCase(**_test_fields(path, index, row, bounds, "stdin", texts=("stdin",)))


def _function_test(path: Path, index: int, row: Any, bounds: Bounds) -> TestCase:
    return TestCase(**_test_fields(path, index, row, bounds, "args"))


_TESTS: dict[str, Callable[[Path, int, Any, Bounds], TestCase]] = {
    "stdio": _stdio_test,
    "function": _function_test,
    "sql": _sql_test,
}


def check_expected(folder: Path, spec: TaskSpec) -> None:
    """Every expected answer must pass the task's own checker, which also proves the options.

    Raises `PackageError` for the first that does not. A validator is a program, which nothing runs
    here: `verify_tasks` does.
    """
    if spec.checker == VALIDATOR:
        if spec.checker_options:
            raise PackageError(folder / "task.toml", _("checker: a validator takes no options"))
        return
    match = checkers.match_text if spec.kind == Kind.STDIO else checkers.match_value
    for test in spec.tests:
        try:
            right = match(spec.checker, test.expected, test.expected, spec.checker_options)
        except (ValueError, TypeError) as error:
            raise PackageError(folder / "task.toml", _("checker: %(error)s") % {"error": error})
        if not right:
            raise PackageError(
                folder / "tests.json",
                _("%(test)s: the checker refuses the expected answer itself") % {"test": test.name},
            )
