"""`manage.py prepare`: bring the database up to date before serving."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management import call_command, get_commands
from django.core.management.base import BaseCommand
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
        self.step("load_tasks", "Loading the task bank")
        if settings.DEBUG:
            self.step("demo_accounts", "Making the demo accounts")
        self.step("sandbox_doctor", "Looking for a sandbox", "--quiet")

    def step(self, command: str, title: str, *arguments: str) -> None:
        if command in get_commands():
            self.stdout.write(title)
            self.stdout.flush()
            call_command(command, *arguments)
