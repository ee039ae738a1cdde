"""Runs inside the sandbox as its first process: starts the runs of one evaluation, one by one.

It never executes anything of the candidate itself. For each run it forks a child, which takes its
input itself, waits for the child's end, kills and reaps every other process, reports, removes what
was left in the file system, and ends if it could not; the next input comes after that
(`tasks/sandbox/forkserver.py` is the other end). A run can read neither its memory nor its
descriptors (it is not dumpable), and the kernel drops every signal that is sent to the first
process of a namespace from inside. What a run can change of it, such as its resource limits, is
compared; whatever differs ends the sandbox.

Messages come as `marshal`, because importing `json` takes nearly as long as an interpreter's start;
private modules of the standard library are used for the same reason. First come `("put", path)`
with a descriptor of what the file shall hold, `("check", path, size)`, answered by whether it
compiles within `size` bytes of address space, and `("exec",)` or `("call",)` for the runs, answered
when they may begin. Each of them is `("exec", limits, argv)` with the descriptors stdin, stdout,
stderr and perhaps the answer's, or `("call", limits)` with the call, stdout, stderr and the
answer's, and is answered by the report and by `clean`.
"""

from __future__ import annotations

import _ctypes
import _signal
import _socket
import gc
import marshal
import os
import resource
import sys

import driver

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import Any, NoReturn

_DUMPABLE = 4  # PR_SET_DUMPABLE of linux/prctl.h
_EVEN_CLONED = 0x40000000  # __WALL of linux/wait.h
_PLACES = ("/w", "/tmp", "/dev/shm")  # noqa: S108, mounts of this sandbox alone
_MOST_FILES = 512
_MOST_BYTES = 120 << 10  # of a message; memory for more would be mapped and given back each time
# Not `random`, whose children would all draw the same numbers.
_STATELESS = {
    "abc",
    "bisect",
    "cmath",
    "collections",
    "copy",
    "dataclasses",
    "datetime",
    "decimal",
    "enum",
    "fractions",
    "functools",
    "heapq",
    "itertools",
    "json",
    "math",
    "operator",
    "re",
    "string",
    "typing",
}
_LIMITS = [value for name, value in sorted(vars(resource).items()) if name[:7] == "RLIMIT_"]
_prctl = _ctypes.dlsym(_ctypes.dlopen(None, 2), "prctl")  # type: ignore[arg-type]


def main() -> NoReturn:
    """Serve until the other end closes."""
    if os.getpid() != 1:
        sys.exit("only for the first process of a sandbox: it kills all others")
    control = _socket.socket(fileno=int(sys.argv.pop()))
    os.set_inheritable(control.fileno(), False)
    with open("/proc/self/comm", "w") as file:
        file.write("judge")
    _set_dumpable(0)
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
    own = _changeable()
    _warm_up()
    image_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    gc.collect()
    gc.freeze()
    control.send(b"ready")
    code = _prepare(control)
    kept, attributes = _files(), _attributes()
    child = _next(control, code)
    while True:
        status, cpu_s, resident_kb = _wait(child)
        if code is None and resident_kb <= image_kb:  # that was this program's, before `exec`
            resident_kb = 0
        try:
            control.send(b"%d %d %d" % (status, cpu_s * 1e6, resident_kb))
            # It gets ready while the rest is swept, and gets nothing to run unless all is clean.
            child = _next(control, code)
            if not _sweep(kept) or _attributes() != attributes or _changeable() != own:
                break
            control.send(b"clean")
        except BrokenPipeError:
            break
    os._exit(0)


def _prepare(control: _socket.socket) -> CodeType | None:
    """Do what comes before the runs; the compiled program when they are calls."""
    code: CodeType | None = None
    while True:
        kind, rest, given = _receive(control)
        if kind == "put":
            _put(rest[0], given[0])
        elif kind == "check":
            code = _compile(rest[0], rest[1])
            control.send(b"compiled" if code else b"refused")
        else:
            code = None if kind == "exec" else code
            _import_ahead(code)
            control.send(b"going")
            return code


def _next(control: _socket.socket, code: CodeType | None) -> int:
    """The process of the next run."""
    child = os.fork()
    if child == 0:
        _run(control, code)
    return child


def _run(control: _socket.socket, code: CodeType | None) -> NoReturn:
    """In the child: get ready, and only then take what to run, of which the server sees nothing."""
    _set_dumpable(1)
    descriptor = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
    os.write(descriptor, b"1000")
    os.close(descriptor)
    kind, rest, given = _receive(control)
    control.close()
    for which, value in rest[0].items():
        hard = resource.getrlimit(which)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(which, (value, value))
    if kind == "exec":
        _execute(rest[1], given)
    _call(given, code)
    os._exit(0)


def _receive(control: _socket.socket) -> tuple[str, list[Any], list[int]]:
    """The next message and the descriptors that come with it; the end when there is none."""
    data, ancillary, _flags, _address = control.recvmsg(
        _MOST_BYTES, _socket.CMSG_SPACE(16), _socket.MSG_CMSG_CLOEXEC
    )
    if not data:
        os._exit(0)
    numbers = b"".join(numbers for _level, _type, numbers in ancillary)
    size = len(numbers) // 4
    given = [int.from_bytes(numbers[4 * n : 4 * n + 4], sys.byteorder) for n in range(size)]
    kind, *rest = marshal.loads(data)  # noqa: S302, from outside, which is trusted
    return kind, rest, given


