"""What the rest of the product knows of a sandbox: a job goes in, an evaluation comes out.

Nothing here depends on a backend, on Django settings or on the database. `Job` and `Evaluation`
travel as plain JSON between hosts; both are validated when they are read back, because a runner
host and the web process do not trust each other's bytes.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any, NoReturn, Protocol, Self, get_args, get_type_hints

from tasks.spec import Limits

type Files = tuple[tuple[str, str], ...]

KINDS = ("stdio", "function", "sql")
# Beside the program, or in one folder there; what begins with a dot is nobody's plain file.
_FILE_NAME = re.compile(r"(?:[A-Za-z0-9_-]+/)?[A-Za-z0-9_-][A-Za-z0-9_.-]*")
# Seconds that one evaluation may take over all of its runs (contract, section 7).
CPU_BUDGET_S = 20.0
WALL_BUDGET_S = 60.0
ENFORCEMENTS = ("cgroup-v1", "cgroup-v2", "watchdog", "docker")


def gettext_noop(text: str) -> str:
    """Marks a sentence for the message catalogue, as Django's does, without needing settings.

    What the sandbox says to a candidate is translated where it is shown: a runner host does not
    know who reads it.
    """
    return text


class SandboxError(Exception):
    """The sandbox failed, not the program in it: the verdict is IE."""


class SandboxUnavailable(SandboxError):
    """There is no working sandbox here; the message says what is missing and the remedy."""


class Cancelled(SandboxError):
    """The caller's `cancelled` said so; every process of the evaluation is gone."""


class Status(StrEnum):
    """How one run ended. The order is the precedence when several hold, the OK last."""

    TLE = "TLE"
    MLE = "MLE"
    OLE = "OLE"
    RTE = "RTE"
    OK = "OK"


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the program on one input.

    `duration` and `cpu_time` are seconds, `memory_kb` the peak of the whole process tree in KiB,
    `stdout_bytes` the bytes really written to stdout, up to the cap. `exit_code` is null when a
    signal ended the program. `result` is the decoded value of a function's answer and counts only
    when `has_result`; `protocol_error` says why there is none.
    """

    status: Status
    exit_code: int | None
    exit_signal: str | None
    stdout: str
    stderr: str
    stdout_bytes: int
    duration: float
    cpu_time: float
    memory_kb: int
    truncated: bool
    result: Any = None
    has_result: bool = False
    protocol_error: str = ""

    @classmethod
    def never_started(cls) -> Self:
        """What stands for an input that the budget of the evaluation did not reach."""
        return cls(
            status=Status.TLE,
            exit_code=None,
            exit_signal=None,
            stdout="",
            stderr="",
            stdout_bytes=0,
            duration=0.0,
            cpu_time=0.0,
            memory_kb=0,
            truncated=False,
        )

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "status": str(self.status)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Raises `ValueError` for anything that `to_dict` cannot have made."""
        values = _checked(cls, data)
        values["status"] = Status(values["status"])
        run = cls(**values)
        if min(run.stdout_bytes, run.duration, run.cpu_time, run.memory_kb) < 0:
            raise ValueError("Run: a negative measure")
        if run.has_result is False and run.result is not None:
            raise ValueError("Run: a result that does not count")
        return run


