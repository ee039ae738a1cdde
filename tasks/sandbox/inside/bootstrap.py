"""The first process of a container: runs programs one after the other, as it is told.

It is sent in as text and needs Python 3.11 and nothing else. Being the first process of its
namespace it gets no signal from inside, not even SIGKILL, and every orphan becomes its child: what
a program leaves is killed by one call and reaped to the last. It is not dumpable, so that no
program reads or writes its memory and its descriptors.

Nobody outside believes it: records are bounded and checked there, and so is time.

A record, in either direction, is the length of a JSON object (4 bytes, big-endian), the object,
and the bytes whose lengths its `sizes` lists. Requests:

hello   paths of programs and files -> the machine, and where here each of them is
put     paths -> keeps the files and writes them before every run
run     one program on one input -> how it ended, its stdout, stderr and answer
"""

from __future__ import annotations

import ctypes
import fcntl
import gc
import json
import math
import os
import resource
import select
import shutil
import signal
import stat
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_SET_NO_NEW_PRIVS = 38
SECCOMP_MODE_FILTER = 2
EVEN_CLONED = 0x40000000  # __WALL of linux/wait.h
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
CPUS = os.cpu_count() or 1

libc = ctypes.CDLL(None, use_errno=True)


class Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_char_p)]


def control(option: int, value: int, pointer: Any = None) -> None:
    if libc.prctl(option, ctypes.c_ulong(value), pointer, 0, 0):
        raise OSError(ctypes.get_errno(), f"prctl {option}")


# --- Records --------------------------------------------------------------------------------------


def take(size: int) -> bytes:
    parts = []
    while size:
        part = os.read(0, min(size, 1 << 20))
        if not part:  # nobody is there any more
            os._exit(0)
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def hear() -> tuple[dict[str, Any], list[bytes]]:
    head = json.loads(take(int.from_bytes(take(4), "big")))
    return head, [take(size) for size in head["sizes"]]


def say(head: dict[str, Any], *blobs: bytes) -> None:
    text = json.dumps({**head, "sizes": [len(blob) for blob in blobs]}).encode()
    left = memoryview(b"".join((len(text).to_bytes(4, "big"), text, *blobs)))
    while left:
        left = left[os.write(1, left) :]


# --- Measuring ------------------------------------------------------------------------------------


class Meter:
    """CPU time and memory of everything in the container but this process.

    From the container's own control group where that can be read, else from /proc.
    """

    def __init__(self) -> None:
        base = "/sys/fs/cgroup"
        self.files: dict[str, int] = {}
        names = {
            "cpuacct": f"{base}/cpuacct/cpuacct.usage",
            "memory": f"{base}/memory/memory.stat",
            "kills": f"{base}/memory/memory.oom_control",
        }
        if os.path.exists(f"{base}/cgroup.controllers"):
            names = {
                "cpu": f"{base}/cpu.stat",
                "memory": f"{base}/memory.stat",
                "kills": f"{base}/memory.events",
            }
        for name, path in names.items():
            try:
                self.files[name] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except OSError:
                continue
        self.cpu_before = self.memory_before = self.kills_before = 0.0

    def begin(self) -> None:
        self.cpu_before, self.memory_before = self.cpu(), self.memory()
        self.kills_before = self.kills()

    def numbers(self, name: str) -> dict[str, int]:
        lines = os.pread(self.files[name], 8192, 0).decode().splitlines()
        pairs = [line.split() for line in lines]
        return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2}

    def cpu(self) -> float:
        """Seconds."""
        if "cpuacct" in self.files:
            used = int(os.pread(self.files["cpuacct"], 64, 0)) / 1e9
        elif "cpu" in self.files:
            used = self.numbers("cpu")["usage_usec"] / 1e6
        else:
            return TICK_S * sum(sum(map(int, fields[11:15])) for fields in others())
        return used - time.process_time()

    def memory(self) -> float:
        """Bytes that cannot be given back: anonymous memory and files in memory."""
        if "memory" not in self.files:
            return sum(int(fields[21]) * PAGE for fields in others())
        found = self.numbers("memory")
        if "total_rss" in found:
            return found["total_rss"] + found.get("total_shmem", 0)
        return found["anon"] + found["shmem"]

    def kills(self) -> float:
        """How many processes the kernel has killed for want of memory."""
        return self.numbers("kills").get("oom_kill", 0) if "kills" in self.files else 0


