"""HumanEval records: asserts become tests, and what cannot be read is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tasks.enums import Verdict
from tasks.formats import humaneval
from tasks.judging import judge
from tasks.manifest import PackageError
from tasks.packages import Defaults, Package
from tasks.spec import TestCase

RECORD = {
    "task_id": "HumanEval/900",
    "prompt": (
        "from typing import List\n\n\ndef mean_gap(numbers: List[float]) -> float:\n"
        '    """ Mean of the gaps between neighbours.\n    >>> mean_gap([1, 3])\n    2.0\n    """\n'
    ),
    "entry_point": "mean_gap",
    "canonical_solution": "    return (numbers[-1] - numbers[0]) / (len(numbers) - 1)\n",
    "test": (
        "\n\nMETADATA = {'author': 'x'}\n\n\ndef check(candidate):\n"
        '    assert True, "This prints if this assert fails"\n'
        "    assert abs(candidate([1.0, 3.0]) - 2.0) < 1e-6\n"
        "    assert candidate([1, 4, 7]) == 3, 'message'\n"
        "    assert abs(candidate([0, 1, 1]) - 0.5) < 1e-4\n"
        "    assert -1.0 == candidate([1, 0])\n"
    ),
}
PAIRS = {
    "task_id": "HumanEval/901",
    "prompt": "def pairs(text, flag):\n    '''Letters in pairs.'''\n",
    "entry_point": "pairs",
    "canonical_solution": (
        "    if flag is None:\n        return None\n    if flag:\n        return True\n"
        "    return [(one, one) for one in text]\n"
    ),
    "test": (
        "def check(candidate):\n    assert candidate('ab', False) == [('a', 'a'), ('b', 'b')]\n"
        "    assert candidate('', False) == []\n    assert candidate('x', True)\n"
        "    assert candidate('x', None) is None\n    assert not candidate('', 0)\n"
    ),
}


def parse(record: object) -> Package:
    text = record if isinstance(record, str) else json.dumps(record)
    return humaneval.parse(humaneval.Record(Path("a.jsonl"), 7, text), Defaults())


def test_asserts_become_tests_of_a_function() -> None:
    package = parse(RECORD)

    assert (package.slug, package.kind, package.entry) == ("humaneval-900", "function", "mean_gap")
    assert (package.languages, package.origin) == (("python",), "humaneval")
    assert package.titles == {"en": "Mean gap"}
    assert "Mean of the gaps between neighbours." in package.statements["en"]
    assert package.starter["python"].endswith('    """\n    pass\n')
    assert (package.checker, package.checker_options) == ("json", {"abs_tol": 1e-4})
    assert package.tests == (
        TestCase("sample-1", True, args=[[1.0, 3.0]], expected=2.0),
        TestCase("sample-2", True, args=[[1, 4, 7]], expected=3),
        TestCase("hidden-1", False, args=[[0, 1, 1]], expected=0.5),
        TestCase("hidden-2", False, args=[[1, 0]], expected=-1.0),
    )


@pytest.mark.parametrize("record", [RECORD, PAIRS], ids=["floats", "values"])
def test_the_canonical_solution_is_accepted_and_the_starter_is_not(record: dict) -> None:
    package = parse(
        {**record, "test": record["test"].replace("    assert not candidate('', 0)\n", "")}
    )
    (reference,) = package.submissions

    assert reference.expected == Verdict.AC
    spec = package.spec
    right = judge(spec, language="python", source=reference.source)
    assert right.verdict == "AC", right.tests
    assert judge(spec, language="python", source=package.starter["python"]).verdict == "WA"


def test_the_forms_of_an_assert() -> None:
    package = parse(PAIRS)

    assert package.checker_options == {}
    assert [(test.args, test.expected) for test in package.tests] == [
        (["ab", False], [["a", "a"], ["b", "b"]]),
        (["", False], []),
        (["x", True], True),
        (["x", None], None),
        (["", 0], False),
    ]


