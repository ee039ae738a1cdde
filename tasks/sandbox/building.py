"""From the source of a program to what its runs are given: checked or compiled, once.

The compiler runs in a sandbox of its own. What it makes comes out as bytes through one descriptor,
up to a cap; nobody looks into them, and each run gets them as a file that it cannot change. No
directory is shared, and nothing is collected from a file system that a program could write to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tasks.sandbox import launch, process
from tasks.sandbox.base import Job, Status
from tasks.sandbox.base import gettext_noop as _
from tasks.sandbox.languages import Language
from tasks.sandbox.pipes import Artefact, Capture

ARTEFACT_MIB = 64
_WORK_MIB = 3 * ARTEFACT_MIB  # with what a compiler leaves on its way there
OUTPUT = 64 * 1024
_TOO_SLOW = _("Compiling took too long.")
_TOO_MUCH = _("Compiling took too much memory.")
_TOO_LARGE = _("The compiled program is larger than 64 MiB.")
_NOTHING = _("The compiler made no program.")
_CRASHED = _("The compiler ended without saying why.")

RunIn = Callable[[str, launch.Command], process.Outcome]


@dataclass(frozen=True, slots=True)
class Program:
    """What every run of a program is given: its source, or what was made of it."""

    files: tuple[tuple[str, bytes], ...]
    artefact: Artefact | None = None

    def close(self) -> None:
        if self.artefact:
            self.artefact.close()


def build(
    language: Language, job: Job, run: RunIn, *, as_file: bool = False
) -> tuple[Program | None, str]:
    """The program, to be closed by the caller, or None, and what the compiler said.

    `run` runs a command in the root file system of that name. What was made becomes an artefact, or
    with `as_file` a file like any source.
    """
    how = language.build()
    source = ((language.source_name, as_bytes(job.source)),)
    outcome = run(
        language.build_root,
        launch.Command(
            argv=how.argv,
            files=source,
            stdin=b"",
            cpu_s=how.cpu_s,
            wall_s=how.wall_s,
            memory_mb=how.memory_mb,
            address_space_mb=how.address_space_mb,
            output_bytes=OUTPUT,
            answer_bytes=ARTEFACT_MIB * 1024 * 1024 if how.artefact else 0,
            environment=(("TMPDIR", launch.WORK), *how.environment),
            work_mib=_WORK_MIB,
        ),
    )
    made = bytes(outcome.answer.data)
    complaints = []
    if outcome.answer.truncated:
        complaints.append(_TOO_LARGE)
    if how.artefact and outcome.code == 0 and not made:
        complaints.append(_NOTHING)
    compiled = outcome.code == 0 and not outcome.over and not complaints
    output = complaint(outcome.stderr, outcome.over, outcome.stdout, *complaints, compiled=compiled)
    if not compiled:
        return None, output
    if not how.artefact:
        return Program(source), output
    if as_file:
        return Program(((how.artefact, made),)), output
    return Program((), Artefact(made, name=how.artefact, mode=how.mode)), output


def complaint(
    said: Capture,
    over: frozenset[Status],
    more: Capture | None = None,
    *reasons: str,
    compiled: bool,
) -> str:
    """What the compiler said, and why it was stopped, for the candidate."""
    output = as_text(said.data) + (as_text(more.data) if more else "")
    lines = [output.replace(f"{launch.WORK}/", "").strip(), *reasons]
    if Status.TLE in over:
        lines.append(_TOO_SLOW)
    if Status.MLE in over:
        lines.append(_TOO_MUCH)
    output = "\n".join(lines).strip()
    return output if compiled or output else _CRASHED


def as_bytes(text: str) -> bytes:
    """UTF-8; what is not text stays wrong, for the language to refuse."""
    return text.encode("utf-8", "surrogatepass")


def as_text(data: bytes | bytearray) -> str:
    return bytes(data).decode("utf-8", "replace")
