from __future__ import annotations

import csv
import gzip
import io
import json
from datetime import UTC, datetime, timedelta

import pyarrow.parquet as pq
import pytest
from django.test import Client
from django.utils import timezone

from telemetry import ingest, keys
from telemetry.export_formats import KINDS
from telemetry.models import GameEvent
from telemetry.wire import read_event

pytestmark = pytest.mark.django_db(transaction=True)

KEY = "dev-key-change-me"


def event(event_id, **fields):
    return {
        "event_id": event_id, "event_type": "task_result", "event_ts": "2026-02-17T12:05:11Z",
        "user_id": "u_42", **fields,
    }  # fmt: skip


def store(events, now=None, version="1.0"):
    now = now or timezone.now()
    parsed = [read_event(json.dumps(e).encode(), n, now) for n, e in enumerate(events)]
    ingest.store(ingest.Batch(parsed, now, version))


def get(key=KEY, headers=None, **query):
    return Client().get("/v1/export/raw", {"api_key": key, **query}, headers=headers)


def body_of(answer):
    async def read():
        return b"".join([part async for part in answer.streaming_content])

    from asgiref.sync import async_to_sync

    return async_to_sync(read)()


def data_of(answer):
    return body_of(answer) if answer.streaming else answer.content


def test_an_event_has_exactly_its_fields_and_the_servers():
    store([event("a", odd={"x": [1, None]}, flags="mine", seq="mine")])
    body = get().json()
    (exported,) = body["events"]
    assert set(exported) == {
        "event_id",
        "event_type",
        "event_ts",
        "user_id",
        "odd",
        "seq",
        "received_at",
        "effective_ts",
        "client_version",
        "flags",
    }
    assert (exported["flags"], exported["odd"]) == (["not_scored"], {"x": [1, None]})
    assert isinstance(exported["seq"], int)
    assert (body["ok"], body["total"], body["next_cursor"]) == (True, 1, None)


def test_pages_by_cursor_and_by_offset():
    store([event(f"e{n}") for n in range(7)])
    seen, after = [], 0
    while after is not None:
        page = get(limit=3, after=after).json()
        assert page["total"] == 7
        seen += [e["event_id"] for e in page["events"]]
        after = page["next_cursor"]
        if len(seen) == 3:
            store([event("late")])
            page["total"] = 8
            break
    rest = get(limit=10, after=after).json()
    assert seen + [e["event_id"] for e in rest["events"]] == [f"e{n}" for n in range(7)] + ["late"]
    assert [e["event_id"] for e in get(limit=2, offset=5).json()["events"]] == ["e5", "e6"]


def test_filters():
    old = datetime(2026, 1, 1, tzinfo=UTC)
    store([event("old", user_id="x")], now=old)
    store([event("new", event_type="jump")])

    def ids(**query):
        return [e["event_id"] for e in get(**query).json()["events"]]

    assert ids(until="2026-01-02T00:00:00Z") == ["old"]
    assert ids(since="2026-01-01T00:00:00+00:00") == ["old", "new"]
    assert ids(since=(old + timedelta(seconds=1)).isoformat()) == ["new"]
    assert ids(until="2026-01-01") == []
    assert ids(user_id="x") == ["old"]
    assert ids(event_type="jump") == ["new"]


@pytest.mark.parametrize(
    "query",
    [{"limit": "0"}, {"limit": "10001"}, {"limit": "x"}, {"offset": "-1"}, {"after": "-1"},
     {"after": "9" * 30}, {"since": "soon"}, {"format": "xml"}, {"user_id": "a\x00"},
     {"as_of": "-1"}, {"as_of": "x"}, {"as_of": str(2**63)}, {"model_version": "\x00"}],
)  # fmt: skip
def test_bad_queries_are_400(query):
    answer = get(**query)
    assert answer.status_code == 400
    assert set(answer.json()["errors"]) == set(query)


def test_scope_and_key():
    assert get(key="wrong").status_code == 401
    _key, ingest_only = keys.make(name="game")
    assert get(key=ingest_only).status_code == 403
    _key, export_key = keys.make(name="analyst", can_ingest=False, can_export=True)
    assert get(key=export_key).status_code == 200
    answer = Client().get("/v1/export/raw", headers={"Authorization": f"Bearer {export_key}"})
    assert answer.status_code == 200


