"""Which sandbox there is, whether it works, and what the operator is told."""

import threading
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from tasks import sandbox as package
from tasks.sandbox import SandboxUnavailable, get_sandbox, sandbox_status
from tasks.sandbox.base import Check
from tasks.sandbox.doctor import remedy, usable
from tasks.sandbox.languages import LANGUAGES

from .sandbox_support import MODES, backend


@pytest.mark.parametrize("mode", MODES)
def test_every_canary_is_contained(mode):
    checks = backend(mode).doctor()
    assert [check.name for check in checks if check.required and not check.ok] == []
    assert {"network", "fork bomb", "memory", "survivors"} <= {check.name for check in checks}
    assert usable(checks)


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
    settings.SANDBOX = "docker"
    with pytest.raises(CommandError, match="SANDBOX=docker"):
        call_command("sandbox_doctor", stdout=StringIO())


@pytest.mark.parametrize(
    ("complaint", "word"),
    [
        ("bwrap: Can't mount proc on /newroot/proc: Operation not permitted", "systempaths"),
        ("bwrap: No permissions to create new namespace", "unprivileged_userns_clone"),
        ("bwrap: setting up uid map: Permission denied", "apparmor"),
        ("bwrap: Creating new namespace failed: No space left on device", "max_user_namespaces"),
        ("bubblewrap is missing: install", "apt install bubblewrap"),
        ("prlimit is missing: install", "util-linux"),
        ("something else", "Linux 5.11"),
    ],
)
def test_every_known_complaint_has_its_remedy(complaint, word):
    assert word in remedy(complaint)


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


@pytest.mark.parametrize("choice", ["docker", "chroot"])
def test_sandbox_of_another_name_is_unavailable(settings, choice):
    settings.SANDBOX = choice
    with pytest.raises(SandboxUnavailable, match=choice):
        get_sandbox()
    assert sandbox_status() == "unavailable"


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
