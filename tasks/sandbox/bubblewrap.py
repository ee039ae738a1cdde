"""The sandbox that comes with the product: bubblewrap on this machine."""

from __future__ import annotations

import json
import platform
import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from tasks.sandbox import cgroups, frames, launch, process, rootfs, seccomp
from tasks.sandbox.base import Check, Evaluation, Job, Run, SandboxError, SandboxUnavailable, Status
from tasks.sandbox.base import gettext_noop as _
from tasks.sandbox.forkserver import Compiled, ForkServer, Program
from tasks.sandbox.languages import LANGUAGES, Language
from tasks.sandbox.meters import Meter, Watchdog
from tasks.spec import Limits

_COMPILE_CPU_S = 5.0
_COMPILE_WALL_S = 12.0
_COMPILE_MEMORY_MB = 512
_COMPILE_OUTPUT = 64 * 1024
_TOO_SLOW = _("Compiling took too long.")
_TOO_BIG = _("Compiling took too much memory.")
_CRASHED = _("The compiler ended without saying why.")


@dataclass(frozen=True, slots=True)
class _Place:
    """What every run of this process shares."""

    files: rootfs.RootFilesystem
    hierarchy: cgroups.Hierarchy | None

    def meter(self, memory_mb: float) -> Meter:
        if self.hierarchy is None:
            return Watchdog(memory_mb=memory_mb)
        return self.hierarchy.group(memory_mb=memory_mb)


class Bubblewrap:
    """Runs programs in namespaces of their own, limited by control groups or by a watchdog.

    `watchdog=True` does without control groups even where they are writable; `bases` are the
    directories that may hold the copy of the runtimes. Evaluations may run in any number of
    threads at once; each has its own namespaces, limits and temporary files.
    """

    name = "bubblewrap"

    def __init__(self, *, watchdog: bool = False, bases: tuple[str, ...] = rootfs.BASES) -> None:
        self._watchdog = watchdog
        self._bases = bases
        self._lock = threading.Lock()
        self._found: _Place | None = None
        self._own = threading.local()

    @property
    def enforcement(self) -> str:
        """`cgroup-v1`, `cgroup-v2` or `watchdog`: who holds the limits."""
        hierarchy = self._place().hierarchy
        return hierarchy.enforcement if hierarchy else Watchdog.enforcement

    @property
    def root(self) -> Path:
        """The root file system that programs run in, as this machine sees it."""
        return self._place().files.root

    def evaluate(self, job: Job, *, cancelled: Callable[[], bool] | None = None) -> Evaluation:
        """See `Sandbox.evaluate`. Raises `ValueError` for a language that is not available."""
        language = LANGUAGES.get(job.language)
        if language is None or not language.available():
            raise ValueError(f"the language {job.language!r} is not available in this sandbox")
        with _Series(self, language, job, cancelled) as series:
            compiled, output = series.compile()
            runs = series.runs() if compiled else ()
        return Evaluation(compiled, output, runs, self.name, self.enforcement)

    def doctor(self) -> list[Check]:
        from tasks.sandbox import doctor

        return doctor.examine(self)

    def _place(self) -> _Place:
        with self._lock:
            if self._found is None:
                if sys.platform != "linux":
                    raise SandboxUnavailable(
                        f"bubblewrap needs Linux, and this is {platform.system()}: run the "
                        "server in a Linux machine or container"
                    )
                if not seccomp.supported():
                    raise SandboxUnavailable(
                        f"the sandbox has no system call filter for {platform.machine()}: "
                        "run it on x86_64 or aarch64 Linux"
                    )
                parts = [
                    (language.fingerprint(), language.install) for language in LANGUAGES.values()
                ]
                files = rootfs.prepare(parts, bases=self._bases)
                self._found = _Place(files, None if self._watchdog else cgroups.find())
            return self._found

    def run(self, command: launch.Command, cancelled: Callable[[], bool] | None) -> process.Outcome:
        """Run `command` in a sandbox of its own."""
        with self._using() as place:
            files = place.files
            return process.run(
                command,
                bwrap=files.bwrap,
                root=files.root,
                meter=place.meter(command.memory_mb),
                cancelled=cancelled,
            )

    def serve(self) -> ForkServer:
        """A sandbox whose server waits for the program: the prepared one, or a new one."""
        spare: ForkServer | None = self._own.__dict__.pop("spare", None)
        if spare is not None:
            if spare.usable():
                return spare
            spare.close()
        with self._using() as place:
            meter = place.meter(_COMPILE_MEMORY_MB)
            return ForkServer(bwrap=place.files.bwrap, root=place.files.root, meter=meter)

    def prepare(self) -> None:
        """Start the sandbox of this thread's next evaluation, which need not wait for it then.

        Nothing has run in it. It ends with `release`, or with the thread.
        """
        if "spare" not in self._own.__dict__:
            self._own.spare = self.serve()

    def release(self) -> None:
        """End what `prepare` has started in this thread."""
        spare: ForkServer | None = self._own.__dict__.pop("spare", None)
        if spare is not None:
            spare.close()

    @contextmanager
    def _using(self) -> Iterator[_Place]:
        place = self._place()
        try:
            yield place
        except SandboxError:
            if not place.files.root.exists():  # somebody cleaned up; the next run builds it again
                with self._lock:
                    self._found = None
            raise