def body(line: str) -> dict:
    return {**RECORD, "test": f"def check(candidate):\n    {line}\n"}


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ("{", "line 7: is not JSON"),
        ("[" * 100_000, "line 7: is not JSON"),
        ("[]", "line 7: is not a JSON object"),
        ({"task_id": "x"}, "prompt must be a text"),
        ({**RECORD, "prompt": 5}, "prompt must be a text"),
        ({**RECORD, "prompt": "\ud800"}, "no Unicode text"),
        ({**RECORD, "prompt": "a\0"}, "no Unicode text"),
        ({**RECORD, "prompt": "x" * 300_000}, "too long"),
        ({**RECORD, "prompt": "def other():\n"}, "does not begin the function mean_gap"),
        ({**RECORD, "prompt": "def ("}, "is not Python"),
        ({**RECORD, "entry_point": "a b"}, "must name something"),
        ({**RECORD, "task_id": "///"}, "must name something"),
        ({**RECORD, "test": "assert mean_gap([1]) == 1"}, "HumanEval/900: test must define check"),
        ({**RECORD, "test": "def check(candidate):\n  assert (" + "(" * 300}, "is not Python"),
        (body("pass"), "from 1 to 200 hidden tests, has 0"),
        (body("assert candidate([1]) == 9**9**9"), "no comparison of a call"),
        (body("assert candidate([1]) == 1 / 0"), "no comparison of a call"),
        (body("assert candidate([1]) == 'a' * 10**9"), "no comparison of a call"),
        (body("for n in range(9): assert candidate([n]) == n"), "no comparison of a call"),
        (body("assert candidate([1]) == other([1])"), "no comparison of a call"),
        (body("assert candidate([1]) == float('inf')"), "no comparison of a call"),
        (body("assert candidate([1]) == 1e999"), "no comparison of a call"),
        (body("assert candidate([1]) == {1, 2}"), "no comparison of a call"),
        (body("assert candidate([1]) == {1: 2}"), "no comparison of a call"),
        (body("assert candidate([1]) == '\\ud800'"), "no comparison of a call"),
        (body("assert candidate(numbers=[1]) == 1"), "no comparison of a call"),
        (body("assert candidate(*[1]) == 1"), "no comparison of a call"),
        (body("assert candidate([1]) < 1"), "no comparison of a call"),
        (body("assert candidate([1]) == 1 == 1"), "no comparison of a call"),
        (body("assert abs(candidate([1]) - 1) < 5"), "no comparison of a call"),
        (body("assert abs(candidate([1]) + 1) < 0.1"), "no comparison of a call"),
        (body("assert tuple(candidate([1])) == (1, 2)"), "no comparison of a call"),
        (body("import os; os.system('true')"), "no comparison of a call"),
    ],
)
def test_what_cannot_be_read_is_refused(record: object, reason: str) -> None:
    with pytest.raises(PackageError) as refused:
        parse(record)

    assert refused.value.path == Path("a.jsonl")
    assert reason in refused.value.reason


def test_arithmetic_on_constants_is_done_and_tuples_are_lists() -> None:
    package = parse(
        body(
            "assert candidate((1, 2), 2 * 3 * 5) == (2.0 / 4.0, -2 ** 3)\n    assert candidate('a' + 'b') == 1"
        )
    )

    assert package.tests == (
        TestCase("sample-1", True, args=[[1, 2], 30], expected=[0.5, -8]),
        TestCase("hidden-1", False, args=["ab"], expected=1),
    )
    assert package.notes == ("HumanEval/900: tuples among the arguments are given as lists",)


def test_no_code_of_a_record_is_run(tmp_path: Path) -> None:
    trap = f"open({str(tmp_path / 'run')!r}, 'w')"
    record = {
        **PAIRS,
        "prompt": f"{trap}\n{PAIRS['prompt']}",
        "test": f"{trap}\n{PAIRS['test']}",
    }

    assert parse(record).tests
    assert not (tmp_path / "run").exists()