@dataclass(frozen=True, slots=True)
class Job:
    """A program and the inputs to run it on.

    `inputs` are texts for standard input, or, for the kind `function`, JSON texts of the list of
    arguments that `entry` is called with; for the kind `sql` scripts that make the tables. The
    budgets, in seconds, hold over all runs together. `files`, unless empty, has for each input the
    files that stand beside the program during that run, as names and texts; `arguments` follow the
    program on its command line.
    """

    language: str
    source: str
    kind: str
    entry: str
    inputs: tuple[str, ...]
    limits: Limits
    cpu_budget_s: float = CPU_BUDGET_S
    wall_budget_s: float = WALL_BUDGET_S
    files: tuple[Files, ...] = ()
    arguments: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"Job: kind {self.kind!r} does not run in a sandbox")
        if self.files and len(self.files) != len(self.inputs):
            raise ValueError("Job: files must be given for every input or for none")
        if not all(_FILE_NAME.fullmatch(name) for given in self.files for name, _text in given):
            raise ValueError("Job: a file has a name that is not plain")
        if any("\0" in argument for argument in self.arguments):
            raise ValueError("Job: an argument holds a NUL character")
        if self.kind == "function":
            if not (self.entry.isascii() and self.entry.isidentifier()):
                raise ValueError("Job: entry must be a plain identifier")
            for text in self.inputs:
                _check_arguments(text)
        limits = self.limits
        measures = (limits.time_s, limits.memory_mb, limits.output_kb)
        if not all(math.isfinite(x) and x > 0 for x in measures):
            raise ValueError("Job: limits must be positive and finite")
        if not all(math.isfinite(x) and x >= 0 for x in (self.cpu_budget_s, self.wall_budget_s)):
            raise ValueError("Job: budgets must be finite and not negative")

    def to_dict(self) -> dict[str, Any]:
        return {
            **asdict(self),
            "inputs": list(self.inputs),
            "files": [[list(file) for file in given] for given in self.files],
            "arguments": list(self.arguments),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Raises `ValueError` for anything that `to_dict` cannot have made."""
        values = _checked(cls, data)
        if not all(isinstance(text, str) for text in values["inputs"]):
            raise ValueError("Job: inputs must be texts")
        if not all(isinstance(text, str) for text in values["arguments"]):
            raise ValueError("Job: arguments must be texts")
        values["inputs"] = tuple(values["inputs"])
        values["arguments"] = tuple(values["arguments"])
        values["files"] = tuple(_files(given) for given in values["files"])
        values["limits"] = Limits(**_checked(Limits, values["limits"]))
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What became of a job: `runs` has one entry for each input, in order, unless not compiled.

    When `compiled` is false the verdict is CE, `compile_output` says why and `runs` is empty.
    """

    compiled: bool
    compile_output: str
    runs: tuple[Run, ...]
    sandbox: str
    enforcement: str

    def to_dict(self) -> dict[str, Any]:
        return {
            "compiled": self.compiled,
            "compile_output": self.compile_output,
            "runs": [run.to_dict() for run in self.runs],
            "sandbox": self.sandbox,
            "enforcement": self.enforcement,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Raises `ValueError` for anything that `to_dict` cannot have made."""
        values = _checked(cls, data)
        values["runs"] = tuple(Run.from_dict(run) for run in values["runs"])
        if values["enforcement"] not in ENFORCEMENTS:
            raise ValueError(f"Evaluation: enforcement {values['enforcement']!r}")
        if values["runs"] and not values["compiled"]:
            raise ValueError("Evaluation: runs of a program that did not compile")
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Check:
    """One line of `sandbox_doctor`: what was tried, whether it held, and the remedy if not.

    A check that is not `required` describes the machine; the sandbox works without it.
    """

    name: str
    ok: bool
    detail: str
    remedy: str = ""
    required: bool = True


class Sandbox(Protocol):
    """A place to run programs that nobody trusts."""

    name: str

    def languages(self) -> Mapping[str, str]:
        """The languages whose programs it can run, with their versions. Raises `SandboxError`."""
        ...

    def evaluate(self, job: Job, *, cancelled: Callable[[], bool] | None = None) -> Evaluation:
        """Compile `job.source` once and run it on every input.

        Raises `Cancelled` soon after `cancelled()` is true and `SandboxError` when the sandbox
        itself fails. Nothing of the evaluation is left over when this returns or raises.
        """
        ...

    def prepare(self) -> None:
        """Get ready for the next evaluation in this thread, where that saves it time."""
        ...

    def release(self) -> None:
        """Give back what `prepare` has made in this thread."""
        ...

    def doctor(self) -> list[Check]:
        """Try the sandbox against what it must contain."""
        ...

    def trouble(self) -> str:
        """Why it cannot run a program at this moment; nothing when it can."""
        ...

    def close(self) -> None:
        """Give back what is held between evaluations. Idempotent."""
        ...


def _files(given: Any) -> Files:
    if not isinstance(given, list | tuple):
        raise ValueError("Job: the files of an input must be a list")
    for file in given:
        if not (isinstance(file, list | tuple) and [type(part) for part in file] == [str, str]):
            raise ValueError("Job: a file is a name and a text")
    return tuple((name, text) for name, text in given)


def _check_arguments(text: str) -> None:
    try:
        arguments = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"Job: the arguments are not JSON: {error}")
    if not isinstance(arguments, list):
        raise ValueError("Job: the arguments must be a JSON list")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _checked(cls: type, data: Any) -> dict[str, Any]:
    """`data` as constructor arguments of `cls`: every field, no other, each of its JSON type."""
    if not isinstance(data, Mapping):
        raise ValueError(f"{cls.__name__}: not an object")
    expected = {field.name for field in fields(cls)}
    if set(data) != expected:
        raise ValueError(f"{cls.__name__}: fields {sorted(set(data) ^ expected)}")
    hints = get_type_hints(cls)
    for name, value in data.items():
        if hints[name] is not Any and not _fits(hints[name], value):
            raise ValueError(f"{cls.__name__}: {name} has the type {type(value).__name__}")
    return dict(data)


def _fits(hint: Any, value: Any) -> bool:
    options = get_args(hint)
    if getattr(hint, "__origin__", None) is tuple:
        return isinstance(value, (list, tuple))
    if options:
        return any(_fits(option, value) for option in options)
    if hint is Limits:
        return isinstance(value, Mapping)
    if hint is Status:
        return isinstance(value, str)
    if hint is float:
        return (
            isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        )
    return type(value) is hint
