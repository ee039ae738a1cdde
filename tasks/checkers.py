"""Scoring rules: does what a program gave match what was expected?

Each rule is one function `(expected, actual, options) -> bool` in `CHECKERS`. `expected` is the
bank's, `actual` a candidate's and hostile: every rule takes time linear in both (sorting aside),
raises nothing because of `actual`, and never turns a text into a number without a bound. A fault
of the bank (an unknown rule or option, an `expected` of the wrong kind) is a ValueError.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

type Options = Mapping[str, Any]
type Checker = Callable[[Any, Any, Options], bool]
type Cell = tuple[int, Any]

DEFAULT = "tokens"
TOLERANCE = 1e-6
ROWS_TOLERANCE = 1e-9

_NUMBER = re.compile(rb"[+-]?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)?")
_NAN = re.compile(rb"[+-]?nan", re.IGNORECASE)
_WORDS_AND_SPACES = re.compile(rb"\s+|\S+")
_TOLERANCES = frozenset({"tolerance", "abs_tol", "rel_tol"})
_TEXT_OPTIONS = frozenset({"ignore_case"})
_FLOATS_TEXT_OPTIONS = _TEXT_OPTIONS | {"keep_spaces"}
_NULL_RANK, _BOOLEAN_RANK, _NUMBER_RANK, _TEXT_RANK = range(4)


def exact(expected: Any, actual: Any, options: Options) -> bool:
    """Equal character by character, line ends included; `ignore_case` as in `tokens`."""
    fold = _case(options)
    return fold(_bytes(expected)) == fold(_bytes(actual))


def tokens(expected: Any, actual: Any, options: Options) -> bool:
    """Equal words in equal order, whatever ASCII white space stands between them.

    With the option `ignore_case` ASCII letters count alike in either case.
    """
    fold = _case(options)
    return fold(_bytes(expected)).split() == fold(_bytes(actual)).split()


def lines(expected: Any, actual: Any, options: Options) -> bool:
    """Equal lines, without white space at their ends and empty lines at the end of the text."""
    _known(options)
    return _lines(expected) == _lines(actual)


def floats(expected: Any, actual: Any, options: Options) -> bool:
    """Word by word: numbers within a tolerance, anything else equal as text. NaN equals nothing.

    |actual - expected| <= max(abs_tol, rel_tol * |expected|); both are 1e-6 unless the options
    `abs_tol`, `rel_tol`, or `tolerance` for both, say otherwise. Only ASCII decimal notation is a
    number. What overflows a double is compared as text. `ignore_case` as in `tokens`; with
    `keep_spaces` the white space between the words must be equal too.
    """
    abs_tol, rel_tol = _tolerance(options, TOLERANCE, TOLERANCE, _FLOATS_TEXT_OPTIONS)
    fold = _case(options, _TOLERANCES | _FLOATS_TEXT_OPTIONS)
    cut = _WORDS_AND_SPACES.findall if _flag(options, "keep_spaces") else bytes.split
    wanted, given = cut(fold(_bytes(expected))), cut(fold(_bytes(actual)))
    return len(wanted) == len(given) and all(
        _same_number_or_text(one, other, abs_tol, rel_tol)
        for one, other in zip(wanted, given, strict=True)
    )


def unordered_lines(expected: Any, actual: Any, options: Options) -> bool:
    """The same lines the same number of times in any order; empty lines count for nothing."""
    _known(options)
    return Counter(filter(None, _lines(expected))) == Counter(filter(None, _lines(actual)))


def sorted_tokens(expected: Any, actual: Any, options: Options) -> bool:
    """The same words the same number of times in any order."""
    _known(options)
    return Counter(_bytes(expected).split()) == Counter(_bytes(actual).split())


def json_values(expected: Any, actual: Any, options: Options) -> bool:
    """Equal JSON values: of one type and equal, objects without regard to the order of keys.

    Integers and floats are one type, number, compared by value (1 equals 1.0, as in JSON itself);
    true and false are no numbers. NaN and infinity equal nothing. The tolerances of `floats` apply
    where options give them, else numbers must be equal.
    """
    abs_tol, rel_tol = _tolerance(options, 0.0, 0.0)
    pairs = [(expected, actual)]
    while pairs:
        one, other = pairs.pop()
        if isinstance(one, dict):
            if not isinstance(other, dict) or one.keys() != other.keys():
                return False
            pairs.extend((value, other[key]) for key, value in one.items())
        elif isinstance(one, list):
            if not isinstance(other, list) or len(one) != len(other):
                return False
            pairs.extend(zip(one, other, strict=True))
        elif _is_number(one):
            if not _is_number(other) or not _close(one, other, abs_tol, rel_tol):
                return False
        elif one is not other and not (
            isinstance(one, str) and isinstance(other, str) and one == other
        ):
            return False
    return True


def sql_rows(expected: Any, actual: Any, options: Options) -> bool:
    """The rows of a query: `{"rows": [[...], ...], "columns": [...]}`, of both.

    Columns are compared where `expected` names them, without regard to case. Rows are a multiset
    unless the option `ordered` is true. Cells are null, booleans, numbers and texts, equal only
    within their type; two whole numbers must be equal, other numbers be within the tolerances of
    `floats`, 1e-9 unless the options say otherwise. Unordered rows are paired after sorting both
    sides by the columns without fractions first.
    """
    abs_tol, rel_tol = _tolerance(options, ROWS_TOLERANCE, ROWS_TOLERANCE, frozenset({"ordered"}))
    ordered = _flag(options, "ordered")
    if not isinstance(expected, dict) or (wanted := _rows(expected)) is None:
        raise ValueError("rows are needed: an object with `rows`, a list of lists of plain values")
    if not isinstance(actual, dict) or (given := _rows(actual)) is None:
        return False
    if "columns" in expected and _column_names(expected) != _column_names(actual):
        return False
    if [len(row) for row in wanted[:1]] != [len(row) for row in given[:1]]:
        return False
    if len(wanted) != len(given):
        return False
    if not ordered:
        inexact = {
            column
            for row in (*wanted, *given)
            for column, (rank, value) in enumerate(row)
            if rank == _NUMBER_RANK and isinstance(value, float) and not value.is_integer()
        }
        columns = sorted(range(len(wanted[0]) if wanted else 0), key=lambda c: c in inexact)
        for rows in (wanted, given):
            rows.sort(key=lambda row: [row[column] for column in columns])
    return all(
        _same_cell(one, other, abs_tol, rel_tol)
        for row, other_row in zip(wanted, given, strict=True)
        for one, other in zip(row, other_row, strict=True)
    )


CHECKERS: dict[str, Checker] = {
    "exact": exact,
    "tokens": tokens,
    "lines": lines,
    "floats": floats,
    "unordered_lines": unordered_lines,
    "sorted_tokens": sorted_tokens,
    "json": json_values,
    "sql_rows": sql_rows,
}


def match_text(name: str, expected: Any, actual: str, options: Options) -> bool:
    """Whether the output of a program is the expected text by the rule `name`.

    For `json` both texts are parsed first, for `sql_rows` the output (and what is expected, where
    that is a text too); an output that is no JSON does not match. Raises ValueError for an unknown
    rule or option, or an `expected` that the rule cannot read.
    """
    checker = _checker(name)
    if checker not in (json_values, sql_rows):
        return checker(expected, actual, options)
    wanted = (
        parse_json(expected) if checker is json_values or isinstance(expected, str) else expected
    )
    try:
        given = parse_json(actual)
    except ValueError:
        return False
    return checker(wanted, given, options)


def match_value(name: str, expected: Any, actual: Any, options: Options) -> bool:
    """Whether a function returned the expected JSON value by the rule `name`.

    The rule for values is `json`, also where a task names none and so has the default. A rule for
    texts applies where a text was expected; then only a text can match. Other values compare by
    `json` there too, with the tolerances of `floats` if that is the rule.
    """
    checker = _checker(name)
    if checker is sql_rows:
        return checker(expected, actual, options)
    if isinstance(expected, str) and name != DEFAULT and checker is not json_values:
        return isinstance(actual, str) and checker(expected, actual, options)
    if checker is not json_values:  # what says how to read texts says nothing of values
        options = {key: value for key, value in options.items() if key not in _FLOATS_TEXT_OPTIONS}
    if checker is floats:
        options = {"tolerance": TOLERANCE, **options}
    return json_values(expected, actual, options)


def parse_json(text: str) -> Any:
    """The value of a JSON text. Raises ValueError for anything else: NaN, infinity, numbers beyond
    a double or Python's limit of digits, and nesting deeper than the interpreter's stack."""

    def refuse(constant: str) -> Any:
        raise ValueError(f"{constant} is not JSON")

    def finite(digits: str) -> float:
        if math.isfinite(value := float(digits)):
            return value
        raise ValueError("a number that does not fit a double")

    if not isinstance(text, str):
        raise ValueError(f"a JSON text is needed, not {type(text).__name__}")
    try:
        return json.loads(text, parse_constant=refuse, parse_float=finite)
    except RecursionError:
        raise ValueError("nested too deeply")


def _checker(name: str) -> Checker:
    if name not in CHECKERS:
        raise ValueError(f"unknown checker {name!r}")
    return CHECKERS[name]


def _known(options: Options, known: frozenset[str] = frozenset()) -> None:
    if unknown := options.keys() - known:
        raise ValueError(f"unknown checker options: {', '.join(sorted(unknown))}")


def _flag(options: Options, name: str) -> bool:
    value = options.get(name, False)
    if not isinstance(value, bool):
        raise ValueError(f"{name} is true or false, not {value!r}")
    return value


def _case(options: Options, known: frozenset[str] = frozenset()) -> Callable[[bytes], bytes]:
    """What a text goes through before it is compared: nothing, or lower case for ASCII letters."""
    _known(options, known | _TEXT_OPTIONS)
    return bytes.lower if _flag(options, "ignore_case") else bytes


def _tolerance(
    options: Options, abs_tol: float, rel_tol: float, known: frozenset[str] = frozenset()
) -> tuple[float, float]:
    _known(options, known | _TOLERANCES)
    both = options.get("tolerance")
    found = (
        options.get("abs_tol", abs_tol if both is None else both),
        options.get("rel_tol", rel_tol if both is None else both),
    )
    for value in found:
        if not _is_number(value) or not 0 <= value < math.inf:
            raise ValueError(f"a tolerance is a number from 0, not {value!r}")
    return found


def _bytes(text: Any) -> bytes:
    """UTF-8 of a text. Bytes split on ASCII white space alone, and hold lone surrogates and NUL."""
    if not isinstance(text, str):
        raise ValueError(f"a text is needed, not {type(text).__name__}")
    return text.encode("utf-8", "surrogatepass")


def _lines(text: Any) -> list[bytes]:
    found = [line.rstrip() for line in _bytes(text).split(b"\n")]
    while found and not found[-1]:
        found.pop()
    return found


def _same_number_or_text(one: bytes, other: bytes, abs_tol: float, rel_tol: float) -> bool:
    if one == other:
        return not _NAN.fullmatch(one)
    if not (_NUMBER.fullmatch(one) and _NUMBER.fullmatch(other)):
        return False
    return _close(float(one), float(other), abs_tol, rel_tol)


def _rows(result: dict[str, Any]) -> list[list[Cell]] | None:
    """The rows as cells that sort and compare, all of one length; None when they are no rows."""
    rows = result.get("rows")
    if not isinstance(rows, list):
        return None
    found: list[list[Cell]] = []
    for row in rows:
        if not isinstance(row, list) or len(row) != len(rows[0]):
            return None
        cells = [_cell(value) for value in row]
        if None in cells:
            return None
        found.append(cells)  # type: ignore[arg-type]
    return found


def _cell(value: Any) -> Cell | None:
    """A value with its type's rank before it, so that cells of any types sort; None for no cell."""
    if value is None:
        return _NULL_RANK, 0
    if isinstance(value, bool):
        return _BOOLEAN_RANK, value
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return _NUMBER_RANK, value
    return (_TEXT_RANK, value) if isinstance(value, str) else None


def _column_names(result: dict[str, Any]) -> list[str] | None:
    names = result.get("columns")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return None
    return [name.casefold() for name in names]


def _same_cell(one: Cell, other: Cell, abs_tol: float, rel_tol: float) -> bool:
    (rank, value), (other_rank, other_value) = one, other
    if rank != other_rank:
        return False
    if rank != _NUMBER_RANK or (isinstance(value, int) and isinstance(other_value, int)):
        return bool(value == other_value)
    return _close(value, other_value, abs_tol, rel_tol)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _close(one: float, other: float, abs_tol: float, rel_tol: float) -> bool:
    """Whether `other` is within the tolerance of `one`. Integers of any size are compared exactly
    when there is no tolerance; NaN and infinity are close to nothing."""
    try:
        if not (math.isfinite(one) and math.isfinite(other)):
            return False
        tolerance = max(abs_tol, rel_tol * abs(one))
        return one == other or (tolerance > 0 and abs(other - one) <= tolerance)
    except OverflowError:  # an integer beyond a double
        return one == other
