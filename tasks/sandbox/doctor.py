"""`sandbox_doctor`: what this machine gives a sandbox, and whether its walls hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from tasks.sandbox import canaries, machine
from tasks.sandbox.base import Check, Sandbox, SandboxError
from tasks.sandbox.languages import LANGUAGES
from tasks.sandbox.machine import remedy

if TYPE_CHECKING:
    from tasks.sandbox.bubblewrap import Bubblewrap
    from tasks.sandbox.docker import Docker


def examine(sandbox: Bubblewrap) -> list[Check]:
    """Everything bubblewrap needs, then every canary; stops at what makes the rest pointless."""
    try:
        sandbox.root  # noqa: B018, built here when it is missing
        enforcement = sandbox.enforcement
    except SandboxError as error:
        return [Check(_("parts"), False, str(error), remedy(str(error)))]
    checks = [Check(_("parts"), True, _("bubblewrap and the languages' runtimes are there"))]
    for name, language in LANGUAGES.items():
        found = ", ".join(language.versions()) if language.available() else ""
        checks.append(_language(name, found))
    checks.append(machine.limits(enforcement))
    flown = _canaries(sandbox)
    # The kernel's settings explain a sandbox that does not start; where it starts they are fine.
    return [*checks, *([] if usable(flown) else machine.user_namespaces()), *flown]


def examine_docker(sandbox: Docker) -> list[Check]:
    """The engine, the image and what is in it, then every canary."""
    try:
        enforcement = sandbox.enforcement
        checks = [Check(_("engine"), True, sandbox.where())]
        offered = sandbox.languages()
        for name in LANGUAGES:
            found = (sandbox.version(name) or _("in the image")) if name in offered else ""
            checks.append(_language(name, found))
    except SandboxError as error:
        return [Check(_("engine"), False, str(error), remedy(str(error)))]
    checks.append(Check(_("limits"), True, enforcement, required=False))
    return [*checks, *_canaries(sandbox)]


def usable(checks: list[Check]) -> bool:
    """Whether programs may be run after these findings."""
    return all(check.ok for check in checks if check.required)


def _language(name: str, found: str) -> Check:
    if found:
        return Check(name, True, found, required=False)
    package = LANGUAGES[name].package
    what_to_do = _("Install it for tasks in this language: %(package)s.") % {"package": package}
    return Check(name, False, _("not installed"), what_to_do, required=False)


def _canaries(sandbox: Sandbox) -> list[Check]:
    try:
        return canaries.fly(sandbox)
    except SandboxError as error:
        return [Check(_("a trivial program"), False, str(error), remedy(str(error)))]


__all__ = ["examine", "examine_docker", "remedy", "usable"]
