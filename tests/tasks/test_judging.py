"""Judging: what the program did becomes verdicts, answers without leaks, and records."""

import json
import socket
import threading
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.enums import Verdict
from tasks.judge_queue import RqRunner
from tasks.judgement import GroupResult, Judgement, TestResult
from tasks.judging import judge, run_once
from tasks.runners import get_runner
from tasks.sandbox.base import Cancelled, SandboxError, SandboxUnavailable
from tasks.spec import Limits, TaskSpec, TestCase

ANSWER_KEYS = {
    "verdict",
    "stdout",
    "stderr",
    "duration",
    "cpu_time",
    "memory_kb",
    "exit_code",
    "exit_signal",
    "compile_output",
    "truncated",
    "sandbox",
    "enforcement",
    "tests",
    "passed",
    "total",
}
HIDDEN_KEYS = {"name", "visible", "verdict", "passed", "duration"}
VISIBLE_KEYS = HIDDEN_KEYS | {
    "cpu_time",
    "memory_kb",
    "exit_code",
    "exit_signal",
    "truncated",
    "expected",
    "stdout",
    "stderr",
}

DOUBLE = TaskSpec(
    slug="double",
    kind="stdio",
    limits=Limits(time_s=1.0, memory_mb=256, output_kb=4),
    tests=(
        TestCase("sample-1", visible=True, stdin="1\n", expected="2\n"),
        TestCase("sample-2", visible=True, stdin="-3\n", expected="-6\n"),
        TestCase("hidden-1", visible=False, stdin="500\n", expected="1000\n"),
    ),
)
ADD = TaskSpec(
    slug="add",
    kind="function",
    entry="add",
    limits=DOUBLE.limits,
    tests=(
        TestCase("sample-1", visible=True, args=[1, 2], expected=3),
        TestCase("hidden-1", visible=False, args=[[1], ["ё"]], expected=[1, "ё"]),
    ),
)


@pytest.fixture
def free_port():
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def check(source, spec=DOUBLE, **options):
    return judge(spec, language="python", source=source, **options)


def verdicts(judgement):
    return [test.verdict.value for test in judgement.tests]


# --- The answer and the record, without running anything ------------------------------------


def result(name, verdict="AC", *, visible=True, **fields):
    return TestResult(name=name, visible=visible, verdict=Verdict(verdict), **fields)


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
results = st.builds(
    TestResult,
    name=texts,
    visible=st.booleans(),
    verdict=st.sampled_from(list(Verdict)),
    duration=st.floats(0, 60),
    cpu_time=st.floats(0, 60),
    memory_kb=st.integers(0, 10**7),
    exit_code=st.none() | st.integers(0, 255),
    exit_signal=st.none() | st.just("SIGKILL"),
    stdout=texts,
    stderr=texts,
    truncated=st.booleans(),
    returned=st.none() | texts,
    stdin=texts,
    args=st.none() | st.lists(st.integers()),
    expected=texts,
    skipped=st.booleans(),
)
judgements = st.builds(
    Judgement,
    verdict=st.sampled_from(list(Verdict)),
    tests=st.lists(results, max_size=5).map(tuple),
    total=st.integers(5, 9),
    own=st.none() | results,
    compile_output=texts,
    sandbox=texts,
    enforcement=texts,
    groups=st.lists(
        st.builds(GroupResult, name=texts, points=st.integers(0, 100), passed=st.booleans()),
        max_size=3,
    ).map(tuple),
    operator_detail=texts,
)


@given(judgements)
def test_a_record_gives_back_the_judgement(judgement):
    record = json.loads(json.dumps(judgement.as_record(), allow_nan=False))
    assert Judgement.from_record(record) == judgement
    assert Judgement.from_record(record).as_answer(score=True) == judgement.as_answer(score=True)


@pytest.mark.parametrize(
    "change", [{"format": 0}, {"verdict": "OK"}, {"tests": [{}]}, {"tests": None}, {"own": 5}]
)
def test_another_record_is_refused(change):
    record = Judgement(Verdict.AC, total=1).as_record()
    with pytest.raises(ValueError):
        Judgement.from_record(record | change)
    with pytest.raises(ValueError):
        Judgement.from_record({})


