"""Every column of every export is explained, on the page and in the schema."""

from __future__ import annotations

import csv
import io

import pyarrow.parquet as pq
import pytest
from django.test import Client
from django.utils import timezone

from leaderboard.columns import STANDINGS
from leaderboard.resources import StandingResource
from neurogame.dictionary import tables
from telemetry.columns import CONFLICTS, EVENTS, QUARANTINE
from telemetry.export import SERVER_FIELDS, Selection
from telemetry.export_stream import Reader
from telemetry.models import GameEvent
from telemetry.resources import ConflictResource, QuarantineResource
from telemetry.schema import EVENT

pytestmark = pytest.mark.django_db(transaction=True)


def export(form: str) -> bytes:
    reader = Reader(Selection().snapshot(), form=form)
    return b"".join(iter(reader.read, None))


def names(table, form: str) -> list[str]:
    return [column.name for column in table.of(form)]


def test_every_format_of_events_has_exactly_the_columns_of_the_dictionary():
    now = timezone.now()
    GameEvent.objects.create(
        event_id="a", event_type="t", effective_ts=now, received_at=now, user_id="u",
        raw='{"event_id":"a"}',
    )  # fmt: skip
    rows = csv.reader(io.StringIO(export("csv").decode()))
    assert next(rows) == names(EVENTS, "csv")
    schema = pq.read_schema(io.BytesIO(export("parquet")))
    assert schema.names == names(EVENTS, "parquet")
    for column in EVENTS.of("parquet"):
        field = schema.field(column.name)
        assert column.types["parquet"].removesuffix(", JSON text") == str(field.type)
        assert field.nullable == column.nullable
    assert set(names(EVENTS, "json")) == {*EVENT["properties"], *SERVER_FIELDS}


@pytest.mark.parametrize(
    ("table", "resource"),
    [
        (STANDINGS, StandingResource),
        (QUARANTINE, QuarantineResource),
        (CONFLICTS, ConflictResource),
    ],
)
def test_exports_of_the_admin_have_exactly_the_columns_of_the_dictionary(table, resource):
    head = resource().get_export_headers(selected_fields=None)
    for form in table.formats:
        assert names(table, form) == head


@pytest.mark.parametrize("language", ["en", "ru"])
def test_the_page_explains_every_column(language):
    answer = Client(headers={"Accept-Language": language}).get("/dictionary/")
    assert answer.status_code == 200
    html = answer.content.decode()
    assert [table.slug for table in tables()] == ["events", "quarantine", "conflicts", "standings"]
    for table in tables():
        assert f'id="{table.slug}"' in html
        for column in table.columns:
            assert f"<code>{column.name}</code>" in html
            assert column.example
            assert column.meaning


def test_the_schema_describes_every_column():
    operation = Client().get("/api/schema").json()["paths"]["/v1/export/raw"]["get"]
    content = operation["responses"]["200"]["content"]
    stored = content["application/x-ndjson"]["schema"]["properties"]
    page = content["application/json"]["schema"]["properties"]
    assert page["events"]["items"]["properties"] == stored
    assert {name: field["description"] for name, field in stored.items()} == {
        column.name: column.meaning for column in EVENTS.of("json")
    }
    for form, media_type in (("csv", "text/csv"), ("parquet", "application/vnd.apache.parquet")):
        columns = content[media_type]["x-columns"]
        assert [column["name"] for column in columns] == names(EVENTS, form)
        text = content[media_type]["schema"]["description"]
        for column in EVENTS.of(form):
            assert f"| `{column.name}` | {column.types[form]} |" in text
            assert column.meaning in text
