"""One sandbox for one evaluation, and the server in it that starts the runs, one after another.

The server (`languages/server.py`) is the sandbox's first process and ours. It gets an input only
when every process of the run before is dead and its files are gone; each run has pipes of its
own, made here and handed over, so that nothing of a run is in those of the next. A run that hits
a limit, or leaves something that cannot be cleared away, ends the sandbox with all that is in it,
and the next run starts another one. Two evaluations never share a sandbox.
"""

from __future__ import annotations

import json
import marshal
import math
import os
import resource
import select
import socket
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.sandbox.base import SandboxError, Status
from tasks.sandbox.languages.python import SERVER_COMMAND
from tasks.sandbox.launch import PATIENCE_S, Command, kill, start
from tasks.sandbox.meters import Meter
from tasks.sandbox.pipes import Capture, Feed, close_all, drain, memory_file
from tasks.sandbox.process import Bounds, Outcome, drain_all, judge, signal_name, watch

_MIB = 1024 * 1024
_SERVER_CPU_S = 120.0  # the limits of runs and of the evaluation are far below and held elsewhere


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What to run once: `argv` with `stdin`, or without `argv` a call of the checked program.

    A call is the nonce of its answer, the function's name and the JSON text of its arguments.
    `answer_bytes` is the cap of what comes through the answer's descriptor; 0 means none.
    """

    argv: tuple[str, ...] = ()
    stdin: bytes = b""
    call: tuple[bytes, str, str] | None = None
    bounds: Bounds
    memory_mb: float
    address_space_mb: float | None
    output_bytes: int
    answer_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Compiled:
    """Whether the program compiles, what was said about it, and the limits that were hit."""

    ok: bool
    said: Capture
    over: frozenset[Status]


@dataclass(frozen=True, slots=True)
class _Report:
    """What the server says of a run that is over."""

    status: int
    cpu_s: float
    resident_kb: int

    @classmethod
    def read(cls, reply: bytes) -> _Report:
        try:
            status, cpu_us, resident_kb = (int(part) for part in reply.split())
        except ValueError:
            raise SandboxError(f"the sandbox's server says something unexpected: {reply[:99]!r}")
        return cls(status, cpu_us / 1e6, resident_kb)

    def ending(self) -> tuple[int | None, str | None]:
        """The exit code, or the name of the signal."""
        code = os.waitstatus_to_exitcode(self.status)
        return (None, signal_name(-code)) if code < 0 else (code, None)


class ForkServer:
    """A started sandbox. Used by one thread, which must live until `close`."""

    def __init__(self, *, bwrap: Path, root: Path, meter: Meter) -> None:
        """Start it; it is ready when it is first used. Raises `SandboxError`."""
        self._usable = False
        self._ready = False
        self._running = False
        self._sweeping = False
        self._meter = meter
        self._stack = ExitStack()
        try:
            self._stack.callback(meter.close)
            self._start(bwrap, root)
        except BaseException:
            self.close()
            raise
        self._usable = True

    def _start(self, bwrap: Path, root: Path) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control = self._stack.enter_context(ours)
        with theirs:
            command = Command(
                argv=SERVER_COMMAND,
                files=(),
                stdin=b"",
                cpu_s=_SERVER_CPU_S,
                wall_s=math.inf,
                memory_mb=0,
                address_space_mb=None,
                output_bytes=_MIB,
                control=theirs.fileno(),
            )
            self._started = start(command, bwrap=bwrap, root=root, stack=self._stack)
        # The group need not wait for it: nothing of a candidate runs before the first message.
        close_all(self._started.block)
        self._meter.attach(self._started.child)

    def close(self) -> None:
        """End the sandbox with everything in it. Idempotent."""
        self._usable = False
        self._stack.close()

    def usable(self) -> bool:
        """Whether it serves another run: it was not stopped, and nothing is left of the last."""
        if self._usable and self._sweeping:
            self._sweeping = False
            with suppress(SandboxError):
                self._usable = False
                self._usable = self._reply(PATIENCE_S) == b"clean"
        poller = select.poll()
        poller.register(self._control, 0)  # says when the other end is gone
        gone = poller.poll(0) or self._started.monitor.poll() is not None
        return self._usable and not gone

    def put(self, path: str, data: bytes) -> None:
        """A new file in the sandbox, for all runs."""
        source = memory_file("file", data)
        try:
            self._send(("put", path), [source])
        finally:
            os.close(source)

    def check(
        self,
        path: str,
        *,
        bounds: Bounds,
        memory_mb: float,
        address_space_mb: float,
        output_bytes: int,
        cancelled: Callable[[], bool] | None,
    ) -> Compiled:
        """Have the server compile the Python program at `path`, for its calls, too."""
        said = Capture(output_bytes)
        err = next(fd for fd, found in self._started.pipes.items() if found is self._started.stderr)
        self._send(("check", path, int(address_space_mb * _MIB)), [], memory_mb=memory_mb)
        over, answered, _duration = watch(
            self._control.fileno(),
            feed=None,
            pipes={err: said},
            meter=self._meter,
            bounds=bounds,
            cancelled=cancelled,
        )
        reply = self._reply(0) if answered else b""
        drain_all({err: said}, over)
        self._meter.look()
        judge(over, self._meter, bounds)
        self._usable = bool(reply) and not over
        return Compiled(self._usable and reply == b"compiled", said, frozenset(over))

    def run(self, program: Program, *, cancelled: Callable[[], bool] | None) -> Outcome:
        """Raises `SandboxError`, `Cancelled`; `usable()` says whether another run may follow."""
        self._usable = False
        with ExitStack() as stack:
            captures = [Capture(program.output_bytes), Capture(program.output_bytes)]
            if program.answer_bytes:
                captures.append(Capture(program.answer_bytes))
            theirs: list[int] = []
            stack.callback(close_all, theirs)
            feed = self._input(program, theirs, stack)
            pipes = {self._pipe(theirs, stack): capture for capture in captures}
            limits = _limits(program)
            message = ("exec", limits, program.argv) if program.argv else ("call", limits)
            if not self._running:
                self._send(message[:1], [])
                if self._reply(PATIENCE_S) != b"going":
                    raise SandboxError(f"the sandbox's server is gone: {self._complaint()}")
                self._running = True
            self._send(message, theirs, memory_mb=program.memory_mb)
            close_all(theirs)
            over, answered, duration = watch(
                self._control.fileno(),
                feed=feed,
                pipes=pipes,
                meter=self._meter,
                bounds=program.bounds,
                cancelled=cancelled,
            )
            reply = self._reply(0) if answered else b""
            code: int | None = None
            name: str | None = "SIGKILL"
            if reply:
                report = _Report.read(reply)
                self._meter.learn(cpu_s=report.cpu_s, resident_kb=report.resident_kb)
                code, name = report.ending()
                self._sweeping = True
            else:
                self._meter.look()
                kill(self._started.child_exit)
                self._meter.look()
            drain_all(pipes, over)
            judge(over, self._meter, program.bounds)
            self._usable = bool(reply) and not over
            return Outcome(
                code=code,
                signal=name,
                over=frozenset(over),
                stdout=captures[0],
                stderr=captures[1],
                answer=captures[2] if program.answer_bytes else Capture(0),
                duration=duration,
                cpu_time=self._meter.cpu_s(),
                memory_kb=self._meter.peak_kb(),
            )

    def _send(
        self, message: tuple[Any, ...], descriptors: list[int], *, memory_mb: float | None = None
    ) -> None:
        """Hand `message` over; with `memory_mb` it begins something that the meter limits."""
        if not self._ready:
            if self._reply(PATIENCE_S) != b"ready":
                raise SandboxError(f"bubblewrap failed: {self._complaint()}")
            self._ready = True
        if memory_mb is not None:
            self._meter.begin(memory_mb=memory_mb)
        try:
            socket.send_fds(self._control, [marshal.dumps(message, 4)], descriptors)
        except OSError as error:
            raise SandboxError(f"the sandbox's server is gone: {error}")

    def _input(self, program: Program, theirs: list[int], stack: ExitStack) -> Feed | None:
        if program.call:
            nonce, entry, arguments = program.call
            call = marshal.dumps((nonce, entry, json.loads(arguments)), 4)
            theirs.append(memory_file("call", call))
            return None
        reading, writing = os.pipe2(os.O_CLOEXEC)
        theirs.append(reading)
        feed = Feed(writing, program.stdin)
        stack.callback(feed.close)
        os.set_blocking(writing, False)
        self._give(reading)
        return feed

    def _pipe(self, theirs: list[int], stack: ExitStack) -> int:
        reading, writing = os.pipe2(os.O_CLOEXEC)
        theirs.append(writing)
        stack.callback(os.close, reading)
        os.set_blocking(reading, False)
        self._give(writing)
        return reading

    def _give(self, descriptor: int) -> None:
        if self._started.owner is not None:
            os.fchown(descriptor, self._started.owner, self._started.owner)

    def _reply(self, patience_s: float) -> bytes:
        """The server's next message; nothing when it is gone."""
        poller = select.poll()
        poller.register(self._control, select.POLLIN)
        if not poller.poll(patience_s * 1000):
            raise SandboxError("the sandbox's server does not answer")
        try:
            return self._control.recv(4096)
        except ConnectionResetError:
            return b""

    def _complaint(self) -> str:
        kill(self._started.child_exit)
        for descriptor, capture in self._started.pipes.items():
            drain(descriptor, capture)
        return self._started.stderr.data.decode("utf-8", "replace").strip() or "no reason given"


def _limits(program: Program) -> dict[int, int]:
    limits = {resource.RLIMIT_CPU: math.ceil(program.bounds.cpu_s) + 1}
    if program.address_space_mb is not None:
        limits[resource.RLIMIT_AS] = int(program.address_space_mb * _MIB)
    return limits
