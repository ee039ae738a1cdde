"""Programs that try to get out, and what must have become of them.

One evaluation runs them all, one after the other. What they must not reach is made for the
occasion: a listening socket, a file, a variable in the server's environment. Until they have failed
at it no candidate's program runs.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from tasks.sandbox.base import Check, Job, Run, Sandbox, SandboxError, SandboxUnavailable, Status
from tasks.sandbox.meters import MAX_PROCESSES
from tasks.spec import Limits

_LIMITS = Limits(time_s=2, memory_mb=128, output_kb=16)

_PROGRAM = """
import json, os, sys, time

def start():
    print(6 * 7)

def network(port):
    import glob, socket
    seen = []
    for family, kind, peer in (
        (socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", port)),
        (socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", port)),
        (socket.AF_INET6, socket.SOCK_STREAM, ("::1", port)),
    ):
        try:
            with socket.socket(family, kind) as probe:
                probe.settimeout(1)
                probe.connect(peer)
                probe.send(b"out")
            seen.append(str(peer))
        except OSError:
            pass
    for path in glob.glob("/run/*.sock") + glob.glob("/var/run/*.sock") + glob.glob("/run/*/*.sock"):
        seen.append(path)
    print(json.dumps(seen))

def files(path):
    seen = []
    for path in (path, "/etc/shadow", "/proc/1/environ", "/proc/kcore"):
        try:
            with open(path, "rb") as file:
                if file.read(1):
                    seen.append(path)
        except OSError:
            pass
    for path in ("/x", "/usr/x", "/etc/x", "/dev/x", "/proc/sys/kernel/core_pattern"):
        try:
            open(path, "w").close()
            seen.append(path)
        except OSError:
            pass
    print(json.dumps(seen))

def environment(secret):
    import glob
    seen = []
    for path in glob.glob("/proc/[0-9]*/environ") + glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as file:
                if secret.encode() in file.read():
                    seen.append(path)
        except OSError:
            pass
    print(json.dumps(seen))

def forks():
    made = 0
    try:
        while made < 500:
            if os.fork() == 0:
                time.sleep(30)
                os._exit(0)
            made += 1
    except OSError:
        pass
    print(json.dumps(made), flush=True)
    os._exit(0)

def memory():
    held = []
    while len(held) < 256:
        held.append(b"x" * (4 << 20))
    print(len(held))

def survivor(name):
    import signal
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for number in (1, 2, 15):
                signal.signal(number, signal.SIG_IGN)
            with open("/proc/self/comm", "w") as file:
                file.write(name)
            time.sleep(60)
        os._exit(0)
    os.wait()
    print("gone")

def left(name):
    import glob
    seen = []
    for path in glob.glob("/proc/[0-9]*/comm"):
        try:
            with open(path) as file:
                if file.read().strip() == name:
                    seen.append(path)
        except OSError:
            pass
    print(json.dumps(seen))

what, *arguments = json.loads(sys.stdin.read())
globals()[what](*arguments)
"""

type _Judge = Callable[[Run], Check]


def fly(sandbox: Sandbox) -> list[Check]:
    """A check for each canary, the first of them a trivial program. Raises `SandboxError`."""
    with _bait() as canaries:
        inputs = tuple(json.dumps(call) for call, _judge in canaries)
        evaluation = sandbox.evaluate(Job("python", _PROGRAM, "stdio", "", inputs, _LIMITS))
        if not evaluation.compiled:
            raise SandboxError(f"a program does not compile: {evaluation.compile_output[:500]}")
        return [judge(run) for (_call, judge), run in zip(canaries, evaluation.runs, strict=True)]


def prove(sandbox: Sandbox) -> None:
    """Raises `SandboxUnavailable` when a canary gets out, or none can fly at all."""
    try:
        checks = fly(sandbox)
    except SandboxUnavailable:
        raise
    except (SandboxError, OSError, ValueError) as error:
        raise SandboxUnavailable(f"{error}. `manage.py sandbox_doctor` says what to do.")
    for check in checks:
        if not check.ok:
            raise SandboxUnavailable(f"{check.name}: {check.detail}. {check.remedy}".strip())


@contextmanager
def _bait() -> Iterator[list[tuple[list[Any], _Judge]]]:
    """What each canary is told, and how its run is judged; what it is after is there meanwhile."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        server.settimeout(0)
        file = stack.enter_context(tempfile.NamedTemporaryFile(prefix="canary-"))
        file.write(b"canary")
        file.flush()
        variable, secret = f"CANARY_{secrets.token_hex(4)}", secrets.token_hex(16)
        os.environ[variable] = secret
        stack.callback(os.environ.pop, variable)
        name = f"canary{secrets.token_hex(4)}"

        def network(run: Run) -> Check:
            try:
                server.accept()[0].close()
            except BlockingIOError:
                return _nothing_seen(_("network"), run)
            return _nothing_seen(_("network"), run, reached=True)

        def survivor(run: Run) -> Check:
            return _survivor(run, name)

        yield [
            (["start"], _start),
            (["network", server.getsockname()[1]], network),
            (["files", file.name], lambda run: _nothing_seen(_("files of the machine"), run)),
            (
                ["environment", secret],
                lambda run: _nothing_seen(_("the server's environment"), run),
            ),
            (["forks"], _fork_bomb),
            (["memory"], _memory),
            (["survivor", name], survivor),
            (["left", name], lambda run: _nothing_seen(_("what the last run left"), run)),
        ]


def _start(run: Run) -> Check:
    ok = run.status is Status.OK and run.stdout == "42\n"
    detail = _("ran in %(ms)d ms") % {"ms": run.duration * 1000} if ok else describe(run)
    return Check(_("a trivial program"), ok, detail, "" if ok else broken())


def _fork_bomb(run: Run) -> Check:
    made = _answer(run)
    ok = isinstance(made, int) and 0 < made <= MAX_PROCESSES
    detail = _("stopped after %(made)s processes") % {"made": made} if ok else describe(run)
    return Check(_("fork bomb"), ok, detail, "" if ok else broken())


def _memory(run: Run) -> Check:
    ok = run.status is Status.MLE and run.memory_kb < 2 * _LIMITS.memory_mb * 1024
    detail = _("stopped at %(mb)d MiB") % {"mb": run.memory_kb / 1024} if ok else describe(run)
    return Check(_("memory"), ok, detail, "" if ok else broken())


def _survivor(run: Run, name: str) -> Check:
    left = [path.parent.name for path in Path("/proc").glob("[0-9]*/comm") if _comm(path) == name]
    ok = run.status is Status.OK and not left
    detail = _("no process is left") if ok else f"{describe(run)} {left}"
    return Check(_("survivors"), ok, detail, "" if ok else broken())


def _nothing_seen(name: str, run: Run, reached: bool = False) -> Check:
    ok = run.status is Status.OK and _answer(run) == [] and not reached
    detail = _("out of reach") if ok else describe(run)
    return Check(name, ok, detail, "" if ok else broken())


def _answer(run: Run) -> Any:
    try:
        return json.loads(run.stdout)
    except ValueError:
        return None


def describe(run: Run) -> str:
    return f"{run.status}: {run.stdout.strip()[-300:]} {run.stderr.strip()[-300:]}".strip()


def _comm(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def broken() -> str:
    return _("Do not run candidates' programs on this machine, and report this output.")