@given(judgements)
def test_an_answer_has_the_keys_of_the_contract(judgement):
    answer = judgement.as_answer()
    assert set(answer) - {"returned"} == ANSWER_KEYS
    grouped = {"groups"} if judgement.groups else set()
    assert set(judgement.as_answer(score=True)) - set(answer) == {"score"} | grouped
    for test in answer["tests"]:
        given_keys = {"args", "returned"} if "args" in test else {"stdin"}
        given_keys |= {"skipped"} & set(test)
        assert set(test) == (VISIBLE_KEYS | given_keys if test["visible"] else HIDDEN_KEYS)
        assert test["passed"] is (test["verdict"] == "AC")


@given(judgements)
def test_an_answer_says_nothing_of_hidden_tests_and_operators(judgement):
    """Whatever the hidden tests printed, used and took changes no byte of the answer."""
    blank = [
        test if test.visible else result(test.name, test.verdict, visible=False)
        for test in judgement.tests
    ]
    other = replace(judgement, tests=tuple(blank), operator_detail="the disk is full")
    assert other.as_answer(score=True) == judgement.as_answer(score=True)


def test_the_first_visible_test_that_failed_is_shown():
    judgement = Judgement(
        Verdict.WA,
        tests=(
            result("a", stdout="fine", duration=0.5),
            result("b", "WA", visible=False, stdout="secret", duration=9.0, cpu_time=9.0),
            result("c", "RTE", stdout="c", stderr="oops", exit_code=1, memory_kb=7, duration=0.2),
            result("d", "WA", stdout="d", cpu_time=0.3),
        ),
        total=4,
    )
    answer = judgement.as_answer()
    assert answer["stdout"] == "c"
    assert answer["stderr"] == "oops"
    assert answer["exit_code"] == 1
    assert answer["memory_kb"] == 7
    assert answer["duration"] == 0.5
    assert answer["cpu_time"] == 0.3


def test_the_last_visible_test_is_shown_when_none_failed():
    judgement = Judgement(
        Verdict.WA,
        tests=(
            result("a", stdout="a"),
            result("b", stdout="b", exit_code=0),
            result("c", "WA", visible=False, stdout="secret", exit_code=3),
        ),
        total=3,
    )
    assert (judgement.stdout, judgement.exit_code) == ("b", 0)


def test_nothing_is_shown_when_every_test_is_hidden():
    judgement = Judgement(
        Verdict.WA, tests=(result("a", "WA", visible=False, stdout="x"),), total=1
    )
    assert (judgement.stdout, judgement.exit_code, judgement.duration) == ("", None, 0.0)


@pytest.mark.parametrize(
    ("passed", "total", "score"),
    [(3, 9, 0.33), (9, 9, 1.0), (0, 9, 0.0), (0, 0, 0.0), (299, 300, 0.99), (1, 400, 0.0)],
)
def test_the_score_is_the_share_of_tests_passed(passed, total, score):
    tests = [result(str(n), "AC" if n < passed else "WA") for n in range(total)]
    assert Judgement(Verdict.WA, tests=tuple(tests), total=total).score == score


# --- With the sandbox ---------------------------------------------------------------------------


def test_a_right_program_is_accepted():
    judgement = check("print(2 * int(input()))")
    assert judgement.verdict == Verdict.AC
    assert verdicts(judgement) == ["AC", "AC", "AC"]
    answer = judgement.as_answer(score=True)
    assert (answer["passed"], answer["total"], answer["score"]) == (3, 3, 1.0)
    assert answer["stdout"] == "-6\n"
    assert (answer["exit_code"], answer["exit_signal"]) == (0, None)
    assert 0 < answer["duration"] < DOUBLE.limits.wall_s
    assert answer["memory_kb"] > 0
    assert answer["sandbox"] == judgement.sandbox != ""
    assert answer["tests"][0]["stdin"] == "1\n"
    assert answer["tests"][0]["expected"] == "2\n"
    assert answer["tests"][2] == {
        "name": "hidden-1",
        "visible": False,
        "verdict": "AC",
        "passed": True,
        "duration": None,
    }


def test_only_the_visible_tests_run_when_asked():
    judgement = check("print(2 * int(input()))", tests="visible")
    assert [test.name for test in judgement.tests] == ["sample-1", "sample-2"]
    assert (judgement.passed, judgement.total) == (2, 2)


def test_a_program_wrong_on_a_hidden_test_alone_shows_nothing_of_it():
    source = "n = int(input()); print('leak' if n == 500 else 2 * n)"
    judgement = check(source)
    assert judgement.verdict == Verdict.WA
    assert verdicts(judgement) == ["AC", "AC", "WA"]
    assert judgement.tests[2].stdout == "leak\n"
    assert "leak" not in json.dumps(judgement.as_answer(score=True))
    assert judgement.score == 0.67


