"""One submission in its container: commands go in, outcomes come out.

What the container answers is believed only as far as it could be true.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tasks.sandbox import launch, seccomp
from tasks.sandbox.base import SandboxError, SandboxUnavailable, Status
from tasks.sandbox.engine import DRIVERS, WIPED, WORK, Container, Gone
from tasks.sandbox.languages import LANGUAGES, Language
from tasks.sandbox.pipes import Capture
from tasks.sandbox.process import Outcome

OWN_MB = 24  # the bootstrap's own, beside what stands in memory only to be handed on
_GRACE_S = 3.0
_MIB = 1024 * 1024
_ANSWER_BYTES = 32 * _MIB  # what a compiler makes stands in the working directory, and in memory
_LANGUAGES = Path(__file__).parent / "languages"
_PLACE = re.compile(r"/usr/[\w./+-]+")
_ENVIRONMENT = {**launch._ENVIRONMENT, "PWD": WORK}

type Cancel = Callable[[], bool] | None


class Keeper(Protocol):
    """Who has the containers."""

    def take(self) -> Container: ...

    def give_back(self, container: Container) -> None: ...

    def abandon(self, container: Container) -> None:
        """The engine does not answer: remove it when it does again."""
        ...


@dataclass(frozen=True, slots=True)
class Image:
    """What the engine and a container of the image were asked once."""

    enforcement: str
    machine: str
    places: dict[str, str]

    def placed(self, text: str) -> str:
        """A command's part with every program where this image has it."""
        return _PLACE.sub(lambda found: self.places.get(found[0], found[0]), text)

    def has(self, language: Language) -> bool:
        return places(language) <= self.places.keys()


class Submission:
    """The containers of one evaluation: one, and another only when that one was lost."""

    def __init__(self, keeper: Keeper, image: Image, cancelled: Cancel) -> None:
        self._keeper = keeper
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
                self._container = self._keeper.take()
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
                    self._keeper.abandon(container)
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
            self._keeper.give_back(container)

    def _prepare(self, container: Container, command: launch.Command) -> None:
        files = self._files(command)
        passing = len(command.stdin) + sum(map(len, files.values()))
        passing += min(command.answer_bytes, _ANSWER_BYTES)
        container.limit_memory(math.ceil(command.memory_mb + 3 * passing / _MIB) + OWN_MB)
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


def ask_image(container: Container, enforcement: str) -> Image:
    """What a container knows of its machine and of its programs. Raises `Gone`."""
    wanted = sorted({place for language in LANGUAGES.values() for place in places(language)})
    head, _ = container.ask({"do": "hello", "places": wanted})
    try:
        machine, found = str(head["machine"]), dict(head["places"])
    except (KeyError, TypeError, ValueError):
        raise Gone("a record of another kind")
    if not seccomp.supported(machine):
        raise SandboxError(f"the sandbox has no system call filter for {machine}")
    found_here = {place: str(found[place]) for place in wanted if found.get(place)}
    return Image(enforcement, machine, found_here)


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


def places(language: Language) -> set[str]:
    """The programs and files that the language's commands name and that an image must have."""
    commands = (*language.build().argv, *language.stdio_command(memory_mb=256))
    named = {place for part in commands for place in _PLACE.findall(part)}
    return {place for place in named if not place.startswith(f"{DRIVERS}/")}
