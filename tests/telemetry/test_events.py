"""`POST /v1/events`: every row of the contract's table."""

from __future__ import annotations

import gzip
import json
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from telemetry import ingest, keys
from telemetry.models import EventConflict, GameEvent, ModelVersion, QuarantinedEvent
from telemetry.wire import read_event

pytestmark = pytest.mark.django_db(transaction=True)

KEY = "dev-key-change-me"


@pytest.fixture(autouse=True)
def _fresh_models():
    ingest._known_models.clear()


def event(event_id="e1", **fields):
    return {
        "event_id": event_id,
        "event_type": "task_result",
        "event_ts": "2026-02-17T12:05:11Z",
        "user_id": "u_42",
        "session_id": "s_1",
        "model_version": "baseline_v1",
        "payload": {"correct": True, "rt_ms": 1260},
        **fields,
    }


def post(events, key=KEY, raw=None, client=None, **headers):
    body = (
        raw
        if raw is not None
        else json.dumps({"api_key": key, "client_version": "1.0.0", "events": events})
    )
    return (client or Client()).post(
        "/v1/events", body, content_type="application/json", headers=headers
    )


def raw_event():
    return json.dumps(event("blocked")).encode()


@contextmanager
def second_connection_holding_the_table():
    """Another connection that lets nobody write events."""
    if connection.vendor == "sqlite":
        import sqlite3

        path = connection.settings_dict["NAME"]
        other = sqlite3.connect(path, timeout=1, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
    else:
        other = connection.copy()
        other.set_autocommit(False)
        other.cursor().execute("LOCK TABLE telemetry_gameevent IN ACCESS EXCLUSIVE MODE")
    try:
        yield
    finally:
        other.rollback()
        other.close()


def counts(answer):
    return tuple(
        int(answer[f"X-Neurogame-{name}"]) for name in ("Accepted", "Duplicate", "Rejected")
    )


def test_a_batch_is_stored_as_sent():
    answer = post([event("a"), event("b", extra={"z": 1})])
    assert (answer.status_code, answer.json(), counts(answer)) == (200, {"ok": True}, (2, 0, 0))
    row = GameEvent.objects.get(event_id="b")
    assert json.loads(row.raw) == event("b", extra={"z": 1})
    assert row.event_ts == datetime(2026, 2, 17, 12, 5, 11, tzinfo=UTC)
    assert (row.effective_ts, row.client_version, row.flags) == (row.event_ts, "1.0.0", "")


def test_one_bad_event_is_quarantined_and_the_rest_stored():
    answer = post([event("a"), {"event_id": "b"}, event("c")])
    assert (answer.status_code, counts(answer)) == (200, (2, 0, 1))
    row = QuarantinedEvent.objects.get()
    assert (row.index, row.reason, row.source) == (1, "invalid_field", "game")
    assert json.loads(row.raw) == {"event_id": "b"}


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (7, "not_an_object"),
        (event(event_id=""), "invalid_field"),
        (event(event_id="x" * 129), "invalid_field"),
        (event(event_type="x" * 65), "invalid_field"),
        (event(user_id=None), "invalid_field"),
        (event(user_id=42), "invalid_field"),
        (event(session_id=[1]), "invalid_field"),
        (event(payload=[1]), "invalid_field"),
        (event(event_ts="yesterday"), "invalid_time"),
        (event(event_ts=1760000000), "invalid_field"),
        (event(event_ts="0001-01-01T00:00:00+14:00"), "invalid_time"),
        (event(payload={"text": "a\u0000b"}), "unstorable"),
        (event(payload={"n": 2**64}), "unstorable"),
        (event(payload={"text": "x" * 33000}), "too_large"),
    ],
)
def test_bad_events_are_quarantined(bad, reason):
    answer = post([bad])
    assert (answer.status_code, counts(answer)) == (200, (0, 0, 1))
    assert QuarantinedEvent.objects.get().reason == reason
    assert not GameEvent.objects.exists()


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ('{"s": "\\ud800"}', "unstorable"),
        ('{"s": "\\udc00\\ud800"}', "unstorable"),
        ('{"n": 1e999}', "unstorable"),
        ('{"n": 0.12345678901234567890123}', "unstorable"),
        ('{"d": ' + "[" * 33 + "]" * 33 + "}", "too_deep"),
        ('{"d": ' + "[" * 12000 + "]" * 12000 + "}", "too_deep"),
    ],
)
def test_what_cannot_be_kept_unchanged_is_quarantined_raw(payload, reason):
    bad = json.dumps(event("bad", payload=0)).replace('"payload": 0', f'"payload": {payload}')
    good = json.dumps(event("good"))
    raw = f'{{"api_key": "{KEY}", "events": [{good}, {bad}, {json.dumps(event("also"))}]}}'
    answer = post(None, raw=raw)
    assert (answer.status_code, counts(answer)) == (200, (2, 0, 1))
    row = QuarantinedEvent.objects.get()
    assert (row.reason, row.index, row.raw) == (reason, 1, bad)