@pytest.mark.parametrize(
    ("source", "verdict"),
    [
        ("print(5)", "WA"),
        ("raise SystemExit(3)", "RTE"),
        ("while True: pass", "TLE"),
        ("import time; time.sleep(60)", "TLE"),
        ("x = bytearray(900 * 2**20)", "MLE"),
        ("while True: print('x' * 1000)", "OLE"),
        ("def (", "CE"),
    ],
)
def test_each_way_to_fail_has_its_verdict(source, verdict):
    one = replace(DOUBLE, tests=DOUBLE.tests[:1])
    judgement = check(source, one)
    assert judgement.verdict == verdict
    assert judgement.score == 0.0
    assert judgement.total == 1


def test_the_strongest_verdict_stands_for_the_program():
    source = """
n = int(input())
if n == 1: print(5)
elif n == -3: raise SystemExit(1)
else:
    while True: pass
"""
    judgement = check(source)
    assert verdicts(judgement) == ["WA", "RTE", "TLE"]
    assert judgement.verdict == Verdict.TLE
    assert judgement.stdout == "5\n"


def test_a_program_that_does_not_compile_runs_no_test():
    judgement = check("def (")
    answer = judgement.as_answer(score=True)
    assert answer["verdict"] == "CE"
    assert "SyntaxError" in answer["compile_output"]
    assert (answer["tests"], answer["passed"], answer["total"], answer["score"]) == ([], 0, 3, 0.0)


def test_too_much_output_is_cut_and_shown():
    judgement = check("print('x' * 100_000)", replace(DOUBLE, tests=DOUBLE.tests[:1]))
    assert judgement.verdict == Verdict.OLE
    assert judgement.truncated is True
    assert judgement.stdout == "x" * 4096


def test_a_function_is_judged_by_the_value_it_returns():
    judgement = check("def add(a, b):\n    print('adding')\n    return a + b", ADD)
    assert judgement.verdict == Verdict.AC
    shown = judgement.as_answer()["tests"][0]
    assert (shown["args"], shown["returned"], shown["expected"]) == ([1, 2], "3", 3)
    assert shown["stdout"] == "adding\n"
    assert "stdin" not in shown


@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        ("return a - b", "WA"),
        ("return str(a + b)", "WA"),
        ("return None", "WA"),
        ("return a / 0", "RTE"),
        ("raise SystemExit(0)", "RTE"),
        ("import os; os._exit(0)", "RTE"),
        ("return {1, 2}", "RTE"),
        ("return float('nan')", "RTE"),
    ],
)
def test_a_function_without_the_expected_value(body, verdict):
    one = replace(ADD, tests=ADD.tests[:1])
    judgement = check(f"def add(a, b):\n    {body}", one)
    assert judgement.verdict == verdict
    assert judgement.verdict == Verdict.WA or judgement.stderr


def test_true_is_not_one_in_a_function_task():
    one = replace(ADD, tests=(TestCase("t", visible=True, args=[], expected=1),))
    assert check("def add(): return True", one).verdict == Verdict.WA
    assert check("def add(): return 1.0", one).verdict == Verdict.AC


def test_the_checker_of_the_task_decides():
    spec = replace(DOUBLE, checker="floats", checker_options={"tolerance": 0.01})
    assert check("print(2 * int(input()) + 0.001)", spec).verdict == Verdict.AC
    assert check("print(2 * int(input()) + 0.001)", DOUBLE).verdict == Verdict.WA


def test_an_own_input_compares_nothing():
    judgement = run_once(DOUBLE, language="python", source="print(input()[::-1])", stdin="abc\n")
    answer = judgement.as_answer()
    assert answer["verdict"] == "AC"
    assert answer["stdout"] == "cba\n"
    assert (answer["tests"], answer["passed"], answer["total"]) == ([], 0, 0)
    assert answer["duration"] > 0
    assert Judgement.from_record(judgement.as_record()) == judgement


@pytest.mark.parametrize(
    ("source", "verdict"), [("1 / 0", "RTE"), ("while True: pass", "TLE"), ("def (", "CE")]
)
def test_an_own_input_has_the_verdicts_of_a_run(source, verdict):
    assert run_once(DOUBLE, language="python", source=source, stdin="").verdict == verdict


