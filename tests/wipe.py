"""Empties the database after a test that commits, and keeps what migrations put there.

Django's own way, `flush`, also deletes the groups and the baseline model that migrations made,
and takes half a second for signals that make permissions again.
"""

from __future__ import annotations

from django.apps import apps
from django.db import connection, transaction
from django.test import TransactionTestCase

KEPT = {
    "django_migrations", "django_content_type", "auth_permission", "auth_group",
    "auth_group_permissions", "telemetry_modelversion",
}  # fmt: skip


def wipe() -> None:
    """Delete every row that no migration made."""
    quote = connection.ops.quote_name
    tables = sorted(set(connection.introspection.table_names()) - KEPT)
    baseline = f"DELETE FROM {quote('telemetry_modelversion')} WHERE name <> 'baseline_v1'"
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # Foreign keys are checked at the commit, so that any order will do.
            with transaction.atomic():
                cursor.execute(";".join(f"DELETE FROM {quote(table)}" for table in tables))
                cursor.execute(baseline)
            return
        cursor.execute("PRAGMA foreign_keys = OFF")
        try:
            for table in tables:
                cursor.execute(f"DELETE FROM {quote(table)}")
            cursor.execute(baseline)
        finally:
            cursor.execute("PRAGMA foreign_keys = ON")


def _fixture_teardown(self: TransactionTestCase) -> None:
    if apps.is_installed("tasks"):
        from tasks import evaluation

        evaluation.drain(30)
    wipe()


def install() -> None:
    """Let every test with `transaction=True` clean up like this."""
    TransactionTestCase._fixture_teardown = _fixture_teardown  # type: ignore[method-assign]
