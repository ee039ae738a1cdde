"""`sandbox_doctor`: what this machine gives the sandbox, and whether the walls hold.

Every canary is a program that tries to get out, run by the real backend. What it must not reach
is made for the occasion: a listening socket, a file, a variable in the server's environment.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from tasks.sandbox.base import Check, Job, Run, SandboxError, Status
from tasks.sandbox.languages import LANGUAGES
from tasks.sandbox.meters import MAX_PROCESSES
from tasks.spec import Limits

if TYPE_CHECKING:
    from tasks.sandbox.bubblewrap import Bubblewrap

_LIMITS = Limits(time_s=2, memory_mb=128, output_kb=16)
_SAMPLE_LIMITS = Limits(time_s=10, memory_mb=256, output_kb=16)

_NETWORK = """
import json, socket
port = int(input())
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
print(json.dumps(seen))
"""
_FILES = """
import json, os
seen = []
for path in (input(), "/etc/shadow", "/root", "/home", "/var", "/sys"):
    if os.path.exists(path):
        seen.append(path)
for path in ("/x", "/usr/x", "/etc/x", "/dev/x"):
    try:
        open(path, "w").close()
        seen.append(path)
    except OSError:
        pass
print(json.dumps(seen))
"""
_ENVIRONMENT = """
import glob, json
secret = input().encode()
seen = []
for path in glob.glob("/proc/[0-9]*/environ") + glob.glob("/proc/[0-9]*/cmdline"):
    try:
        if secret in open(path, "rb").read():
            seen.append(path)
    except OSError:
        pass
print(json.dumps(seen))
"""
_FORKS = """
import json, os, time
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
"""
_MEMORY = """
held = []
while len(held) < 256:
    held.append(b"x" * (4 << 20))
