"""What the sandbox asks of a language."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

from tasks.sandbox.rootfs import RootBuilder

STDIO: tuple[str, ...] = ("stdio",)
STDIO_AND_FUNCTION: tuple[str, ...] = ("stdio", "function")


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """What happens once with a program, before any run, in a sandbox and within limits of its own.

    The command exits with another code than 0 when the program is not of this language. Where it
    makes something, `artefact` is the name that the runs know it under, and the command writes it
    to the descriptor whose number is its last argument; without `artefact` the source itself runs.
    CPU and wall time in seconds, memory in MiB; no address space limit when that is None.
    """

    argv: tuple[str, ...]
    artefact: str = ""
    mode: int = 0o644
    cpu_s: float = 5.0
    wall_s: float = 12.0
    memory_mb: float = 512
    address_space_mb: float | None = None
    environment: tuple[tuple[str, str], ...] = ()


class Part(Protocol):
    """Something that is copied into a root file system of the sandbox."""

    def fingerprint(self) -> list[Path]:
        """Files of the machine whose change makes the copy out of date."""
        ...

    def install(self, root: RootBuilder) -> None:
        """Put it into the sandbox's root; nothing where the machine does not have it."""
        ...


class Language(Protocol):
    """How programs of one language are compiled and run inside the sandbox.

    The commands are the sandbox's, with the program as `source_name` in the working directory, or
    with what `build` made of it. `build_root` and `run_root` name entries of `ROOTS`. `package` is
    what an operator of Debian or Ubuntu installs to have the language, `kinds` the kinds of task
    that it can solve, `sample` a program that prints 42. `served` is whether the sandbox's own
    server (`server.py`, in Python) can compile and call its programs itself.
    """

    name: str
    source_name: str
    kinds: tuple[str, ...]
    package: str
    build_root: str
    run_root: str
    sample: str
    served: bool

    def available(self) -> bool:
        """Whether this machine has the language."""
        ...

    def versions(self) -> tuple[str, ...]:
        """The versions that programs run under, as a person writes them."""
        ...

    def build(self) -> Build: ...

    def stdio_command(self, *, memory_mb: float) -> tuple[str, ...]: ...

    def function_command(self, *, memory_mb: float) -> tuple[str, ...]:
        """The driver, which reads a call from stdin and answers on a descriptor (`frames`).

        Its standard input is the JSON object `nonce` (hexadecimal), `entry`, `args`; its last
        argument is the number of the descriptor. Only for languages whose `kinds` say so.
        """
        ...

    def environment(self, *, memory_mb: float) -> tuple[tuple[str, str], ...]:
        """Variables that its programs run with, beside those of every program."""
        ...

    def address_space_mb(self, *, memory_mb: float) -> float | None: ...

    def stack_mb(self, *, memory_mb: float) -> float | None:
        """How far the stack of a program's main thread may grow; None: what the system gives."""
        ...

    def ran_out_of_memory(self, *, code: int | None, signal: str | None, stderr: str) -> bool:
        """Whether the runtime itself reports that it ran out of memory."""
        ...


@cache
def ask(*command: str | Path) -> str:
    """What a toolchain says of itself on standard output, stripped; nothing when it fails."""
    try:
        return subprocess.run(
            list(map(str, command)),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=60,
            check=True,
            stdin=subprocess.DEVNULL,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
