"""Functions called with JSON: their values come out whole, and nothing else comes out as a value."""

import json

import pytest

from tasks.sandbox.base import Status
from tasks.spec import Limits

from .sandbox_support import evaluate, run

ECHO = {
    "python": "def solve(*a): return list(a)",
    "javascript": "function solve(...a) { return a; }",
}


@pytest.mark.parametrize("language", ECHO)
@pytest.mark.parametrize(
    "arguments",
    [
        "[]",
        "[1, -2.5, true, false, null]",
        '[{"a": [1, {"b": "\\u0448\\ud83c\\udfaf\\n"}]}, [[]], ""]',
    ],
)
def test_values_go_in_and_come_out(language, arguments):
    done = run(ECHO[language], arguments, language=language, entry="solve")
    assert (done.status, done.has_result, done.protocol_error) == (Status.OK, True, "")
    assert done.result == json.loads(arguments)


@pytest.mark.parametrize(
    ("language", "source"),
    [
        ("python", "def solve(n):\n    print('hello')\n    return n + 1"),
        ("python", "solve = lambda n: print('hello') or n + 1"),
        ("javascript", "const solve = (n) => { console.log('hello'); return n + 1; };"),
        ("javascript", "class A { static go(n) { console.log('hello'); return n + 1; } }\n"
                       "module.exports = { solve: A.go };"),
        ("javascript", "async function solve(n) { console.log('hello'); return n + 1; }"),
    ],
)  # fmt: skip
def test_printing_is_output_and_returning_is_the_answer(language, source):
    done = run(source, "[41]", language=language, entry="solve")
    assert (done.result, done.stdout, done.stderr) == (42, "hello\n", "")


def test_big_integers_and_tuples_of_python_survive():
    done = run("def solve(): return (2 ** 4000, {1: (True, None)})", entry="solve")
    assert done.result == [2**4000, {"1": [True, None]}]


@pytest.mark.parametrize(
    ("language", "source", "path"),
    [
        ("python", "def solve(x):\n    return inner(x)\ndef inner(x):\n    raise KeyError('oops')",
         'File "/w/solution.py", line 4, in inner'),
        ("javascript", "function inner() { throw new TypeError('oops'); }\nfunction solve(x) { return inner(x); }",
         "/w/solution.js:1"),
    ],
)  # fmt: skip
def test_exception_shows_the_solution_alone(language, source, path):
    done = run(source, "[1]", language=language, entry="solve")
    assert (done.status, done.exit_code, done.has_result) == (Status.RTE, 1, False)
    assert path in done.stderr
    assert "oops" in done.stderr
    assert "driver" not in done.stderr


@pytest.mark.parametrize(
    ("language", "source", "said"),
    [
        ("python", "x = 1", "does not define the function solve"),
        ("javascript", "let x = 1;", "does not define the function solve"),
        ("python", "def solve(): return float('nan')", "cannot be written as JSON"),
        ("python", "def solve(): return {1, 2}", "type set is not JSON"),
        ("python", "def solve():\n    a = []\n    a.append(a)\n    return a", "nested too deeply"),
        ("javascript", "function solve() { return NaN; }", "NaN is not JSON"),
        ("javascript", "function solve() { return new Set([1]); }", "class Set is not JSON"),
        ("javascript", "function solve() { const a = []; a.push(a); return a; }", "too deeply"),
    ],
)
def test_no_value_is_said_so(language, source, said):
    done = run(source, language=language, entry="solve")
    assert (done.status, done.exit_code, done.has_result) == (Status.RTE, 1, False)
    assert said in done.stderr
    assert done.protocol_error == "The program ended without returning an answer."


@pytest.mark.parametrize(
    "source",
    [
        "import sys\ndef solve(): sys.exit(0)",
        "import os\nos._exit(0)\ndef solve(): pass",
        "import os, sys, threading\n"
        "threading.Thread(target=lambda: os._exit(0)).start()\n"
        "def solve():\n    import time\n    time.sleep(9)",
    ],
)
def test_ending_without_an_answer_is_a_runtime_error(source):
    done = run(source, entry="solve")
    assert (done.status, done.exit_code, done.has_result) == (Status.RTE, 0, False)


def test_answer_given_twice_is_void():
    source = (
        "import os, sys\n"
        "def solve():\n"
        "    frame = sys._getframe(1)\n"
        "    nonce = frame.f_locals['nonce']\n"
        "    os.write(frame.f_locals['answer'], nonce + (1).to_bytes(4, 'big') + b'7')\n"
        "    return 7\n"
    )
    done = run(source, entry="solve")
    assert (done.status, done.has_result) == (Status.RTE, False)
    assert done.protocol_error == "The answer is incomplete, or there is more than one."


def test_answer_over_the_output_cap_is_the_output_limit():
    done = run("def solve(): return 'x' * 5000", entry="solve", limits=Limits(output_kb=4))
    assert (done.status, done.truncated, done.has_result) == (Status.OLE, True, False)


def test_answer_that_came_too_late_does_not_count():
    source = "def solve():\n    while True: pass"
    done = run(source, entry="solve", limits=Limits(time_s=0.4))
    assert (done.status, done.has_result) == (Status.TLE, False)


def test_main_guard_is_not_run_and_stdin_is_empty():
    source = (
        "import sys\n"
        "def solve(): return [__name__, sys.stdin.read(), sys.argv]\n"
        "if __name__ == '__main__': print('guarded')\n"
    )
    done = run(source, entry="solve")
    assert (done.result, done.stdout) == (["solution", "", ["solution.py"]], "")


def test_every_input_is_a_call_of_its_own():
    runs = evaluate(
        "n = 0\ndef solve(x):\n    global n\n    n += x\n    return n", "[1]", "[2]", entry="solve"
    ).runs
    assert [run.result for run in runs] == [1, 2]
