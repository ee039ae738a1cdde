"""Programs in containers of a Docker engine, which may be on this machine or on another one.

One container a submission, never used again: it compiles once and runs every input in turn, and
between two runs nothing of a program is left in it (`inside/bootstrap.py`). What a run means is
decided here, by the same rules as for bubblewrap.
"""

from __future__ import annotations

import contextlib
import math
import re
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.sandbox import frames, launch, seccomp
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
from tasks.sandbox.bubblewrap import call, judge
from tasks.sandbox.building import Program, as_bytes, build
from tasks.sandbox.docker_pool import Pool
from tasks.sandbox.engine import DRIVERS, PATIENCE_S, WIPED, WORK, Container, Engine, Gone
from tasks.sandbox.languages import LANGUAGES, Language
from tasks.sandbox.pipes import Capture
from tasks.sandbox.process import Outcome

_GRACE_S = 3.0
_LIFETIME_S = 600.0
_START_MB = 512
_OWN_MB = 24  # the bootstrap's own, beside what stands in memory only to be handed on
_MIB = 1024 * 1024
_ANSWER_BYTES = 32 * _MIB  # what a compiler makes stands in the working directory, and in memory
_LANGUAGES = Path(__file__).parent / "languages"
_PLACE = re.compile(r"/usr/[\w./+-]+")
_ENVIRONMENT = {**launch._ENVIRONMENT, "PWD": WORK}

type Cancel = Callable[[], bool] | None


@dataclass(frozen=True, slots=True)
class _Image:
    """What the engine and a container of the image were asked once."""

    enforcement: str
    machine: str
    places: dict[str, str]

    def placed(self, text: str) -> str:
        """A command's part with every program where this image has it."""
        return _PLACE.sub(lambda found: self.places.get(found[0], found[0]), text)

    def has(self, language: Language) -> bool:
        return _places(language) <= self.places.keys()


