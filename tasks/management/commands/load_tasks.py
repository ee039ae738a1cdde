"""Load coding-task packages into the bank."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from tqdm import tqdm

from tasks.packages import PackageError, Stored, discover, load
from tasks.publishing import settle_all


class Command(BaseCommand):
    help = (
        "Load coding-task packages (default: the whole bank). Can be repeated: an unchanged package "
        "is left alone, and nothing changes for one that is rejected."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("paths", nargs="*", type=Path, metavar="PATH")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            folders = list(discover(options["paths"]))
        except PackageError as error:
            raise CommandError(str(error))
        quiet = options["verbosity"] == 0
        outcome = load(tqdm(folders, unit=_("task"), disable=quiet or None))
        for rejected in outcome.rejected:
            self.stderr.write(self.style.ERROR(str(rejected)))
        waiting = settle_all()
        summary = _(
            "%(created)d created, %(changed)d changed, %(unchanged)d unchanged, %(bad)d rejected"
        ) % {
            "created": outcome.stored[Stored.CREATED],
            "changed": outcome.stored[Stored.CHANGED],
            "unchanged": outcome.stored[Stored.UNCHANGED],
            "bad": len(outcome.rejected),
        }
        if outcome.rejected:
            raise CommandError(summary)
        if not quiet:
            self.stdout.write(self.style.SUCCESS(summary))
            if waiting:
                text = ngettext(
                    "%d task waits for the proof of its tests, which a background job carries out.",
                    "%d tasks wait for the proof of their tests, which background jobs carry out.",
                    waiting,
                )
                self.stdout.write(text % waiting)
