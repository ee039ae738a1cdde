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

DEFAULT = "tokens"
TOLERANCE = 1e-6

_NUMBER = re.compile(rb"[+-]?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)?")
_NAN = re.compile(rb"[+-]?nan", re.IGNORECASE)
_TOLERANCES = frozenset({"tolerance", "abs_tol", "rel_tol"})


def exact(expected: Any, actual: Any, options: Options) -> bool:
    """Equal character by character, line ends included."""
    _known(options)
    return _bytes(expected) == _bytes(actual)


def tokens(expected: Any, actual: Any, options: Options) -> bool:
    """Equal words in equal order, whatever ASCII white space stands between them."""
    _known(options)
    return _bytes(expected).split() == _bytes(actual).split()


def lines(expected: Any, actual: Any, options: Options) -> bool:
    """Equal lines, without white space at their ends and empty lines at the end of the text."""
    _known(options)
    return _lines(expected) == _lines(actual)


def floats(expected: Any, actual: Any, options: Options) -> bool:
    """Word by word: numbers within a tolerance, anything else equal as text. NaN equals nothing.

    |actual - expected| <= max(abs_tol, rel_tol * |expected|); both are 1e-6 unless the options
    `abs_tol`, `rel_tol`, or `tolerance` for both, say otherwise. Only ASCII decimal notation is a
    number. What overflows a double is compared as text.
    """
    abs_tol, rel_tol = _tolerance(options, TOLERANCE, TOLERANCE)
    wanted, given = _bytes(expected).split(), _bytes(actual).split()
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


CHECKERS: dict[str, Checker] = {
    "exact": exact,
    "tokens": tokens,
    "lines": lines,
    "floats": floats,
    "unordered_lines": unordered_lines,
    "sorted_tokens": sorted_tokens,
    "json": json_values,
}


def match_text(name: str, expected: Any, actual: str, options: Options) -> bool:
    """Whether the output of a program is the expected text by the rule `name`.

    For `json` both texts are parsed first; an output that is no JSON does not match. Raises
    ValueError for an unknown rule or option, or an `expected` that the rule cannot read.
    """
    checker = _checker(name)
    if checker is not json_values:
        return checker(expected, actual, options)
    wanted = parse_json(expected)
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
    if isinstance(expected, str) and name != DEFAULT and checker is not json_values:
        return isinstance(actual, str) and checker(expected, actual, options)
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


def _tolerance(options: Options, abs_tol: float, rel_tol: float) -> tuple[float, float]:
    _known(options, _TOLERANCES)
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
