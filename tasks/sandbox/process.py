"""One run of one program: start it, watch it, stop it, and leave nothing behind.

The order matters. bubblewrap sets the sandbox up and waits; only then is the control group
entered, the program let go and the clock started. A run ends when its main process exits,
whatever still holds its output open; the namespace's first process is killed then, and the
kernel takes every other one with it.
"""

from __future__ import annotations

import math
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tasks.sandbox.base import Cancelled, SandboxError, Status
from tasks.sandbox.launch import PATIENCE_S, Command, Started, kill, start
from tasks.sandbox.meters import Meter
from tasks.sandbox.pipes import Capture, close_all, drain, everything

_CPUS = os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it went. `over` names the limits that were exceeded; `code` is None when stopped."""

    code: int | None
    signal: str | None
    over: frozenset[Status]
    stdout: Capture
    stderr: Capture
    answer: Capture
    duration: float
    cpu_time: float
    memory_kb: int


def run(
    command: Command,
    *,
    bwrap: Path,
    root: Path,
    meter: Meter,
    cancelled: Callable[[], bool] | None = None,
) -> Outcome:
    """Run `command` over the root file system `root`. Raises `SandboxError`, `Cancelled`."""
    with ExitStack() as stack:
        stack.callback(meter.close)
        started = start(command, bwrap=bwrap, root=root, stack=stack)
        meter.attach(started.child)
        return _watch(started, command, meter, cancelled)


def _watch(
    started: Started,
    command: Command,
    meter: Meter,
    cancelled: Callable[[], bool] | None,
) -> Outcome:
    poller = select.poll()
    monitor_exit = os.pidfd_open(started.monitor.pid)
    try:
        for descriptor in (monitor_exit, *started.pipes):
            poller.register(descriptor, select.POLLIN)
        feed = started.feed
        feeding = feed.descriptor
        if feed.push():
            poller.register(feeding, select.POLLOUT)
        before = meter.cpu_s()
        close_all(started.block)
        begin = time.monotonic()
        over: set[Status] = set()
        next_look = 0.0
        exited = False
        while not exited and not over:
            elapsed = time.monotonic() - begin
            if elapsed >= next_look:
                if cancelled is not None and cancelled():
                    raise Cancelled("the evaluation was cancelled")
                used = meter.cpu_s() - before
                if elapsed >= command.wall_s or used > command.cpu_s:
                    over.add(Status.TLE)
                if meter.over_memory():
                    over.add(Status.MLE)
                soonest = max(0.001, (command.cpu_s - used) / _CPUS)
                next_look = elapsed + min(soonest, meter.interval_s(elapsed))
                next_look = min(next_look, max(command.wall_s, elapsed + 0.001))
                if over:
                    break
            wait_ms = max(0.0, next_look - (time.monotonic() - begin)) * 1000
            for descriptor, _event in poller.poll(math.ceil(wait_ms)):
                if descriptor == monitor_exit:
                    exited = True
                elif descriptor == feeding:
                    if not feed.push():
                        poller.unregister(descriptor)
                elif not drain(descriptor, started.pipes[descriptor], once=True):
                    poller.unregister(descriptor)
            if any(capture.truncated for capture in started.pipes.values()):
                over.add(Status.OLE)
        duration = time.monotonic() - begin
    finally:
        os.close(monitor_exit)
    meter.cpu_s()
    kill(started.child_exit)
    code = _reap(started.monitor)
    for descriptor, capture in started.pipes.items():
        drain(descriptor, capture)
        if capture.truncated:
            over.add(Status.OLE)
    cpu_time = max(0.0, meter.cpu_s() - before)
    if cpu_time > command.cpu_s:
        over.add(Status.TLE)
    if meter.over_memory():
        over.add(Status.MLE)
    stopped = not exited
    if not stopped and b'"exit-code"' not in everything(started.status):
        complaint = started.stderr.data.decode("utf-8", "replace").strip()
        raise SandboxError(f"bubblewrap failed: {complaint or f'exit code {code}'}")
    name = "SIGKILL" if stopped else _signal_name(code)
    return Outcome(
        code=None if name else code,
        signal=name,
        over=frozenset(over),
        stdout=started.stdout,
        stderr=started.stderr,
        answer=started.answer,
        duration=duration,
        cpu_time=cpu_time,
        memory_kb=meter.peak_kb(),
    )


def _reap(monitor: subprocess.Popen[bytes]) -> int:
    if monitor.returncode is None:
        try:
            monitor.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            monitor.kill()
            monitor.wait()
    return monitor.returncode


def _signal_name(code: int) -> str | None:
    """bubblewrap reports a death by signal as a shell does: 128 and the number."""
    if code <= 128:
        return None
    try:
        return signal.Signals(code - 128).name
    except ValueError:
        return None