class _Series:
    """The runs of one job, in one sandbox as long as that can be used."""

    def __init__(
        self,
        sandbox: Bubblewrap,
        language: Language,
        job: Job,
        cancelled: Callable[[], bool] | None,
    ) -> None:
        self._sandbox = sandbox
        self._language = language
        self._job = job
        self._cancelled = cancelled
        self._files = ((language.source_name, _bytes(job.source)),)
        self._server: ForkServer | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def _end(self) -> None:
        if self._server is not None:
            self._server.close()
        self._server = None

    def compile(self) -> tuple[bool, str]:
        """Whether it compiles, and what was said about that."""
        argv = self._language.compile_command()
        if not argv:
            checked = self._check(self._serve())
            return checked.ok, _complaint(_text(checked.said.data), checked.over, checked.ok)
        outcome = self._sandbox.run(
            launch.Command(
                argv=argv,
                files=self._files,
                stdin=b"",
                cpu_s=_COMPILE_CPU_S,
                wall_s=_COMPILE_WALL_S,
                memory_mb=_COMPILE_MEMORY_MB,
                address_space_mb=self._language.address_space_mb(memory_mb=_COMPILE_MEMORY_MB),
                output_bytes=_COMPILE_OUTPUT,
            ),
            self._cancelled,
        )
        output = _text(outcome.stderr.data) + _text(outcome.stdout.data)
        compiled = outcome.code == 0 and not outcome.over
        return compiled, _complaint(output, outcome.over, compiled)

    def runs(self) -> tuple[Run, ...]:
        job = self._job
        runs: list[Run] = []
        cpu_left = job.cpu_budget_s
        end = time.monotonic() + job.wall_budget_s
        for text in job.inputs:
            wall_left = end - time.monotonic()
            if cpu_left <= 0 or wall_left <= 0:
                runs.append(Run.never_started())
                continue
            run = self._one(text, cpu_left, wall_left)
            cpu_left -= run.cpu_time
            runs.append(run)
        return tuple(runs)

    def _one(self, text: str, cpu_left: float, wall_left: float) -> Run:
        job, language, limits = self._job, self._language, self._job.limits
        nonce = secrets.token_bytes(frames.NONCE_BYTES) if job.kind == "function" else None
        output_bytes = limits.output_kb * 1024
        program = Program(
            argv=language.stdio_command(memory_mb=limits.memory_mb),
            stdin=_bytes(text),
            bounds=process.Bounds(min(limits.time_s, cpu_left), min(limits.wall_s, wall_left)),
            memory_mb=limits.memory_mb,
            address_space_mb=language.address_space_mb(memory_mb=limits.memory_mb),
            output_bytes=output_bytes,
        )
        if nonce is not None:
            program = replace(program, answer_bytes=output_bytes + frames.NONCE_BYTES + 4)
            if language.compile_command():
                command = language.function_command(memory_mb=limits.memory_mb)
                stdin = _call(job.entry, text, nonce)
                program = replace(program, argv=command, stdin=stdin)
            else:
                call = (nonce, job.entry, text)
                program = replace(program, argv=(), stdin=b"", call=call)
        outcome = self._ready().run(program, cancelled=self._cancelled)
        return judge(language, outcome, nonce=nonce)

    def _ready(self) -> ForkServer:
        """The server of the run before, or a new one where that one has ended."""
        if self._server is not None and self._server.usable():
            return self._server
        server = self._serve()
        calls = self._job.kind == "function" and not self._language.compile_command()
        if calls and not self._check(server).ok:
            raise SandboxError("a program that compiled does not compile again")
        return server

    def _serve(self) -> ForkServer:
        self._end()
        self._server = self._sandbox.serve()
        for name, data in self._files:
            self._server.put(f"{launch.WORK}/{name}", data)
        return self._server

    def _check(self, server: ForkServer) -> Compiled:
        return server.check(
            f"{launch.WORK}/{self._language.source_name}",
            bounds=process.Bounds(_COMPILE_CPU_S, _COMPILE_WALL_S),
            memory_mb=_COMPILE_MEMORY_MB,
            address_space_mb=2 * _COMPILE_MEMORY_MB,
            output_bytes=_COMPILE_OUTPUT,
            cancelled=self._cancelled,
        )


