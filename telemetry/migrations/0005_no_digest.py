"""The digest of an event follows from its text: it is made where two are compared."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
from django.db import migrations, models


def write_digests(apps: Any, schema_editor: Any) -> None:
    events = apps.get_model("telemetry", "GameEvent").objects.using(schema_editor.connection.alias)
    after = 0
    while rows := list(events.filter(seq__gt=after).order_by("seq").only("seq", "raw")[:1000]):
        for row in rows:
            canonical = msgspec.json.encode(msgspec.json.decode(row.raw), order="sorted")
            row.digest = hashlib.sha256(canonical).hexdigest()
        events.bulk_update(rows, ["digest"])
        after = rows[-1].seq


class Migration(migrations.Migration):
    dependencies = [("telemetry", "0004_retention")]

    operations = [
        migrations.RunPython(migrations.RunPython.noop, write_digests),
        # What makes the column again needs a value for the rows that are there.
        migrations.AlterField("gameevent", "digest", models.CharField(default="", max_length=64)),
        migrations.RemoveField("gameevent", "digest"),
    ]