def _warm_up() -> None:
    """Take the ways of a call once, so that its child finds them taken and not each child anew."""
    for _ in range(16):
        names: dict[str, object] = {}
        exec(compile("def f(a):\n    return [a]\n", "warm-up", "exec"), names)  # noqa: S102
        driver.encode(marshal.loads(marshal.dumps(["", 1, 2.5, {"a": None}])), [])  # noqa: S302


def _put(path: str, source: int) -> None:
    target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    while chunk := os.read(source, 1 << 16):
        while chunk:
            chunk = chunk[os.write(target, chunk) :]
    os.close(source)
    os.close(target)


def _compile(path: str, size: int) -> CodeType | None:
    """What is wrong with the program is said on the sandbox's own standard error."""
    with open(path, "rb") as file:
        source = file.read()
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    if hard == resource.RLIM_INFINITY or size < hard:
        resource.setrlimit(resource.RLIMIT_AS, (size, hard))
    try:
        return compile(source, path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError) as error:
        import traceback

        traceback.print_exception(type(error), error, None)
        return None
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
        sys.stderr.flush()
        gc.freeze()


def _import_ahead(code: CodeType | None) -> None:
    """Import once what the program will import in each run, of the modules that keep no state."""
    for name in code.co_names if code else ():
        if name in _STATELESS:
            __import__(name)
    gc.freeze()


def _execute(argv: list[str], given: list[int]) -> NoReturn:
    for number, descriptor in enumerate(given[:3]):
        os.dup2(descriptor, number)
    for descriptor in given[3:]:
        os.set_inheritable(descriptor, True)
        argv = [*argv, str(descriptor)]
    for number in (_signal.SIGPIPE, _signal.SIGXFSZ):  # the interpreter ignores them
        _signal.signal(number, _signal.SIG_DFL)
    try:
        os.execv(argv[0], argv)  # noqa: S606, there is no shell in here
    except OSError as error:
        os.write(2, f"{argv[0]}: {error.strerror}\n".encode())
    os._exit(127)


def _call(given: list[int], code: CodeType | None) -> None:
    call, out, err, answer = given
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.close(out)
    os.close(err)
    _signal.signal(_signal.SIGINT, _signal.default_int_handler)
    driver.answer_call(call, answer, code)


def _wait(child: int) -> tuple[int, float, int]:
    """Until the child has ended and nobody else is left; its status, and what all of them used."""
    status = -1
    cpu_s = 0.0
    resident_kb = 0
    while True:
        if status >= 0:
            try:
                os.kill(-1, _signal.SIGKILL)
            except ProcessLookupError:
                return status, cpu_s, resident_kb
        try:
            pid, ended, usage = os.wait4(-1, _EVEN_CLONED)
        except ChildProcessError:
            continue
        cpu_s += usage.ru_utime + usage.ru_stime
        resident_kb = max(resident_kb, usage.ru_maxrss)
        if pid == child:
            status = ended


def _files() -> dict[str, tuple[int, ...]]:
    """What lies in the places that a program may write to before any has run."""
    kept: dict[str, tuple[int, ...]] = {}
    pending = list(_PLACES)
    while pending:
        for entry in os.scandir(pending.pop()):
            kept[entry.path] = _facts(entry.stat(follow_symlinks=False))
            if entry.is_dir(follow_symlinks=False):
                pending.append(entry.path)
    return kept


def _facts(found: os.stat_result) -> tuple[int, ...]:
    return (found.st_ino, found.st_mode, found.st_size, found.st_ctime_ns)


def _sweep(kept: dict[str, tuple[int, ...]]) -> bool:
    """Remove what was left; False when that is too much, or something of `kept` was altered."""
    budget = _MOST_FILES
    found = 0
    try:
        for place in _PLACES:
            os.chmod(place, 0o700)
            pending = [place]
            while pending:
                directory = pending[-1]
                empty = True
                for name in os.listdir(directory):
                    path = directory + "/" + name
                    if path in kept:
                        if _facts(os.lstat(path)) != kept[path]:
                            return False
                        found += 1
                        continue
                    budget -= 1
                    if budget < 0:
                        return False
                    try:
                        os.unlink(path)
                    except IsADirectoryError:
                        os.chmod(path, 0o700)
                        pending.append(path)
                        empty = False
                if empty:
                    if len(pending) > 1:
                        os.rmdir(directory)
                    pending.pop()
            os.utime(place, (0, 0))
        return found == len(kept)
    except OSError:
        return False


def _attributes() -> list[list[str]]:
    """The extended attributes of the places, which some kernels give them from the start."""
    try:
        return [os.listxattr(place) for place in _PLACES]
    except OSError:  # there are none in this kernel
        return []


def _changeable() -> tuple[object, ...]:
    """What one process may change of another of the same user."""
    return (
        [resource.getrlimit(which) for which in _LIMITS],
        os.getpriority(os.PRIO_PROCESS, 0),
        os.sched_getscheduler(0),
        os.sched_getaffinity(0),
    )


def _set_dumpable(value: int) -> None:
    if _ctypes.call_cdeclfunction(_prctl, (_DUMPABLE, value, 0, 0, 0)) != 0:
        raise OSError("prctl refuses PR_SET_DUMPABLE")
