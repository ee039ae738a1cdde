"""The sandbox of containers: the same verdicts as everywhere, and nothing left of a submission."""

from __future__ import annotations

import platform
import resource
import tarfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import docker
import pytest

from tasks.sandbox.base import Cancelled, Job, SandboxUnavailable, Status
from tasks.sandbox.docker import Docker
from tasks.sandbox.engine import LABEL
from tasks.sandbox.image import fill
from tasks.spec import Limits

from .sandbox_support import (
    ENGINE,
    backend,
    evaluate,
    hostile,
    marked,
    marker,
    processes_named,
    run,
)
from .test_sandbox_conformance import CASES, IMPOSSIBLE, LIMITS, expected, judge_all

OFFERED = [name for name in backend("docker").languages() if name != "sql"]


@pytest.fixture
def lonely():
    """A backend without a pool, whose image has a name that no other test's containers have."""
    client = docker.APIClient(base_url=ENGINE)
    name = f"neurogame-lonely-{marker()}"
    client.tag("neurogame-sandbox", name)
    sandbox = Docker(image=name, host=ENGINE, pool=0)

    def containers():
        listed = client.containers(all=True, filters={"label": LABEL})
        return [found["Id"] for found in listed if found["Image"] == name]

    sandbox.containers = containers
    yield sandbox
    sandbox.close()
    client.remove_image(name)
    client.close()


def job(source, *inputs, limits=LIMITS, **options):
    return Job("python", source, "stdio", "", inputs or ("",), limits, **options)


@cache
def judged():
    return judge_all(OFFERED, "docker", at_once=2)


@pytest.mark.parametrize("language", OFFERED)
def test_a_program_gets_the_verdict_that_it_gets_everywhere(language):
    judgement = judged()[language]
    assert (judgement.sandbox, len(judgement.tests)) == ("docker", len(CASES)), judgement
    for result in judgement.tests:
        if (language, result.name) not in IMPOSSIBLE:
            found = (result.verdict, result.exit_code, result.exit_signal)
            wanted = expected(language, result.name)
            compared = [
                ... if want is ... else have for have, want in zip(found, wanted, strict=True)
            ]
            assert (result.name, *compared) == (result.name, *wanted), result


def test_the_image_says_what_is_offered(lonely):
    assert {"python", "javascript", "c", "sql"} <= set(lonely.languages())
    with pytest.raises(ValueError, match="cobol"):
        lonely.evaluate(Job("cobol", "", "stdio", "", ("",), LIMITS))


def test_syntax_error_is_found_before_any_run():
    evaluation = evaluate("def f(:\n    pass", "", "", mode="docker")
    assert (evaluation.compiled, evaluation.runs) == (False, ())
    assert "SyntaxError" in evaluation.compile_output


def test_a_function_answers():
    source = "def solve(a, b):\n    print('thinking')\n    return {'sum': a + b}"
    first, second = evaluate(source, "[1, 2]", '["a", "b"]', mode="docker", entry="solve").runs
    assert (first.result, first.has_result, first.stdout) == ({"sum": 3}, True, "thinking\n")
    assert second.result == {"sum": "ab"}
    text = "function solve(a, b) { return [a, b]; }"
    assert run(text, "[1, null]", mode="docker", language="javascript", entry="solve").result == [
        1,
        None,
    ]


def test_nothing_of_a_submission_is_left(lonely):
    mark = marker()
    mounts = Path("/proc/self/mounts").read_text()
    lonely.evaluate(job(marked(mark, hostile("a09"))))
    assert lonely.containers() == []
    assert processes_named(mark) == []
    assert processes_named("SBXSURVIVOR") == []
    assert Path("/proc/self/mounts").read_text() == mounts


STATE = """
import os, sys
what = input()
if what == "leave":
    for top in ("/w", "/tmp", "/dev/shm", "/usr/lib/judge"):
        os.makedirs(f"{top}/a/b/c/d", exist_ok=True)
        open(f"{top}/a/b/c/file", "w").write("seen")
        os.symlink("/etc/passwd", f"{top}/link")
        os.mkfifo(f"{top}/pipe")
        deep = os.open(f"{top}/a", os.O_RDONLY)
        for _ in range(1500):
            os.mkdir("deep", dir_fd=deep)
            deep, before = os.open("deep", os.O_RDONLY, dir_fd=deep), deep
            os.close(before)
        os.chmod(f"{top}/a", 0)
        os.chmod(top, 0)
    if os.fork() == 0:
        os.setsid()
        import time; time.sleep(60)
print(sorted(os.listdir("/w")), os.listdir("/tmp"), os.listdir("/dev/shm"))
print(len([p for p in os.listdir("/proc") if p.isdigit()]))
"""


