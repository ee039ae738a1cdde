"""Custom validators: the calling convention, in a sandbox of their own, and what goes wrong."""

from dataclasses import replace

import pytest

from tasks.enums import Verdict
from tasks.judging import judge
from tasks.runners import get_runner
from tasks.spec import Limits, TaskSpec, TestCase, Validator

# Any two numbers with the sum that is asked for; the judge's answer is one such pair.
PAIR = """
import os, sys
name, answer, feedback, *arguments = sys.argv[1:]
total = int(open(name).read())
assert sum(map(int, open(answer).read().split())) == total
with open(os.path.join(feedback, "judgemessage.txt"), "a") as file:
    file.write("seen")
try:
    given = list(map(int, sys.stdin.read().split()))
except ValueError:
    sys.exit(43)
right = len(given) == 2 and sum(given) == total
sys.exit(42 if right and not ("positive" in arguments and min(given) < 0) else 43)
"""
SPEC = TaskSpec(
    slug="pair",
    kind="stdio",
    limits=Limits(time_s=1.0, memory_mb=256, output_kb=4),
    checker="validator",
    validator=Validator("python", PAIR),
    tests=(
        TestCase("sample-1", visible=True, stdin="5\n", expected="2 3\n"),
        TestCase("hidden-1", visible=False, stdin="7\n", expected="0 7\n"),
        TestCase("hidden-2", visible=False, stdin="-1\n", expected="0 -1\n"),
    ),
)


def check(source, validator=SPEC.validator):
    jobs = []

    def evaluate(job, *, cancelled=None):
        jobs.append(job)
        return get_runner().evaluate(job, cancelled=cancelled)

    spec = replace(SPEC, validator=validator)
    return judge(spec, language="python", source=source, evaluate=evaluate), jobs


def verdicts(judgement):
    return [str(test.verdict) for test in judgement.tests]


def test_a_validator_takes_any_right_answer():
    judgement, jobs = check("print(10, int(input()) - 10)")

    assert judgement.verdict == Verdict.AC, judgement.operator_detail
    assert len(jobs) == 2
    assert not jobs[0].files
    assert (len(jobs[1].inputs), jobs[1].source) == (3, PAIR)


def test_a_validator_sees_each_test_of_its_own():
    judgement, _jobs = check("print(1, 4)")

    assert verdicts(judgement) == ["AC", "WA", "WA"]
    assert judgement.tests[0].stdout == "1 4\n"


def test_a_validator_gets_the_arguments_of_the_package():
    validator = Validator("python", PAIR, ("positive",))

    judgement, _jobs = check("print(0, int(input()))", validator)

    assert verdicts(judgement) == ["AC", "AC", "WA"]


def test_a_validator_sees_only_programs_that_ended_well():
    judgement, jobs = check("n = int(input())\nprint(n, 0 if n > 0 else 1 / 0)")

    assert verdicts(judgement) == ["AC", "AC", "RTE"]
    assert len(jobs[1].inputs) == 2


def test_a_program_that_never_answers_needs_no_validator():
    judgement, jobs = check("1 / 0")

    assert (judgement.verdict, len(jobs)) == ("RTE", 1)


@pytest.mark.parametrize(
    ("source", "detail"),
    [
        ("raise SystemExit(0)", "did not judge test sample-1: OK, exit code 0"),
        ("1 / 0", "ZeroDivisionError"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGXCPU)", "TLE"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL"),
        ("def (", "does not compile"),
    ],
)
def test_a_validator_that_does_not_judge_is_an_internal_error(source, detail):
    judgement, _jobs = check("print(1, 4)", Validator("python", source))

    assert (judgement.verdict, judgement.tests) == ("IE", ())
    assert detail in judgement.operator_detail
    assert detail not in str(judgement.as_answer(score=True))


def test_a_task_that_lost_its_validator_is_an_internal_error():
    judgement, _jobs = check("print(1, 4)", None)

    assert judgement.verdict == Verdict.IE
    assert "no validator" in judgement.operator_detail


def test_a_validator_and_the_program_share_nothing():
    """The program leaves files and looks for the answer; the validator looks for its files."""
    program = """
import glob, sys
open("left.txt", "w").write("x")
found = sorted(glob.glob("/w/**", recursive=True) + glob.glob("/tmp/*"))
print(int(input()), 0, file=sys.stderr)
print(*found)
"""
    validator = """
import glob, sys
sys.exit(42 if sys.stdin.read() == "/w/ /w/left.txt /w/solution.py\\n"
         and not glob.glob("**/left.txt", recursive=True) else 43)
"""
    judgement, _jobs = check(program, Validator("python", validator))

    assert verdicts(judgement) == ["AC"] * 3, judgement.tests[0].stdout
