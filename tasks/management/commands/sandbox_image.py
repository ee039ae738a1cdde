"""Put the file system of the sandbox image together, for `docker build` or `docker import`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from tasks.sandbox.base import SandboxError
from tasks.sandbox.image import fill
from tasks.sandbox.languages import LANGUAGES


class Command(BaseCommand):
    help = "Copy this machine's languages into a directory that an image of the sandbox is made of."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("directory", type=Path, help="An empty directory, or a new one.")

    def handle(self, *args: Any, directory: Path, **options: Any) -> None:
        try:
            directory.mkdir(parents=True, exist_ok=True)
            fill(directory)
        except (SandboxError, OSError) as error:
            raise CommandError(_("The image could not be made: %(error)s") % {"error": error})
        found = [name for name, language in LANGUAGES.items() if language.available()]
        self.stdout.write(
            _("%(directory)s holds: %(languages)s.")
            % {"directory": directory, "languages": ", ".join(found)}
        )
