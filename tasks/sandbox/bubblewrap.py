"""The sandbox that comes with the product: bubblewrap on this machine."""

from __future__ import annotations

import json
import platform
import secrets
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.sandbox import cgroups, frames, launch, process, rootfs, seccomp
from tasks.sandbox.base import (
    Check,
    Evaluation,
    Files,
    Job,
    Run,
    SandboxError,
    SandboxUnavailable,
    Status,
)
from tasks.sandbox.base import gettext_noop as _
from tasks.sandbox.languages import LANGUAGES, Language
from tasks.sandbox.meters import Meter, Watchdog
from tasks.spec import Limits

_COMPILE_CPU_S = 5.0
_COMPILE_WALL_S = 12.0
_COMPILE_MEMORY_MB = 512
_COMPILE_OUTPUT = 64 * 1024
_TOO_SLOW = _("Compiling took too long.")
_TOO_BIG = _("Compiling took too much memory.")


@dataclass(frozen=True, slots=True)
class _Place:
    """What every run of this process shares."""

    files: rootfs.RootFilesystem
    hierarchy: cgroups.Hierarchy | None


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
        compiled, output = self._compile(language, job, cancelled)
        runs = self._runs(language, job, cancelled) if compiled else ()
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

    def _run(
        self, command: launch.Command, cancelled: Callable[[], bool] | None
    ) -> process.Outcome:
        place = self._place()
        meter: Meter
        if place.hierarchy is None:
            meter = Watchdog(memory_mb=command.memory_mb)
        else:
            meter = place.hierarchy.group(memory_mb=command.memory_mb)
        files = place.files
        try:
            return process.run(
                command, bwrap=files.bwrap, root=files.root, meter=meter, cancelled=cancelled
            )
        except SandboxError:
            if not files.root.exists():  # somebody cleaned up; the next run builds it again
                with self._lock:
                    self._found = None
            raise

    def _compile(
        self, language: Language, job: Job, cancelled: Callable[[], bool] | None
    ) -> tuple[bool, str]:
        outcome = self._run(
            launch.Command(
                argv=language.compile_command(),
                files=((language.source_name, _bytes(job.source)),),
                stdin=b"",
                cpu_s=_COMPILE_CPU_S,
                wall_s=_COMPILE_WALL_S,
                memory_mb=_COMPILE_MEMORY_MB,
                address_space_mb=language.address_space_mb(memory_mb=_COMPILE_MEMORY_MB),
                output_bytes=_COMPILE_OUTPUT,
            ),
            cancelled,
        )
        output = _text(outcome.stderr.data) + _text(outcome.stdout.data)
        output = output.replace(f"{launch.WORK}/", "")
        if Status.TLE in outcome.over:
            output += "\n" + _TOO_SLOW
        if Status.MLE in outcome.over:
            output += "\n" + _TOO_BIG
        return outcome.code == 0 and not outcome.over, output.strip()

    def _runs(
        self, language: Language, job: Job, cancelled: Callable[[], bool] | None
    ) -> tuple[Run, ...]:
        runs: list[Run] = []
        cpu_left = job.cpu_budget_s
        end = time.monotonic() + job.wall_budget_s
        for number, text in enumerate(job.inputs):
            wall_left = end - time.monotonic()
            if cpu_left <= 0 or wall_left <= 0:
                runs.append(Run.never_started())
                continue
            files = job.files[number] if job.files else ()
            run = self._one(language, job, text, files, cpu_left, wall_left, cancelled)
            cpu_left -= run.cpu_time
            runs.append(run)
        return tuple(runs)

    def _one(
        self,
        language: Language,
        job: Job,
        text: str,
        files: Files,
        cpu_left: float,
        wall_left: float,
        cancelled: Callable[[], bool] | None,
    ) -> Run:
        limits = job.limits
        function = job.kind == "function"
        nonce = secrets.token_bytes(frames.NONCE_BYTES)
        output_bytes = limits.output_kb * 1024
        command = language.function_command if function else language.stdio_command
        outcome = self._run(
            launch.Command(
                argv=(*command(memory_mb=limits.memory_mb), *job.arguments),
                files=(
                    *((name, _bytes(content)) for name, content in files),
                    (language.source_name, _bytes(job.source)),
                ),
                stdin=_call(job.entry, text, nonce) if function else _bytes(text),
                cpu_s=min(limits.time_s, cpu_left),
                wall_s=min(limits.wall_s, wall_left),
                memory_mb=limits.memory_mb,
                address_space_mb=language.address_space_mb(memory_mb=limits.memory_mb),
                output_bytes=output_bytes,
                answer_bytes=output_bytes + frames.NONCE_BYTES + 4 if function else 0,
            ),
            cancelled,
        )
        return judge(language, outcome, nonce=nonce if function else None)


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
