"""Run every submission of every package in the sandbox and compare verdicts with folder names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _
from tqdm import tqdm

from tasks.packages import PackageError, discover, parse
from tasks.verification import surprises


class Command(BaseCommand):
    help = (
        "Judge every submission of the packages (default: the whole bank) in the sandbox; fails if "
        "a package is broken or a verdict is not the one that the submission's folder names."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("paths", nargs="*", type=Path, metavar="PATH")
        parser.add_argument("--slug", action="append", help="only this task; can be repeated")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            folders = list(discover(options["paths"]))
        except PackageError as error:
            raise CommandError(str(error))
        if slugs := options["slug"]:
            folders = [folder for folder in folders if folder.name in slugs]
            if unknown := set(slugs) - {folder.name for folder in folders}:
                raise CommandError(_("no such task: %(slug)s") % {"slug": sorted(unknown)[0]})
        quiet = options["verbosity"] == 0
        programs = bad = 0
        for folder in tqdm(folders, unit=_("task"), disable=quiet or None):
            try:
                package = parse(folder)
            except PackageError as error:
                self.stderr.write(self.style.ERROR(str(error)))
                bad += 1
                continue
            programs += len(package.submissions)
            for surprise in surprises(package):
                self.stderr.write(self.style.ERROR(str(surprise)))
                bad += 1
        summary = _("%(tasks)d tasks, %(programs)d programs, %(bad)d surprises") % {
            "tasks": len(folders),
            "programs": programs,
            "bad": bad,
        }
        if bad:
            raise CommandError(summary)
        if not quiet:
            self.stdout.write(self.style.SUCCESS(summary))
