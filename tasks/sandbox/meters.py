"""What a run uses, measured over the whole process tree, and when it is too much.

`Watchdog` works everywhere: it sums up what `/proc` of the sandbox shows, a few hundred times a
second. Where control groups are writable (`cgroups.py`) the kernel keeps the limits itself.
"""

from __future__ import annotations

import os
import time
from typing import Protocol

from tasks.sandbox.base import SandboxError

MAX_PROCESSES = 64
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_INODE = 1536  # kernel memory for an inode and its directory entry in a tmpfs, rounded up


class Meter(Protocol):
    """Measures the runs of one sandbox, one after another, over all of its processes.

    The first process of the sandbox is ours (bubblewrap, or the server that starts the runs): what
    it holds when a run begins is not counted as that run's.
    """

    enforcement: str

    def attach(self, pid: int) -> None:
        """Take charge of the sandbox's first process, before any program starts."""
        ...

    def begin(self, *, memory_mb: float) -> None:
        """A run begins, and everything below is about it alone. Raises `SandboxError`."""
        ...

    def look(self) -> None:
        """See what the run uses now."""
        ...

    def learn(self, *, cpu_s: float, resident_kb: int) -> None:
        """The run is over, with what the kernel says of its processes: the CPU time of all that
        were waited for, and the resident memory of the largest."""
        ...

    def cpu_s(self) -> float:
        """Seconds of CPU time that all processes of the run had used at the last look."""
        ...

    def over_memory(self) -> bool:
        """Whether the run was seen over its memory."""
        ...

    def peak_kb(self) -> int: ...

    def interval_s(self, elapsed_s: float) -> float:
        """How long to wait before the next look, `elapsed_s` seconds into the run."""
        ...

    def close(self) -> None:
        """Give back what the meter holds; all processes are gone by now."""
        ...


class Watchdog:
    """Polls the sandbox's own `/proc`, in which only its processes exist.

    CPU time has the resolution of the kernel's clock tick. Resident memory is the sum over the
    processes; when that is over the limit, pages that forked processes share are counted once
    before judging. Files in the sandbox's tmpfs count as memory.
    """

    enforcement = "watchdog"
    _TMPFS = ("tmp", "w", "dev/shm")

    def __init__(self, *, memory_mb: float) -> None:
        self._limit = int(memory_mb * 1024 * 1024)
        self._root = -1
        self._processes = -1
        self._pid = 0
        self._cpu_s = 0.0
        self._peak = 0
        self._over = False
        self._cost_s = 0.0

    def attach(self, pid: int) -> None:
        self._pid = pid

    def begin(self, *, memory_mb: float) -> None:
        self._limit = int(memory_mb * 1024 * 1024)
        self._cpu_s = 0.0
        self._peak = 0
        self._over = False

    def learn(self, *, cpu_s: float, resident_kb: int) -> None:
        self._cpu_s = max(self._cpu_s, cpu_s)
        self._peak = max(self._peak, resident_kb * 1024)
        self._over = self._over or self._peak > self._limit

    def cpu_s(self) -> float:
        return self._cpu_s

    def over_memory(self) -> bool:
        return self._over

    def peak_kb(self) -> int:
        return self._peak // 1024

    def interval_s(self, elapsed_s: float) -> float:
        """Short, but never so short that looking at many processes eats a core."""
        return max(0.002 if elapsed_s < 0.05 else 0.005, 4 * self._cost_s)

    def close(self) -> None:
        for descriptor in (self._root, self._processes):
            if descriptor >= 0:
                os.close(descriptor)
        self._root = self._processes = -1

    def _open(self) -> bool:
        """Hold the sandbox's root and /proc open, once they are mounted."""
        if self._processes >= 0:
            return True
        try:
            root = os.open(f"/proc/{self._pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        except PermissionError as error:
            raise SandboxError(f"the sandbox's processes cannot be watched: {error}")
        try:
            processes = os.open("proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=root)
        except OSError:
            os.close(root)
            return False
        if os.fstat(processes).st_dev == os.stat("/proc").st_dev:
            os.close(root)
            os.close(processes)
            return False
        self._root, self._processes = root, processes
        return True

    def look(self) -> None:
        if not self._open():
            return
        begin = time.monotonic()
        resident = ticks = 0
        pids = self._pids()
        for pid in pids:
            fields = self._read(f"{pid}/stat").rpartition(b")")[2].split()
            if len(fields) > 21:
                # utime, stime, cutime, cstime and rss of proc_pid_stat(5)
                ticks += sum(int(field) for field in fields[11:15])
                resident += int(fields[21]) * _PAGE
        if resident + self._files() > self._limit:
            resident = sum(self._proportional(pid) for pid in pids)
        used = resident + self._files()
        self._cpu_s = max(self._cpu_s, ticks * _TICK_S)
        self._peak = max(self._peak, used)
        self._over = self._over or used > self._limit
        self._cost_s = time.monotonic() - begin

    def _pids(self) -> list[str]:
        try:
            names = os.listdir(self._processes)
            return [name for name in names if name.isdigit() and name != "1"]
        except OSError:
            return []

    def _read(self, path: str) -> bytes:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._processes)
        except OSError:
            return b""
        try:
            return os.read(descriptor, 8192)
        except OSError:
            return b""
        finally:
            os.close(descriptor)

    def _proportional(self, pid: str) -> int:
        for line in self._read(f"{pid}/smaps_rollup").splitlines():
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) * 1024
        return 0

    def _files(self) -> int:
        used = 0
        outside = os.fstat(self._root).st_dev
        for directory in self._TMPFS:
            try:
                descriptor = os.open(
                    directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self._root
                )
            except OSError:
                continue
            try:
                if os.fstat(descriptor).st_dev == outside:  # not mounted yet
                    continue
                size = os.fstatvfs(descriptor)
            finally:
                os.close(descriptor)
            used += (size.f_blocks - size.f_bfree) * size.f_frsize
            used += (size.f_files - size.f_ffree) * _INODE
        return used