def test_ndjson_is_whole_and_unaltered():
    store([event(f"e{n}", payload={"text": "=1+1", "n": n}) for n in range(2500)])
    answer = get(format="ndjson")
    assert answer["Content-Type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in body_of(answer).splitlines()]
    assert [line["payload"]["n"] for line in lines] == list(range(2500))
    assert lines[0]["payload"]["text"] == "=1+1"
    assert len(body_of(get(format="ndjson", limit=10)).splitlines()) == 10


def test_csv_has_its_columns_and_no_formulas():
    store([event("=cmd()", user_id="+1", session_id="@x", payload={"a": 1})], version="-2")
    rows = list(csv.reader(io.StringIO(body_of(get(format="csv")).decode())))
    assert rows[0] == [
        "seq",
        "event_id",
        "event_type",
        "event_ts",
        "effective_ts",
        "received_at",
        "user_id",
        "session_id",
        "model_version",
        "client_version",
        "flags",
        "payload",
    ]
    cells = dict(zip(rows[0], rows[1], strict=True))
    assert (cells["event_id"], cells["user_id"], cells["session_id"]) == ("'=cmd()", "'+1", "'@x")
    assert (cells["client_version"], cells["payload"]) == ("'-2", '{"a":1}')


# --- Snapshots, encodings, heads ----------------------------------------------------------------


def test_pages_of_one_snapshot_hold_the_same_whatever_arrives():
    store([event(f"e{n}") for n in range(5)])
    first = get(limit=2).json()
    store([event("late")])
    second = get(limit=9, after=first["next_cursor"], as_of=first["as_of"]).json()
    ids = [row["event_id"] for row in first["events"] + second["events"]]
    assert ids == [f"e{n}" for n in range(5)]
    assert (second["total"], second["next_cursor"], second["as_of"]) == (5, None, first["as_of"])
    assert get(limit=9).json()["total"] == 6


@pytest.mark.parametrize("form", KINDS)
def test_every_format_says_its_snapshot(form):
    store([event(f"e{n}") for n in range(3)])
    last = GameEvent.objects.latest("seq").seq
    for asked, used in (("", last), (last - 1, last - 1), (0, 0), (2**63 - 1, last)):
        answer = get(format=form, as_of=asked)
        assert (answer.status_code, answer["X-Neurogame-As-Of"]) == (200, str(used))


@pytest.mark.parametrize("form", KINDS)
def test_filters_offset_and_limit_hold_for_every_format(form):
    store([event(f"a{n}", user_id="a", model_version="m1") for n in range(5)])
    store([event("b", user_id="b", model_version="m2")])
    query = {"format": form, "user_id": "a", "model_version": "m1", "offset": 1, "limit": 3}
    data = data_of(get(**query))
    found = {
        "json": lambda: [row["event_id"] for row in json.loads(data)["events"]],
        "ndjson": lambda: [json.loads(line)["event_id"] for line in data.splitlines()],
        "csv": lambda: [row["event_id"] for row in csv.DictReader(io.StringIO(data.decode()))],
        "parquet": lambda: pq.read_table(io.BytesIO(data))["event_id"].to_pylist(),
    }
    assert found[form]() == ["a1", "a2", "a3"]


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [
        ("gzip", True), ("GZIP;q=0.5, br", True), ("x-gzip", True), ("*", True),
        ("gzip;q=0", False), ("br, *;q=0", False), ("", False), ("gzip;q=0, *", False),
        ("gzip;q=x", True), (",;,=;", False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("form", KINDS)
def test_gzip_where_the_client_takes_it(form, accepted, packed):
    store([event("a")])
    plain = data_of(get(format=form))
    answer = get(format=form, headers={"Accept-Encoding": accepted})
    assert ("Content-Encoding" in answer) == (packed and form != "parquet")
    data = data_of(answer)
    assert (gzip.decompress(data) if "Content-Encoding" in answer else data) == plain
    assert answer.get("Vary", "").count("Accept-Encoding") == (form != "parquet")


@pytest.mark.parametrize(
    ("form", "media_type", "name"),
    [
        ("json", "application/json", None),
        ("ndjson", "application/x-ndjson", "events.ndjson"),
        ("csv", "text/csv; charset=utf-8", "events.csv"),
        ("parquet", "application/vnd.apache.parquet", "events.parquet"),
    ],
)
def test_the_head_says_what_comes(form, media_type, name):
    store([event("a")])
    answer = get(format=form)
    assert (answer["Content-Type"], answer["Cache-Control"]) == (media_type, "no-store")
    assert answer.get("Content-Disposition") == (name and f'attachment; filename="{name}"')
    query = {"api_key": KEY, "format": form}
    head = Client().head("/v1/export/raw", query)
    assert (head.status_code, head.content) == (200, b"")
    same = ("Content-Type", "Content-Disposition", "X-Neurogame-As-Of")
    assert [head.get(name) for name in same] == [answer.get(name) for name in same]


def test_a_large_page_of_json_is_streamed():
    store([event(f"e{n}", payload={"text": "x" * 2000}) for n in range(700)])
    answer = get(limit=700)
    assert answer.streaming
    page = json.loads(body_of(answer))
    assert [row["event_id"] for row in page["events"]] == [f"e{n}" for n in range(700)]
    assert (page["total"], page["next_cursor"]) == (700, None)
    assert not get(limit=1).streaming
