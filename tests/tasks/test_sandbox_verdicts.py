"""The same ways to end, in every language: what the status, the code and the texts are."""

import pytest

from tasks.sandbox.base import Status
from tasks.spec import Limits

from .sandbox_support import MODES, evaluate, run

LIMITS = Limits(time_s=4, memory_mb=128, output_kb=16)
SHORT = Limits(time_s=0.25, memory_mb=128, output_kb=16)
CAP = 16 * 1024

PROGRAMS = {
    "python": {
        "sum": "print(sum(map(int, input().split())))",
        "syntax error": "def f(:\n    pass",
        "exception": "def f():\n    raise ValueError('no good')\nf()",
        "exit 3": "import sys\nprint('before')\nsys.exit(3)",
        "abort": "import os\nprint('before', flush=True)\nos.abort()",
        "kill": "import os\nos.kill(os.getpid(), 9)",
        "loop": "while True: pass",
        "sleep": "import time\ntime.sleep(60)",
        "memory": "a = []\nwhile True: a.append(bytearray(1 << 20))",
        "flood": "while True: print('x' * 1000)",
        "stderr flood": "import sys\nwhile True: sys.stderr.write('x' * 1000)",
        "recursion": "def f(n): return f(n + 1)\nf(0)",
        "bytes": "import sys\nsys.stdout.buffer.write(b'a\\xff\\xfeb')",
        "line": "print(len(input()))",
        "cap": f"import sys\nsys.stdout.write('x' * ({CAP} + int(input())))",
        "past the end": "input()\ninput()",
        "unicode": "print(input()[::-1])",
    },
    "javascript": {
        "sum": (
            "const lines = require('fs').readFileSync(0, 'utf8').split('\\n');\n"
            "console.log(lines[0].split(' ').map(Number).reduce((a, b) => a + b, 0));"
        ),
        "syntax error": "function f( {\n}",
        "exception": "function f() { throw new RangeError('no good'); }\nf();",
        "exit 3": "console.log('before');\nprocess.exit(3);",
        "abort": "require('fs').writeSync(1, 'before\\n');\nprocess.abort();",
        "kill": "process.kill(process.pid, 'SIGKILL');\nwhile (true) {}",
        "loop": "while (true) {}",
        "sleep": "setTimeout(() => {}, 60000);",
        "memory": "const a = [];\nwhile (true) a.push(new Array(10000).fill(1.5));",
        "flood": "while (true) console.log('x'.repeat(1000));",
        "stderr flood": "while (true) console.error('x'.repeat(1000));",
        "recursion": "function f(n) { return f(n + 1) + 1; }\nf(0);",
        "bytes": "process.stdout.write(Buffer.from([97, 255, 254, 98]));",
        "line": "console.log(require('fs').readFileSync(0, 'utf8').trimEnd().length);",
        "cap": (
            "const n = Number(require('fs').readFileSync('/dev/stdin', 'utf8'));\n"
            f"process.stdout.write('x'.repeat({CAP} + n));"
        ),
        "past the end": (
            "const b = Buffer.alloc(9), fs = require('fs');\n"
            "while (fs.readSync(0, b)) {}\n"
            "throw new Error('end of input');"
        ),
        "unicode": (
            "console.log([...require('fs').readFileSync(0, 'utf8').trimEnd()].reverse().join(''));"
        ),
    },
}

pytestmark = pytest.mark.parametrize("language", PROGRAMS)


def result(language, program, stdin="", limits=LIMITS, **options):
    return run(PROGRAMS[language][program], stdin, language=language, limits=limits, **options)


def test_accepted_program(language):
    done = result(language, "sum", "1 2 39\n")
    assert (done.status, done.exit_code, done.exit_signal) == (Status.OK, 0, None)
    assert (done.stdout, done.stderr, done.stdout_bytes, done.truncated) == ("42\n", "", 3, False)
    assert 0 < done.duration < LIMITS.wall_s
    assert 0 < done.memory_kb < LIMITS.memory_mb * 1024


def test_syntax_error_is_found_before_any_run(language):
    evaluation = evaluate(PROGRAMS[language]["syntax error"], "", "", language=language)
    assert not evaluation.compiled
    assert evaluation.runs == ()
    assert "solution." in evaluation.compile_output
    assert "SyntaxError" in evaluation.compile_output
    assert "/w" not in evaluation.compile_output


def test_exception_shows_its_traceback(language):
    done = result(language, "exception")
    assert (done.status, done.exit_code, done.exit_signal) == (Status.RTE, 1, None)
    assert "no good" in done.stderr
    assert "/w/solution." in done.stderr


def test_exit_code_is_kept(language):
    done = result(language, "exit 3")
    assert (done.status, done.exit_code, done.exit_signal) == (Status.RTE, 3, None)
    assert done.stdout == "before\n"


@pytest.mark.parametrize(("program", "name"), [("abort", "SIGABRT"), ("kill", "SIGKILL")])
def test_signal_is_named(language, program, name):
    done = result(language, program)
    assert (done.status, done.exit_code, done.exit_signal) == (Status.RTE, None, name)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("program", ["loop", "sleep"])
def test_time_limit(language, program, mode):
    done = result(language, program, limits=SHORT, mode=mode)
    assert (done.status, done.exit_code, done.exit_signal) == (Status.TLE, None, "SIGKILL")
    assert not done.truncated


@pytest.mark.parametrize("mode", MODES)
def test_memory_limit(language, mode):
    assert result(language, "memory", mode=mode).status is Status.MLE


@pytest.mark.parametrize("program", ["flood", "stderr flood"])
def test_output_limit(language, program):
    done = result(language, program)
    assert (done.status, done.truncated) == (Status.OLE, True)
    assert len(done.stdout + done.stderr) == CAP
    assert done.stdout_bytes == len(done.stdout)


def test_output_may_fill_the_cap_and_not_one_byte_more(language):
    full, over = evaluate(
        PROGRAMS[language]["cap"], "0", "1", language=language, limits=LIMITS
    ).runs
    assert (full.status, full.stdout_bytes, full.truncated) == (Status.OK, CAP, False)
    assert (over.status, over.stdout_bytes, over.truncated) == (Status.OLE, CAP, True)


def test_endless_recursion(language):
    done = result(language, "recursion")
    assert (done.status, done.exit_code) == (Status.RTE, 1)
    assert "RecursionError" in done.stderr or "Maximum call stack" in done.stderr


def test_output_that_is_not_utf_8_is_replaced(language):
    done = result(language, "bytes")
    assert (done.status, done.stdout, done.stdout_bytes) == (Status.OK, "a\ufffd\ufffdb", 4)


def test_input_of_one_huge_line(language):
    assert result(language, "line", "y" * 5_000_000 + "\n").stdout == "5000000\n"


def test_reading_past_the_end(language):
    assert result(language, "past the end", "one\n").status is Status.RTE


def test_text_beyond_ascii(language):
    assert result(language, "unicode", "шаг 🎯\n").stdout == "🎯 гаш\n"
