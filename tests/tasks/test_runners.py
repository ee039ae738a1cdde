"""Runner threads with the real sandbox."""

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import wait

import pytest

from tasks.judge_queue import RqRunner
from tasks.runners import Runner, ThreadRunner, get_runner
from tasks.sandbox.base import Cancelled
from tests.tasks.runner_support import ECHO, ROOT, SPIN, eventually, outputs, program


@pytest.fixture
def one_slot():
    runner = ThreadRunner(slots=1)
    yield runner
    runner.shutdown()


def test_threads_evaluate(one_slot):
    assert outputs(one_slot.evaluate(ECHO)) == ["cba\n", "zyx\n"]


def test_one_slot_serves_in_the_order_of_arrival(one_slot):
    order = []
    futures = []
    for number in range(4):
        future = one_slot.submit(program(f"print({number})"))
        future.add_done_callback(lambda done: order.append(outputs(done.result())[0]))
        futures.append(future)
    wait(futures, timeout=60)
    assert order == ["0\n", "1\n", "2\n", "3\n"]


def test_no_more_jobs_run_than_there_are_slots():
    runner = ThreadRunner(slots=2)
    futures = [runner.submit(SPIN) for _ in range(4)]
    eventually(lambda: sum(future.running() for future in futures) == 2, "two are running")
    assert [future.running() for future in futures] == [True, True, False, False]
    runner.shutdown()


def test_a_job_is_taken_out_of_the_line(one_slot):
    stop = threading.Event()
    first = one_slot.submit(SPIN, cancelled=stop.is_set)
    eventually(first.running, "the first is running")
    second, third = one_slot.submit(ECHO), one_slot.submit(ECHO)
    assert second.cancel()
    stop.set()
    assert outputs(third.result(timeout=30)) == ["cba\n", "zyx\n"]
    assert second.cancelled()


def test_a_running_job_is_called_off(one_slot):
    stop = threading.Event()
    future = one_slot.submit(SPIN, cancelled=stop.is_set)
    eventually(future.running, "it is running")
    stop.set()
    with pytest.raises(Cancelled):
        future.result(timeout=4)


def test_a_job_called_off_in_the_line_never_runs(one_slot):
    with pytest.raises(Cancelled):
        one_slot.evaluate(ECHO, cancelled=lambda: True)


def test_a_fault_reaches_the_caller_and_the_thread_lives_on(one_slot):
    def faulty():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        one_slot.evaluate(ECHO, cancelled=faulty)
    assert outputs(one_slot.evaluate(ECHO)) == ["cba\n", "zyx\n"]


def test_a_shutdown_calls_everything_off_within_seconds():
    runner = ThreadRunner(slots=1)
    running, waiting = runner.submit(SPIN), runner.submit(ECHO)
    eventually(running.running, "it is running")
    started = time.monotonic()
    runner.shutdown()
    assert time.monotonic() - started < 5
    for future in (running, waiting):
        with pytest.raises(Cancelled):
            future.result(timeout=0)
    with pytest.raises(Cancelled):
        runner.evaluate(ECHO)
    runner.shutdown()


def test_a_runner_needs_a_slot():
    with pytest.raises(ValueError):
        ThreadRunner(slots=0)


def test_a_process_has_one_runner_for_its_settings(settings):
    settings.RUNNER_REDIS_URL, settings.JUDGE_SLOTS = "", 1
    found = []
    threads = [threading.Thread(target=lambda: found.append(get_runner())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(runner) for runner in found}) == 1
    assert isinstance(found[0], ThreadRunner)
    settings.RUNNER_REDIS_URL = "redis://127.0.0.1:1/0"
    assert isinstance(get_runner(), RqRunner)


def test_a_process_that_ends_does_not_wait_for_its_line():
    """A web process at Ctrl-C, with programs running and waiting and threads that wait for them."""
    script = """
import django; django.setup()
from concurrent.futures import ThreadPoolExecutor
from tests.tasks.runner_support import eventually, program
from tasks.runners import ThreadRunner
runner = ThreadRunner(slots=1)
spin = program("while True: pass", time_s=30)
first = runner.submit(spin)
callers = ThreadPoolExecutor(4)
waiting = [callers.submit(runner.evaluate, spin) for _ in range(4)]
eventually(first.running, "it is running")
"""
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "neurogame.settings"}
    subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, check=True, timeout=25
    )


def test_the_interface_alone_runs_nothing():
    with pytest.raises(NotImplementedError):
        Runner().submit(ECHO)
