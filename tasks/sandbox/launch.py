"""Starting bubblewrap: its options, its descriptors, and who it runs as.

It is started with an empty environment and, when the server is root, as a user of its own,
because a real uid 0 is not bound by the process limit. It sets everything up and waits on the
block descriptor until the caller closes that.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import resource
import select
import shutil
import signal
import subprocess
import time
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tasks.sandbox import seccomp
from tasks.sandbox.base import SandboxError
from tasks.sandbox.meters import MAX_PROCESSES
from tasks.sandbox.pipes import Artefact, Capture, Feed, close_all, drain, memory_file
from tasks.sandbox.rootfs import PRLIMIT

WORK = "/w"
UID = 1000
_HOST_UIDS = range(64100, 65100)
_MIB = 1024 * 1024
_SCRATCH_MIB = {"/tmp": 64, "/dev/shm": 16}  # noqa: S108
_WORK_MIB = 32
PATIENCE_S = 10.0
_uid = itertools.count(os.getpid() * 31)

_ENVIRONMENT = {
    "PATH": "/usr/bin",
    "HOME": WORK,
    "TMPDIR": "/tmp",  # noqa: S108
    "LANG": "C.UTF-8",
    "MALLOC_ARENA_MAX": "2",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What to run. `files` are put into the working directory; sizes in bytes unless named.

    With `answer_bytes` the program gets one more descriptor, whose number is its last argument.
    A `control` descriptor is handed to the program as well, which is then the first process of the
    sandbox; its number comes last. `artefact` is put beside the files, read-only. `work_mib` bounds
    the working directory and every single file; None leaves the stack at what this process has.
    """

    argv: tuple[str, ...]
    files: tuple[tuple[str, bytes], ...]
    stdin: bytes
    cpu_s: float
    wall_s: float
    memory_mb: float
    address_space_mb: float | None
    output_bytes: int
    answer_bytes: int = 0
    control: int = -1
    artefact: Artefact | None = None
    environment: tuple[tuple[str, str], ...] = ()
    work_mib: int = _WORK_MIB
    stack_mb: float | None = None


@dataclass(slots=True)
class Started:
    monitor: subprocess.Popen[bytes]
    owner: int | None
    child: int
    child_exit: int
    status: int
    block: list[int]
    feed: Feed
    pipes: dict[int, Capture]
    stdout: Capture
    stderr: Capture
    answer: Capture


