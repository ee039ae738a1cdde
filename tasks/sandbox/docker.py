"""Programs in containers of a Docker engine, which may be on this machine or on another one.

One container a submission, never used again: it compiles once and runs every input in turn, and
between two runs nothing of a program is left in it (`inside/bootstrap.py`). What a run means is
decided here, by the same rules as for bubblewrap.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
from collections.abc import Mapping
from pathlib import Path

from tasks.sandbox import frames, launch
from tasks.sandbox.base import (
    Check,
    Evaluation,
    Files,
    Job,
    Run,
    SandboxError,
)
from tasks.sandbox.building import Program, as_bytes, build
from tasks.sandbox.docker_pool import Pool
from tasks.sandbox.engine import PATIENCE_S, Container, Engine, Gone
from tasks.sandbox.languages import LANGUAGES, Language
from tasks.sandbox.process import Bounds
from tasks.sandbox.series import call, judge, within_budget
from tasks.sandbox.submission import OWN_MB, Cancel, Image, Submission, ask_image, places

_LIFETIME_S = 600.0
_START_MB = 512
# Programs that say their version, and how they are asked.
_VERSION = dict.fromkeys(("python3", "node", "gcc", "g++", "java", "rustc", "tsc"), "--version")
_VERSION["compile"] = "-V"  # Go's


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
        self._found: Image | None = None
        self._asking = threading.Lock()
        self._versions: dict[str, str] | None = None
        self._left: list[Container] = []
        self.pool = Pool(self._start, size=pool, idle_s=idle_s)

    @property
    def enforcement(self) -> str:
        """`cgroup-v1` or `cgroup-v2` as the engine has it, else `docker`."""
        return self._image().enforcement

    def languages(self) -> Mapping[str, str]:
        """What the image has the programs for, and what those say of their versions."""
        image = self._image()
        with self._asking:
            if self._versions is None:
                offered = [name for name, language in LANGUAGES.items() if image.has(language)]
                with contextlib.closing(Submission(self, image, None)) as submission:
                    self._versions = {name: _version(name, submission) for name in offered}
            return self._versions

    def evaluate(self, job: Job, *, cancelled: Cancel = None) -> Evaluation:
        """See `Sandbox.evaluate`. Raises `ValueError` for a language that the image lacks."""
        image = self._image()
        language = LANGUAGES.get(job.language)
        if language is None or not image.has(language):
            raise ValueError(f"the language {job.language!r} is not available in this sandbox")
        if job.kind not in language.kinds:
            raise ValueError(f"the language {job.language!r} does not solve tasks of {job.kind!r}")
        self._remove_left()
        with contextlib.closing(Submission(self, image, cancelled)) as submission:
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

    def prepare(self) -> None:
        """Start in the background what the next evaluations will take."""
        self.pool.refill()

    def release(self) -> None:
        """Nothing belongs to a thread: what waits is for all of them, until `close`."""

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

    def _image(self) -> Image:
        with self._lock:
            if self._found is None:
                self._engine.sweep()
                enforcement = self._engine.enforcement()
                self._engine.image_id()
                container = self._start()
                try:
                    self._found = ask_image(container, enforcement)
                except Gone as error:
                    raise SandboxError(f"the container says nothing of itself: {error}")
                finally:
                    self.give_back(container)
            return self._found

    def _start(self) -> Container:
        """A container that has answered once: its bootstrap is loaded."""
        lifetime_s = self._idle_s + _LIFETIME_S
        container = self._engine.start(memory_mb=_START_MB + OWN_MB, lifetime_s=lifetime_s)
        try:
            container.ask({"do": "hello", "places": []})
        except Gone as error:
            ended = container.ended()
            self.give_back(container)
            raise SandboxError(f"the container does not start: {error} ({ended})")
        except BaseException:
            self.give_back(container)
            raise
        return container

    def take(self) -> Container:
        """One that answers: those that wait are gone when their engine was started again."""
        while True:
            container = self.pool.take()
            try:
                container.ask({"do": "hello", "places": []})
            except Gone:
                self.give_back(container)
            except BaseException:
                self.give_back(container)
                raise
            else:
                return container

    def give_back(self, container: Container) -> None:
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
            self.give_back(container)


def _runs(
    language: Language, job: Job, program: Program, submission: Submission
) -> tuple[Run, ...]:
    def one(text: str, files: Files, bounds: Bounds) -> Run:
        return _one(language, job, program, text, files, bounds, submission)

    return within_budget(job, one)


def _one(
    language: Language,
    job: Job,
    program: Program,
    text: str,
    files: Files,
    bounds: Bounds,
    submission: Submission,
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
            cpu_s=bounds.cpu_s,
            wall_s=bounds.wall_s,
            memory_mb=limits.memory_mb,
            address_space_mb=language.address_space_mb(memory_mb=limits.memory_mb),
            stack_mb=language.stack_mb(memory_mb=limits.memory_mb),
            environment=language.environment(memory_mb=limits.memory_mb),
            output_bytes=output_bytes,
            answer_bytes=output_bytes + frames.NONCE_BYTES + 4 if function else 0,
        )
    )
    return judge(language, outcome, nonce=nonce if function else None)


def _version(language: str, submission: Submission) -> str:
    """What the language's program says of its version, in one line; its name when nothing."""
    named = sorted(places(LANGUAGES[language]), reverse=True)
    for program in (place for place in named if Path(place).name in _VERSION):
        outcome = submission.run(
            launch.Command(
                argv=(program, _VERSION[Path(program).name]),
                files=(),
                stdin=b"",
                cpu_s=5,
                wall_s=10,
                memory_mb=256,
                address_space_mb=None,
                output_bytes=1024,
            )
        )
        said = bytes(outcome.stdout.data).decode("utf-8", "replace").strip()
        if said:
            return said.partition("\n")[0]
    return language
