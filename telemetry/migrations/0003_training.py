"""What training writes of a model version; one champion; content that never changes."""

from __future__ import annotations

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

CONTENT = (
    "name", "kind", "metrics", "params", "manifest", "artefact", "card", "seed", "code_version",
    "snapshot_sha256",
)  # fmt: skip
MESSAGE = "a registered model version never changes"


def keep_one_champion(apps, schema_editor):
    """Nothing forbade several before: the one made last stays."""
    versions = apps.get_model("telemetry", "ModelVersion").objects
    last = versions.filter(status="champion").order_by("-created_at", "-pk").first()
    if last is not None:
        versions.filter(status="champion").exclude(pk=last.pk).update(status="archived")


def add_trigger(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        changed = " OR ".join(f"NEW.{name} IS DISTINCT FROM OLD.{name}" for name in CONTENT)
        schema_editor.execute(
            "CREATE FUNCTION telemetry_modelversion_keep() RETURNS trigger AS $$ BEGIN "
            f"RAISE EXCEPTION '{MESSAGE}' USING ERRCODE = 'integrity_constraint_violation'; "
            "END $$ LANGUAGE plpgsql"
        )
        schema_editor.execute(
            "CREATE TRIGGER telemetry_modelversion_keep BEFORE UPDATE ON telemetry_modelversion "
            f"FOR EACH ROW WHEN (OLD.kind <> '' AND ({changed})) "
            "EXECUTE FUNCTION telemetry_modelversion_keep()"
        )
    elif schema_editor.connection.vendor == "sqlite":
        changed = " OR ".join(f"NEW.{name} IS NOT OLD.{name}" for name in CONTENT)
        schema_editor.execute(
            "CREATE TRIGGER telemetry_modelversion_keep BEFORE UPDATE ON telemetry_modelversion "
            f"FOR EACH ROW WHEN OLD.kind <> '' AND ({changed}) "
            f"BEGIN SELECT RAISE(ABORT, '{MESSAGE}'); END"
        )


def drop_trigger(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(
            "DROP TRIGGER IF EXISTS telemetry_modelversion_keep ON telemetry_modelversion"
        )
        schema_editor.execute("DROP FUNCTION IF EXISTS telemetry_modelversion_keep()")
    elif schema_editor.connection.vendor == "sqlite":
        schema_editor.execute("DROP TRIGGER IF EXISTS telemetry_modelversion_keep")


class Migration(migrations.Migration):
    dependencies = [("telemetry", "0002_baseline")]

    operations = [
        migrations.AlterModelOptions(
            name="modelversion",
            options={
                "ordering": ["-created_at"],
                "permissions": [
                    ("override_gate", "Can make a champion of what did not pass the gate")
                ],
                "verbose_name": "model version",
                "verbose_name_plural": "model versions",
            },
        ),
        migrations.AddField(
            model_name="modelversion",
            name="card",
            field=models.TextField(
                blank=True, help_text="Markdown, in English.", verbose_name="model card"
            ),
        ),
        migrations.AddField(
            model_name="modelversion",
            name="code_version",
            field=models.CharField(
                blank=True,
                help_text="SHA-256 of the training code that made it.",
                max_length=64,
                verbose_name="code version",
            ),
        ),
        migrations.AddField(
            model_name="modelversion",
            name="promoted_at",
            field=models.DateTimeField(
                blank=True,
                help_text="When it last became the champion.",
                null=True,
                verbose_name="champion since",
            ),
        ),
        migrations.AddField(
            model_name="modelversion",
            name="seed",
            field=models.BigIntegerField(blank=True, null=True, verbose_name="seed"),
        ),
        migrations.AddField(
            model_name="modelversion",
            name="snapshot_sha256",
            field=models.CharField(
                blank=True,
                help_text="SHA-256 of the canonical rows that it was trained and tested on.",
                max_length=64,
                verbose_name="snapshot",
            ),
        ),
        migrations.CreateModel(
            name="GateResult",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("passed", models.BooleanField(verbose_name="passed")),
                ("report", models.JSONField(default=dict, verbose_name="report")),
                (
                    "judged_at",
                    models.DateTimeField(default=django.utils.timezone.now, verbose_name="judged"),
                ),
                (
                    "champion",
                    models.ForeignKey(
                        blank=True,
                        help_text="Empty: there was none to beat but the item mean.",
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="challenges",
                        to="telemetry.modelversion",
                        verbose_name="champion",
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="gate_results",
                        to="telemetry.modelversion",
                        verbose_name="model version",
                    ),
                ),
            ],
            options={
                "verbose_name": "gate result",
                "verbose_name_plural": "gate results",
                "ordering": ["-judged_at", "-pk"],
                "constraints": [
                    models.UniqueConstraint(fields=("version", "champion"), name="judged_once"),
                    models.UniqueConstraint(
                        condition=models.Q(("champion", None)),
                        fields=("version",),
                        name="judged_once_alone",
                    ),
                ],
            },
        ),
        migrations.RunPython(keep_one_champion, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name="modelversion",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status", "champion")),
                fields=("status",),
                name="one_champion",
            ),
        ),
        migrations.RunPython(add_trigger, drop_trigger),
    ]
