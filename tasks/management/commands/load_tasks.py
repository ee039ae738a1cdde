"""Load coding-task packages into the bank."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from tqdm import tqdm

from tasks.formats.importing import find
from tasks.packages import Defaults, PackageError, Stored, load
from tasks.publishing import settle_all


class Command(BaseCommand):
    help = (
        "Load coding-task packages (default: the whole bank): folders of our format, Kattis or ICPC "
        "problem packages, as folders or .zip, and .jsonl files of HumanEval records. Can be "
        "repeated: an unchanged package is left alone, and nothing changes for one that is rejected."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        usual = Defaults()
        parser.add_argument("paths", nargs="*", type=Path, metavar="PATH")
        for name, kind, text in (
            ("track", str, "track of packages that name none (%(default)s)"),
            ("difficulty", float, "their b of the 2PL model (%(default)s)"),
            ("discrimination", float, "their a of the 2PL model (%(default)s)"),
        ):
            parser.add_argument(f"--{name}", type=kind, default=getattr(usual, name), help=text)

    def handle(self, *args: Any, **options: Any) -> None:
        quiet = options["verbosity"] == 0
        try:
            defaults = Defaults(
                track=options["track"],
                difficulty=options["difficulty"],
                discrimination=options["discrimination"],
            )
        except ValueError as error:
            raise CommandError(str(error))
        with tempfile.TemporaryDirectory() as workspace:
            try:
                found = list(find(options["paths"], workspace=Path(workspace), defaults=defaults))
            except PackageError as error:
                raise CommandError(str(error))
            progress = tqdm(found, unit=_("task"), disable=quiet or None)
            outcome = load(progress, read=lambda one: one.read())
        for path, note in outcome.notes:
            self.stderr.write(self.style.WARNING(f"{path}: {note}"))
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
