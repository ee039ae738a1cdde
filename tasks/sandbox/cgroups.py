"""Control groups: the kernel counts and limits a run's whole process tree.

Version 1 wants writable `memory` and `cpuacct` hierarchies (`pids` is used where it is there),
version 2 a group in which `memory` and `pids` can be given to children. Interfaces:
Documentation/admin-guide/cgroup-v1/ and cgroup-v2.rst of the kernel.
"""

from __future__ import annotations

import itertools
import os
import time
from pathlib import Path
from typing import Protocol

from tasks.sandbox.base import SandboxError
from tasks.sandbox.meters import MAX_PROCESSES, Meter

_PREFIX = "neurogame-"
_number = itertools.count()


class Hierarchy(Protocol):
    """A place where groups for runs can be made."""

    enforcement: str

    def group(self, *, memory_mb: float) -> Meter:
        """A new group with that limit in MiB. Raises `SandboxError`."""
        ...


def find() -> Hierarchy | None:
    """The control groups that this process may use, proven by making one; None without."""
    for kind in (_Version1, _Version2):
        for hierarchy in kind.candidates():
            try:
                hierarchy.group(memory_mb=64).close()
            except SandboxError:
                continue
            hierarchy.sweep()
            return hierarchy
    return None


class _Group:
    """Directories of one run, one for each hierarchy."""

    enforcement = ""

    def __init__(self, directories: list[Path]) -> None:
        self._directories: list[Path] = []
        try:
            for directory in directories:
                directory.mkdir()
                self._directories.append(directory)
        except OSError as error:
            self.close()
            raise SandboxError(f"cannot make a control group: {error}")

    def attach(self, pid: int) -> None:
        try:
            for directory in self._directories:
                _write(directory / "cgroup.procs", pid)
        except OSError as error:
            raise SandboxError(f"cannot move a process into its control group: {error}")

    def interval_s(self, elapsed_s: float) -> float:
        return 0.05

    def close(self) -> None:
        for directory in self._directories:
            _remove(directory)
        self._directories = []


class _Group1(_Group):
    enforcement = "cgroup-v1"

    def __init__(self, bases: dict[str, Path], *, memory_mb: float) -> None:
        name = _name()
        self._memory = bases["memory"] / name
        self._cpu = bases["cpuacct"] / name
        super().__init__(list(dict.fromkeys(base / name for base in bases.values())))
        limit = int(memory_mb * 1024 * 1024)
        try:
            _write(self._memory / "memory.limit_in_bytes", limit)
            with_swap = self._memory / "memory.memsw.limit_in_bytes"
            if with_swap.exists():
                _write(with_swap, limit)
            if "pids" in bases:
                _write(bases["pids"] / name / "pids.max", MAX_PROCESSES)
            self.cpu_s()
            self._killed()
        except (OSError, ValueError) as error:
            self.close()
            raise SandboxError(f"cannot set the limits of a control group: {error}")

    def cpu_s(self) -> float:
        return _read_number(self._cpu / "cpuacct.usage") / 1e9

    def over_memory(self) -> bool:
        return self._killed() > 0

    def peak_kb(self) -> int:
        return _read_number(self._memory / "memory.max_usage_in_bytes") // 1024

    def _killed(self) -> int:
        return _read_table(self._memory / "memory.oom_control")["oom_kill"]


class _Group2(_Group):
    enforcement = "cgroup-v2"

    def __init__(self, base: Path, *, memory_mb: float) -> None:
        self._directory = base / _name()
        self._peak = 0
        super().__init__([self._directory])
        try:
            _write(self._directory / "memory.max", int(memory_mb * 1024 * 1024))
            _write(self._directory / "pids.max", MAX_PROCESSES)
            for name, value in (("memory.swap.max", 0), ("memory.oom.group", 1)):
                if (self._directory / name).exists():
                    _write(self._directory / name, value)
            self.cpu_s()
            self.over_memory()
        except (OSError, ValueError, KeyError) as error:
            self.close()
            raise SandboxError(f"cannot set the limits of a control group: {error}")

    def cpu_s(self) -> float:
        return _read_table(self._directory / "cpu.stat")["usage_usec"] / 1e6

    def over_memory(self) -> bool:
        self.peak_kb()
        return _read_table(self._directory / "memory.events")["oom_kill"] > 0

    def peak_kb(self) -> int:
        """`memory.peak` came with Linux 5.19; before it, the highest value seen while looking."""
        exact = self._directory / "memory.peak"
        source = exact if exact.exists() else self._directory / "memory.current"
        self._peak = max(self._peak, _read_number(source))
        return self._peak // 1024


