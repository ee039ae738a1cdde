"""The sandbox that comes with the product: bubblewrap on this machine."""

from __future__ import annotations

import json
import platform
import secrets
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
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
from tasks.sandbox.building import Program, as_bytes, as_text, build
from tasks.sandbox.languages import LANGUAGES, SCRIPTS, Language, available_languages
from tasks.sandbox.meters import Meter, Watchdog
from tasks.sandbox.rootfs import RootFilesystem
from tasks.sandbox.roots import Roots


class Bubblewrap:
    """Runs programs in namespaces of their own, limited by control groups or by a watchdog.

    `watchdog=True` does without control groups even where they are writable; `bases` are the
    directories that may hold the copy of the runtimes. Evaluations may run in any number of
    threads at once; each has its own namespaces, limits and temporary files.
    """

    name = "bubblewrap"

    def __init__(self, *, watchdog: bool = False, bases: tuple[str, ...] = rootfs.BASES) -> None:
        self._watchdog = watchdog
        self._roots = Roots(bases)
        self._lock = threading.Lock()
        self._hierarchies: list[cgroups.Hierarchy | None] = []

    @property
    def enforcement(self) -> str:
        """`cgroup-v1`, `cgroup-v2` or `watchdog`: who holds the limits."""
        hierarchy = self._hierarchy()
        return hierarchy.enforcement if hierarchy else Watchdog.enforcement

    @property
    def root(self) -> Path:
        """The root file system that scripts run in, as this machine sees it."""
        return self._root(SCRIPTS).root

    def languages(self) -> tuple[str, ...]:
        return available_languages()

    def evaluate(self, job: Job, *, cancelled: Callable[[], bool] | None = None) -> Evaluation:
        """See `Sandbox.evaluate`. Raises `ValueError` for a language that is not available."""
        language = LANGUAGES.get(job.language)
        if language is None or not language.available():
            raise ValueError(f"the language {job.language!r} is not available in this sandbox")
        if job.kind not in language.kinds:
            raise ValueError(f"the language {job.language!r} does not solve tasks of {job.kind!r}")

        def run(root: str, command: launch.Command) -> process.Outcome:
            return self._run(command, cancelled, root=root)

        program, output = build(language, job, run)
        if program is None:
            return Evaluation(False, output, (), self.name, self.enforcement)
        with closing(program):
            runs = self._runs(language, job, program, cancelled)
        return Evaluation(True, output, runs, self.name, self.enforcement)

    def doctor(self) -> list[Check]:
        from tasks.sandbox import doctor

        return doctor.examine(self)

    def trouble(self) -> str:
        return ""

    def close(self) -> None:
        """Nothing is held: the copies of the runtimes are shared and stay."""

    def _root(self, name: str) -> RootFilesystem:
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
        return self._roots.get(name)

    def _hierarchy(self) -> cgroups.Hierarchy | None:
        with self._lock:
            if not self._hierarchies:
                self._hierarchies.append(None if self._watchdog else cgroups.find())
            return self._hierarchies[0]

    def _run(
        self,
        command: launch.Command,
        cancelled: Callable[[], bool] | None,
        *,
        root: str = SCRIPTS,
    ) -> process.Outcome:
        files = self._root(root)
        hierarchy = self._hierarchy()
        meter: Meter
        if hierarchy is None:
            meter = Watchdog(memory_mb=command.memory_mb)
        else:
            meter = hierarchy.group(memory_mb=command.memory_mb)
        try:
            return process.run(
                command, bwrap=files.bwrap, root=files.root, meter=meter, cancelled=cancelled
            )
        except SandboxError:
            if not files.root.exists():
                self._roots.forget(root)
            raise

    def _runs(
        self,
        language: Language,
        job: Job,
        program: Program,
        cancelled: Callable[[], bool] | None,
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
            run = self._one(language, job, program, text, files, cpu_left, wall_left, cancelled)
            cpu_left -= run.cpu_time
            runs.append(run)
        return tuple(runs)

    def _one(
        self,
        language: Language,
        job: Job,
        program: Program,
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
                files=(*((name, as_bytes(content)) for name, content in files), *program.files),
                artefact=program.artefact,
                stdin=call(job.entry, text, nonce) if function else as_bytes(text),
                cpu_s=min(limits.time_s, cpu_left),
                wall_s=min(limits.wall_s, wall_left),
                memory_mb=limits.memory_mb,
                address_space_mb=language.address_space_mb(memory_mb=limits.memory_mb),
                stack_mb=language.stack_mb(memory_mb=limits.memory_mb),
                environment=language.environment(memory_mb=limits.memory_mb),
                output_bytes=output_bytes,
                answer_bytes=output_bytes + frames.NONCE_BYTES + 4 if function else 0,
            ),
            cancelled,
            root=language.run_root,
        )
        return judge(language, outcome, nonce=nonce if function else None)


def judge(language: Language, outcome: process.Outcome, *, nonce: bytes | None) -> Run:
    """The run that an outcome means. Precedence: TLE, MLE, OLE, RTE."""
    stderr = as_text(outcome.stderr.data)
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
        stdout=as_text(outcome.stdout.data),
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


def call(entry: str, arguments: str, nonce: bytes) -> bytes:
    """What the driver of a function task reads from its standard input."""
    head = json.dumps({"nonce": nonce.hex(), "entry": entry})
    return as_bytes(f'{head[:-1]}, "args": {arguments}}}')