def start(command: Command, *, bwrap: Path, root: Path, stack: ExitStack) -> Started:
    """Start bubblewrap and wait until it has made its first process."""
    owner = _HOST_UIDS[next(_uid) % len(_HOST_UIDS)] if os.geteuid() == 0 else None

    def own(descriptor: int) -> int:
        stack.callback(os.close, descriptor)
        return descriptor

    def give(descriptor: int) -> None:
        """Else the program could not open /dev/stdin or /dev/stdout again."""
        if owner is not None:
            os.fchown(descriptor, owner, owner)

    def pipe() -> tuple[int, int]:
        reading, writing = os.pipe2(os.O_CLOEXEC)
        own(reading)
        os.set_blocking(reading, False)
        give(writing)
        return reading, writing

    theirs: list[int] = []
    try:
        stdin, stdin_w = os.pipe2(os.O_CLOEXEC)
        theirs.append(stdin)
        feed = Feed(stdin_w, command.stdin)
        stack.callback(feed.close)
        os.set_blocking(stdin_w, False)
        give(stdin)
        out, out_w = pipe()
        theirs.append(out_w)
        err, err_w = pipe()
        theirs.append(err_w)
        status, status_w = pipe()
        theirs.append(status_w)
        block, block_w = os.pipe2(os.O_CLOEXEC)
        theirs.append(block)
        release = [block_w]
        stack.callback(close_all, release)
        captures = [Capture(command.output_bytes), Capture(command.output_bytes)]
        captures.append(Capture(command.answer_bytes))
        pipes = {out: captures[0], err: captures[1]}
        argv = _limited(command)
        passed = [status_w, block]
        if command.answer_bytes:
            answer, answer_w = pipe()
            theirs.append(answer_w)
            passed.append(answer_w)
            pipes[answer] = captures[2]
            argv.append(str(answer_w))
        if command.control >= 0:
            passed.append(command.control)
            argv.append(str(command.control))
        files = [(name, memory_file("file", data)) for name, data in command.files]
        theirs += [descriptor for _, descriptor in files]
        compiled = command.artefact.open() if command.artefact else -1
        if compiled >= 0:
            own(compiled)
            passed.append(compiled)
        filter_ = memory_file("seccomp", _filter())
        theirs.append(filter_)
        options = _options(
            command,
            root,
            files=files,
            compiled=compiled,
            descriptors={"--seccomp": filter_, "--json-status-fd": status_w, "--block-fd": block},
        )
        if command.control >= 0:
            options.append("--as-pid-1")
        arguments = memory_file("args", b"".join(part.encode() + b"\0" for part in options))
        theirs.append(arguments)
        passed += [filter_, arguments, *(descriptor for _, descriptor in files)]
        try:
            monitor = subprocess.Popen(
                [*_as_user(owner), str(bwrap), "--args", str(arguments), "--", *argv],
                stdin=stdin,
                stdout=out_w,
                stderr=err_w,
                pass_fds=passed,
                env={},
                cwd="/",
            )
        except OSError as error:
            raise SandboxError(f"bubblewrap does not start: {error}")
    finally:
        for descriptor in theirs:
            os.close(descriptor)
    stack.callback(_end, monitor)
    child = _child(monitor, status, err)
    try:
        child_exit = own(os.pidfd_open(child))
    except ProcessLookupError:
        raise SandboxError(f"bubblewrap failed: {_complaint(err)}")
    stack.callback(kill, child_exit)
    if command.artefact:
        _copied(compiled, command.artefact.size, child_exit, err)
    return Started(monitor, owner, child, child_exit, status, release, feed, pipes, *captures)


