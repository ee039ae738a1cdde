"""Judging against the same programs run bare: one check, a function's check, and a full queue.

"Bare" is the interpreter of the sandbox with its options, one process a run, and no bounds at all.
"""

from __future__ import annotations

import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.contrib.auth import get_user_model
from django.utils import timezone

from interviews.models import InterviewSession
from tasks import evaluation, signals
from tasks.judging import judge
from tasks.models import Assignment, Attempt, CodingTask, TaskTest
from tasks.spec import TaskSpec, TestCase
from tests.benchmarks.figures import Figure

TESTS = 20
SOURCE = "import sys\nprint(sum(map(int, sys.stdin.read().split())))\n"
FUNCTION = """
from collections import deque

def shortest(rows):
    start, goal = (0, 0), (len(rows) - 1, len(rows[0]) - 1)
    steps, line = {start: 0}, deque([start])
    while line:
        y, x = line.popleft()
        if (y, x) == goal:
            return steps[goal]
        for place in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
            inside = 0 <= place[0] < len(rows) and 0 <= place[1] < len(rows[0])
            if inside and place not in steps and rows[place[0]][place[1]] == ".":
                steps[place] = steps[y, x] + 1
                line.append(place)
    return -1
"""
GRID = ["." * 12] * 12
STEPS = 22


def measure(folder: Path, *, rounds: int, checks: int) -> Iterator[Figure]:
    stdio = TaskSpec(slug="sum", kind="stdio", tests=cases(TESTS))
    call = TestCase(name="test", visible=False, args=[GRID], expected=STEPS)
    function = TaskSpec(slug="way", kind="function", entry="shortest", tests=(call,) * TESTS)
    program, once = folder / "solution.py", folder / "once.py"
    program.write_text(SOURCE)
    once.write_text(f"{FUNCTION}\nprint(shortest({GRID!r}))\n")
    for spec, source in ((stdio, SOURCE), (function, FUNCTION)):
        sandboxed(spec, source)  # builds the copy of the runtimes on a machine that has none
    ours, bare, called, one = [], [], [], []
    for _turn in range(rounds):
        ours.append(1000 * sandboxed(stdio, SOURCE))
        bare.append(sum(1000 * run_bare(program, t.stdin, t.expected) for t in stdio.tests))
        for _again in range(5):
            called.append(1000 * sandboxed(function, FUNCTION))
            one.append(1000 * run_bare(once, "", str(STEPS)))
    what = f"judging, a check of {TESTS} tests in Python"
    yield Figure(what, "ms", ours, "the program run bare", bare, False)
    what = f"judging, a check of {TESTS} calls of a function in Python"
    yield Figure(what, "ms", called, "one bare run of it", one, False)
    judged = [checks / queued(checks)]  # long enough for one round
    what = f"judging, {checks} checks of {TESTS} tests queued at once"
    for loops in sorted({1, settings.JUDGE_SLOTS}):
        peer = f"the runs in {loops} bare loop" + "s at once" * (loops > 1)
        some = max(1, checks // 5)
        looped = [some / bare_loops(program, some, loops)]
        yield Figure(what, "checks/s", judged, peer, looped, True)


def cases(count: int) -> tuple[TestCase, ...]:
    return tuple(
        TestCase(
            name=f"test-{number}",
            visible=number < 2,
            stdin=" ".join(str(value) for value in range(number, number + 1000)),
            expected=str(sum(range(number, number + 1000))),
        )
        for number in range(count)
    )


def sandboxed(spec: TaskSpec, source: str) -> float:
    began = time.perf_counter()
    judgement = judge(spec, language="python", source=source)
    seconds = time.perf_counter() - began
    if judgement.verdict != "AC":
        raise RuntimeError(f"{judgement.verdict}: {judgement.operator_detail}")
    return seconds


def run_bare(program: Path, stdin: str, expected: str) -> float:
    interpreter = str(Path(getattr(sys, "_base_executable", "") or sys.executable).resolve())
    began = time.perf_counter()
    done = subprocess.run(
        [interpreter, "-I", "-X", "utf8", str(program)],
        input=stdin, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    if done.stdout.split() != [expected]:
        raise RuntimeError(f"{program.name}: {done.stdout!r}")
    return time.perf_counter() - began


def bare_loops(program: Path, checks: int, loops: int) -> float:
    """Seconds for the runs of `checks` checks, one after another in each of `loops` threads."""
    tests = cases(TESTS) * checks
    began = time.perf_counter()
    with ThreadPoolExecutor(loops) as pool:
        list(pool.map(lambda test: run_bare(program, test.stdin, test.expected), tests))
    return time.perf_counter() - began


def queued(checks: int) -> float:
    """Seconds for `checks` candidates' checks, sent at once, until the last is recorded.

    Raises `RuntimeError` unless every one of them was judged, once, and accepted.
    """
    assignments = [assignment() for _ in range(checks)]
    judged: list[object] = []
    lock = threading.Lock()

    def count(attempt: Attempt, **_more: object) -> None:
        with lock:
            judged.append(attempt.pk)

    signals.attempt_judged.connect(count)
    began = time.perf_counter()
    try:
        for each in assignments:
            evaluation.start_check(each, language="python", code=SOURCE, submission_id="one")
        if not evaluation.drain(600):
            raise RuntimeError("some checks were never judged")
    finally:
        signals.attempt_judged.disconnect(count)
    seconds = time.perf_counter() - began
    attempts = Attempt.objects.filter(assignment__in=assignments)
    accepted = attempts.filter(number=1, verdict="AC", passed=TESTS).values_list("pk")
    if sorted(judged) != sorted(pk for (pk,) in accepted) or len(judged) != checks:
        raise RuntimeError(f"{len(accepted)} of {checks} accepted, {len(judged)} times judged")
    return seconds


def assignment() -> Assignment:
    """An own session with a task of its own sort, as a candidate has it open."""
    now = timezone.now()
    task, made = CodingTask.objects.get_or_create(
        slug="bench-sum",
        defaults={"kind": "stdio", "track": "backend", "difficulty": 0.0, "languages": ["python"]},
    )
    if made:
        TaskTest.objects.bulk_create(
            TaskTest(
                task=task,
                order=order,
                name=case.name,
                visible=case.visible,
                stdin=case.stdin,
                expected=case.expected,
            )
            for order, case in enumerate(cases(TESTS))
        )
    session = InterviewSession.objects.create(
        candidate=get_user_model().objects.create(nickname=secrets.token_hex(8)),
        track="backend",
        level="middle",
        ends_at=now + timedelta(hours=1),
    )
    return Assignment.objects.create(
        session=session, task=task, order=1, deadline=now + timedelta(hours=1)
    )