def others() -> list[list[str]]:
    """The fields of proc_pid_stat(5), from the third on, of every other process."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and name != "1":
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    fields = file.read().rpartition(b")")[2].decode().split()
            except OSError:
                continue
            if len(fields) > 21:
                found.append(fields)
    return found


# --- One run --------------------------------------------------------------------------------------


class Capture:
    def __init__(self, cap: int) -> None:
        self.cap = cap
        self.data = bytearray()
        self.truncated = False

    def drain(self, descriptor: int, *, once: bool) -> bool:
        """Read what is there; False at the end of the stream."""
        while not self.truncated:
            try:
                chunk = os.read(descriptor, 65536)
            except BlockingIOError:
                return True
            if not chunk:
                return False
            room = self.cap - len(self.data)
            self.data += chunk[:room]
            self.truncated = len(chunk) > room
            if once:
                return True
        return True


def pipe() -> tuple[int, int]:
    reading, writing = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(reading, False)
    return reading, writing


def become(
    request: dict[str, Any], program: str | int, ends: list[int], status: int, code: bytes
) -> NoReturn:
    """In the new process: give up everything, and be the program."""
    try:
        os.setsid()
        for number, end in enumerate(ends):  # each is above the number that it gets
            os.dup2(end, number)
        control(PR_SET_DUMPABLE, 1)  # else its own /proc is not its own
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # which Python ignores
            signal.signal(number, signal.SIG_DFL)
        for name, value in request["rlimits"].items():
            which = getattr(resource, f"RLIMIT_{name.upper()}")
            hard = resource.getrlimit(which)[1]
            value = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(which, (value, value))
        os.umask(0o022)
        os.chdir(request["cwd"])
        control(PR_SET_NO_NEW_PRIVS, 1, 0)
        filter_ = Filter(len(code) // 8, code)
        control(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(filter_))
        os.execve(program, request["argv"], request["env"])  # noqa: S606
    except BaseException as error:
        os.write(status, repr(error).encode()[:1000])
    os._exit(127)


def run(
    request: dict[str, Any], program: str | int, stdin: bytes, code: bytes, meter: Meter
) -> None:
    ours, theirs = [], []
    for _ in range(3 if request["answer_bytes"] else 2):
        reading, writing = pipe()
        ours.append(reading)
        theirs.append(writing)
    status, status_w = os.pipe2(os.O_CLOEXEC)
    stdin_r, feeding = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(feeding, False)
    caps = [request["output_bytes"], request["output_bytes"], request["answer_bytes"]]
    captures = {end: Capture(cap) for end, cap in zip(ours, caps, strict=False)}
    meter.begin()
    spent = children_s()
    pid = os.fork()
    if pid == 0:
        become(request, program, [stdin_r, *theirs], status_w, code)
    for end in (stdin_r, status_w, *theirs):
        os.close(end)
    complaint = os.read(status, 1000)
    os.close(status)
    over: set[str] = set()
    peak = 0.0
    exited = False
    main = os.pidfd_open(pid)
    poller = select.poll()
    for end in (main, *ours):
        poller.register(end, select.POLLIN)
    left = memoryview(stdin)
    poller.register(feeding, select.POLLOUT)
    begin = time.monotonic()
    next_look = 0.0
    while not exited and not over:
        elapsed = time.monotonic() - begin
        if elapsed >= next_look:
            used = meter.cpu() - meter.cpu_before
            held = meter.memory() - meter.memory_before
            peak = max(peak, held)
            if elapsed >= request["wall_s"] or used > request["cpu_s"]:
                over.add("TLE")
            if held > request["memory_bytes"] or meter.kills() > meter.kills_before:
                over.add("MLE")
            if over:
                break
            soonest = max(0.001, (request["cpu_s"] - used) / CPUS)
            next_look = elapsed + min(soonest, 0.002 if elapsed < 0.05 else 0.005)
            next_look = min(next_look, max(request["wall_s"], elapsed + 0.001))
        wait_ms = max(0.0, next_look - (time.monotonic() - begin)) * 1000
        for end, _event in poller.poll(math.ceil(wait_ms)):
            if end == main:
                exited = True
            elif end == feeding:
                try:
                    left = left[os.write(feeding, left[:65536]) :] if left else left
                except BlockingIOError:
                    continue
                except BrokenPipeError:
                    left = left[:0]
                if not left:
                    poller.unregister(feeding)
                    os.close(feeding)
                    feeding = -1
            elif not captures[end].drain(end, once=True):
                poller.unregister(end)
        if any(capture.truncated for capture in captures.values()):
            over.add("OLE")
    duration = time.monotonic() - begin
    used = meter.cpu() - meter.cpu_before
    peak = max(peak, meter.memory() - meter.memory_before)
    end_all()
    ended, resident = reap(pid)
    os.close(main)
    if feeding >= 0:
        os.close(feeding)
    for end, capture in captures.items():
        capture.drain(end, once=False)
        os.close(end)
        if capture.truncated:
            over.add("OLE")
    used = max(used, children_s() - spent)
    if used > request["cpu_s"]:
        over.add("TLE")
    if peak > request["memory_bytes"] or meter.kills() > meter.kills_before:
        over.add("MLE")
    head = {
        "complaint": complaint.decode("utf-8", "replace"),
        "code": ended if exited and ended >= 0 else None,
        "signal": signal_name(-ended) if exited and ended < 0 else None if exited else "SIGKILL",
        "over": sorted(over),
        "duration": duration,
        "cpu_time": max(0.0, used),
        "memory_kb": int(peak / 1024) if peak > 0 else resident,
        "truncated": [capture.truncated for capture in captures.values()],
    }
    say(head, *(bytes(capture.data) for capture in captures.values()))


def children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def end_all() -> None:
    """Kill every process but this one. None can be forked after: the signal waits for it."""
    try:
        os.kill(-1, signal.SIGKILL)
    except ProcessLookupError:
        return


def reap(main: int) -> tuple[int, int]:
    """Wait for every process: the main one's exit code (a signal is negative), its KiB at most."""
    code = resident = 0
    while True:
        try:
            pid, status, used = os.wait4(-1, EVEN_CLONED)
        except ChildProcessError:
            return code, resident
        if pid == main:
            code, resident = os.waitstatus_to_exitcode(status), used.ru_maxrss


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG{number}"


