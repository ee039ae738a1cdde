"""Every scoring rule, by example, by law, and against hostile output."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.checkers import CHECKERS, match_text, match_value, parse_json

TEXT_RULES = [name for name in CHECKERS if name not in ("json", "sql_rows")]
cells = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.floats(-1, 1).map(lambda number: round(number, 1))
    | st.text("ab", max_size=2)
)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=25,
)


@pytest.mark.parametrize(
    ("rule", "expected", "actual", "same"),
    [
        ("exact", "a b\n", "a b\n", True),
        ("exact", "a b\n", "a b", False),
        ("exact", "a\n", "a\r\n", False),
        ("tokens", "1 2\n3\n", "1\t2 3", True),
        ("tokens", "1 2", "1 2 3", False),
        ("tokens", "1 2", "2 1", False),
        ("tokens", "10", "10.0", False),
        ("tokens", "", " \n\n", True),
        ("tokens", "a b", "a\u00a0b", False),
        ("tokens", "1", "١", False),
        ("tokens", "a", "a\0", False),
        ("lines", "a b\nc\n", "a b  \r\nc\t\n\n\n", True),
        ("lines", "a b", "a  b", False),
        ("lines", "a", " a", False),
        ("lines", "a\n\nb", "a\nb", False),
        ("lines", "a\n\nb", "a\n \nb", True),
        ("unordered_lines", "a\nb\nb\n", "b\n\nb \na", True),
        ("unordered_lines", "a\nb\nb", "a\na\nb", False),
        ("unordered_lines", "a b", "b a", False),
        ("sorted_tokens", "3 1\n2", "1 2 3", True),
        ("sorted_tokens", "1 1 2", "1 2 2", False),
        ("floats", "0.333333333", "0.3333333", True),
        ("floats", "0.3333", "0.3334", False),
        ("floats", "1000000000", "1000000001", True),
        ("floats", "1e3 x", "1000.0 x", True),
        ("floats", "+.5", "0.5", True),
        ("floats", "5.", "5", True),
        ("floats", "1 2", "1", False),
        ("floats", "1", "x", False),
        ("floats", "yes", "yes", True),
        ("floats", "yes", "Yes", False),
        ("floats", "1", "nan", False),
        ("floats", "nan", "nan", False),
        ("floats", "-NaN", "-NaN", False),
        ("floats", "inf", "inf", True),
        ("floats", "1", "inf", False),
        ("floats", "1e999", "1e999", True),
        ("floats", "1e999", "2e999", False),
        ("floats", "1e308", "-1e308", False),
        ("floats", "1", "1_0", False),
        ("floats", "1", "0x1", False),
        ("floats", "1", "١", False),
        ("floats", "0", "-0.0", True),
        ("json", '{"a": [1, 2], "b": null}', '{"b":null,"a":[1,2]}\n', True),
        ("json", "[1, 2]", "[2, 1]", False),
        ("json", "[1]", "[1] trailing", False),
        ("json", "1", "1.0", True),
        ("json", "1", "true", False),
        ("json", "false", "0", False),
        ("json", "null", "0", False),
        ("json", '"1"', "1", False),
        ("json", "[]", "{}", False),
        ("json", '{"a": 1}', '{"a": 1, "b": 2}', False),
        ("json", "1", "NaN", False),
        ("json", "1", "1e999", False),
        ("json", "1", "Infinity", False),
        ("json", "1", "", False),
    ],
)
def test_a_rule_on_texts(rule, expected, actual, same):
    assert match_text(rule, expected, actual, {}) is same


@pytest.mark.parametrize(
    ("rule", "expected", "actual", "same"),
    [
        ("json", [1, 2.0, "x"], [1.0, 2, "x"], True),
        ("json", 1, True, False),
        ("json", True, 1, False),
        ("json", True, True, True),
        ("json", None, None, True),
        ("json", None, False, False),
        ("json", 0.0, -0.0, True),
        ("json", 10**400, 10**400, True),
        ("json", 10**400, 10**400 + 1, False),
        ("json", 10**400, 1.5, False),
        ("json", 1.5, 10**400, False),
        ("json", 2**53, float(2**53), True),
        ("json", 2**53 + 1, float(2**53), False),
        ("json", float("nan"), float("nan"), False),
        ("json", "nan", float("nan"), False),
        ("json", "a b", "a  b", False),
        ("tokens", "a b", "a  b", False),
        ("tokens", [1, "a"], [1, "a"], True),
        ("tokens", 1, "1", False),
        ("lines", "a\nb", "a \nb\n", True),
        ("lines", "1", 1, False),
        ("lines", ["a"], ["a "], False),
        ("floats", [0.1, {"x": 0.2}], [0.1 + 1e-9, {"x": 0.2}], True),
        ("floats", "0.1", "0.1000000001", True),
    ],
)
def test_a_rule_on_values(rule, expected, actual, same):
    assert match_value(rule, expected, actual, {}) is same


@pytest.mark.parametrize(
    ("options", "actual", "same"),
    [
        ({"tolerance": 0.1}, "10.5", True),
        ({"tolerance": 0.1}, "11.5", False),
        ({"abs_tol": 0.1, "rel_tol": 0}, "10.09", True),
        ({"abs_tol": 0.1, "rel_tol": 0}, "10.11", False),
        ({"abs_tol": 0, "rel_tol": 0}, "10.0", True),
        ({"tolerance": 0.5, "abs_tol": 0, "rel_tol": 0}, "10.1", False),
    ],
)
@pytest.mark.parametrize("rule", ["floats", "json"])
def test_a_tolerance_is_an_option(rule, options, actual, same):
    assert match_text(rule, "10", actual, options) is same
    assert match_value(rule, [10], [float(actual)], options) is same


@pytest.mark.parametrize(
    ("rule", "options", "expected", "actual", "same"),
    [
        ("tokens", {"ignore_case": True}, "Yes 1", "yES\n1", True),
        ("tokens", {"ignore_case": False}, "Yes", "yes", False),
        ("tokens", {"ignore_case": True}, "É", "é", False),
        ("exact", {"ignore_case": True}, "A b", "a B", True),
        ("exact", {"ignore_case": True}, "A b", "a  B", False),
        ("floats", {"ignore_case": True, "tolerance": 0.1}, "YES 1.0", "yes 1.05", True),
        ("floats", {"keep_spaces": True}, "1 2\n", "1.0 2\n", True),
        ("floats", {"keep_spaces": True}, "1 2\n", "1.0  2\n", False),
        ("floats", {"keep_spaces": True}, "1 2\n", "1.0 2", False),
    ],
)
def test_case_and_spaces_are_options(rule, options, expected, actual, same):
    assert match_text(rule, expected, actual, options) is same
    assert match_value(rule, [expected], [expected], options)


@pytest.mark.parametrize(
    ("expected", "actual", "options", "same"),
    [
        ({"rows": [[1, "a"], [2, "b"]]}, {"columns": ["x", "y"], "rows": [[2, "b"], [1, "a"]]}, {}, True),
        ({"rows": [[1], [2]]}, {"rows": [[2], [1]]}, {"ordered": True}, False),
        ({"rows": [[1], [1], [2]]}, {"rows": [[1], [2], [2]]}, {}, False),
        ({"rows": [[1]]}, {"rows": [[1, None]]}, {}, False),
        ({"rows": [[1]]}, {"rows": []}, {}, False),
        ({"rows": []}, {"rows": []}, {}, True),
        ({"rows": []}, {"rows": [[]]}, {}, False),
        ({"columns": ["Id"], "rows": [[1]]}, {"columns": ["ID"], "rows": [[1]]}, {}, True),
        ({"columns": ["id"], "rows": [[1]]}, {"columns": ["name"], "rows": [[1]]}, {}, False),
        ({"columns": ["id"], "rows": [[1]]}, {"rows": [[1]]}, {}, False),
        ({"rows": [[1]]}, {"rows": [["1"]]}, {}, False),
        ({"rows": [[1]]}, {"rows": [[True]]}, {}, False),
        ({"rows": [[None]]}, {"rows": [[0]]}, {}, False),
        ({"rows": [[2]]}, {"rows": [[2.0]]}, {}, True),
        ({"rows": [[1234567.0]]}, {"rows": [[1234567.89]]}, {}, False),
        ({"rows": [[1000000000]]}, {"rows": [[1000000001]]}, {"tolerance": 1e-6}, False),
        ({"rows": [[0.3]]}, {"rows": [[0.1 + 0.2]]}, {}, True),
        ({"rows": [[0.3]]}, {"rows": [[0.31]]}, {"abs_tol": 0.02}, True),
        ({"rows": [[0.3]]}, {"rows": [[0.31]]}, {"rel_tol": 0.02}, False),
        # Noise in one column must not pair a row with its neighbour.
        (
            {"rows": [[0.5, "b"], [0.5, "a"], [7.25, None]]},
            {"rows": [[7.25, None], [0.5 + 1e-12, "a"], [0.5 - 1e-12, "b"]]},
            {},
            True,
        ),
        ({"rows": [[1]]}, [[1]], {}, False),
        ({"rows": [[1]]}, {"rows": [[[1]]]}, {}, False),
        ({"rows": [[1]]}, {"rows": 1}, {}, False),
        ({"rows": [[1]]}, {"rows": ["1"]}, {}, False),
    ],
)  # fmt: skip
def test_the_rows_of_a_query(expected, actual, options, same):
    assert match_text("sql_rows", expected, json.dumps(actual), options) is same
    assert match_text("sql_rows", json.dumps(expected), json.dumps(actual), options) is same
    assert match_value("sql_rows", expected, actual, options) is same


@given(
    st.integers(0, 3).flatmap(
        lambda width: st.lists(st.lists(cells, min_size=width, max_size=width), max_size=6)
    ),
    st.randoms(use_true_random=False),
)
def test_rows_match_themselves_in_any_order_and_no_row_more(rows, random):
    shuffled = list(rows)
    random.shuffle(shuffled)
    match = match_value("sql_rows", {"rows": rows}, {"rows": shuffled}, {})
    assert match
    assert not match_value("sql_rows", {"rows": rows}, {"rows": [*shuffled, *rows[:1], []]}, {})
    if rows and rows[0]:
        changed = [[*row] for row in shuffled]
        changed[0][0] = "c"
        assert not match_value("sql_rows", {"rows": rows}, {"rows": changed}, {})


@pytest.mark.parametrize(
    ("rule", "expected", "options"),
    [
        ("sql_rows", {"rows": [[1], [1, 2]]}, {}),
        ("sql_rows", {"rows": [[{}]]}, {}),
        ("sql_rows", "[]", {}),
        ("sql_rows", 5, {}),
        ("sql_rows", {"rows": [[1]]}, {"ordered": 1}),
        ("sql_rows", {"rows": [[1]]}, {"order": True}),
        ("tokens", "1", {"ignore_case": "yes"}),
        ("lines", "1", {"ignore_case": True}),
        ("telepathy", "1", {}),
        ("tokens", "1", {"case": False}),
        ("floats", "1", {"abs_tol": -1}),
        ("floats", "1", {"abs_tol": "1"}),
        ("floats", "1", {"rel_tol": float("inf")}),
        ("floats", "1", {"tolerance": True}),
        ("json", "{", {}),
        ("json", "NaN", {}),
        ("tokens", 5, {}),
    ],
)
def test_a_fault_of_the_bank_is_an_error(rule, expected, options):
    with pytest.raises(ValueError):
        match_text(rule, expected, "1", options)


@given(st.sampled_from([*TEXT_RULES, "json"]), st.text(), st.text())
def test_no_output_whatever_raises(rule, expected, actual):
    expected = json.dumps(expected) if rule == "json" else expected
    assert match_text(rule, expected, actual, {}) in (True, False)


@given(st.sampled_from(TEXT_RULES), st.text(st.characters(codec="utf-8")))
def test_a_text_matches_itself(rule, text):
    assert match_text(rule, text, text, {}) is (rule != "floats" or "nan" not in text.lower())


@given(json_values)
def test_a_value_matches_itself_also_through_text(value):
    assert match_value("json", value, value, {})
    assert match_text("json", json.dumps(value), json.dumps(value, indent=2), {})


@given(json_values, json_values)
def test_values_that_match_are_written_alike(one, other):
    """The other direction: what `json` lets through differs at most in 1 against 1.0."""

    def numbers_as_floats(value):
        if isinstance(value, dict):
            return {key: numbers_as_floats(item) for key, item in value.items()}
        if isinstance(value, list):
            return [numbers_as_floats(item) for item in value]
        if isinstance(value, int) and not isinstance(value, bool):
            return float(value) if abs(value) <= 2**53 else str(value)
        return value

    written = [json.dumps(numbers_as_floats(v), sort_keys=True) for v in (one, other)]
    if "-0.0" not in "".join(written):
        assert match_value("json", one, other, {}) is (written[0] == written[1])


@given(st.lists(st.text(st.sampled_from("ab 1"), min_size=1)), st.randoms(use_true_random=False))
def test_the_unordered_rules_ignore_order_and_nothing_else(rows, random):
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert match_text("unordered_lines", "\n".join(rows), "\n".join(shuffled), {})
    assert match_text("sorted_tokens", " ".join(rows), "\n".join(shuffled), {})
    extra = [*shuffled, "z"]
    assert not match_text("unordered_lines", "\n".join(rows), "\n".join(extra), {})
    assert not match_text("sorted_tokens", " ".join(rows), " ".join(extra), {})


MEGABYTE = 1_000_000
HOSTILE = {
    "one token": "x" * MEGABYTE,
    "one number": "9" * MEGABYTE,
    "a number that breaks at its end": "9" * MEGABYTE + "x",
    "a long fraction": "0." + "3" * MEGABYTE,
    "a long exponent": "1e" + "9" * MEGABYTE,
    "a long small number": "1e-" + "9" * MEGABYTE,
    "signs": "+-" * (MEGABYTE // 2),
    "tokens": "1 " * (MEGABYTE // 2),
    "lines": "\n" * MEGABYTE,
    "trailing blanks": "a" + " " * MEGABYTE + "b",
    "surrogates": "\ud800" * MEGABYTE,
    "NUL": "\0" * MEGABYTE,
    "deep lists": "[" * MEGABYTE,
    "deep objects": '{"a":' * (MEGABYTE // 5),
    "deep and closed": "[" * 100_000 + "]" * 100_000,
    "a long string": '"' + "\\" * MEGABYTE,
}


@pytest.mark.parametrize("rule", CHECKERS)
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_output_is_refused_in_linear_time(rule, name):
    started = time.process_time()
    expected = {"rows": [[42]]} if rule == "sql_rows" else "42"
    assert match_text(rule, expected, HOSTILE[name], {}) is False
    assert time.process_time() - started < 2.0


@pytest.mark.parametrize(
    "rows",
    [
        [[1]] * 100_000,
        [["x" * 1000]] * 2000,
        [list(range(100_000))],
        [[10**4000]] * 200,
        [[0.1 * n, n] for n in range(50_000)],
    ],
    ids=["many", "texts", "wide", "digits", "fractions"],
)
def test_many_rows_take_linear_time(rows):
    actual = json.dumps({"rows": rows[::-1]})
    started = time.process_time()
    assert match_text("sql_rows", {"rows": rows}, actual, {}) is True
    assert match_text("sql_rows", {"rows": [[42]]}, actual, {}) is False
    assert time.process_time() - started < 4.0


def test_values_nested_beyond_the_stack_are_compared():
    deep, other = 1, 1.0
    for _ in range(100_000):
        deep, other = [deep], [other]
    assert match_value("json", deep, other, {}) is True
    assert match_value("json", deep, [other], {}) is False


@pytest.mark.parametrize("text", ["9" * 5000, "1e400", "-Infinity", "[" * 100_000, "", "01", 5])
def test_what_is_no_usable_json_is_one_kind_of_error(text):
    with pytest.raises(ValueError):
        parse_json(text)