def _complaint(output: str, over: frozenset[Status], compiled: bool) -> str:
    """What the compiler said, for the candidate."""
    output = output.replace(f"{launch.WORK}/", "")
    if Status.TLE in over:
        output += "\n" + _TOO_SLOW
    if Status.MLE in over:
        output += "\n" + _TOO_BIG
    output = output.strip()
    return output if compiled or output else _CRASHED


def judge(language: Language, outcome: process.Outcome, *, nonce: bytes | None) -> Run:
    """The run that an outcome means. Precedence: TLE, MLE, OLE, RTE."""
    stderr = _text(outcome.stderr.data)
    over = set(outcome.over)
    if language.ran_out_of_memory(code=outcome.code, signal=outcome.signal, stderr=stderr):
        over.add(Status.MLE)
    if outcome.signal == "SIGXCPU":
        over.add(Status.TLE)
    if outcome.code != 0:
        over.add(Status.RTE)
    result: Any = None
    has_result = False
    protocol_error = ""
    if nonce is not None:
        try:
            result = frames.decode(bytes(outcome.answer.data), nonce=nonce)
            has_result = not over
        except frames.ProtocolError as error:
            protocol_error = str(error)
            over.add(Status.RTE)
    return Run(
        status=next((status for status in Status if status in over), Status.OK),
        exit_code=outcome.code,
        exit_signal=outcome.signal,
        stdout=_text(outcome.stdout.data),
        stderr=stderr,
        stdout_bytes=len(outcome.stdout.data),
        duration=outcome.duration,
        cpu_time=outcome.cpu_time,
        memory_kb=outcome.memory_kb,
        truncated=outcome.stdout.truncated or outcome.stderr.truncated or outcome.answer.truncated,
        result=result if has_result else None,
        has_result=has_result,
        protocol_error=protocol_error,
    )


def _call(entry: str, arguments: str, nonce: bytes) -> bytes:
    head = json.dumps({"nonce": nonce.hex(), "entry": entry})
    return _bytes(f'{head[:-1]}, "args": {arguments}}}')


def _bytes(text: str) -> bytes:
    """UTF-8; what is not text stays wrong, for the language to refuse."""
    return text.encode("utf-8", "surrogatepass")


def _text(data: bytes | bytearray) -> str:
    return bytes(data).decode("utf-8", "replace")


def probe(sandbox: Bubblewrap) -> None:
    """Run one trivial program. Raises `SandboxUnavailable` with the reason and the remedy."""
    job = Job(
        language="python",
        source="print(6 * 7)",
        kind="stdio",
        entry="",
        inputs=("",),
        limits=Limits(time_s=10, memory_mb=256, output_kb=4),
    )
    try:
        run = sandbox.evaluate(job).runs[0]
    except SandboxUnavailable:
        raise
    except (SandboxError, OSError) as error:
        raise SandboxUnavailable(f"{error}. `manage.py sandbox_doctor` says what to do.")
    if run.status is not Status.OK or run.stdout != "42\n":
        raise SandboxUnavailable(
            f"a trivial program ended with {run.status}: {run.stderr[:500] or run.stdout[:500]}"
        )


__all__ = ["Bubblewrap", "probe"]