def test_nothing_of_a_run_is_left_for_the_next_one(lonely):
    fresh, left, after = lonely.evaluate(job(STATE, "look", "leave", "look")).runs
    assert fresh.stdout == "['solution.py'] [] []\n2\n"
    assert left.status is Status.RTE  # it has locked itself out
    assert after.stdout == fresh.stdout


def test_two_at_once_do_not_see_each_other(lonely):
    source = """
import os, socket, time
name = input()
open("/tmp/" + name, "w").close()
with socket.socket(socket.AF_UNIX) as own:
    own.bind("\\0" + name)
    own.listen()
    time.sleep(1)
    print(sorted(os.listdir("/tmp")), len([p for p in os.listdir("/proc") if p.isdigit()]))
    print([line.split()[-1] for line in open("/proc/net/unix").readlines()[1:]])
"""
    with ThreadPoolExecutor(2) as pool:
        one, two = pool.map(lambda name: lonely.evaluate(job(source, name)).runs[0], "ab")
    assert one.stdout == "['a'] 2\n['@a']\n"
    assert two.stdout == "['b'] 2\n['@b']\n"


def test_floods_leave_the_memory_of_this_process_flat(lonely):
    def flood():
        source = hostile("a05")
        runs = lonely.evaluate(job(source, *[""] * 5, limits=Limits(output_kb=64))).runs
        assert [run.status for run in runs] == [Status.OLE] * 5

    flood()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    flood()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 8 * 1024


def test_a_container_that_runs_out_of_memory_whole_costs_only_that_test(lonely):
    """Files in memory cannot be killed: what is full then is the container, not a process."""
    source = """
import os
if input() == "fill":
    for top in ("/w", "/tmp", "/dev/shm"):
        with open(top + "/f", "wb") as file:
            while True:
                try:
                    file.write(bytes(1 << 20)); file.flush()
                except OSError:
                    break
print("here")
"""
    limits = Limits(time_s=2, memory_mb=32, output_kb=16)
    full, after = lonely.evaluate(job(source, "fill", "go on", limits=limits)).runs
    assert full.status is Status.MLE
    assert (after.status, after.stdout) == (Status.OK, "here\n")


def test_cancelling_ends_everything_at_once(lonely):
    mark = marker()
    stop = threading.Event()
    source = marked(mark, "while True: pass")

    def wait_for_it():
        while not processes_named(mark):
            time.sleep(0.01)
        stop.set()

    watcher = threading.Thread(target=wait_for_it)
    watcher.start()
    with pytest.raises(Cancelled):
        lonely.evaluate(job(source, limits=Limits(time_s=60)), cancelled=stop.is_set)
    watcher.join()
    assert processes_named(mark) == []
    assert lonely.containers() == []


def test_budget_of_the_evaluation_holds(lonely):
    runs = lonely.evaluate(job("while True: pass", "", "", "", cpu_budget_s=0.5)).runs
    assert [run.status for run in runs] == [Status.TLE] * 3
    assert runs[-1].duration == 0


def test_pool_hands_each_container_out_once_and_fills_itself_again():
    sandbox = Docker(image="neurogame-sandbox", host=ENGINE, pool=2)
    try:
        sandbox.evaluate(job("print(1)"))
        assert sandbox.pool.wait_full(60)
        taken = [sandbox.pool.take() for _ in range(2)]
        sandbox.pool.refill()
        assert sandbox.pool.wait_full(60)
        again = [sandbox.pool.take() for _ in range(2)]
        assert len({container.name for container in taken + again}) == 4
        for container in taken + again:
            container.remove()
    finally:
        sandbox.close()


def test_an_image_of_this_machines_languages_runs_them(tmp_path):
    """What the target `sandbox` of the Dockerfile does, with the interpreters alone."""
    fill(tmp_path / "image", roots=["scripts"])
    with tarfile.open(tmp_path / "image.tar", "w") as tar:
        tar.add(tmp_path / "image", arcname=".")
    client = docker.APIClient(base_url=ENGINE)
    client.import_image_from_file(str(tmp_path / "image.tar"), repository="neurogame-scripts")
    sandbox = Docker(image="neurogame-scripts", host=ENGINE)
    try:
        assert list(sandbox.languages()) == ["python", "javascript", "sql"]
        assert sandbox.languages()["python"] == f"Python {platform.python_version()}"
        (run,) = sandbox.evaluate(job("print(6 * 7)")).runs
        assert (run.status, run.stdout) == (Status.OK, "42\n")
    finally:
        sandbox.close()
        client.remove_image("neurogame-scripts", force=True)
        client.close()


def test_an_image_that_is_missing_is_named():
    sandbox = Docker(image="no-such-image", host=ENGINE)
    with pytest.raises(SandboxUnavailable, match="the image no-such-image is missing"):
        sandbox.evaluate(job("print(1)"))
    sandbox.close()
