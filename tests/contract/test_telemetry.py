"""Section 4 of the contract, over HTTP: what no input may do to the ingest."""

from __future__ import annotations

import gzip
import json
import time

import pytest

from telemetry import wire
from tests.contract.product import KEY, problem


def event(event_id: str, **fields):
    return {
        "event_id": event_id,
        "event_type": "task_result",
        "event_ts": "2026-02-17T12:05:11Z",
        "user_id": "u_contract",
        "payload": {"correct": True, "rt_ms": 1260},
        **fields,
    }


def send(product, body: bytes, **headers: str):
    return product.call("POST", "/v1/events", body, X_API_Key=KEY, **headers)


@pytest.mark.parametrize(
    "number", ["1e-99999999999999999999", "0e99999999999999999999", "1e400", "9" * 4000, "1e-400"]
)
def test_number_that_nothing_holds_is_quarantined(product, number):
    raw = json.dumps({"events": [event(f"n{number[:24]}", payload={"x": "X"})]})
    answer = send(product, raw.replace('"X"', number).encode())
    assert (answer.status, answer.counts()) == (200, (0, 0, 1))


@pytest.mark.parametrize(
    "body",
    [
        b'"' + b'\\"' * 500_000,  # a string without end
        b'"' + b'\\"' * 500_000 + b"\\",
        b"\\" * (1 << 20),
        b"[" * (1 << 20),
        b'{"a":' * 170_000,
        b'["' * 300_000,
    ],
    ids=["quotes", "backslash", "backslashes", "brackets", "objects", "strings"],
)
def test_hostile_body_is_refused_quickly_without_a_key(product, body):
    began = time.monotonic()
    problem(product.call("POST", "/v1/events", body), 400, "bad_json")
    assert time.monotonic() - began < 10


def test_deep_value_beside_the_events_does_not_move_them(product):
    deep = b"[" * 300 + b"]" * 300
    for index, body in enumerate((b'{"x":%s,"events":[0]}', b'{"events":[%s],"events":[0]}')):
        answer = send(product, body % deep)
        assert (index, answer.status, answer.counts()) == (index, 200, (0, 0, 1))


@pytest.mark.parametrize(
    ("body", "events"),
    [
        (rb'{"x":"\ud800","events":[1, "a,]" ,[], {"events":[2]}]}', 4),
        (rb'{"a":{"events":[1,2]},"x":"\ud800","events" : [ ] }', 0),
        (rb'{"x":"\ud800","e\u0076ents":[1]}', 1),
        (rb'{"events":["\ufffd"],"events":["\ud800","\ufffd"]}', 2),
    ],
)
def test_events_are_cut_out_of_an_odd_body_where_they_lie(body, events):
    cut = wire.read_envelope(body).events
    assert len(cut) == events
    assert all(part in body for part in cut)
    assert [part for part in cut if b"events" in part] in ([], [b'{"events":[2]}'])


def test_gzip_of_many_tiny_members_is_cheap(product):
    body = gzip.compress(b"") * 50_000
    began = time.monotonic()
    problem(send(product, body, Content_Encoding="gzip"), 400, "bad_json")
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_export_says_405_to_other_methods(product, method):
    answer = product.call(method, "/v1/export/raw", b"{}")
    problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, HEAD"
