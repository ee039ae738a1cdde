"""`manage.py bench`: how fast this machine is."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from neurogame.bench import Unexpected, bench


class Command(BaseCommand):
    help = "Measure events in, pages out and programs run, over HTTP on a database of its own."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--seconds", type=float, default=5.0, help="for each (%(default)s)")
        parser.add_argument("--clients", type=int, default=8, help="connections (%(default)s)")

    def handle(self, **options: Any) -> None:
        self.stdout.write(f"{'':<28}{'rate':<22}{'p50 ms':>8}{'p95 ms':>8}{'max ms':>8}")
        try:
            for figures in bench(seconds=options["seconds"], clients=options["clients"]):
                self.stdout.write(figures.line())
                self.stdout.flush()
        except Unexpected as fault:
            raise CommandError(str(fault)) from fault
