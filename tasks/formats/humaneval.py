"""HumanEval-style records: one JSON object a line, each a Python function to write.

`task_id`, `prompt` (signature and docstring), `entry_point`, `canonical_solution` (the body), and
`test`, a `check(candidate)` of asserts. No code of `test` is run: the asserts are read, and a task
becomes a `function` task when each of them compares one call on plain values with a plain value.
Expected values so never come near a candidate's program; another shape of test is refused.
"""

from __future__ import annotations

import ast
import copy
import hashlib
import json
import math
import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from tasks.enums import Kind, Origin, Verdict
from tasks.manifest import PackageError, read_text
from tasks.package_programs import Submission
from tasks.package_tests import IMPORTED, check_counts, check_expected
from tasks.packages import Defaults, Package
from tasks.spec import Limits, TestCase

SUFFIX = ".jsonl"
KEYS = ("task_id", "prompt", "entry_point", "canonical_solution", "test")
MAX_BYTES = 64 * 1024 * 1024
MAX_TEXT = 256 * 1024
VISIBLE = 2
_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
# Beyond this no arithmetic is done on constants.
_SMALL = dict.fromkeys(_ARITHMETIC, 1e15) | {ast.Pow: 64}
LIMITS = Limits(time_s=3.0, memory_mb=256, output_kb=64)


class _NotPlain(Exception):
    """Why a test cannot be read."""


@dataclass(frozen=True, slots=True)
class Record:
    """A line of a file."""

    path: Path
    line: int
    text: str


def records(path: Path) -> Iterator[Record]:
    """The lines of a file that are not empty. Raises `PackageError`."""
    for number, line in enumerate(read_text(path, limit=MAX_BYTES).split("\n"), start=1):
        if line.strip():
            yield Record(path, number, line)


def parse(record: Record, defaults: Defaults) -> Package:
    """Read one record. Raises `PackageError` with the line and, where there is one, the task's id."""
    try:
        return _package(record, defaults)
    except _NotPlain as error:
        raise PackageError(record.path, _at(record, str(error)))


def _at(record: Record, reason: str) -> str:
    return _("line %(line)d: %(reason)s") % {"line": record.line, "reason": reason}


def _package(record: Record, defaults: Defaults) -> Package:
    values = _values(record.text)
    task_id, entry = values["task_id"], values["entry_point"]
    slug = re.sub(r"[^a-z0-9]+", "-", task_id.lower()).strip("-")[:80]
    if not slug or not (entry.isascii() and entry.isidentifier()):
        raise _NotPlain(_("task_id and entry_point must name something"))
    try:
        tests, tolerance = _tests(values["test"], entry)
        tuples = _has_tuples(values["test"], entry)
    except _NotPlain as error:
        raise _NotPlain(f"{task_id}: {error}")
    reference = values["prompt"] + values["canonical_solution"].rstrip() + "\n"
    docstring = _docstring(values["prompt"], entry)
    package = Package(
        folder=record.path,
        slug=slug,
        track=defaults.track,
        kind=Kind.FUNCTION.value,
        entry=entry,
        difficulty=defaults.difficulty,
        discrimination=defaults.discrimination,
        time_limit_s=defaults.time_limit_s,
        languages=("python",),
        checker="json",
        checker_options={"abs_tol": tolerance} if tolerance else {},
        limits=LIMITS,
        titles={"en": entry.replace("_", " ").strip().capitalize() or task_id},
        statements={"en": _statement(entry, docstring)},
        hints=(),
        starter={"python": values["prompt"].rstrip() + "\n    pass\n"},
        tests=tests,
        submissions=(Submission(Verdict.AC, "python", Path("canonical_solution.py"), reference),),
        origin=Origin.HUMANEVAL,
        credits=task_id,
        notes=(_("%(id)s: tuples among the arguments are given as lists") % {"id": task_id},)
        if tuples
        else (),
        checksum=hashlib.sha256(f"{record.text}\0{defaults}".encode()).hexdigest(),
    )
    try:
        check_counts(record.path, tests, IMPORTED)
        check_expected(record.path, package.spec)
    except PackageError as error:
        raise _NotPlain(f"{task_id}: {error.reason}")
    return package


def _values(text: str) -> dict[str, str]:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _NotPlain(_("is not JSON: %(error)s") % {"error": error})
    if not isinstance(values, dict):
        raise _NotPlain(_("is not a JSON object"))
    for key in KEYS:
        value = values.get(key)
        if not isinstance(value, str) or not value.strip():
            raise _NotPlain(_("%(key)s must be a text that is not empty") % {"key": key})
        if len(value) > MAX_TEXT or not _is_storable(value):
            raise _NotPlain(_("%(key)s is too long, or no Unicode text") % {"key": key})
    return {key: values[key] for key in KEYS}


def _is_storable(text: str) -> bool:
    """Whether a text has no NUL and no lone surrogate, which no database takes."""
    try:
        return "\0" not in text and text.encode() is not None
    except UnicodeEncodeError:
        return False


def _parsed(source: str) -> ast.Module:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise _NotPlain(_("is not Python: %(error)s") % {"error": error})


def _docstring(prompt: str, entry: str) -> str:
    """The docstring of the function that the prompt begins."""
    for node in _parsed(prompt.rstrip() + "\n    pass\n").body:
        if isinstance(node, ast.FunctionDef) and node.name == entry:
            return ast.get_docstring(node) or ""
    raise _NotPlain(_("the prompt does not begin the function %(entry)s") % {"entry": entry})