def places(wanted: list[str]) -> dict[str, str | None]:
    """A program of /usr/bin may be anywhere in the path; all else is where it is or nowhere."""
    return {
        path: path
        if os.path.exists(path)
        else shutil.which(os.path.basename(path))
        if path.startswith("/usr/bin/")
        else None
        for path in wanted
    }


def keep(data: bytes) -> int:
    """The same bytes as a file in memory that may be executed and that nobody can change."""
    descriptor = os.memfd_create("program", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with open(descriptor, "wb", closefd=False) as file:
        file.write(data)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, 0x0F)
    return descriptor


# --- Files ----------------------------------------------------------------------------------------


def wipe(top: str) -> None:
    """Empty a directory of whatever was made in it: deep, locked or without end of names.

    A directory's own directories are moved up before it is removed, so nothing here is as deep as
    what it removes.
    """
    root = os.open(top, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    os.fchmod(root, 0o700)
    while names := os.listdir(root):
        for name in names:
            if not stat.S_ISDIR(os.lstat(name, dir_fd=root).st_mode):
                os.unlink(name, dir_fd=root)
                continue
            os.chmod(name, 0o700, dir_fd=root)
            inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=root)
            for part in os.listdir(inner):
                if stat.S_ISDIR(os.lstat(part, dir_fd=inner).st_mode):
                    os.chmod(part, 0o700, dir_fd=inner)
                    free = os.urandom(16).hex()
                    os.rename(part, free, src_dir_fd=inner, dst_dir_fd=root)
                else:
                    os.unlink(part, dir_fd=inner)
            os.close(inner)
            os.rmdir(name, dir_fd=root)
    os.close(root)


def main() -> None:
    control(PR_SET_DUMPABLE, 0)
    gc.disable()
    meter = Meter()
    files: dict[str, bytes] = {}
    kept: dict[str, int] = {}
    while True:
        request, blobs = hear()
        if request["do"] == "hello":
            say({"machine": os.uname().machine, "places": places(request["places"])})
        elif request["do"] == "put":
            files = dict(zip(request["paths"], blobs, strict=True))
            while kept:
                os.close(kept.popitem()[1])
            say({})
        else:
            for path, data in files.items():
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "wb") as file:
                    file.write(data)
            stdin, code = blobs
            program: str | int = request["argv"][0]
            path = os.path.normpath(os.path.join(request["cwd"], request["argv"][0]))
            if path in files:  # it was compiled; nothing in its file system may be executed
                if path not in kept:
                    kept[path] = keep(files[path])
                program = kept[path]
            run(request, program, stdin, code, meter)
            for directory in request["wipe"]:
                wipe(directory)


if __name__ == "__main__":
    main()
