"""The tests of a package: `tests.json`, a list in which the visible tests come first.

A test of a stdio task has `name`, `visible`, `stdin` and `expected` (two texts), one of a function
has `name`, `visible`, `args` (a list) and `expected` (any JSON value).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from django.utils.translation import gettext as _

from tasks import checkers
from tasks.enums import Kind
from tasks.manifest import PackageError, read_text
from tasks.spec import TaskSpec, TestCase

VISIBLE_TESTS = (2, 3)
HIDDEN_TESTS = (6, 200)
MAX_TEST_BYTES = 256 * 1024

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_NUL = re.compile(r"(?<!\\)(\\\\)*\\u0000")


def read_tests(path: Path, kind: str) -> tuple[TestCase, ...]:
    def not_json(constant: str) -> NoReturn:
        raise ValueError(_("%(constant)s is not JSON") % {"constant": constant})

    try:
        rows = json.loads(read_text(path), parse_constant=not_json)
    except (ValueError, RecursionError) as error:
        raise PackageError(path, _("is not JSON: %(error)s") % {"error": error})
    if not isinstance(rows, list):
        raise PackageError(path, _("must be a list of tests"))
    read = _TESTS[kind]
    tests = tuple(read(path, index, row) for index, row in enumerate(rows))
    visible = sum(test.visible for test in tests)
    for count, (low, high), what in (
        (visible, VISIBLE_TESTS, _("visible")),
        (len(tests) - visible, HIDDEN_TESTS, _("hidden")),
    ):
        if not low <= count <= high:
            raise PackageError(
                path,
                _("must have from %(low)d to %(high)d %(what)s tests, has %(count)d")
                % {"low": low, "high": high, "what": what, "count": count},
            )
    if any(not test.visible for test in tests[:visible]):
        raise PackageError(path, _("visible tests must come before hidden ones"))
    names = [test.name for test in tests]
    if twice := {name for name in names if names.count(name) > 1}:
        raise PackageError(path, _("name used twice: %(names)s") % {"names": sorted(twice)[0]})
    return tests


def _test_fields(path: Path, index: int, row: Any, given: str) -> dict[str, Any]:
    """The fields of one test after the checks that both kinds share; `given` is `stdin` or `args`."""

    def refuse(reason: str) -> NoReturn:
        raise PackageError(
            path, _("test %(number)d: %(reason)s") % {"number": index + 1, "reason": reason}
        )

    expected_keys = {"name", "visible", given, "expected"}
    if not isinstance(row, dict) or set(row) != expected_keys:
        refuse(
            _("must have exactly the keys %(keys)s") % {"keys": ", ".join(sorted(expected_keys))}
        )
    if not isinstance(row["name"], str) or not (
        len(row["name"]) <= 60 and _NAME.fullmatch(row["name"])
    ):
        refuse(_("name must be lower-case letters, digits and single dashes, at most 60"))
    if not isinstance(row["visible"], bool):
        refuse(_("visible must be true or false"))
    text = json.dumps([row[given], row["expected"]], ensure_ascii=False)
    try:
        size = len(text.encode("utf-8"))
    except UnicodeEncodeError:
        refuse(_("holds a lone surrogate"))
    if size > MAX_TEST_BYTES:
        refuse(_("is larger than %(limit)d bytes") % {"limit": MAX_TEST_BYTES})
    if _NUL.search(text):
        refuse(_("holds a NUL character"))
    if given == "stdin" and not (
        isinstance(row["stdin"], str) and isinstance(row["expected"], str)
    ):
        refuse(_("stdin and expected must be texts"))
    if given == "args" and not isinstance(row["args"], list):
        refuse(_("args must be a list"))
    return row


def _stdio_test(path: Path, index: int, row: Any) -> TestCase:
    return TestCase(**_test_fields(path, index, row, "stdin"))


def _function_test(path: Path, index: int, row: Any) -> TestCase:
    return TestCase(**_test_fields(path, index, row, "args"))


_TESTS: dict[str, Callable[[Path, int, Any], TestCase]] = {
    "stdio": _stdio_test,
    "function": _function_test,
}


def check_expected(folder: Path, spec: TaskSpec) -> None:
    """Every expected answer must pass the task's own checker, which also proves the options.

    Raises `PackageError` for the first that does not.
    """
    match = checkers.match_value if spec.kind == Kind.FUNCTION else checkers.match_text
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
