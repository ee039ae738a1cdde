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
_MIB = 1024 * 1024
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
    """Directories of one sandbox, one for each hierarchy, and the files in them that are read."""

    enforcement = ""

    def __init__(self, directories: list[Path], *, memory_mb: float) -> None:
        self._directories: list[Path] = []
        self._open: dict[str, int] = {}
        self._memory_mb = 0.0
        self._used_before = 0.0
        self._kills_before = 0
        self._resident = 0
        self._cpu_s = 0.0
        self._kills = 0
        self._peak = 0
        try:
            for directory in directories:
                directory.mkdir()
                self._directories.append(directory)
            self._prepare()
            self._limit(int(memory_mb * _MIB))
            self._usage(), self._killed(), self._resident_now()
        except (OSError, ValueError, KeyError) as error:
            self.close()
            raise SandboxError(f"cannot make a control group: {error}")

    def attach(self, pid: int) -> None:
        try:
            for directory in self._directories:
                _write(directory / "cgroup.procs", pid)
        except OSError as error:
            raise SandboxError(f"cannot move a process into its control group: {error}")

    def begin(self, *, memory_mb: float) -> None:
        try:
            self._used_before = self._usage()
            self._kills_before = self._killed()
            self._resident = self._resident_now()
            if memory_mb != self._memory_mb:
                self._limit(int(memory_mb * _MIB) + self._resident)
                self._memory_mb = memory_mb
            self._forget_peak()
        except OSError as error:
            raise SandboxError(f"cannot set the limits of a control group: {error}")
        self._cpu_s = 0.0
        self._kills = 0
        self._peak = 0

    def look(self) -> None:
        self._cpu_s = self._usage() - self._used_before
        self._kills = self._killed() - self._kills_before
        self._peak = max(self._peak, self._highest() - self._resident)

    def learn(self, *, cpu_s: float, resident_kb: int) -> None:
        self.look()

    def cpu_s(self) -> float:
        return self._cpu_s

    def over_memory(self) -> bool:
        return self._kills > 0

    def peak_kb(self) -> int:
        return self._peak // 1024

    def interval_s(self, elapsed_s: float) -> float:
        return 0.05

    def close(self) -> None:
        while self._open:
            os.close(self._open.popitem()[1])
        for directory in self._directories:
            _remove(directory)
        self._directories = []

    def _read(self, directory: Path, name: str) -> bytes:
        """What the kernel says there now, through a descriptor that stays open."""
        if name not in self._open:
            self._open[name] = os.open(directory / name, os.O_RDONLY | os.O_CLOEXEC)
        return os.pread(self._open[name], 4096, 0)

    def _prepare(self) -> None:
        raise NotImplementedError

    def _limit(self, size: int) -> None:
        raise NotImplementedError

    def _usage(self) -> float:
        """Seconds of CPU time since the group was made."""
        raise NotImplementedError

    def _killed(self) -> int:
        """How many processes the group's memory limit has killed."""
        raise NotImplementedError

    def _resident_now(self) -> int:
        raise NotImplementedError

    def _forget_peak(self) -> None:
        raise NotImplementedError

    def _highest(self) -> int:
        """Bytes at the peak since `_forget_peak`."""
        raise NotImplementedError


class _Group1(_Group):
    enforcement = "cgroup-v1"

    def __init__(self, bases: dict[str, Path], *, memory_mb: float) -> None:
        name = _name()
        self._memory = bases["memory"] / name
        self._cpu = bases["cpuacct"] / name
        self._processes = bases["pids"] / name if "pids" in bases else None
        directories = list(dict.fromkeys(base / name for base in bases.values()))
        super().__init__(directories, memory_mb=memory_mb)

    def _prepare(self) -> None:
        if self._processes:
            _write(self._processes / "pids.max", MAX_PROCESSES)

    def _limit(self, size: int) -> None:
        """Memory, and memory with swap, which may never be the lower of the two."""
        names = ["memory.limit_in_bytes"]
        if (self._memory / "memory.memsw.limit_in_bytes").exists():
            names.append("memory.memsw.limit_in_bytes")
            if size > _number_in(_read(self._memory / names[1])):
                names.reverse()
        for name in names:
            _write(self._memory / name, size)

    def _usage(self) -> float:
        return _number_in(self._read(self._cpu, "cpuacct.usage")) / 1e9

    def _killed(self) -> int:
        return _table_in(self._read(self._memory, "memory.oom_control"))["oom_kill"]

    def _resident_now(self) -> int:
        return _number_in(self._read(self._memory, "memory.usage_in_bytes"))

    def _forget_peak(self) -> None:
        _write(self._memory / "memory.max_usage_in_bytes", 0)

    def _highest(self) -> int:
        return _number_in(self._read(self._memory, "memory.max_usage_in_bytes"))


class _Group2(_Group):
    enforcement = "cgroup-v2"

    def __init__(self, base: Path, *, memory_mb: float) -> None:
        self._directory = base / _name()
        self._exact = -1
        super().__init__([self._directory], memory_mb=memory_mb)

    def learn(self, *, cpu_s: float, resident_kb: int) -> None:
        self.look()
        if self._exact < 0:
            self._peak = max(self._peak, min(resident_kb, int(self._memory_mb * 1024)) * 1024)

    def close(self) -> None:
        if self._exact >= 0:
            os.close(self._exact)
            self._exact = -1
        super().close()

    def _prepare(self) -> None:
        """The kernel shall choose whom it kills: all would be the server of the runs, too."""
        _write(self._directory / "pids.max", MAX_PROCESSES)
        for name in ("memory.swap.max", "memory.oom.group"):
            if (self._directory / name).exists():
                _write(self._directory / name, 0)
        try:
            self._exact = os.open(self._directory / "memory.peak", os.O_RDWR | os.O_CLOEXEC)
            self._forget_peak()
        except OSError:  # the file came with Linux 5.19, and writing to it with 6.12
            if self._exact >= 0:
                os.close(self._exact)
            self._exact = -1

    def _limit(self, size: int) -> None:
        _write(self._directory / "memory.max", size)

    def _usage(self) -> float:
        return _table_in(self._read(self._directory, "cpu.stat"))["usage_usec"] / 1e6

    def _killed(self) -> int:
        return _table_in(self._read(self._directory, "memory.events"))["oom_kill"]

    def _resident_now(self) -> int:
        return _number_in(self._read(self._directory, "memory.current"))

    def _forget_peak(self) -> None:
        if self._exact >= 0:
            os.write(self._exact, b"reset\n")

    def _highest(self) -> int:
        """Without a peak that can be reset, the highest value seen while looking."""
        if self._exact >= 0:
            return _number_in(os.pread(self._exact, 64, 0))
        return self._resident_now()


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


def _number_in(data: bytes) -> int:
    return int(data)


def _table_in(data: bytes) -> dict[str, int]:
    table = {}
    for line in data.splitlines():
        key, value = line.split()
        table[key.decode()] = int(value)
    return table