class Docker:
    """Runs programs in containers. `pool` of them wait started; `host` is the engine's address.

    Evaluations may run in any number of threads at once; each has its own container.
    """

    name = "docker"

    def __init__(
        self,
        *,
        image: str,
        runtime: str = "",
        host: str = "",
        pool: int = 0,
        idle_s: float = 300.0,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._engine = Engine(image=image, runtime=runtime, host=host, patience_s=patience_s)
        self._idle_s = idle_s
        self._lock = threading.Lock()
        self._found: _Image | None = None
        self._left: list[Container] = []
        self.pool = Pool(self._start, size=pool, idle_s=idle_s)

    @property
    def enforcement(self) -> str:
        """`cgroup-v1` or `cgroup-v2` as the engine has it, else `docker`."""
        return self._image().enforcement

    def languages(self) -> tuple[str, ...]:
        """What the image has the programs for."""
        image = self._image()
        return tuple(name for name, language in LANGUAGES.items() if image.has(language))

    def evaluate(self, job: Job, *, cancelled: Cancel = None) -> Evaluation:
        """See `Sandbox.evaluate`. Raises `ValueError` for a language that the image lacks."""
        image = self._image()
        language = LANGUAGES.get(job.language)
        if language is None or not image.has(language):
            raise ValueError(f"the language {job.language!r} is not available in this sandbox")
        if job.kind not in language.kinds:
            raise ValueError(f"the language {job.language!r} does not solve tasks of {job.kind!r}")
        self._remove_left()
        with contextlib.closing(_Submission(self, image, cancelled)) as submission:
            program, output = build(language, job, lambda root, command: submission.run(command))
            runs: tuple[Run, ...] = ()
            if program is not None:
                with contextlib.closing(program):
                    runs = _runs(language, job, program, submission)
        self.pool.refill()
        return Evaluation(program is not None, output, runs, self.name, image.enforcement)

    def doctor(self) -> list[Check]:
        from tasks.sandbox import doctor

        return doctor.examine_docker(self)

    def where(self) -> str:
        """Which engine, and which image, as a person reads it."""
        return f"{self._engine.image}, {self._engine.address}"

    def version(self, language: str) -> str:
        """What the language's program says of its version."""
        image = self._image()
        program = sorted(_places(LANGUAGES[language]))[0]
        with contextlib.closing(_Submission(self, image, None)) as submission:
            outcome = submission.run(_version_command(program))
        lines = bytes(outcome.stdout.data + outcome.stderr.data).decode("utf-8", "replace")
        return lines.strip().partition("\n")[0]

    def trouble(self) -> str:
        """Why the engine cannot be used at this moment; nothing when it can."""
        try:
            self._engine.image_id()
        except SandboxError as error:
            return str(error)
        return ""

    def close(self) -> None:
        """Remove the containers that wait. Nothing else is left between evaluations."""
        self.pool.close()
        self._remove_left()
        self._engine.close()

    def _image(self) -> _Image:
        with self._lock:
            if self._found is None:
                self._engine.sweep()
                enforcement = self._engine.enforcement()
                self._engine.image_id()
                container = self._start()
                try:
                    self._found = _ask(container, enforcement)
                except Gone as error:
                    raise SandboxError(f"the container says nothing of itself: {error}")
                finally:
                    self._remove(container)
            return self._found

    def _start(self) -> Container:
        """A container that has answered once: its bootstrap is loaded."""
        lifetime_s = self._idle_s + _LIFETIME_S
        container = self._engine.start(memory_mb=_START_MB + _OWN_MB, lifetime_s=lifetime_s)
        try:
            container.ask({"do": "hello", "places": []})
        except Gone as error:
            ended = container.ended()
            self._remove(container)
            raise SandboxError(f"the container does not start: {error} ({ended})")
        except BaseException:
            self._remove(container)
            raise
        return container

    def _remove(self, container: Container) -> None:
        """Remove it now, or remember it until the engine answers again."""
        try:
            container.remove()
        except SandboxError:
            self.abandon(container)

    def abandon(self, container: Container) -> None:
        """Remove it when the engine answers again."""
        container.hang_up()
        self._left.append(container)

    def _remove_left(self) -> None:
        left, self._left = self._left, []
        for container in left:
            self._remove(container)


class _Submission:
    """The containers of one evaluation: one, and another only when that one was lost."""

    def __init__(self, docker: Docker, image: _Image, cancelled: Cancel) -> None:
        self._docker = docker
        self._image = image
        self._cancelled = cancelled
        self._filter = seccomp.program(image.machine)
        self._container: Container | None = None
        self._put: dict[str, bytes] = {}

    def run(self, command: launch.Command) -> Outcome:
        """Run a command in the container. Raises `SandboxError`, `Cancelled`.

        A container that is lost in the middle ended for want of memory, or did not answer in
        time, or else is the engine's fault: a program has no way to end it. So it gets one more
        try; a program that loses two has failed.
        """
        begin = time.monotonic()
        for _attempt in range(2):
            if self._container is None:
                self._container = self._docker.pool.take()
                self._put = {}
            container = self._container
            try:
                self._prepare(container, command)
                return self._ask(container, command)
            except Gone as gone:
                seconds = time.monotonic() - begin
                memory_kb = int(command.memory_mb * 1024)
                try:
                    out_of_memory = container.ended().out_of_memory
                except SandboxUnavailable:
                    self._docker.abandon(container)
                    self._container = None
                    raise
                self._lose()
                if gone.late:
                    return _stopped({Status.TLE}, seconds, command.cpu_s, 0)
                if out_of_memory:
                    return _stopped({Status.MLE}, seconds, seconds, memory_kb)
        return _stopped(set(), seconds, seconds, 0)

    def close(self) -> None:
        self._lose()

    def _lose(self) -> None:
        container, self._container = self._container, None
        if container is not None:
            self._docker._remove(container)

    def _prepare(self, container: Container, command: launch.Command) -> None:
        files = self._files(command)
        passing = len(command.stdin) + sum(map(len, files.values())) + command.answer_bytes
        container.limit_memory(math.ceil(command.memory_mb + 3 * passing / _MIB) + _OWN_MB)
        if files != self._put:
            container.ask(
                {"do": "put", "paths": list(files)}, *files.values(), cancelled=self._cancelled
            )
            self._put = files

    def _files(self, command: launch.Command) -> dict[str, bytes]:
        """What the run finds in its file system, by path."""
        files = {f"{WORK}/{name}": data for name, data in command.files}
        for part in command.argv:
            if part.startswith(f"{DRIVERS}/"):
                files[part] = (_LANGUAGES / Path(part).name).read_bytes()
        if command.artefact:
            path = f"{WORK}/{command.artefact.name}"
            if path not in self._put:
                with open(command.artefact.open(), "rb") as file:
                    files[path] = file.read()
            else:
                files[path] = self._put[path]
        return files

    def _ask(self, container: Container, command: launch.Command) -> Outcome:
        rlimits = {"cpu": math.ceil(command.cpu_s) + 1}
        if command.address_space_mb is not None:
            rlimits["as"] = int(command.address_space_mb * _MIB)
        if command.stack_mb is not None:
            rlimits["stack"] = int(command.stack_mb * _MIB)
        answer_bytes = min(command.answer_bytes, _ANSWER_BYTES)
        argv = [self._image.placed(part) for part in command.argv]
        request = {
            "do": "run",
            "argv": [*argv, "3"] if answer_bytes else argv,
            "env": {**_ENVIRONMENT, **dict(command.environment)},
            "cwd": WORK,
            "rlimits": rlimits,
            "cpu_s": command.cpu_s,
            "wall_s": command.wall_s,
            "memory_bytes": int(command.memory_mb * _MIB),
            "output_bytes": command.output_bytes,
            "answer_bytes": answer_bytes,
            "wipe": WIPED,
        }
        head, captured = container.ask(
            request,
            command.stdin,
            self._filter,
            reply_bytes=2 * command.output_bytes + answer_bytes,
            patience_s=command.wall_s + _GRACE_S,
            cancelled=self._cancelled,
        )
        return _outcome(command, head, captured)


def _ask(container: Container, enforcement: str) -> _Image:
    """What a container knows of its machine and of its programs. Raises `Gone`."""
    wanted = sorted({place for language in LANGUAGES.values() for place in _places(language)})
    head, _ = container.ask({"do": "hello", "places": wanted})
    try:
        machine, found = str(head["machine"]), dict(head["places"])
    except (KeyError, TypeError, ValueError):
        raise Gone("a record of another kind")
    if not seccomp.supported(machine):
        raise SandboxError(f"the sandbox has no system call filter for {machine}")
    places = {place: str(found[place]) for place in wanted if found.get(place)}
    return _Image(enforcement, machine, places)


def _outcome(command: launch.Command, head: dict[str, Any], captured: list[bytes]) -> Outcome:
    """The record of a run, believed only as far as it could be true. Raises `Gone`."""
    caps = [command.output_bytes, command.output_bytes]
    if command.answer_bytes:
        caps.append(min(command.answer_bytes, _ANSWER_BYTES))
    try:
        if head["complaint"]:
            raise SandboxError(f"the program does not start: {head['complaint'][:500]}")
        truncated = [flag is True for flag in head["truncated"]]
        captures = [
            Capture(cap, bytearray(data[:cap]), cut)
            for cap, data, cut in zip(caps, captured, truncated, strict=True)
        ]
        code, signal = head["code"], head["signal"]
        if not (code is None or (type(code) is int and 0 <= code <= 255)):
            raise ValueError("code")
        if not (signal is None or re.fullmatch(r"SIG[A-Z0-9+-]{1,12}", signal)):
            raise ValueError("signal")
        duration, cpu_time = float(head["duration"]), float(head["cpu_time"])
        longest = command.wall_s + _GRACE_S
        if not (0 <= duration <= longest and 0 <= cpu_time <= 64 * longest):
            raise ValueError("time")
        memory_kb = int(head["memory_kb"])
        if not 0 <= memory_kb < 1 << 40:
            raise ValueError("memory")
        over = frozenset(Status(word) for word in head["over"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise Gone(f"a record that cannot be true: {error}")
    stdout, stderr, answer = [*captures, Capture(0)][:3]
    return Outcome(code, signal, over, stdout, stderr, answer, duration, cpu_time, memory_kb)


def _stopped(over: set[Status], duration: float, cpu_time: float, memory_kb: int) -> Outcome:
    """A run of which nothing is known but that it was stopped."""
    nothing = (Capture(0), Capture(0), Capture(0))
    return Outcome(None, "SIGKILL", frozenset(over), *nothing, duration, cpu_time, memory_kb)


def _places(language: Language) -> set[str]:
    """The programs and files that the language's commands name and that an image must have."""
    commands = (*language.build().argv, *language.stdio_command(memory_mb=256))
    named = {place for part in commands for place in _PLACE.findall(part)}
    return {place for place in named if not place.startswith(f"{DRIVERS}/")}


def _runs(
    language: Language, job: Job, program: Program, submission: _Submission
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
        run = _one(language, job, program, text, files, cpu_left, wall_left, submission)
        cpu_left -= run.cpu_time
        runs.append(run)
    return tuple(runs)


def _one(
    language: Language,
    job: Job,
    program: Program,
    text: str,
    files: Files,
    cpu_left: float,
    wall_left: float,
    submission: _Submission,
) -> Run:
    limits = job.limits
    function = job.kind == "function"
    nonce = secrets.token_bytes(frames.NONCE_BYTES)
    output_bytes = limits.output_kb * 1024
    make = language.function_command if function else language.stdio_command
    outcome = submission.run(
        launch.Command(
            argv=(*make(memory_mb=limits.memory_mb), *job.arguments),
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
        )
    )
    return judge(language, outcome, nonce=nonce if function else None)


def _version_command(program: str) -> launch.Command:
    return launch.Command(
        argv=(program, "--version"),
        files=(),
        stdin=b"",
        cpu_s=5,
        wall_s=10,
        memory_mb=256,
        address_space_mb=None,
        output_bytes=1024,
    )
