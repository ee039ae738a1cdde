"""Which sandbox there is, whether it works, and what the operator is told."""

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from tasks import sandbox as package
from tasks.checks import programs_can_run
from tasks.sandbox import SandboxUnavailable, canaries, get_sandbox, machine, sandbox_status
from tasks.sandbox.base import Check, Evaluation, Run, Status
from tasks.sandbox.doctor import remedy, usable
from tasks.sandbox.languages import LANGUAGES

from .sandbox_support import EVERYWHERE, backend, processes_named

CANARIES = [
    "a trivial program",
    "network",
    "files of the machine",
    "the server's environment",
    "fork bomb",
    "memory",
    "survivors",
    "what the last run left",
]


class Bare:
    """Runs programs with no walls around them, but for what keeps this machine usable."""

    name = "bare"

    def languages(self):
        return {"python": "Python"}

    def trouble(self):
        return ""

    def close(self):
        for pid in processes_named(self._survivor):
            os.kill(int(pid), signal.SIGKILL)

    def evaluate(self, job, *, cancelled=None):
        calls = map(json.loads, job.inputs)
        (self._survivor,) = next(name for what, *name in calls if what == "survivor")
        runs = tuple(self._run(job.source, text) for text in job.inputs)
        return Evaluation(True, "", runs, self.name, "watchdog")

    def _run(self, source, text):
        with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as stdout:
            stdin.write(text.encode())
            stdin.seek(0)
            process = subprocess.Popen(
                [sys.executable, "-c", source],
                stdin=stdin,
                stdout=stdout,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (1 << 29, 1 << 29)),
            )
            process.wait(30)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            stdout.seek(0)
            output = stdout.read().decode()
        code = process.returncode
        status = Status.RTE if code else Status.OK
        return Run(status, code, None, output, "", len(output), 0.1, 0.1, 1000, False)


@pytest.mark.parametrize("mode", EVERYWHERE)
def test_every_canary_is_contained(mode):
    checks = backend(mode).doctor()
    assert [check.name for check in checks if check.required and not check.ok] == []
    assert [check.name for check in checks][-len(CANARIES) :] == CANARIES
    assert usable(checks)


def test_every_canary_gets_out_where_there_are_no_walls():
    bare = Bare()
    checks = canaries.fly(bare)
    bare.close()
    assert [check.name for check in checks] == CANARIES
    assert [check.name for check in checks if check.ok] == ["a trivial program"]
    assert all(check.remedy for check in checks if not check.ok)


def test_sandbox_whose_canary_gets_out_runs_nothing(monkeypatch):
    monkeypatch.setattr(package, "make_sandbox", lambda choice: Bare())
    probe = package.Probe(lambda: package._proven("bubblewrap"))
    with pytest.raises(SandboxUnavailable, match=r"network: .*127\.0\.0\.1"):
        probe.get()
    assert probe.status(patience_s=30) == "unavailable"
    assert "Do not run candidates' programs on this machine" in probe.refusal


def test_every_language_that_is_there_runs_a_program():
    found = {check.name: check for check in backend("offered").doctor()}
    for name, language in LANGUAGES.items():
        check = found[name]
        if language.available():
            assert (check.ok, check.detail) == (True, ", ".join(language.versions()))
        else:
            assert (check.ok, check.required) == (False, False)
            assert language.package in check.remedy


def test_command_says_that_the_sandbox_is_usable():
    out = StringIO()
    call_command("sandbox_doctor", stdout=out, no_color=True)
    lines = out.getvalue().splitlines()
    assert lines[-1] == "The sandbox is usable."
    assert not [line for line in lines if line.startswith("FAIL")]


def test_command_fails_for_a_backend_that_does_not_exist(settings):
    settings.SANDBOX = "chroot"
    with pytest.raises(CommandError, match="SANDBOX='chroot'"):
        call_command("sandbox_doctor", stdout=StringIO())


def test_command_says_what_a_dead_engine_wants(monkeypatch, tmp_path):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    out = StringIO()
    with pytest.raises(CommandError, match="not usable"):
        call_command("sandbox_doctor", backend="docker", stdout=out, no_color=True)
    name, fault, what_to_do = out.getvalue().splitlines()
    assert name == "docker"
    assert fault.startswith(
        f"FAIL engine: no Docker engine listens at unix://{tmp_path}/docker.sock"
    )
    assert "systemctl start docker" in what_to_do


