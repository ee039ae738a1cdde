"""The runs of one evaluation, one after another in one sandbox: each finds nothing of another."""

import json
import os
import select
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tasks.runners import ThreadRunner
from tasks.sandbox.base import Status
from tasks.spec import Limits

from .runner_support import program
from .sandbox_support import MODES, backend, evaluate, marked, marker, processes_named

modes = pytest.mark.parametrize("mode", MODES)
BOTH = pytest.mark.parametrize("kind", ["function", "stdio"])


def results(source, *inputs, **options):
    """What each call returned."""
    evaluation = evaluate(source, *inputs, entry="solve", **options)
    assert evaluation.compiled, evaluation.compile_output
    assert [run.status for run in evaluation.runs] == [Status.OK] * len(inputs), evaluation.runs
    return [run.result for run in evaluation.runs]


def outputs(body, kind, runs=2, **options):
    """What the statements of `body` print in each of several runs, as a function or a program."""
    if kind == "function":
        body = "def solve():\n" + "".join(f"    {line}\n" for line in body.splitlines())
    inputs = ["[]" if kind == "function" else ""] * runs
    evaluation = evaluate(body, *inputs, entry="solve" * (kind == "function"), **options)
    return [(run.status, run.exit_code, run.stdout) for run in evaluation.runs]


@BOTH
@modes
@pytest.mark.parametrize("name", ["SIGKILL", "SIGSTOP", "SIGINT", "SIGTERM", "SIGSEGV"])
def test_the_server_cannot_be_stopped_from_inside(mode, kind, name):
    body = (
        "import os, signal\n"
        f"os.kill(1, signal.{name})\n"
        f"os.kill(os.getppid(), signal.{name})\n"
        "print(os.getppid())"
    )
    assert outputs(body, kind, mode=mode) == [(Status.OK, 0, "1\n")] * 2


