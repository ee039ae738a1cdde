"""Rebuild the standings from the events, check that they agree, rate items."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from leaderboard import calibration, rebuild


class Command(BaseCommand):
    help = (
        "`standings rebuild` makes the standings anew while events arrive, with --check it only "
        "compares, with --rule under another rule version; `standings calibrate` estimates the "
        "difficulty of items that events only name, and rebuilds."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["rebuild", "calibrate"])
        parser.add_argument("--check", action="store_true", help="Compare, change nothing.")
        parser.add_argument("--rule", type=int, help="The rule version to build and switch to.")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["check"] and (options["rule"] or options["action"] != "rebuild"):
            raise CommandError("--check goes with `standings rebuild` alone")
        try:
            if options["check"]:
                self.check_all()
            elif options["action"] == "calibrate":
                with self.progress() as progress:
                    rated = calibration.calibrate(progress=progress)
                self.stdout.write(f"rated {rated} items")
            else:
                with self.progress() as progress:
                    made = rebuild.rebuild(rule_version=options["rule"], progress=progress)
                self.stdout.write(f"rebuilt {made} cells")
        except (rebuild.Busy, LookupError) as error:
            raise CommandError(str(error)) from error

    def check_all(self) -> None:
        with self.progress() as progress:
            wrong = rebuild.differences(progress=progress)
        for one in wrong[:20]:
            self.stderr.write(f"differs: {one.table} {one.key}: {one.stored} is not {one.expected}")
        if wrong:
            raise CommandError(f"{len(wrong)} rows differ from the events")
        self.stdout.write("the standings agree with the events")

    @contextmanager
    def progress(self) -> Iterator[Callable[[int], object]]:
        """A bar over `seq`, shown on a terminal alone."""
        with tqdm(total=rebuild.last_seq(), unit="event", disable=None) as bar:
            yield lambda seq: bar.update(seq - bar.n)
