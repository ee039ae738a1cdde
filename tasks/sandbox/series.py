"""The runs of one job: compiled once, run on every input, within the budgets of the evaluation.

What the small root with the interpreters can run stays in one sandbox from its first run to its
last, as long as that sandbox is as it was (`forkserver`). What runs elsewhere, or beside files that
are others in each run, gets a sandbox for each run.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from tasks.sandbox import building, forkserver, frames, launch, process
from tasks.sandbox.base import Files, Job, Run, SandboxError, Status
from tasks.sandbox.building import as_bytes, as_text
from tasks.sandbox.languages import SCRIPTS, Language

if TYPE_CHECKING:
    from tasks.sandbox.bubblewrap import Bubblewrap


def within_budget(job: Job, one: Callable[[str, Files, process.Bounds], Run]) -> tuple[Run, ...]:
    """`one` run for each input of `job`, with its files and bounds, as far as the budgets reach."""
    runs: list[Run] = []
    limits = job.limits
    cpu_left = job.cpu_budget_s
    end = time.monotonic() + job.wall_budget_s
    for number, text in enumerate(job.inputs):
        wall_left = end - time.monotonic()
        if cpu_left <= 0 or wall_left <= 0:
            runs.append(Run.never_started())
            continue
        bounds = process.Bounds(min(limits.time_s, cpu_left), min(limits.wall_s, wall_left))
        run = one(text, job.files[number] if job.files else (), bounds)
        cpu_left -= run.cpu_time
        runs.append(run)
    return tuple(runs)


class Series:
    """One evaluation; everything of it is gone when the `with` block ends."""

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
        self._served = language.run_root == SCRIPTS and not job.files
        self._calls = self._served and language.served
        self._program = building.Program(((language.source_name, as_bytes(job.source)),))
        self._server: forkserver.ForkServer | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        self._program.close()

    def _end(self) -> None:
        if self._server is not None:
            self._server.close()
        self._server = None

    def compile(self) -> tuple[bool, str]:
        """Whether it compiles, and what was said about that."""
        if self._calls:
            checked = self._check(self._serve())
            return checked.ok, building.complaint(checked.said, checked.over, compiled=checked.ok)
        program, output = building.build(
            self._language, self._job, self._alone, as_file=self._served
        )
        self._program = program or self._program
        return program is not None, output

    def _alone(self, root: str, command: launch.Command) -> process.Outcome:
        return self._sandbox.run(command, self._cancelled, root=root)

    def runs(self) -> tuple[Run, ...]:
        return within_budget(self._job, self._one)

    def _one(self, text: str, files: Files, bounds: process.Bounds) -> Run:
        function = self._job.kind == "function"
        nonce = secrets.token_bytes(frames.NONCE_BYTES) if function else None
        if self._served:
            outcome = self._in_server(text, bounds, nonce)
        else:
            outcome = self._in_own(text, files, bounds, nonce)
        return judge(self._language, outcome, nonce=nonce)

    def _argv(self, nonce: bytes | None) -> tuple[str, ...]:
        language, memory_mb = self._language, self._job.limits.memory_mb
        command = language.stdio_command if nonce is None else language.function_command
        return (*command(memory_mb=memory_mb), *self._job.arguments)

    def _stdin(self, text: str, nonce: bytes | None) -> bytes:
        return as_bytes(text) if nonce is None else call(self._job.entry, text, nonce)

    def _in_own(
        self, text: str, files: Files, bounds: process.Bounds, nonce: bytes | None
    ) -> process.Outcome:
        language, limits = self._language, self._job.limits
        output_bytes = limits.output_kb * 1024
        command = launch.Command(
            argv=self._argv(nonce),
            files=(*((name, as_bytes(content)) for name, content in files), *self._program.files),
            artefact=self._program.artefact,
            stdin=self._stdin(text, nonce),
            cpu_s=bounds.cpu_s,
            wall_s=bounds.wall_s,
            memory_mb=limits.memory_mb,
            address_space_mb=language.address_space_mb(memory_mb=limits.memory_mb),
            stack_mb=language.stack_mb(memory_mb=limits.memory_mb),
            environment=language.environment(memory_mb=limits.memory_mb),
            output_bytes=output_bytes,
            answer_bytes=0 if nonce is None else output_bytes + frames.NONCE_BYTES + 4,
        )
        return self._alone(language.run_root, command)

    def _in_server(self, text: str, bounds: process.Bounds, nonce: bytes | None) -> process.Outcome:
        language, limits = self._language, self._job.limits
        output_bytes = limits.output_kb * 1024
        program = forkserver.Program(
            argv=self._argv(nonce),
            stdin=self._stdin(text, nonce),
            bounds=bounds,
            memory_mb=limits.memory_mb,
            address_space_mb=language.address_space_mb(memory_mb=limits.memory_mb),
            output_bytes=output_bytes,
        )
        if nonce is not None:
            program = replace(program, answer_bytes=output_bytes + frames.NONCE_BYTES + 4)
            if self._calls:
                program = replace(program, argv=(), stdin=b"", call=(nonce, self._job.entry, text))
        return self._ready().run(program, cancelled=self._cancelled)

    def _ready(self) -> forkserver.ForkServer:
        """The server of the run before, or a new one where that one has ended."""
        if self._server is not None and self._server.usable():
            return self._server
        server = self._serve()
        if self._calls and self._job.kind == "function" and not self._check(server).ok:
            raise SandboxError("a program that compiled does not compile again")
        return server

    def _serve(self) -> forkserver.ForkServer:
        self._end()
        self._server = self._sandbox.serve()
        for name, data in self._program.files:
            self._server.put(f"{launch.WORK}/{name}", data)
        return self._server

    def _check(self, server: forkserver.ForkServer) -> forkserver.Compiled:
        how = self._language.build()
        return server.check(
            f"{launch.WORK}/{self._language.source_name}",
            bounds=process.Bounds(how.cpu_s, how.wall_s),
            memory_mb=how.memory_mb,
            address_space_mb=2 * how.memory_mb,
            output_bytes=building.OUTPUT,
            cancelled=self._cancelled,
        )


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
    """The standard input of a driver for one call; `arguments` is the JSON text of a list."""
    head = json.dumps({"nonce": nonce.hex(), "entry": entry})
    return as_bytes(f'{head[:-1]}, "args": {arguments}}}')
