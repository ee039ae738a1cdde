"""Where sandbox jobs run: in threads of this process, or on runner hosts behind a Redis queue.

Both have one interface, `Runner`: jobs wait in line, first come first served, and their number at
one time is bounded. `RUNNER_REDIS_URL` chooses.
"""

from __future__ import annotations

import contextlib
import functools
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future
from queue import SimpleQueue
from typing import NamedTuple

from django.conf import settings

from tasks.sandbox import get_sandbox, offered_languages, sandbox_status
from tasks.sandbox.base import (
    Cancelled,
    Evaluation,
    Job,
    Sandbox,
    SandboxError,
    SandboxUnavailable,
)

type CancelledCheck = Callable[[], bool]


class QueueFull(SandboxUnavailable):
    """The line is as long as it may be, and the job was not taken."""

    def __init__(self) -> None:
        super().__init__("the judge's queue is full: see JUDGE_QUEUE_MAX")


class Runner:
    """Runs jobs in a sandbox that is somewhere."""

    def submit(self, job: Job, *, cancelled: CancelledCheck | None = None) -> Future[Evaluation]:
        """Put a job in line and return at once.

        The future is `running()` from the moment the job leaves the line. Its exception is
        `SandboxUnavailable` (`QueueFull` for a line that takes no more), another `SandboxError`, or `Cancelled` soon after `cancelled()` is
        true; `cancel()` takes a job out of the line.
        """
        raise NotImplementedError

    def evaluate(self, job: Job, *, cancelled: CancelledCheck | None = None) -> Evaluation:
        """Run a job and wait for it, in line and running. Raises `SandboxError`."""
        try:
            return self.submit(job, cancelled=cancelled).result()
        except CancelledError:
            raise Cancelled("the job was taken out of the line")

    def waiting(self) -> int:
        """How many jobs are in line, as far as can be told."""
        return 0

    def status(self) -> str:
        """The sandbox that programs run in, or `unavailable`: one word for `/health`, at once."""
        return sandbox_status()

    def languages(self) -> Mapping[str, str] | None:
        """The languages that jobs may be in, with their versions; None when nobody can say."""
        try:
            return offered_languages()
        except SandboxError:
            return None

    def shutdown(self, *, timeout: float = 5.0) -> None:
        """Call everything off and wait for it, `timeout` seconds at most. Idempotent."""


class _Work(NamedTuple):
    future: Future[Evaluation]
    job: Job
    cancelled: CancelledCheck | None


class ThreadRunner(Runner):
    """Runs jobs in `slots` threads of this process.

    The threads live until the runner is shut down: bubblewrap's `--die-with-parent` kills a
    sandbox when the thread that started it ends, not only when the process does. When the process
    ends, everything is called off, so that Ctrl-C does not wait for every job in line.
    """

    def __init__(self, *, slots: int, line_max: int = 1000) -> None:
        if slots < 1:
            raise ValueError(f"at least one slot is needed, not {slots}")
        self._line_max = line_max
        self._line: SimpleQueue[_Work | None] = SimpleQueue()
        self._ending = threading.Event()
        self._closing = threading.Lock()
        self._threads = [
            threading.Thread(target=self._work, name=f"judge-{number}", daemon=True)
            for number in range(slots)
        ]
        for thread in self._threads:
            thread.start()
        # Earlier than `atexit`: before it the interpreter joins the threads of every executor, and
        # those that wait for a job here would keep it until the line is empty.
        threading._register_atexit(self.shutdown)  # type: ignore[attr-defined]

    def submit(self, job: Job, *, cancelled: CancelledCheck | None = None) -> Future[Evaluation]:
        future: Future[Evaluation] = Future()
        with self._closing:
            if self._ending.is_set():
                future.set_exception(Cancelled("this process is ending"))
            elif self._line.qsize() >= self._line_max:
                future.set_exception(QueueFull())
            else:
                self._line.put(_Work(future, job, cancelled))
        return future

    def waiting(self) -> int:
        return self._line.qsize()

    def shutdown(self, *, timeout: float = 5.0) -> None:
        with self._closing:
            if self._ending.is_set():
                return
            self._ending.set()
            for _ in self._threads:
                self._line.put(None)
        deadline = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _work(self) -> None:
        used: Sandbox | None = None
        while (work := self._line.get()) is not None:
            if work.future.set_running_or_notify_cancel():
                used = self._run(work) or used
            del work  # an idle thread holds on to nobody's program
            if used is not None and not self._ending.is_set():
                _prepare(used)
        if used is not None:
            used.release()

    def _run(self, work: _Work) -> Sandbox | None:
        """Settle the future; the sandbox that it ran in, when that works."""

        def cancelled() -> bool:
            return self._ending.is_set() or bool(work.cancelled and work.cancelled())

        try:
            if cancelled():
                raise Cancelled("called off before it began")
            sandbox = get_sandbox()
            evaluation = sandbox.evaluate(work.job, cancelled=cancelled)
        except BaseException as error:  # the thread must outlive whatever a job raises
            work.future.set_exception(error)
            return None
        work.future.set_result(evaluation)
        return sandbox


def _prepare(sandbox: Sandbox) -> None:
    """Before the next job comes; what goes wrong here will be that job's to meet, and to report."""
    with contextlib.suppress(SandboxError, OSError):
        sandbox.prepare()


def get_runner() -> Runner:
    """The runner that the settings choose; one for each process and choice."""
    return _runner(settings.RUNNER_REDIS_URL, settings.JUDGE_SLOTS, settings.JUDGE_QUEUE_MAX)


_choosing = threading.Lock()


def _runner(redis_url: str, slots: int, line_max: int) -> Runner:
    with _choosing:  # `cache` alone would start two sets of threads in a race
        return _make_runner(redis_url, slots, line_max)


@functools.cache
def _make_runner(redis_url: str, slots: int, line_max: int) -> Runner:
    if not redis_url:
        return ThreadRunner(slots=slots, line_max=line_max)
    from tasks.judge_queue import RqRunner

    return RqRunner(redis_url, line_max=line_max)