@modes
def test_a_dead_server_fails_the_run_at_hand_alone(mode):
    """The kernel may kill it for want of memory."""
    mark = marker()
    source = marked(mark, "import time\ndef solve(s):\n    time.sleep(s)\n    return s")
    found = []

    def kill():
        deadline = time.monotonic() + 60
        while not (pids := processes_named(mark)) and time.monotonic() < deadline:
            time.sleep(0.005)
        stat = Path("/proc", pids[0], "stat").read_text()
        found.append(int(stat.rpartition(")")[2].split()[1]))
        os.kill(found[0], signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    runs = evaluate(source, "[30]", "[0]", entry="solve", mode=mode, limits=Limits(time_s=20)).runs
    thread.join()
    assert [(run.status, run.exit_signal) for run in runs] == [
        (Status.RTE, "SIGKILL"),
        (Status.OK, None),
    ]
    assert [run.result for run in runs] == [None, 0]
    assert processes_named(mark) == []


@BOTH
def test_the_server_shows_nothing_of_itself(kind):
    body = (
        "import os\n"
        "open_ = []\n"
        "for name in ('mem', 'fd', 'environ', 'maps', 'cwd', 'root', 'exe', 'oom_score_adj'):\n"
        "    path = '/proc/1/' + name\n"
        "    for how in (os.listdir, os.readlink, lambda p: os.open(p, os.O_RDWR)):\n"
        "        try: how(path)\n"
        "        except OSError: continue\n"
        "        open_.append(name)\n"
        "print(open_)"
    )
    assert outputs(body, kind, runs=1) == [(Status.OK, 0, "[]\n")]


def test_the_servers_limits_cannot_be_set():
    body = (
        "import resource\n"
        "for limit in (resource.RLIMIT_NPROC, resource.RLIMIT_NOFILE, resource.RLIMIT_AS):\n"
        "    try: print(resource.prlimit(1, limit, (3, 3)))\n"
        "    except PermissionError: print('refused')"
    )
    assert outputs(body, "stdio", runs=1) == [(Status.OK, 0, "refused\n" * 3)]


CHANGES = {
    "priority": "os.setpriority(os.PRIO_PROCESS, 1, 19)",
    "scheduler": "os.sched_setscheduler(1, os.SCHED_IDLE, os.sched_param(0))",
    "affinity": "os.sched_setaffinity(1, {min(os.sched_getaffinity(0))})",
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_server_serves_no_more(change):
    body = (
        "import os, resource\n"
        "print(resource.getrlimit(resource.RLIMIT_NPROC), resource.getrlimit(resource.RLIMIT_NOFILE),"
        " os.nice(0), os.sched_getscheduler(0), os.sched_getaffinity(0), flush=True)\n"
        f"{CHANGES[change]}"
    )
    first, second = outputs(body, "stdio")
    assert first[:2] == (Status.OK, 0)
    assert second == first


SURVIVOR = """
import os, signal, time
main = os.getpid()
def spy():
    for number in range(1, 65):
        try: signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError): pass
    while os.path.exists(f"/proc/{main}"): pass
    while True:
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try: names = os.listdir(f"/proc/{pid}/fd")
            except OSError: continue
            for name in names:
                path = f"/proc/{pid}/fd/{name}"
                try: seen = os.read(os.open(path, os.O_RDONLY | os.O_NONBLOCK), 99)
                except OSError: continue
                with open("/tmp/seen", "ab") as file: file.write(seen)
def solve(x):
    here = sorted(os.listdir("/tmp") + os.listdir("/dev/shm") + os.listdir("/w"))
    running = len([p for p in os.listdir("/proc") if p.isdigit()])
    for _ in range(3):
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0: spy()
            os._exit(0)
    time.sleep(0.05)
    return [here, running]
"""


@modes
def test_a_survivor_never_meets_the_next_input(mode):
    mark = marker()
    found = results(marked(mark, SURVIVOR), '["a"]', '["b"]', '["c"]', mode=mode)
    assert found == [[["solution.py"], 2]] * 3
    assert processes_named(mark) == []


@BOTH
@modes
def test_no_earlier_input_lies_in_memory(mode, kind):
    """The pattern is not a text that it matches, so that looking for it does not make it."""
    look = """
import re, sys
def seen():
    with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
        for line in maps.read().splitlines():
            begin, end = (int(part, 16) for part in line.split()[0].split("-"))
            if line.split()[1][0] == "r" and "[v" not in line:
                memory.seek(begin)
                try: found = re.search(b"nee[-]dle[0-9]", memory.read(end - begin))
                except OSError: continue
                if found: return True
    return False
"""
    if kind == "function":
        source = look + "def solve(text): return seen()"
        assert results(source, '["nee-dle7"]', '["other"]', mode=mode) == [True, False]
    else:
        source = look + "text = sys.stdin.read()\nprint(seen())"
        runs = evaluate(source, "nee-dle7", "other", mode=mode).runs
        assert [run.stdout for run in runs] == ["True\n", "False\n"]


LEAVINGS = {
    "files": "for p in PLACES: open(p + '/left', 'w').close()",
    "hidden": "for p in PLACES: open(p + '/.left', 'w').close()",
    "bytes": "open(b'/tmp/\\xff\\n', 'w').close()",
    "links": "os.symlink('/w/solution.py', '/tmp/l'); os.mkfifo('/tmp/f')",
    "tree": "os.makedirs('/tmp/a/b/c'); open('/tmp/a/b/f', 'w').close(); os.chmod('/tmp/a', 0)",
    "deep": "for _ in range(900): os.mkdir('d'); os.chdir('d')",
    "many": "for n in range(3000): open(f'/tmp/{n}', 'w').close()",
    "full": "open('/tmp/full', 'wb').write(bytes(30 << 20))",
    "program": "open('/w/solution.py', 'w').write('x')",
    "no program": "os.unlink('/w/solution.py')",
    "link to the program": "os.link('/w/solution.py', '/w/other')",
    "time": "os.utime('/tmp', (7, 7))",
    "attribute": "os.setxattr('/tmp', 'user.left', b'x')",
    "mode": "for p in PLACES: os.chmod(p, 0o500)",
    "input": "os.write(os.open('/proc/self/fd/0', os.O_WRONLY | os.O_NONBLOCK), b'left')",
    "non-blocking": "os.set_blocking(1, False)",
}


@BOTH
@pytest.mark.parametrize("what", LEAVINGS)
def test_what_a_run_leaves_is_gone(kind, what):
    statement = LEAVINGS[what]
    lines = [
        "import os, sys",
        "PLACES = ['/tmp', '/w', '/dev/shm']",
        "print([(sorted(os.listdir(p)), oct(os.stat(p).st_mode), os.stat(p).st_mtime == 7,"
        " os.listxattr(p)) for p in PLACES], len(open('/w/solution.py').read()) > 99,"
        " os.statvfs('/tmp').f_bfree == os.statvfs('/tmp').f_blocks, repr(sys.stdin.read()),"
        " os.get_blocking(1), flush=True)",
        "try:",
        f"    {statement}",
        "except OSError: pass",
    ]
    first, second = outputs("\n".join(lines), kind)
    assert first[:2] == (Status.OK, 0)
    assert second == first


@modes
def test_a_limit_ends_one_run_and_the_others_go_on(mode):
    source = (
        "import os\n"
        "def solve(what):\n"
        "    while what == 'spin': pass\n"
        "    while what == 'print': print('x' * 999)\n"
        "    a = []\n"
        "    while what == 'take': a.append(bytearray(1 << 20))\n"
        "    if what == 'die': os.abort()\n"
        "    return what\n"
    )
    asked = ["a", "spin", "b", "print", "c", "take", "d", "die", "e"]
    limits = Limits(time_s=0.4, memory_mb=64, output_kb=4)
    inputs = [json.dumps([what]) for what in asked]
    runs = evaluate(source, *inputs, entry="solve", mode=mode, limits=limits).runs
    assert [(run.status, run.result) for run in runs] == [
        (Status.OK, "a"), (Status.TLE, None),
        (Status.OK, "b"), (Status.OLE, None),
        (Status.OK, "c"), (Status.MLE, None),
        (Status.OK, "d"), (Status.RTE, None),
        (Status.OK, "e"),
    ]  # fmt: skip
    assert runs[7].exit_signal == "SIGABRT"


@modes
def test_each_run_is_measured_by_itself(mode):
    source = (
        "import time\n"
        "def solve(mb, cpu_s):\n"
        "    end = time.process_time() + cpu_s\n"
        "    held = b'x' * (mb << 20)\n"
        "    while time.process_time() < end: pass\n"
        "    return len(held) >> 20\n"
    )
    runs = evaluate(source, "[80, 0.3]", "[0, 0]", entry="solve", mode=mode).runs
    assert [run.result for run in runs] == [80, 0]
    assert runs[0].memory_kb > 80 * 1024
    assert 0 < runs[1].memory_kb < 40 * 1024
    assert runs[0].cpu_time >= 0.3
    assert runs[1].cpu_time < 0.2
    assert runs[0].duration >= 0.3
    assert runs[1].duration < runs[0].duration


def test_an_answer_for_the_next_run_is_none():
    source = (
        "import os, sys\n"
        "def solve(x):\n"
        "    locals_ = sys._getframe(1).f_locals\n"
        "    os.write(locals_['answer'], bytes(16) + (1).to_bytes(4, 'big') + b'7')\n"
        "    return x\n"
    )
    runs = evaluate(source, "[1]", "[2]", entry="solve").runs
    said = "Something that is not an answer was written where the answer goes."
    assert [(run.status, run.result, run.protocol_error) for run in runs] == [
        (Status.RTE, None, said)
    ] * 2


def test_a_function_that_does_not_compile_runs_nothing():
    evaluation = evaluate("def solve(:\n    pass", "[1]", "[2]", entry="solve")
    assert (evaluation.compiled, evaluation.runs) == (False, ())
    assert "SyntaxError" in evaluation.compile_output
    assert 'File "solution.py", line 1' in evaluation.compile_output
    assert "server" not in evaluation.compile_output


def test_compiling_executes_nothing():
    source = "import os\nos.abort()\ndef solve(): return 1"
    evaluation = evaluate(source, "[]", entry="solve")
    assert evaluation.compiled
    assert evaluation.runs[0].exit_signal == "SIGABRT"


def test_a_thousand_runs():
    assert results(
        "def solve(n): return n", *(f"[{n}]" for n in range(1000)), wall_budget_s=600
    ) == list(range(1000))


@modes
def test_evaluations_beside_each_other_do_not_meet(mode):
    source = (
        "import os, time\n"
        "def solve(name):\n"
        "    for place in ('/tmp', '/w', '/dev/shm'): open(f'{place}/{name}', 'w').close()\n"
        "    time.sleep(0.05)\n"
        "    return sorted({f for p in ('/tmp', '/w', '/dev/shm') for f in os.listdir(p)})\n"
    )
    with ThreadPoolExecutor(4) as pool:
        found = list(
            pool.map(
                lambda n: results(source, f'["{n}-a"]', f'["{n}-b"]', mode=mode),
                range(6),
            )
        )
    assert found == [[[f"{n}-a", "solution.py"], [f"{n}-b", "solution.py"]] for n in range(6)]


def test_the_runs_of_an_evaluation_share_a_sandbox():
    """Else nothing above is tested."""
    source = "import os\ndef solve(): return os.getpid()"
    first, second = results(source, "[]", "[]")
    assert second == first + 1


def test_modules_are_each_run_s_own():
    """Some are imported once for all runs, but none that has a state to share."""
    source = (
        "import collections, random\n"
        "def solve():\n"
        "    seen = getattr(collections, 'seen', 0)\n"
        "    collections.seen = 1\n"
        "    return [seen, random.getrandbits(64)]\n"
    )
    (first, one), (second, other) = results(source, "[]", "[]")
    assert (first, second) == (0, 0)
    assert one != other


def children():
    return {
        int(pid)
        for path in Path("/proc/self/task").glob("*/children")
        for pid in path.read_text().split()
    }


@modes
def test_a_prepared_sandbox_serves_the_next_evaluation_alone(mode):
    sandbox = backend(mode)
    before = children()
    sandbox.prepare()
    sandbox.prepare()
    assert len(children() - before) == 1
    assert results("def solve(): return 1", "[]", mode=mode) == [1]
    assert children() == before
    sandbox.prepare()
    sandbox.release()
    sandbox.release()
    assert children() == before


@modes
def test_a_prepared_sandbox_that_died_is_replaced(mode):
    sandbox = backend(mode)
    before = children()
    sandbox.prepare()
    (monitor,) = children() - before
    descriptor = os.pidfd_open(monitor)
    os.kill(monitor, signal.SIGKILL)
    select.select([descriptor], [], [], 30)
    os.close(descriptor)
    assert results("def solve(): return 1", "[]", mode=mode) == [1]
    assert children() == before


def test_a_runner_gives_its_prepared_sandboxes_back():
    before = children()
    runner = ThreadRunner(slots=2)
    jobs = [runner.submit(program("print(1)")) for _ in range(4)]
    assert [job.result(timeout=60).runs[0].stdout for job in jobs] == ["1\n"] * 4
    runner.shutdown(timeout=30)
    assert children() == before