@pytest.mark.parametrize(
    "payload",
    ['{"s": "\\ud83d\\ude00"}', '{"s": "\\\\ud800 \\\\u0000"}', '{"n": 0.1, "m": 1e5, "k": -0.0}'],
)
def test_odd_but_storable_payloads_are_stored(payload):
    raw = json.dumps(event(payload=0)).replace('"payload": 0', f'"payload": {payload}')
    assert counts(post(None, raw=f'{{"api_key": "{KEY}", "events": [{raw}]}}')) == (1, 0, 0)
    assert GameEvent.objects.get().raw == raw


@pytest.mark.parametrize("key", ["wrong", "", None, 5, "ngk_unknown", ["dev-key-change-me"]])
def test_wrong_or_missing_key_is_401(key):
    answer = post([event()], key=key)
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_api_key")
    assert not GameEvent.objects.exists()


def test_a_wrong_key_in_the_header_is_401_before_the_body_is_read():
    answer = post(None, raw="not json", **{"X-API-Key": "wrong"})
    assert answer.status_code == 401


@pytest.mark.parametrize("header", [{"Authorization": f"Bearer {KEY}"}, {"X-API-Key": KEY}])
def test_the_key_may_come_in_a_header(header):
    assert post(None, raw=json.dumps({"events": [event()]}), **header).status_code == 200


@pytest.mark.parametrize(
    "raw",
    [
        "", "not json", "{", "[]", "5", "null", '{"api_key": "dev-key-change-me"}',
        '{"api_key": "dev-key-change-me", "events": {}}',
        '{"api_key": "dev-key-change-me", "events": null}',
        '{"api_key": "dev-key-change-me", "events": [{"a": NaN}]}',
        '{"api_key": "dev-key-change-me", "events": [1,]}',
        b'{"api_key": "dev-key-change-me", "events": ["\xff"]}',
        b"\xff\xfe", "[" * 100000,
    ],
)  # fmt: skip
def test_what_is_no_envelope_is_400(raw):
    answer = post(None, raw=raw, **{"X-API-Key": KEY})
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert not GameEvent.objects.exists()


def test_empty_list_stores_nothing():
    answer = post([])
    assert (answer.status_code, answer.json(), counts(answer)) == (200, {"ok": True}, (0, 0, 0))


def test_too_many_events_and_too_large_bodies_are_413():
    assert post([event(str(n)) for n in range(501)]).status_code == 413
    assert post([event(str(n)) for n in range(500)]).status_code == 200
    large = post([event(f"l{n}", payload={"x": "y" * 30000}) for n in range(40)])
    assert (large.status_code, large.json()["code"]) == (413, "too_large")
    assert GameEvent.objects.count() == 500


def test_gzip():
    body = gzip.compress(json.dumps({"events": [event()]}).encode())
    header = {"Content-Encoding": "gzip", "X-API-Key": KEY}
    assert counts(post(None, raw=body, **header)) == (1, 0, 0)
    bomb = gzip.compress(b" " * (300 << 20))
    assert post(None, raw=bomb, **header).status_code == 413
    for broken in (body[:-9], b"\x1f\x8b nonsense", b"plain"):
        assert post(None, raw=broken, **header).status_code == 400


@pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "gzip, gzip"])
def test_other_encodings_are_415(encoding):
    assert post([event()], **{"Content-Encoding": encoding}).status_code == 415


def test_database_busy_is_503_with_retry_after(monkeypatch):
    def busy(batch):
        raise ingest.Busy("full")

    monkeypatch.setattr(ingest.writer, "submit", busy)
    answer = post([event()])
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert int(answer["Retry-After"]) >= 1


def test_a_locked_database_is_busy_and_later_works(settings):
    own = ingest.Writer()
    with second_connection_holding_the_table():
        future = own.submit(
            ingest.Batch([read_event(raw_event(), 0, timezone.now())], timezone.now())
        )
        with pytest.raises(ingest.Busy):
            future.result(timeout=30)
    own.close()
    assert counts(post([event()])) == (1, 0, 0)


def test_duplicates_keep_the_first():
    assert counts(post([event()])) == (1, 0, 0)
    same = json.loads(json.dumps(event(), sort_keys=True))
    assert counts(post([same])) == (0, 1, 0)
    assert not EventConflict.objects.exists()
    other = event(payload={"correct": False, "rt_ms": 1})
    assert counts(post([other])) == (0, 1, 0)
    assert counts(post([other])) == (0, 1, 0)
    conflict = EventConflict.objects.get()
    assert json.loads(conflict.raw) == other
    assert json.loads(GameEvent.objects.get().raw) == event()


