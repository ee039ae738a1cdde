"""An engine that is killed, stopped for a while or started again in the middle of a run."""

from __future__ import annotations

import contextlib
import gc
import os
import re
import signal
import tempfile
import threading
import time
from pathlib import Path

import docker
import pytest

from neurogame.bootstrap import engine
from tasks import sandbox as package
from tasks.sandbox.base import Job, SandboxUnavailable, Status
from tasks.sandbox.docker import Docker
from tasks.sandbox.engine import LABEL
from tasks.spec import Limits

from .sandbox_support import marked, marker, processes_named

# The SDK leaves a socket that it cannot connect for the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:.*unclosed <socket:ResourceWarning")
LIMITS = Limits(time_s=20, memory_mb=64, output_kb=16)
PATIENCE_S = 20


def job(source, *inputs, limits=LIMITS):
    return Job("python", source, "stdio", "", inputs or ("",), limits)


def when_running(mark, what):
    """Do it as soon as a process of that name runs."""

    def wait():
        deadline = time.monotonic() + 60
        while not processes_named(mark) and time.monotonic() < deadline:
            time.sleep(0.01)
        what()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def container_of(pid):
    """The container that a process lives in."""
    try:
        found = re.search(r"[0-9a-f]{64}", Path(f"/proc/{pid}/cgroup").read_text())
    except OSError:
        return None
    return found and found[0]


if engine.installed():

    @pytest.fixture(scope="module")
    def daemon():
        with engine.docker() as daemon:
            yield daemon

    @pytest.fixture
    def sandbox(daemon):
        sandbox = Docker(image=engine.IMAGE, host=daemon.url, pool=2)
        sandbox.languages()
        sandbox.pool.refill()
        assert sandbox.pool.wait_full(60)  # with containers that die when their engine does
        yield sandbox
        sandbox.close()
        gc.collect()

    def test_engine_that_is_killed_ends_the_evaluation_and_the_next_one_works(daemon, sandbox):
        probe = package.Probe(lambda: sandbox)
        assert probe.status(patience_s=60) == "docker"
        mark = marker()
        killing = when_running(mark, daemon.kill)
        begin = time.monotonic()
        with pytest.raises(SandboxUnavailable, match="does not answer"):
            sandbox.evaluate(job(marked(mark, "while True: pass")))
        assert time.monotonic() - begin < PATIENCE_S
        killing.join()
        assert probe.status(patience_s=60) == "unavailable"
        assert "does not answer" in probe.refusal
        daemon.start()
        assert probe.status(patience_s=60) == "docker"
        (run,) = sandbox.evaluate(job("print(6 * 7)")).runs
        assert (run.status, run.stdout) == (Status.OK, "42\n")
        assert processes_named(mark) == []

    def test_engine_that_is_restarted_in_the_middle_costs_the_program_nothing(daemon, sandbox):
        """Its containers end, as they do when a machine updates its engine: the run starts again."""
        source = """
import os, sys, time
print(input())
time.sleep(1)
"""
        mark = marker()

        def restart():
            daemon.stop()
            daemon.start()

        restarting = when_running(mark, restart)
        try:
            runs = sandbox.evaluate(job(marked(mark, source), "one", "two")).runs
        except SandboxUnavailable:  # asked while nobody listened: ours, and the next one works
            restarting.join()
            runs = sandbox.evaluate(job(marked(mark, source), "one", "two")).runs
        restarting.join()
        assert [(run.status, run.stdout) for run in runs] == [
            (Status.OK, "one\n"),
            (Status.OK, "two\n"),
        ]

    def test_container_that_is_lost_twice_is_a_failed_run(daemon, sandbox):
        """Once may be the engine's fault; a program that could do it must not gain by it."""
        mark = marker()
        killed = []

        def kill_what_runs():
            with contextlib.closing(docker.APIClient(base_url=daemon.url)) as client:
                while len(killed) < 2:
                    for pid in processes_named(mark):
                        if container := container_of(pid):
                            client.kill(container)
                            killed.append(container)
                            while processes_named(mark):
                                time.sleep(0.01)
                    time.sleep(0.01)

        killing = threading.Thread(target=kill_what_runs)
        killing.start()
        source = marked(mark, "import time\nif input() == 'wait': time.sleep(20)\nprint(1)")
        lost, after = sandbox.evaluate(job(source, "wait", "go")).runs
        killing.join()
        assert (lost.status, lost.exit_signal) == (Status.RTE, "SIGKILL")
        assert (after.status, after.stdout) == (Status.OK, "1\n")
        assert len(set(killed)) == 2

    def test_engine_that_hangs_is_given_up_in_bounded_time(daemon):
        sandbox = Docker(image=engine.IMAGE, host=daemon.url, patience_s=2)
        sandbox.evaluate(job("print(1)"))
        pid = int((daemon.folder / "pid").read_text())
        mark = marker()
        stopping = when_running(mark, lambda: os.kill(pid, signal.SIGSTOP))
        limits = Limits(time_s=0.5, memory_mb=64, output_kb=16)
        begin = time.monotonic()
        try:
            with pytest.raises(SandboxUnavailable, match="does not answer"):
                sandbox.evaluate(job(marked(mark, "while True: pass"), limits=limits))
            assert time.monotonic() - begin < limits.wall_s + PATIENCE_S
        finally:
            stopping.join()
            os.kill(pid, signal.SIGCONT)
        assert sandbox.evaluate(job("print(2)")).runs[0].stdout == "2\n"
        sandbox.close()

    def test_what_a_killed_server_left_is_removed(daemon):
        """Its containers end by themselves when nobody speaks to them; the next server sweeps."""
        client = docker.APIClient(base_url=daemon.url)
        image, command = engine.IMAGE, ["python3", "-c", "input()"]
        old = client.create_container(image, command, labels={LABEL: "1"}, stdin_open=True)["Id"]
        client.start(old)
        mine = str(int(time.time()) + 600)
        young = client.create_container(image, command, labels={LABEL: mine}, stdin_open=True)["Id"]
        client.start(young)
        sandbox = Docker(image=image, host=daemon.url)
        sandbox.languages()
        found = {one["Id"] for one in client.containers(all=True, filters={"label": LABEL})}
        assert found & {old, young} == {young}
        client.remove_container(young, force=True)
        client.close()
        sandbox.close()

    def test_engine_leaves_nothing_on_the_machine():
        with tempfile.TemporaryDirectory(prefix="neurogame-docker-") as folder:
            daemon = engine.Daemon(Path(folder))
            daemon.start()
            assert daemon.answers()
            daemon.stop()
            assert not daemon.answers()
            assert folder not in Path("/proc/self/mounts").read_text()
        assert not Path(folder).exists()
