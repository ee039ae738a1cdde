"""`manage.py prepare`: bring the database up to date before serving."""

from __future__ import annotations

from io import StringIO
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor


class Command(BaseCommand):
    help = (
        "Migrate, load the task bank, look for a sandbox and, in development, make the demo"
        " accounts. Safe to run again."
    )
    requires_system_checks = "__all__"

    def handle(self, **options: Any) -> None:
        executor = MigrationExecutor(connection)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
        if plan:
            self.stdout.write(f"Applying {len(plan)} migrations")
            call_command("migrate", interactive=False, verbosity=0)
        self.say("Loading the task bank")
        call_command("load_tasks")
        if settings.DEBUG:
            self.say("Making the demo accounts")
            call_command("demo_accounts")
        if not settings.RUNNER_REDIS_URL:
            self.look_for_sandbox()

    def say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()

    def look_for_sandbox(self) -> None:
        """Without one the server still starts: everything but running programs works."""
        self.say("Trying the sandbox")
        report = StringIO()
        try:
            call_command("sandbox_doctor", stdout=report, no_color=True)
        except CommandError as error:
            self.stderr.write(report.getvalue())
            self.stderr.write(self.style.ERROR(str(error)))
            self.stderr.write("Once it is mended, `manage.py sandbox_doctor` says so.")