def test_twice_in_one_batch_keeps_the_first_in_the_array():
    answer = post([event(payload={"n": 1}), event(payload={"n": 2}), event(payload={"n": 1})])
    assert counts(answer) == (1, 2, 0)
    assert json.loads(GameEvent.objects.get().raw)["payload"] == {"n": 1}
    assert EventConflict.objects.count() == 1


def test_unknown_types_and_models_are_stored():
    assert counts(post([event(event_type="jump", model_version="m9")])) == (1, 0, 0)
    assert ModelVersion.objects.get(name="m9").status == "unregistered"


@pytest.mark.parametrize("rt_ms", [None, -1])
def test_timeouts_are_trials(rt_ms):
    post([event(payload={"correct": False, "rt_ms": rt_ms})])
    assert GameEvent.objects.get().flags == ""


@pytest.mark.parametrize(
    "payload",
    [{}, {"correct": "yes", "rt_ms": 1}, {"correct": True}, {"correct": True, "rt_ms": "fast"},
     {"correct": True, "rt_ms": -5}, {"correct": True, "rt_ms": 1e308},
     {"correct": True, "rt_ms": True}],
)  # fmt: skip
def test_a_task_result_of_another_shape_is_stored_and_flagged(payload):
    assert counts(post([event(payload=payload)])) == (1, 0, 0)
    assert GameEvent.objects.get().flags == "not_scored"


def test_a_clock_ahead_counts_from_the_arrival():
    ahead = (timezone.now() + timedelta(minutes=6)).isoformat()
    post([event("far", event_ts=ahead), event("near", event_ts=timezone.now().isoformat())])
    row = GameEvent.objects.get(event_id="far")
    assert (row.effective_ts, row.flags) == (row.received_at, "clock_ahead")
    assert row.event_ts > row.received_at
    assert GameEvent.objects.get(event_id="near").flags == ""


def test_naive_times_are_utc_and_flagged():
    post([event(event_ts="2026-02-17T12:05:11")])
    row = GameEvent.objects.get()
    assert (row.event_ts.hour, row.flags) == (12, "naive_ts")


def test_keys_have_scopes_and_can_be_rotated_and_revoked():
    key, text = keys.make(name="game")
    assert key.digest not in text
    assert post([event("a")], key=text).status_code == 200
    key.refresh_from_db()
    assert key.last_used_at is not None
    _key, export_text = keys.make(name="analyst", can_ingest=False, can_export=True)
    assert post([event("b")], key=export_text).status_code == 403
    successor, new_text = keys.rotate(key)
    assert post([event("c")], key=text).status_code == 200
    assert post([event("d")], key=new_text).status_code == 200
    keys.revoke(key)
    assert post([event("e")], key=text).status_code == 401
    assert GameEvent.objects.get(event_id="d").api_key_id == successor.pk


def test_a_key_has_its_own_limit():
    _key, text = keys.make(name="slow", requests_per_minute=2)
    answers = [post([event(str(n))], key=text) for n in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert int(answers[2]["Retry-After"]) >= 1


def test_concurrent_batches_store_each_event_once():
    answers = []

    def send(offset):
        try:
            answers.append(post([event(f"e{n}") for n in range(offset, offset + 50)]))
        finally:
            connection.close()

    threads = [threading.Thread(target=send, args=(n * 25,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} == {200}
    assert sum(counts(answer)[0] for answer in answers) == GameEvent.objects.count() == 225


def test_one_requests_fault_never_fails_another(monkeypatch):
    keep = ingest.keep

    def faulty(batch):
        if batch.client_version == "broken":
            raise RuntimeError("a fault of one request")
        return keep(batch)

    monkeypatch.setattr(ingest, "keep", faulty)
    now = timezone.now()
    own = ingest.Writer()
    raws = [json.dumps(event(name)).encode() for name in ("a", "b", "c")]
    batches = [
        ingest.Batch([read_event(raw, 0, now)], now, version)
        for raw, version in zip(raws, ("1", "broken", "1"), strict=True)
    ]
    futures = [own.submit(batch) for batch in batches]
    assert futures[0].result(20).accepted == futures[2].result(20).accepted == 1
    with pytest.raises(RuntimeError):
        futures[1].result(20)
    own.close()
    assert set(GameEvent.objects.values_list("event_id", flat=True)) == {"a", "c"}


def test_quarantine_can_be_resubmitted():
    post([event("q", user_id=7)])
    row = QuarantinedEvent.objects.get()
    assert ingest.resubmit(row).rejected == 1
    row.raw = json.dumps(event("q"))
    assert ingest.resubmit(row).accepted == 1
    row.refresh_from_db()
    assert row.resolved_at is not None


def test_a_retried_batch_is_quarantined_once():
    for _ in range(2):
        post([{"bad": 1}])
    assert QuarantinedEvent.objects.count() == 1


def test_other_methods_are_405():
    answer = Client().get("/v1/events")
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
