from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from telemetry import ingest, keys
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


def get(key=KEY, **query):
    return Client().get("/v1/export/raw", {"api_key": key, **query})


def body_of(answer):
    async def read():
        return b"".join([part async for part in answer.streaming_content])

    from asgiref.sync import async_to_sync

    return async_to_sync(read)()


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
     {"after": "9" * 30}, {"since": "soon"}, {"format": "xml"}, {"user_id": "a\x00"}],
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