def _options(
    command: Command,
    root: Path,
    *,
    files: list[tuple[str, int]],
    compiled: int,
    descriptors: dict[str, int],
) -> list[str]:
    """bubblewrap's options. They go through a descriptor: its command line shows in /proc/1."""
    options = ["--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    options += ["--uid", str(UID), "--gid", str(UID), "--hostname", "sandbox"]
    for option, descriptor in descriptors.items():
        options += [option, str(descriptor)]
    for name, value in (*_ENVIRONMENT.items(), *command.environment):
        options += ["--setenv", name, value]
    options += ["--ro-bind", str(root), "/"]
    options += ["--proc", "/proc"]
    for name in _masked():
        options += ["--ro-bind", "/dev/null", f"/proc/{name}"]
    options += ["--tmpfs", "/dev"]
    for device in ("null", "zero", "full", "random", "urandom"):
        options += ["--dev-bind", f"/dev/{device}", f"/dev/{device}"]
    options += ["--symlink", "/proc/self/fd", "/dev/fd"]
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        options += ["--symlink", f"/proc/self/fd/{number}", f"/dev/{name}"]
    for directory, size in {WORK: command.work_mib, **_SCRATCH_MIB}.items():
        options += ["--perms", "0700", "--size", str(size * _MIB), "--tmpfs", directory]
    options += ["--remount-ro", "/dev"]
    for name, descriptor in files:
        options += ["--perms", "0644", "--file", str(descriptor), f"{WORK}/{name}"]
    if command.artefact:
        mode = f"{command.artefact.mode:04o}"
        target = f"{WORK}/{command.artefact.name}"
        options += ["--perms", mode, "--ro-bind-data", str(compiled), target]
    return [*options, "--chdir", WORK]


@cache
def _filter() -> bytes:
    return seccomp.program()


def _as_user(owner: int | None) -> list[str]:
    """A command that becomes the next one as another user.

    With its own `user=` a `Popen` copies this process's page tables instead of borrowing them,
    which takes a server longer than all the rest of starting a sandbox.
    """
    if owner is None:
        return []
    return [_setpriv(), f"--reuid={owner}", f"--regid={owner}", "--clear-groups", "--"]


@cache
def _setpriv() -> str:
    found = shutil.which("setpriv", path="/usr/bin:/bin")
    if not found:
        raise SandboxError("setpriv is missing: install the package util-linux of the system")
    return found


@cache
def _masked() -> list[str]:
    """What a fresh /proc tells about the machine and no program needs, where it exists."""
    names = ("cmdline", "config.gz", "kallsyms", "keys", "key-users", "modules", "timer_list")
    return [name for name in names if os.path.exists(f"/proc/{name}")]


def _limited(command: Command) -> list[str]:
    """The command behind `prlimit`, which limits itself and becomes the program.

    Inside, where it needs no privilege and where the process limit counts the sandbox's new user
    namespace alone. A hard limit that is lower already stays as it is.
    """
    limits = {
        "cpu": math.ceil(command.cpu_s) + 1,
        "fsize": command.work_mib * _MIB,
        "nofile": 256,
        "core": 0,
        "nproc": MAX_PROCESSES,
        "memlock": 64 * 1024,
        "msgqueue": 0,
        "sigpending": 256,
    }
    if command.address_space_mb is not None:
        limits["as"] = int(command.address_space_mb * _MIB)
    if command.stack_mb is not None:
        limits["stack"] = int(command.stack_mb * _MIB)
    options = []
    for name, value in limits.items():
        hard = resource.getrlimit(getattr(resource, f"RLIMIT_{name.upper()}"))[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        options.append(f"--{name}={value}:{value}")
    return [f"/{PRLIMIT}", *options, "--", *command.argv]


def _child(monitor: subprocess.Popen[bytes], status: int, err: int) -> int:
    """The pid of the sandbox's first process, from bubblewrap's status line."""
    line = b""
    deadline = time.monotonic() + PATIENCE_S
    while b"\n" not in line:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([status], [], [], left)[0]:
            raise SandboxError("bubblewrap did not set the sandbox up in time")
        chunk = os.read(status, 4096)
        if not chunk:
            raise SandboxError(f"bubblewrap failed: {_complaint(err)}")
        line += chunk
    try:
        return int(json.loads(line.split(b"\n")[0])["child-pid"])
    except (ValueError, KeyError, TypeError) as error:
        raise SandboxError(f"bubblewrap says something unexpected: {error}")


def _copied(compiled: int, size: int, child_exit: int, err: int) -> None:
    """Wait until bubblewrap has read the artefact to its end.

    The copy is memory, and whoever makes it is charged for it: it must be made before the sandbox
    enters the control group of the run. The offset of the descriptor is shared with bubblewrap.
    """
    deadline = time.monotonic() + PATIENCE_S
    while os.lseek(compiled, 0, os.SEEK_CUR) < size:
        if select.select([child_exit], [], [], 0.0005)[0]:
            raise SandboxError(f"bubblewrap failed: {_complaint(err)}")
        if time.monotonic() > deadline:
            raise SandboxError("bubblewrap did not set the sandbox up in time")


def _complaint(err: int) -> str:
    capture = Capture(4096)
    time.sleep(0.01)
    drain(err, capture)
    return capture.data.decode("utf-8", "replace").strip() or "no reason given"


def kill(child_exit: int) -> None:
    """Kill the first process of the sandbox and wait until the kernel has ended all others."""
    try:
        signal.pidfd_send_signal(child_exit, signal.SIGKILL)
    except ProcessLookupError:
        return
    poller = select.poll()
    poller.register(child_exit, select.POLLIN)
    if not poller.poll(PATIENCE_S * 1000):
        raise SandboxError("the sandbox's processes do not die")


def _end(monitor: subprocess.Popen[bytes]) -> None:
    """Whatever happened, the monitor is gone after this, and the sandbox dies with it."""
    if monitor.returncode is None:
        monitor.kill()
        monitor.wait()
