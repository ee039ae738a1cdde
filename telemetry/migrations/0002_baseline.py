from __future__ import annotations

from django.db import migrations

NAME = "baseline_v1"


def register(apps, schema_editor):
    apps.get_model("telemetry", "ModelVersion").objects.get_or_create(
        name=NAME,
        defaults={
            "status": "registered",
            "kind": "baseline",
            "notes": "What the game serves before any model was trained.",
        },
    )


def forget(apps, schema_editor):
    apps.get_model("telemetry", "ModelVersion").objects.filter(name=NAME).delete()


class Migration(migrations.Migration):
    dependencies = [("telemetry", "0001_initial")]
    operations = [migrations.RunPython(register, forget)]
