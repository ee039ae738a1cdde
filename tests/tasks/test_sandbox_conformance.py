"""One program a language, told by its first line of input how to end: which verdict is that?

Each is compiled once and judged on all cases together, with limits that make the slow ones short.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import pytest

from tasks.judging import judge
from tasks.sandbox.languages import LANGUAGES, available_languages
from tasks.spec import Limits, TaskSpec, TestCase
from tests.tasks.sandbox_support import backend, evaluate

PROGRAMS = Path(__file__).parent / "conformance"
LIMITS = Limits(time_s=0.7, memory_mb=128, output_kb=16)
LINE = 300_000

# case: input, verdict, exit code and signal where they are the same in every language
CASES = {
    "accepted": ("sum\n1 2 39\n", "AC", 0, None),
    "wrong": ("wrong\n", "WA", 0, None),
    "exception": ("exception\n", "RTE", ..., ...),
    "exit code": ("exit\n", "RTE", 3, None),
    "signal": ("signal\n", "RTE", None, "SIGKILL"),
    "infinite loop": ("loop\n", "TLE", None, "SIGKILL"),
    "sleep": ("sleep\n", "TLE", None, "SIGKILL"),
    "memory": ("memory\n", "MLE", ..., ...),
    "recursion": ("recursion\n", "RTE", ..., ...),
    "flood": ("flood\n", "OLE", None, "SIGKILL"),
    "early exit": ("early\n", "WA", 0, None),
    "closed stdout": ("closed\n", "WA", ..., ...),
    "huge line": (f"line\n{'x' * LINE}\n", "AC", 0, None),
    "no final newline": ("bare", "AC", 0, None),
    "CRLF": ("sum\r\n1 2\r\n39\r\n", "AC", 0, None),
    "invalid UTF-8": ("bytes\n", "WA", 0, None),
    "past the end": ("past\n42\n", "RTE", ..., ...),
}
# What is different in a language, and why.
DIFFERENT = {
    ("python", "exception"): ("RTE", 1, None),
    ("python", "closed stdout"): ("RTE", ..., ...),  # writing raises
    ("javascript", "exception"): ("RTE", 1, None),
    ("javascript", "closed stdout"): ("RTE", ..., ...),
    ("typescript", "exception"): ("RTE", 1, None),
    ("typescript", "closed stdout"): ("RTE", ..., ...),
    ("c", "exception"): ("RTE", None, "SIGABRT"),
    ("c", "recursion"): ("RTE", None, "SIGSEGV"),
    ("c", "past the end"): ("AC", 0, None),  # reading fails without a word, the number stays 0
    ("cpp", "exception"): ("RTE", None, "SIGABRT"),
    ("cpp", "recursion"): ("RTE", None, "SIGSEGV"),
    ("cpp", "past the end"): ("AC", 0, None),
    ("java", "exception"): ("RTE", 1, None),
    ("go", "exception"): ("RTE", 2, None),
    ("go", "recursion"): ("MLE", ..., ...),  # its stack grows on the heap
    ("go", "past the end"): ("AC", 0, None),
    ("rust", "exception"): ("RTE", 101, None),
    ("rust", "signal"): ("RTE", None, "SIGABRT"),
    ("rust", "recursion"): ("RTE", None, "SIGABRT"),
}
IMPOSSIBLE = {("java", "signal")}  # a program cannot send one to its own virtual machine
BROKEN = {
    "python": "def f(:\n    pass\n",
    "javascript": "function f( {\n}\n",
    "typescript": "const answer: number = '42';\nconsole.log(answer);\n",
    "c": "int main(void) { return answer; }\n",
    "cpp": "int main() { std::string answer; }\n",
    "java": 'public class Main { void main() { int answer = "42"; } }\n',
    "go": 'package main\n\nimport "fmt"\n\nfunc main() {}\n',
    "rust": 'fn main() { let answer: i32 = "42"; }\n',
    "sql": "SELECT (1",
}
NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
# SQL has neither input nor a way to end otherwise: what differs is the query. Its own input is the
# script that makes the tables.
QUERIES = {
    "accepted": ("SELECT sum(n) AS total FROM t", "AC"),
    "several statements": ("UPDATE t SET n = n + 1; SELECT sum(n) - 3 AS total FROM t;", "AC"),
    "no final newline, CRLF": ("-- the total\r\nSELECT sum(n)\r\nAS total\r\nFROM t", "AC"),
    "wrong": ("SELECT max(n) AS total FROM t", "WA"),
    "another column": ("SELECT sum(n) AS amount FROM t", "WA"),
    "no rows": ("DELETE FROM t", "WA"),
    "a table that is not there": ("SELECT * FROM nowhere", "RTE"),
    "another database": ("ATTACH 'x.db' AS x", "RTE"),
    "a setting": ("PRAGMA writable_schema = 1; SELECT sum(n) AS total FROM t", "RTE"),
    "an extension": ("SELECT load_extension('x') AS total", "RTE"),
    "infinite loop": (f"{NUMBERS} SELECT count(*) AS total FROM n", "TLE"),
    "memory": (f"{NUMBERS} SELECT zeroblob(1000000) AS total FROM n", "MLE"),
    "a large value": ("SELECT zeroblob(900000000) AS total", "MLE"),
    "flood": (f"{NUMBERS} SELECT i AS total FROM n LIMIT 9999", "OLE"),
    "invalid UTF-8": ("SELECT CAST(x'34FF32' AS TEXT) AS total", "WA"),
    "infinity": ("SELECT 9e999 AS total", "RTE"),
}
TESTED = [name for name in LANGUAGES if name in available_languages()]
PROGRAMMED = [name for name in TESTED if name != "sql"]


def expected(language, case):
    return DIFFERENT.get((language, case), CASES[case][1:])


def judge_all(languages, mode, *, at_once):
    """The results of every case by language, some languages side by side."""
    tests = tuple(
        TestCase(
            case, visible=True, stdin=stdin, expected=str(LINE) if case == "huge line" else "42"
        )
        for case, (stdin, *_) in CASES.items()
    )
    spec = TaskSpec("conformance", "stdio", LIMITS, tests=tests)

    def all_cases(language):
        source = (PROGRAMS / LANGUAGES[language].source_name).read_text()
        return judge(spec, language=language, source=source, evaluate=backend(mode).evaluate)

    with ThreadPoolExecutor(at_once) as pool:
        return dict(zip(languages, pool.map(all_cases, languages), strict=True))


@cache
def judged():
    return judge_all(PROGRAMMED, "offered", at_once=3)


@pytest.mark.parametrize(
    ("language", "case"),
    [(name, case) for name in PROGRAMMED for case in CASES if (name, case) not in IMPOSSIBLE],
)
def test_a_program_gets_its_verdict(language, case):
    judgement = judged()[language]
    assert judgement.tests, judgement
    (result,) = [test for test in judgement.tests if test.name == case]
    found = (result.verdict, result.exit_code, result.exit_signal)
    wanted = expected(language, case)
    compared = tuple(... if want is ... else have for have, want in zip(found, wanted, strict=True))
    assert compared == wanted, result


@pytest.mark.parametrize("language", TESTED)
def test_what_is_not_of_the_language_is_a_compile_error(language):
    kind = "sql" if language == "sql" else "stdio"
    spec = TaskSpec("broken", kind, LIMITS, tests=(TestCase("only", visible=True, expected="42"),))
    judgement = judge(
        spec, language=language, source=BROKEN[language], evaluate=backend("offered").evaluate
    )
    assert (judgement.verdict, judgement.tests) == ("CE", ())
    assert judgement.compile_output
    assert "/w/" not in judgement.compile_output


@pytest.mark.parametrize("case", QUERIES)
def test_a_query_gets_its_verdict(case):
    source, verdict = QUERIES[case]
    test = TestCase(
        "only",
        visible=True,
        stdin="CREATE TABLE t (n INTEGER); INSERT INTO t VALUES (1), (2), (39);",
        expected={"columns": ["total"], "rows": [[42]]},
    )
    spec = TaskSpec("conformance", "sql", LIMITS, checker="sql_rows", tests=(test,))
    judgement = judge(spec, language="sql", source=source, evaluate=backend("offered").evaluate)
    assert judgement.verdict == verdict, judgement


FUNCTIONS = {
    "python": "def add(a, b):\n    return a + b\n",
    "javascript": "const add = (a, b) => a + b;\n",
    "typescript": "export function add(a: number, b: number): number {\n  return a + b;\n}\n",
}


def test_every_language_of_functions_is_tested():
    assert [name for name in LANGUAGES if "function" in LANGUAGES[name].kinds] == list(FUNCTIONS)


@pytest.mark.parametrize("language", [name for name in FUNCTIONS if name in TESTED])
def test_a_function_is_called(language):
    first, second = evaluate(
        FUNCTIONS[language], "[40, 2]", "[0.5, 0.25]", language=language, entry="add"
    ).runs
    assert (first.has_result, first.result) == (True, 42)
    assert (second.has_result, second.result) == (True, 0.75)