print(len(held))
"""
_SURVIVOR = """
import os, signal, time
name = input()
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
"""


def examine(sandbox: Bubblewrap) -> list[Check]:
    """Everything the sandbox needs, then every canary; stops at what makes the rest pointless."""
    checks = []
    try:
        sandbox.root  # noqa: B018, built here when it is missing
        enforcement = sandbox.enforcement
    except SandboxError as error:
        return [Check(_("parts"), False, str(error), remedy(str(error)))]
    checks.append(Check(_("parts"), True, _("bubblewrap and the languages' runtimes are there")))
    checks.append(_enforcement(enforcement))
    started = _start(sandbox)
    checks.append(started)
    if started.ok:
        checks += [_language(sandbox, name) for name in LANGUAGES]
        checks += [_attempt(canary, sandbox) for canary in _CANARIES]
    return checks


def usable(checks: list[Check]) -> bool:
    """Whether programs may be run after these findings."""
    return all(check.ok for check in checks if check.required)


def _language(sandbox: Bubblewrap, name: str) -> Check:
    """Compile and run a program of the language; what that needs is copied here, the first time."""
    language = LANGUAGES[name]
    if not language.available():
        return Check(
            name,
            False,
            _("not installed"),
            _("Install it for tasks in this language: %(package)s.")
            % {"package": language.package},
            required=False,
        )
    job = Job(name, language.sample, language.kinds[0], "", ("",), _SAMPLE_LIMITS)
    try:
        evaluation = sandbox.evaluate(job)
    except SandboxError as error:
        return Check(name, False, str(error), remedy(str(error)), required=False)
    if not evaluation.compiled:
        again = _("Install it again: %(package)s. Until then no program in this language compiles.")
        return Check(
            name,
            False,
            evaluation.compile_output[-600:],
            again % {"package": language.package},
            required=False,
        )
    (run,) = evaluation.runs
    ok = run.status is Status.OK and "42" in run.stdout
    detail = ", ".join(language.versions()) if ok else _describe(run)
    return Check(name, ok, detail, "" if ok else _broken(), required=False)


def _enforcement(enforcement: str) -> Check:
    if enforcement != "watchdog":
        return Check(_("limits"), True, enforcement, required=False)
    return Check(
        _("limits"),
        False,
        _("watchdog: limits are held by polling, a few milliseconds late"),
        _(
            "Optional: run the server as root with writable control groups, or give its unit "
            "Delegate=yes."
        ),
        required=False,
    )


def _start(sandbox: Bubblewrap) -> Check:
    name = _("a trivial program")
    try:
        run = _run(sandbox, "print(6 * 7)", "")
    except SandboxError as error:
        return Check(name, False, str(error), remedy(str(error)))
    ok = run.status is Status.OK and run.stdout == "42\n"
    detail = _("ran in %(ms)d ms") % {"ms": run.duration * 1000} if ok else _describe(run)
    return Check(name, ok, detail, "" if ok else remedy(run.stderr))


def _attempt(canary: Callable[[Bubblewrap], Check], sandbox: Bubblewrap) -> Check:
    try:
        return canary(sandbox)
    except SandboxError as error:
        return Check(canary.__name__.strip("_"), False, str(error), remedy(str(error)))


def _network(sandbox: Bubblewrap) -> Check:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        run = _run(sandbox, _NETWORK, str(server.getsockname()[1]))
        try:
            server.accept()[0].close()
            reached = True
        except BlockingIOError:
            reached = False
    return _nothing_seen(_("network"), run, reached)


def _host_file(sandbox: Bubblewrap) -> Check:
    with tempfile.NamedTemporaryFile(prefix="canary-") as file:
        return _nothing_seen(_("files of the machine"), _run(sandbox, _FILES, file.name))


def _secret(sandbox: Bubblewrap) -> Check:
    name, secret = f"CANARY_{secrets.token_hex(4)}", secrets.token_hex(16)
    os.environ[name] = secret
    try:
        return _nothing_seen(_("the server's environment"), _run(sandbox, _ENVIRONMENT, secret))
    finally:
        del os.environ[name]


def _fork_bomb(sandbox: Bubblewrap) -> Check:
    run = _run(sandbox, _FORKS, "")
    made = _answer(run)
    ok = isinstance(made, int) and 0 < made <= MAX_PROCESSES
    detail = _("stopped after %(made)s processes") % {"made": made} if ok else _describe(run)
    return Check(_("fork bomb"), ok, detail, "" if ok else _broken())


def _memory(sandbox: Bubblewrap) -> Check:
    run = _run(sandbox, _MEMORY, "")
    ok = run.status is Status.MLE and run.memory_kb < 2 * _LIMITS.memory_mb * 1024
    detail = _("stopped at %(mb)d MiB") % {"mb": run.memory_kb / 1024} if ok else _describe(run)
    return Check(_("memory"), ok, detail, "" if ok else _broken())


def _survivor(sandbox: Bubblewrap) -> Check:
    name = f"canary{secrets.token_hex(4)}"
    run = _run(sandbox, _SURVIVOR, name)
    left = [path.parent.name for path in Path("/proc").glob("[0-9]*/comm") if _comm(path) == name]
    ok = run.status is Status.OK and not left
    detail = _("no process is left") if ok else f"{_describe(run)} {left}"
    return Check(_("survivors"), ok, detail, "" if ok else _broken())


_CANARIES = (_network, _host_file, _secret, _fork_bomb, _memory, _survivor)


def _nothing_seen(name: str, run: Run, reached: bool = False) -> Check:
    ok = run.status is Status.OK and _answer(run) == [] and not reached
    detail = _("out of reach") if ok else _describe(run)
    return Check(name, ok, detail, "" if ok else _broken())


def _run(sandbox: Bubblewrap, source: str, stdin: str) -> Run:
    job = Job("python", source, "stdio", "", (stdin,), _LIMITS)
    evaluation = sandbox.evaluate(job)
    if not evaluation.compiled:
        raise SandboxError(evaluation.compile_output)
    return evaluation.runs[0]


def _answer(run: Run) -> Any:
    try:
        return json.loads(run.stdout)
    except ValueError:
        return None


def _describe(run: Run) -> str:
    return f"{run.status}: {run.stdout.strip()[-300:]} {run.stderr.strip()[-300:]}".strip()


def _comm(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _broken() -> str:
    return _("Do not run candidates' programs on this machine, and report this output.")


def remedy(complaint: str) -> str:
    """What to do about a message of bubblewrap or of the kernel."""
    known = (
        (
            ("mount proc", "mounting proc"),
            _(
                "In a container: allow a fresh /proc with the security options "
                "systempaths=unconfined and seccomp=unconfined, for the sandbox service alone."
            ),
        ),
        (
            ("No space left on device", "max_user_namespaces"),
            _("Allow user namespaces: sysctl -w user.max_user_namespaces=10000"),
        ),
        (
            ("namespace", "uid map", "Operation not permitted", "Permission denied"),
            _(
                "Allow unprivileged user namespaces: "
                "sysctl -w kernel.unprivileged_userns_clone=1 (Debian), "
                "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu 23.10 and "
                "later), or in a container the security option seccomp=unconfined."
            ),
        ),
        (("bubblewrap is missing",), _("Install it: apt install bubblewrap, or make run again.")),
        (("prlimit is missing",), _("Install it: apt install util-linux")),
        (("can hold",), _("Make one of these directories writable and executable.")),
    )
    for signs, remedy in known:
        if any(sign in complaint for sign in signs):
            return remedy
    return _("Read the message; the sandbox wants Linux 5.11 or later, x86_64 or aarch64.")