@pytest.mark.parametrize(
    ("complaint", "word"),
    [
        ("bwrap: Can't mount proc on /newroot/proc: Operation not permitted", "systempaths"),
        ("bwrap: No permissions to create new namespace", "unprivileged_userns_clone"),
        ("bwrap: setting up uid map: Permission denied", "apparmor"),
        ("bwrap: Creating new namespace failed: No space left on device", "max_user_namespaces"),
        ("bubblewrap is missing: install", "apt install bubblewrap"),
        ("prlimit is missing: install", "util-linux"),
        ("no Docker engine listens at x: there is no such socket", "systemctl start docker"),
        ("the Docker engine at x does not let this user in", "usermod -aG docker"),
        ("the Docker engine at x does not answer: timed out", "systemctl status docker"),
        ("the image x is missing in the Docker engine", "docker build --target sandbox"),
        ("something else", "Linux 5.11"),
    ],
)
def test_every_known_complaint_has_its_remedy(complaint, word):
    assert word in remedy(complaint)


@pytest.mark.parametrize(
    ("files", "word"),
    [
        ({"proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n"}, "AppArmor"),
        ({"proc/sys/kernel/unprivileged_userns_clone": "0\n"}, "only root"),
        ({"proc/sys/user/max_user_namespaces": "0\n"}, "no user namespaces at all"),
        ({".dockerenv": "", "proc/self/status": "Name:\tx\nSeccomp:\t2\n"}, "container"),
    ],
)
def test_kernel_that_refuses_namespaces_is_named(tmp_path, files, word):
    assert machine.user_namespaces(tmp_path) == []
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (check,) = machine.user_namespaces(tmp_path)
    assert word in check.detail
    assert check.remedy
    assert not check.ok


def test_control_groups_that_are_not_delegated_are_named(tmp_path):
    assert machine.limits("cgroup-v2", tmp_path).ok
    assert "version 1" in machine.limits("watchdog", tmp_path).remedy
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/cgroup.controllers").touch()
    assert "Delegate=yes" in machine.limits("watchdog", tmp_path).remedy


def test_only_what_is_required_decides():
    note = Check("limits", False, "watchdog", required=False)
    assert usable([Check("parts", True, ""), note])
    assert not usable([Check("parts", False, ""), note])


@pytest.mark.parametrize("choice", ["auto", "bubblewrap", ""])
def test_sandbox_is_proven_once(settings, choice):
    settings.SANDBOX = choice
    sandbox = get_sandbox()
    assert sandbox.name == "bubblewrap"
    assert get_sandbox() is sandbox
    assert sandbox_status() == "bubblewrap"


def test_sandbox_of_another_name_is_unavailable(settings):
    settings.SANDBOX = "chroot"
    with pytest.raises(SandboxUnavailable, match="chroot"):
        get_sandbox()
    assert sandbox_status() == "unavailable"
    assert "chroot" in package.sandbox_refusal()


def test_refusal_is_kept_for_a_while_and_then_asked_again():
    now = [100.0]
    asked = []

    def refuse():
        asked.append(now[0])
        raise SandboxUnavailable("nothing here")

    probe = package.Probe(refuse, clock=lambda: now[0])
    for _ in range(2):
        with pytest.raises(SandboxUnavailable, match="nothing here"):
            probe.get()
    assert asked == [100.0]
    now[0] += 31
    with pytest.raises(SandboxUnavailable):
        probe.get()
    assert asked == [100.0, 131.0]
    assert probe.status(patience_s=5) == "unavailable"


def test_status_does_not_wait_for_a_slow_probe():
    release = threading.Event()

    def slow():
        release.wait(30)
        return backend("offered")

    probe = package.Probe(slow)
    assert probe.status(patience_s=0.01) == "unavailable"
    release.set()
    assert probe.get() is backend("offered")
    assert probe.status(patience_s=0.01) == "bubblewrap"


def test_check_of_a_deployment_asks_whether_programs_can_run(settings):
    assert programs_can_run() == []
    settings.SANDBOX = "chroot"
    (warning,) = programs_can_run()
    assert (warning.id, "chroot" in warning.msg) == ("tasks.W001", True)
    settings.RUNNER_REDIS_URL = "redis://runner.example:6379/0"
    assert programs_can_run() == []
