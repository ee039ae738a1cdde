"""Say whether programs can be run here, what is missing, and what to do about it."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from tasks.sandbox import SandboxUnavailable, check_choice
from tasks.sandbox.bubblewrap import Bubblewrap
from tasks.sandbox.doctor import usable


class Command(BaseCommand):
    help = "Try the sandbox against programs that attack it. Exits with 1 when it is not usable."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            check_choice()
        except SandboxUnavailable as error:
            raise CommandError(str(error))
        checks = Bubblewrap().doctor()
        for check in checks:
            mark = "ok  " if check.ok else ("FAIL" if check.required else "note")
            style = self.style.SUCCESS if check.ok else self.style.WARNING
            self.stdout.write(f"{style(mark)} {check.name}: {check.detail}")
            if check.remedy:
                self.stdout.write(f"     {check.remedy}")
        if not usable(checks):
            raise CommandError(_("The sandbox is not usable: no program will be run."))
        self.stdout.write(self.style.SUCCESS(_("The sandbox is usable.")))
