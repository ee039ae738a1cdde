from __future__ import annotations

from django.db import migrations

from interviews.roles import grant


def grant_again(apps, schema_editor):
    grant(
        apps.get_model("auth", "Group"),
        apps.get_model("auth", "Permission"),
        apps.get_model("contenttypes", "ContentType"),
    )


class Migration(migrations.Migration):
    dependencies = [("interviews", "0002_groups")]
    operations = [migrations.RunPython(grant_again, migrations.RunPython.noop)]