def _statement(entry: str, docstring: str) -> str:
    head = f"Write the function `{entry}`. The starter code has its signature.\n"
    return f"{head}\n```text\n{docstring.replace('```', '` ` `')}\n```\n" if docstring else head


def _tests(source: str, entry: str) -> tuple[tuple[TestCase, ...], float]:
    """The asserts of `check(candidate)` as tests, and the widest tolerance that they name."""
    checks = [
        node
        for node in _parsed(source).body
        if isinstance(node, ast.FunctionDef) and node.name == "check"
    ]
    if len(checks) != 1 or len(checks[0].args.args) != 1:
        raise _NotPlain(_("test must define check(candidate)"))
    names = {checks[0].args.args[0].arg, entry}
    found: list[tuple[list[Any], Any]] = []
    tolerance = 0.0
    for node in checks[0].body:
        if _says_nothing(node):
            continue
        if not isinstance(node, ast.Assert):
            raise _not_plain(node)
        args, expected, near = _comparison(node.test, names)
        if not any(repr(args) == repr(known) for known, _expected in found):
            found.append((args, expected))
        tolerance = max(tolerance, near)
    visible = min(VISIBLE, len(found) - 1)  # one at least is hidden
    return (
        tuple(
            TestCase(
                name=f"sample-{number}" if number <= visible else f"hidden-{number - visible}",
                visible=number <= visible,
                args=args,
                expected=expected,
            )
            for number, (args, expected) in enumerate(found, start=1)
        ),
        tolerance,
    )


def _has_tuples(source: str, entry: str) -> bool:
    """Whether a call in the tests has a tuple among its arguments."""
    return any(
        isinstance(inner, ast.Tuple)
        for node in ast.walk(_parsed(source))
        if _is_call(node, {"candidate", entry})
        for inner in ast.walk(node)
    )


def _not_plain(node: ast.AST) -> _NotPlain:
    text = ast.unparse(node)
    return _NotPlain(
        _("a test is no comparison of a call with a plain value: %(test)s")
        % {"test": text if len(text) <= 100 else f"{text[:100]}…"}
    )


def _says_nothing(node: ast.stmt) -> bool:
    """`pass`, texts, prints and `assert True`, which the original data has between its tests."""
    match node:
        case ast.Pass() | ast.Expr(value=ast.Constant() | ast.Name()):
            return True
        case ast.Expr(value=ast.Call(func=ast.Name(id="print"))):
            return True
        case ast.Assert(test=ast.Constant(value=True)):
            return True
    return False


def _comparison(node: ast.expr, names: set[str]) -> tuple[list[Any], Any, float]:
    """Arguments, expected value and tolerance of one assert."""
    match node:
        case ast.Compare(left=left, ops=[ast.Eq() | ast.Is()], comparators=[right]):
            if _is_call(right, names):
                left, right = right, left
            return _arguments(left, names), _plain(right), 0.0
        case ast.Compare(
            left=ast.Call(func=f, args=[inner]), ops=[ast.Lt() | ast.LtE()], comparators=[near]
        ):
            if ast.unparse(f) in ("abs", "math.fabs", "math.abs", "fabs") and isinstance(
                inner, ast.BinOp
            ):
                return _difference(inner, near, names)
        case ast.UnaryOp(op=ast.Not(), operand=ast.Call()):
            return _arguments(node.operand, names), False, 0.0
        case ast.Call() if _is_call(node, names):
            return _arguments(node, names), True, 0.0
    raise _not_plain(node)


def _difference(node: ast.BinOp, near: ast.expr, names: set[str]) -> tuple[list[Any], Any, float]:
    """`abs(candidate(...) - value) < near`."""
    call, value = (node.left, node.right) if _is_call(node.left, names) else (node.right, node.left)
    tolerance, expected = _plain(near), _plain(value)
    if not isinstance(node.op, ast.Sub) or not all(
        isinstance(one, int | float) and not isinstance(one, bool) for one in (tolerance, expected)
    ):
        raise _not_plain(node)
    if not 0 < tolerance < 1:
        raise _not_plain(near)
    return _arguments(call, names), expected, float(tolerance)


def _is_call(node: ast.AST, names: set[str]) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names


def _arguments(node: ast.expr, names: set[str]) -> list[Any]:
    if not isinstance(node, ast.Call) or not _is_call(node, names) or node.keywords:
        raise _not_plain(node)
    return [_plain(argument) for argument in node.args]


def _plain(node: ast.expr) -> Any:
    """The JSON value of a literal; arithmetic on numbers and texts is done, tuples become lists."""
    try:
        return _json(ast.literal_eval(_Folded().visit(copy.deepcopy(node))))
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError, ArithmeticError):
        raise _not_plain(node)


class _Folded(ast.NodeTransformer):
    """Puts the value in the place of arithmetic on small constants, such as `3 * 5 * 7`."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        match self.visit(node.left), type(node.op), self.visit(node.right):
            case ast.Constant(value=int() | float() as left), op, ast.Constant(
                value=int() | float() as right
            ) if op in _ARITHMETIC and max(abs(left), abs(right)) < _SMALL[op]:
                return ast.Constant(_ARITHMETIC[op](left, right))
            case ast.Constant(value=str() as left), ast.Add, ast.Constant(value=str() as right):
                return ast.Constant(left + right)
        return node


def _json(value: Any) -> Any:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str) and _is_storable(value):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, list | tuple):
        return [_json(item) for item in value]
    if isinstance(value, dict) and all(isinstance(key, str) and _is_storable(key) for key in value):
        return {key: _json(item) for key, item in value.items()}
    raise ValueError("no JSON value")
