"""Say whether programs can be run here, what is missing, and what to do about it."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from tasks.sandbox import SandboxUnavailable, chosen, make_sandbox
from tasks.sandbox.base import Check
from tasks.sandbox.doctor import usable


class Command(BaseCommand):
    help = "Try the sandbox against programs that attack it. Exits with 1 when it is not usable."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--backend",
            choices=["bubblewrap", "docker"],
            help="Examine this one instead of what SANDBOX chooses.",
        )

    def handle(self, *args: Any, backend: str | None, **options: Any) -> None:
        try:
            choice = backend or chosen()
        except SandboxUnavailable as error:
            raise CommandError(str(error))
        for name in ("bubblewrap", "docker") if choice == "auto" else (choice,):
            self.stdout.write(name)
            sandbox = make_sandbox(name)
            try:
                checks = sandbox.doctor()
            finally:
                sandbox.close()
            for check in checks:
                self._report(check)
            if usable(checks):
                self.stdout.write(self.style.SUCCESS(_("The sandbox is usable.")))
                return
        raise CommandError(_("The sandbox is not usable: no program will be run."))

    def _report(self, check: Check) -> None:
        mark = "ok  " if check.ok else ("FAIL" if check.required else "note")
        style = self.style.SUCCESS if check.ok else self.style.WARNING
        self.stdout.write(f"{style(mark)} {check.name}: {check.detail}")
        if check.remedy:
            self.stdout.write(f"     {check.remedy}")
