"""`sandbox_doctor`: what this machine gives a sandbox, and whether its walls hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from tasks.sandbox import canaries, machine
from tasks.sandbox.base import Check, Job, Sandbox, SandboxError, Status
from tasks.sandbox.languages import LANGUAGES
from tasks.sandbox.machine import remedy
from tasks.spec import Limits

if TYPE_CHECKING:
    from tasks.sandbox.bubblewrap import Bubblewrap
    from tasks.sandbox.docker import Docker

_SAMPLE_LIMITS = Limits(time_s=10, memory_mb=256, output_kb=16)


def examine(sandbox: Bubblewrap) -> list[Check]:
    """Everything bubblewrap needs, then every canary; stops at what makes the rest pointless."""
    try:
        sandbox.root  # noqa: B018, built here when it is missing
        enforcement = sandbox.enforcement
    except SandboxError as error:
        return [Check(_("parts"), False, str(error), remedy(str(error)))]
    parts = Check(_("parts"), True, _("bubblewrap and the languages' runtimes are there"))
    checks = [parts, machine.limits(enforcement)]
    flown = _canaries(sandbox)
    if usable(flown):
        checks += _languages(sandbox)
    else:  # where it starts, the kernel's settings are fine
        checks += machine.user_namespaces()
    return [*checks, *flown]


def examine_docker(sandbox: Docker) -> list[Check]:
    """The engine, the image and what is in it, then every canary."""
    try:
        checks = [Check(_("limits"), True, sandbox.enforcement, required=False)]
    except SandboxError as error:
        return [Check(_("engine"), False, str(error), remedy(str(error)))]
    checks.insert(0, Check(_("engine"), True, sandbox.where()))
    flown = _canaries(sandbox)
    if usable(flown):
        checks += _languages(sandbox)
    return [*checks, *flown]


def usable(checks: list[Check]) -> bool:
    """Whether programs may be run after these findings."""
    return all(check.ok for check in checks if check.required)


def _languages(sandbox: Sandbox) -> list[Check]:
    offered = sandbox.languages()
    return [_language(sandbox, name, offered.get(name)) for name in LANGUAGES]


def _language(sandbox: Sandbox, name: str, version: str | None) -> Check:
    """Compile and run a program of the language; what that needs is copied here, the first time."""
    language = LANGUAGES[name]
    package = {"package": language.package}
    if version is None:
        what_to_do = _("Install it for tasks in this language: %(package)s.") % package
        return Check(name, False, _("not installed"), what_to_do, required=False)
    job = Job(name, language.sample, language.kinds[0], "", ("",), _SAMPLE_LIMITS)
    try:
        evaluation = sandbox.evaluate(job)
    except SandboxError as error:
        return Check(name, False, str(error), remedy(str(error)), required=False)
    if not evaluation.compiled:
        what_to_do = _(
            "Install it again: %(package)s. Until then no program in this language compiles."
        )
        said = evaluation.compile_output[-600:]
        return Check(name, False, said, what_to_do % package, required=False)
    (run,) = evaluation.runs
    ok = run.status is Status.OK and "42" in run.stdout
    detail = version if ok else canaries.describe(run)
    return Check(name, ok, detail, "" if ok else canaries.broken(), required=False)


def _canaries(sandbox: Sandbox) -> list[Check]:
    try:
        return canaries.fly(sandbox)
    except SandboxError as error:
        return [Check(_("a trivial program"), False, str(error), remedy(str(error)))]


__all__ = ["examine", "examine_docker", "remedy", "usable"]
