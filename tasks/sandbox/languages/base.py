"""What the sandbox asks of a language."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from tasks.sandbox.rootfs import RootBuilder


class Language(Protocol):
    """How programs of one language are checked and run inside the sandbox.

    `fingerprint` names files of the machine; the commands are the sandbox's, with the program in
    `source_name` in the working directory.
    """

    name: str
    source_name: str

    def available(self) -> bool:
        """Whether this machine has the language."""
        ...

    def versions(self) -> tuple[str, ...]:
        """The versions that programs run under, as a person writes them."""
        ...

    def fingerprint(self) -> list[Path]:
        """Files whose change makes the installed copy out of date."""
        ...

    def install(self, root: RootBuilder) -> None:
        """Put the runtime into the sandbox's root."""
        ...

    def compile_command(self) -> tuple[str, ...]:
        """Exits with another code than 0 when the program is not of this language.

        Empty for Python, which the sandbox's server (`server.py`) compiles and can call itself.
        """
        ...

    def stdio_command(self, *, memory_mb: float) -> tuple[str, ...]: ...

    def function_command(self, *, memory_mb: float) -> tuple[str, ...]:
        """The driver, which reads a call from stdin and answers on a descriptor (`frames`).

        Its standard input is the JSON object `nonce` (hexadecimal), `entry`, `args`; its last
        argument is the number of the descriptor.
        """
        ...

    def address_space_mb(self, *, memory_mb: float) -> float | None: ...

    def ran_out_of_memory(self, *, code: int | None, signal: str | None, stderr: str) -> bool:
        """Whether the runtime itself reports that it ran out of memory."""
        ...
