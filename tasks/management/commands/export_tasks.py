"""Write tasks of the database as packages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _
from tqdm import tqdm

from tasks.formats.exporting import FORMATS, export
from tasks.formats.kattis_writing import ExportError
from tasks.models import CodingTask


class Command(BaseCommand):
    help = (
        "Write tasks as packages that load_tasks reads: folders in DEST, or one archive when DEST "
        "ends with .zip. Nothing that exists is overwritten."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("destination", type=Path, metavar="DEST")
        parser.add_argument("--slug", action="append", help="only this task; can be repeated")
        parser.add_argument("--format", choices=sorted(FORMATS), default="neurogame")

    def handle(self, *args: Any, **options: Any) -> None:
        quiet = options["verbosity"] == 0
        tasks = CodingTask.objects.prefetch_related("translations", "tests", "programs")
        if slugs := options["slug"]:
            tasks = tasks.filter(slug__in=slugs)
            if unknown := set(slugs) - set(tasks.values_list("slug", flat=True)):
                raise CommandError(_("no such task: %(slug)s") % {"slug": sorted(unknown)[0]})
        rows = list(tasks.order_by("slug"))
        try:
            failed = export(
                tqdm(rows, unit=_("task"), disable=quiet or None),
                options["destination"],
                options["format"],
            )
        except ExportError as error:
            raise CommandError(str(error))
        for slug, reason in failed:
            self.stderr.write(self.style.ERROR(f"{slug}: {reason}"))
        summary = _("%(written)d written, %(bad)d not") % {
            "written": len(rows) - len(failed),
            "bad": len(failed),
        }
        if failed:
            raise CommandError(summary)
        if not quiet:
            self.stdout.write(self.style.SUCCESS(summary))
