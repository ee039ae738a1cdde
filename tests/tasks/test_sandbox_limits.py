"""Limits on the tree, budgets over all runs, and the order in which findings count."""

import pytest

from tasks.sandbox.base import Cancelled, Job, Status
from tasks.spec import Limits

from .sandbox_support import MODES, backend, evaluate, marked, marker, processes_named, run

MB = "1024 * 1024"


def test_uncaught_memory_error_is_the_memory_limit():
    done = run("x = bytearray(10 ** 11)")
    assert (done.status, done.exit_code) == (Status.MLE, 1)
    assert "MemoryError" in done.stderr


@pytest.mark.parametrize("mode", MODES)
def test_killed_child_is_the_memory_limit_though_the_exit_is_clean(mode):
    source = (
        "import os\n"
        "if os.fork() == 0:\n"
        f"    b = bytearray(400 * {MB})\n"
        "    for i in range(0, len(b), 4096): b[i] = 1\n"
        "    os._exit(0)\n"
        "os.wait()\n"
    )
    assert run(source, mode=mode, limits=Limits(time_s=4, memory_mb=128)).status is Status.MLE


@pytest.mark.parametrize("mode", MODES)
def test_memory_that_forked_children_share_counts_once(mode):
    source = (
        "import os, time\n"
        f"b = b'x' * (120 * {MB})\n"
        "for _ in range(3):\n"
        "    if os.fork() == 0:\n"
        "        time.sleep(0.3)\n"
        "        os._exit(0)\n"
        "for _ in range(3): os.wait()\n"
        "print('done')\n"
    )
    done = run(source, mode=mode, limits=Limits(time_s=4, memory_mb=256))
    assert (done.status, done.stdout) == (Status.OK, "done\n")


@pytest.mark.parametrize("mode", MODES)
def test_files_in_the_working_directory_count_as_memory(mode):
    source = (
        f"block = b'x' * {MB}\n"
        "for i in range(3):\n"
        "    for place in ('/w', '/tmp', '/dev/shm'):\n"
        "        with open(f'{place}/f{i}', 'wb') as f:\n"
        "            for _ in range(5): f.write(block)\n"
        "import time\ntime.sleep(0.2)\n"
    )
    assert run(source, mode=mode, limits=Limits(time_s=4, memory_mb=32)).status is Status.MLE


BURN = """
import time
def burn(seconds):
    while time.process_time() < seconds: pass
"""


@pytest.mark.parametrize("mode", MODES)
def test_cpu_time_of_children_counts_together(mode):
    source = BURN + (
        "import os\n"
        "for _ in range(4):\n"
        "    if os.fork() == 0:\n"
        "        burn(0.2)\n"
        "        os._exit(0)\n"
        "for _ in range(4): os.wait()\n"
    )
    done = run(source, mode=mode, limits=Limits(time_s=20))
    assert done.status is Status.OK
    assert 0.7 < done.cpu_time < 2


@pytest.mark.parametrize("mode", MODES)
def test_children_that_spin_are_stopped_with_their_parent(mode):
    source = "import os\nfor _ in range(3): os.fork()\nwhile True: pass"
    assert run(source, mode=mode, limits=Limits(time_s=0.3)).status is Status.TLE


def test_threads_have_room():
    source = (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(16) as pool: print(sum(pool.map(len, ['ab'] * 64)))\n"
    )
    assert run(source, limits=Limits(time_s=4, memory_mb=64)).stdout == "128\n"


def test_output_limit_outranks_the_exit_code():
    source = "import sys\nsys.stderr.write('x' * 2000)\nsys.stderr.flush()\nsys.exit(5)"
    done = run(source, limits=Limits(time_s=4, output_kb=1))
    assert done.status is Status.OLE
    assert len(done.stderr) == 1024


def test_what_the_cpu_budget_does_not_reach_is_out_of_time():
    source = BURN + "burn(0.3)\nprint('burnt')"
    limits = Limits(time_s=20)
    first, second, third = evaluate(source, "", "", "", limits=limits, cpu_budget_s=0.5).runs
    assert (first.status, first.stdout) == (Status.OK, "burnt\n")
    assert (second.status, second.exit_signal) == (Status.TLE, "SIGKILL")
    assert (third.status, third.exit_signal, third.duration) == (Status.TLE, None, 0.0)


def test_what_the_wall_budget_does_not_reach_is_out_of_time():
    source = "import time\ntime.sleep(float(input()))\nprint('slept')"
    limits = Limits(time_s=20)
    first, second, third = evaluate(source, "0", "60", "0", limits=limits, wall_budget_s=2.5).runs
    assert (first.status, first.stdout) == (Status.OK, "slept\n")
    assert (second.status, second.exit_signal) == (Status.TLE, "SIGKILL")
    assert (third.status, third.exit_signal, third.duration) == (Status.TLE, None, 0.0)


def test_each_run_starts_from_nothing():
    source = (
        "import os\n"
        "print(sorted(os.listdir('/tmp') + os.listdir('/w') + os.listdir('/dev/shm')))\n"
        "for place in ('/tmp', '/w', '/dev/shm'): open(place + '/left', 'w').close()\n"
    )
    runs = evaluate(source, "", "").runs
    assert [run.stdout for run in runs] == ["['solution.py']\n"] * 2


@pytest.mark.parametrize("mode", MODES)
def test_cancelled_evaluation_stops_and_leaves_nothing(mode):
    mark = marker()
    looks = iter(range(1000))

    def cancelled():
        return next(looks) > 8

    job = Job(
        "python",
        marked(mark, "import time\ntime.sleep(60)"),
        "stdio",
        "",
        ("",),
        Limits(time_s=60),
    )
    with pytest.raises(Cancelled):
        backend(mode).evaluate(job, cancelled=cancelled)
    assert processes_named(mark) == []


def test_compiling_is_limited_too():
    evaluation = evaluate("x = " + "(" * 150 + "1" + ")" * 150 + "\ny = " + "-" * 1_000_000 + "1")
    assert not evaluation.compiled
    assert evaluation.compile_output


def test_source_that_is_not_text_does_not_compile():
    assert not evaluate("print('\ud800')").compiled
    assert not evaluate("print(1)\0").compiled


@pytest.mark.parametrize(
    "source",
    [
        "print('done')",
        "import os\nos.close(0)\nprint('done')",
        "print('done' if len(input()) == 9 else '')",
    ],
)
def test_input_that_is_not_read_holds_nothing_up(source):
    done = run(source, "123456789\n" * 500_000)
    assert (done.status, done.stdout) == (Status.OK, "done\n")


def test_standard_streams_open_again_by_name():
    source = "open('/dev/stdout', 'w').write(open('/dev/stdin').read().upper())"
    assert run(source, "abc").stdout == "ABC"


def test_unknown_language_is_the_caller_s_mistake():
    with pytest.raises(ValueError, match="cobol"):
        evaluate("DISPLAY 'X'.", language="cobol")
