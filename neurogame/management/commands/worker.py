"""`manage.py worker`: the process for background jobs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from neurogame.supervised import follow_parent
from neurogame.worker import work


class Command(BaseCommand):
    help = "Run background jobs and the periodic ones until Ctrl-C or SIGTERM."
    requires_system_checks = "__all__"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--batch", action="store_true", help="run what is queued now, then end")
        parser.add_argument(
            "--supervised", action="store_true", help="end when the parent process ends"
        )

        parser.add_argument("--alive-file", type=Path, help="touch this file with every heartbeat")

    def handle(self, **options: Any) -> None:
        if options["supervised"]:
            follow_parent()
        work(batch=options["batch"], alive_file=options["alive_file"])
