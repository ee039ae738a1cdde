"""Rebuild the standings from the events, or check that they agree."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from leaderboard import standings


class Command(BaseCommand):
    help = "`standings rebuild` makes the standings anew; with --check it only compares."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["rebuild"])
        parser.add_argument("--check", action="store_true", help="Compare, change nothing.")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["check"]:
            self.stdout.write(f"rebuilt {standings.rebuild()} cells")
            return
        wrong = standings.differences()
        for cell in wrong[:20]:
            self.stderr.write(f"differs: {cell}")
        if wrong:
            raise CommandError(f"{len(wrong)} cells differ from the events")
        self.stdout.write("the standings agree with the events")