def test_own_arguments_show_what_the_function_returned():
    judgement = run_once(ADD, language="python", source="def add(*a): return [*a]", args=["ё", 1])
    assert judgement.verdict == Verdict.AC
    assert judgement.as_answer()["returned"] == '["ё", 1]'
    silent = run_once(ADD, language="python", source="def add(*a): exit(0)", args=[])
    assert silent.verdict == Verdict.RTE


@pytest.mark.parametrize("source", ["print('\ud800')", "\ud800", "\udfff" * 1000])
def test_a_source_that_is_no_unicode_does_not_compile(source):
    judgement = check(source)
    assert judgement.verdict == Verdict.CE
    assert judgement.compile_output
    json.dumps(judgement.as_answer()).encode()


def test_a_nul_in_the_source_is_a_verdict():
    assert check("print(1)\0").verdict == Verdict.CE


def test_a_surrogate_in_an_own_input_is_replaced():
    judgement = run_once(
        DOUBLE, language="python", source="print(ascii(input()))", stdin="a\ud800b"
    )
    assert judgement.verdict == Verdict.AC
    assert judgement.stdout == "'a?b'\n"


def test_output_of_any_bytes_can_be_stored():
    source = "import sys; sys.stdout.buffer.write(bytes(range(256)) + '\\ud800x'.encode('utf-8', 'surrogatepass'))"
    judgement = run_once(DOUBLE, language="python", source=source, stdin="")
    assert judgement.verdict == Verdict.AC
    assert "\0" not in judgement.stdout
    judgement.stdout.encode()
    json.dumps(judgement.as_record(), allow_nan=False, ensure_ascii=False).encode()


def test_the_hidden_output_that_is_kept_is_bounded():
    spec = replace(DOUBLE, limits=Limits(output_kb=64), tests=DOUBLE.tests[2:])
    judgement = check("print('x' * 60_000)", spec)
    assert len(judgement.tests[0].stdout) == 4096


# --- When the machinery fails ------------------------------------------------------------------


def test_without_a_sandbox_the_fault_is_ours_and_its_details_the_operators(free_port, caplog):
    """A real runner whose Redis is not there."""
    runner = RqRunner(f"redis://:secret-password@127.0.0.1:{free_port}/0")
    judgement = check("print(1)", evaluate=runner.evaluate)
    assert judgement.verdict == Verdict.IE
    assert judgement.tests == ()
    assert judgement.total == 3
    assert "SandboxUnavailable" in judgement.operator_detail
    answer = json.dumps(judgement.as_answer(score=True))
    assert "SandboxUnavailable" not in answer
    assert str(free_port) not in answer
    assert Judgement.from_record(judgement.as_record()) == judgement
    assert "judging double failed" in caplog.text
    assert "secret-password" not in caplog.text + judgement.operator_detail


@pytest.mark.parametrize("fault", [SandboxError("x"), SandboxUnavailable("x"), OSError(28, "x")])
def test_a_fault_of_the_sandbox_is_an_internal_error(fault):
    def evaluate(job, *, cancelled=None):
        raise fault

    judgement = check("print(1)", evaluate=evaluate)
    assert judgement.verdict == Verdict.IE
    assert type(fault).__name__ in judgement.operator_detail


def test_an_evaluation_of_another_length_is_an_internal_error():
    def evaluate(job, *, cancelled=None):
        return get_runner().evaluate(replace(job, inputs=job.inputs[:2]), cancelled=cancelled)

    judgement = check("print(2 * int(input()))", evaluate=evaluate)
    assert judgement.verdict == Verdict.IE
    assert judgement.operator_detail.startswith("ValueError: zip()")


@pytest.mark.parametrize(
    "change",
    [{"checker": "telepathy"}, {"checker_options": {"x": 1}}, {"kind": "poetry"}],
)
def test_a_fault_of_the_bank_is_an_internal_error(change):
    judgement = check("print(2 * int(input()))", replace(DOUBLE, **change))
    assert judgement.verdict == Verdict.IE
    assert judgement.operator_detail.startswith("ValueError: ")


def test_an_evaluation_that_is_called_off_has_no_verdict():
    started, stop = threading.Event(), threading.Event()

    def cancelled():
        started.set()
        return stop.is_set()

    threading.Thread(target=lambda: (started.wait(30), stop.set()), daemon=True).start()
    with pytest.raises(Cancelled):
        check("while True: pass", cancelled=cancelled)
