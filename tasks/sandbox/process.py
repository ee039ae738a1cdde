"""One run of one program in a sandbox of its own: start it, watch it, stop it, leave nothing.

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
from tasks.sandbox.launch import PATIENCE_S, Command, kill, start
from tasks.sandbox.meters import Meter
from tasks.sandbox.pipes import Capture, Feed, close_all, drain, everything

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


@dataclass(frozen=True, slots=True)
class Bounds:
    """Seconds that one run may take."""

    cpu_s: float
    wall_s: float


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
        meter.begin(memory_mb=command.memory_mb)
        monitor_exit = os.pidfd_open(started.monitor.pid)
        stack.callback(os.close, monitor_exit)
        bounds = Bounds(command.cpu_s, command.wall_s)
        close_all(started.block)
        over, exited, duration = watch(
            monitor_exit,
            feed=started.feed,
            pipes=started.pipes,
            meter=meter,
            bounds=bounds,
            cancelled=cancelled,
        )
        meter.look()
        kill(started.child_exit)
        code = _reap(started.monitor)
        drain_all(started.pipes, over)
        meter.look()
        judge(over, meter, bounds)
        if exited and b'"exit-code"' not in everything(started.status):
            complaint = started.stderr.data.decode("utf-8", "replace").strip()
            raise SandboxError(f"bubblewrap failed: {complaint or f'exit code {code}'}")
        # bubblewrap reports a death by signal as a shell does: 128 and the number.
        name = signal_name(code - 128) if exited else "SIGKILL"
        return Outcome(
            code=None if name else code,
            signal=name,
            over=frozenset(over),
            stdout=started.stdout,
            stderr=started.stderr,
            answer=started.answer,
            duration=duration,
            cpu_time=meter.cpu_s(),
            memory_kb=meter.peak_kb(),
        )


def watch(
    ended: int,
    *,
    feed: Feed | None,
    pipes: dict[int, Capture],
    meter: Meter,
    bounds: Bounds,
    cancelled: Callable[[], bool] | None,
) -> tuple[set[Status], bool, float]:
    """Until the descriptor `ended` can be read or a limit is hit; feed and drain meanwhile.

    Returns the limits that were hit, whether the run ended by itself, and how long it took in
    seconds. Raises `Cancelled`.
    """
    begin = time.monotonic()
    poller = select.poll()
    for descriptor in (ended, *pipes):
        poller.register(descriptor, select.POLLIN)
    feeding = feed.descriptor if feed else -1
    if feed and feed.push():
        poller.register(feeding, select.POLLOUT)
    if cancelled is not None and cancelled():
        raise Cancelled("the evaluation was cancelled")
    over: set[Status] = set()
    exited = False
    elapsed = 0.0
    next_look = _pause(0.0, elapsed, meter, bounds)
    while not exited and not over:
        if elapsed >= next_look:
            if cancelled is not None and cancelled():
                raise Cancelled("the evaluation was cancelled")
            meter.look()
            if elapsed >= bounds.wall_s:
                over.add(Status.TLE)
            judge(over, meter, bounds)
            if over:
                break
            next_look = elapsed + _pause(meter.cpu_s(), elapsed, meter, bounds)
        for descriptor, _event in poller.poll(math.ceil(max(0.0, next_look - elapsed) * 1000)):
            if descriptor == ended:
                exited = True
            elif descriptor == feeding:
                if feed and not feed.push():
                    poller.unregister(descriptor)
            else:
                if not drain(descriptor, pipes[descriptor], once=True):
                    poller.unregister(descriptor)
                if pipes[descriptor].truncated:
                    over.add(Status.OLE)
        elapsed = time.monotonic() - begin
    return over, exited, elapsed


def _pause(used: float, elapsed: float, meter: Meter, bounds: Bounds) -> float:
    """Seconds until a limit could be passed at the earliest, or the meter wants to look."""
    soonest = max(0.001, (bounds.cpu_s - used) / _CPUS)
    pause = min(soonest, meter.interval_s(elapsed))
    return min(pause, max(bounds.wall_s - elapsed, 0.001))


def judge(over: set[Status], meter: Meter, bounds: Bounds) -> None:
    """Add what the last look of `meter` says against the limits."""
    if meter.cpu_s() > bounds.cpu_s:
        over.add(Status.TLE)
    if meter.over_memory():
        over.add(Status.MLE)


def drain_all(pipes: dict[int, Capture], over: set[Status]) -> None:
    """Take what is left in the pipes once nobody writes any more."""
    for descriptor, capture in pipes.items():
        drain(descriptor, capture)
        if capture.truncated:
            over.add(Status.OLE)


def signal_name(number: int) -> str | None:
    try:
        return signal.Signals(number).name
    except ValueError:
        return None


def _reap(monitor: subprocess.Popen[bytes]) -> int:
    if monitor.returncode is None:
        try:
            monitor.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            monitor.kill()
            monitor.wait()
    return monitor.returncode