class _Version1:
    enforcement = "cgroup-v1"

    def __init__(self, bases: dict[str, Path]) -> None:
        self._bases = bases

    @classmethod
    def candidates(cls) -> list[_Version1]:
        own = {}
        for line in _lines("/proc/self/cgroup"):
            _, controllers, path = line.split(":", 2)
            own.update(dict.fromkeys(controllers.split(","), path))
        bases = {}
        for _, target, kind, options, *_ in (line.split() for line in _lines("/proc/self/mounts")):
            if kind != "cgroup":
                continue
            for controller in {"memory", "cpuacct", "pids"} & set(options.split(",")):
                inside = Path(target, own.get(controller, "/").lstrip("/"))
                bases[controller] = inside if inside.is_dir() else Path(target)
        return [cls(bases)] if {"memory", "cpuacct"} <= set(bases) else []

    def group(self, *, memory_mb: float) -> Meter:
        return _Group1(self._bases, memory_mb=memory_mb)

    def sweep(self) -> None:
        for base in self._bases.values():
            _sweep(base)


class _Version2:
    enforcement = "cgroup-v2"

    def __init__(self, base: Path) -> None:
        self._base = base

    @classmethod
    def candidates(cls) -> list[_Version2]:
        own = "/"
        for line in _lines("/proc/self/cgroup"):
            if line.startswith("0::"):
                own = line[3:]
        found = []
        for _, target, kind, *_ in (line.split() for line in _lines("/proc/self/mounts")):
            if kind == "cgroup2":
                bases = dict.fromkeys((Path(target, own.lstrip("/")), Path(target)))
                found += [cls(base) for base in bases if cls._gives(base)]
        return found

    @staticmethod
    def _gives(base: Path) -> bool:
        """Whether children of `base` have the controllers, after asking for them."""
        control = base / "cgroup.subtree_control"
        wanted = {"memory", "pids"}
        try:
            if not wanted <= set(control.read_text().split()):
                _write(control, "+memory +pids")
            return wanted <= set(control.read_text().split())
        except OSError:
            return False

    def group(self, *, memory_mb: float) -> Meter:
        return _Group2(self._base, memory_mb=memory_mb)

    def sweep(self) -> None:
        _sweep(self._base)


def _name() -> str:
    return f"{_PREFIX}{os.getpid()}-{next(_number)}"


def _sweep(base: Path) -> None:
    """Remove the groups of servers that were killed; their processes died with them."""
    for directory in base.glob(f"{_PREFIX}*-*"):
        owner = directory.name.removeprefix(_PREFIX).split("-")[0]
        if not Path("/proc", owner).exists():
            try:
                directory.rmdir()
            except OSError:
                continue


def _remove(directory: Path) -> None:
    """Remove a group whose processes have exited; the kernel may need a moment to notice."""
    deadline = time.monotonic() + 5
    while True:
        try:
            directory.rmdir()
            return
        except FileNotFoundError:
            return
        except OSError as error:
            if time.monotonic() > deadline:
                raise SandboxError(f"a control group is left over: {error}")
            time.sleep(0.001)


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def _write(path: Path, value: int | str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, str(value).encode())
    finally:
        os.close(descriptor)


def _read(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, 4096)
    finally:
        os.close(descriptor)


def _read_number(path: Path) -> int:
    return int(_read(path))


def _read_table(path: Path) -> dict[str, int]:
    table = {}
    for line in _read(path).splitlines():
        key, value = line.split()
        table[key.decode()] = int(value)
    return table
