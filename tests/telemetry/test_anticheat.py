from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from interviews.models import Consent
from telemetry.models import AntiCheatSignal, QuarantinedEvent
from tests.tasks.factories import SessionFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def session(candidate):
    session = SessionFactory(candidate=candidate)
    Consent.objects.create(session=session, version="1", taken_by="candidate")
    return session


def nested(depth):
    value = 1
    for _ in range(depth):
        value = [value]
    return value


def signal(event_id="a", **fields):
    return {
        "event_id": event_id, "type": "paste", "ts": "2026-02-17T12:00:00Z",
        "payload": {"chars": 3, "text": "abc", "source": "external"}, **fields,
    }  # fmt: skip


def post(api, session, events):
    body = {"session_id": str(session.pk), "events": events}
    return api.post("/telemetry/anticheat", body, format="json")


def test_signals_are_stored_once(api, session):
    for _ in range(2):
        answer = post(api, session, [signal("a"), signal("b", type="blur", payload=None)])
        assert (answer.status_code, answer.json()) == (200, {"ok": True})
    assert list(session.signals.values_list("event_id", "type", "known")) == [
        ("a", "paste", True),
        ("b", "blur", True),
    ]
    row = session.signals.get(event_id="a")
    assert row.ts.year == 2026
    assert row.received_at > row.ts


def test_unknown_types_are_stored_and_not_judged(api, session):
    post(api, session, [signal(type="telepathy")])
    assert session.signals.get().known is False


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("text", "not_an_object"), (None, "not_an_object"), ({}, "invalid_field"),
        (signal(event_id=""), "invalid_field"), (signal(type="x" * 65), "invalid_field"),
        (signal(payload=[]), "invalid_field"), (signal(seq="1"), "invalid_field"),
        (signal(seq=2**63), "invalid_field"), (signal(task_id=5), "invalid_field"),
        (signal(ts="now"), "invalid_time"), (signal(ts=None), "invalid_time"),
        (signal(payload={"text": "a\u0000"}), "unstorable"),
        (signal(payload={"text": "x" * 33000}), "too_large"),
        (signal(payload={"a": nested(32)}), "too_deep"),
    ],
)  # fmt: skip
def test_bad_signals_are_quarantined(api, session, bad, reason):
    answer = post(api, session, [signal("good"), bad])
    assert answer.json() == {"ok": True}
    assert session.signals.count() == 1
    row = QuarantinedEvent.objects.get()
    assert (row.source, row.reason, row.index, row.session) == ("anticheat", reason, 1, session)
    assert json.loads(row.raw) == bad


def test_lone_surrogates_are_quarantined(api, session):
    body = json.dumps({"session_id": str(session.pk), "events": [signal()]})
    body = body.replace('"abc"', '"\\ud800"')
    answer = api.generic("POST", "/telemetry/anticheat", body, "application/json")
    assert answer.status_code == 200
    assert QuarantinedEvent.objects.get().reason == "unstorable"


def test_numbers_that_are_not_finite_are_quarantined(api, session):
    body = json.dumps({"session_id": str(session.pk), "events": [signal(), signal("b")]})
    body = body.replace('"chars": 3', '"chars": 1e400', 1)
    answer = api.generic("POST", "/telemetry/anticheat", body, "application/json")
    assert answer.status_code == 200
    assert list(session.signals.values_list("event_id", flat=True)) == ["b"]
    assert QuarantinedEvent.objects.get().reason == "unstorable"


def test_a_pasted_program_may_spell_nul(api, session):
    text = "x = '\\u0000' + '\\\\u0000'"
    post(api, session, [signal(payload={"text": text})])
    assert session.signals.get().payload == {"text": text}


def test_limits(api, session):
    assert post(api, session, [signal(str(n)) for n in range(201)]).status_code == 413
    assert post(api, session, [signal(str(n)) for n in range(200)]).status_code == 200
    large = post(api, session, [signal("x", payload={"t": "y" * 30000})] * 10)
    assert (large.status_code, large.json()["code"]) == (413, "too_large")


def test_without_consent_signals_are_refused(api, session):
    Consent.objects.update(signals=False)
    answer = post(api, session, [signal()])
    assert (answer.status_code, answer.json()["code"]) == (403, "no_consent")
    assert not AntiCheatSignal.objects.exists()


def test_grace_after_the_end(api, session):
    now = timezone.now()
    session.started_at = now - timedelta(hours=2)
    session.ends_at = now - timedelta(minutes=9)
    session.save()
    assert post(api, session, [signal("a")]).status_code == 200
    session.ends_at = now - timedelta(minutes=11)
    session.save()
    answer = post(api, session, [signal("b")])
    assert (answer.status_code, answer.json()["state"]) == (409, "finished")


def test_strangers_and_nobody(api, stranger_api, anonymous_api, session):
    assert post(stranger_api, session, [signal()]).status_code == 404
    assert post(anonymous_api, session, [signal()]).status_code == 401


@pytest.mark.parametrize("events", [None, {}, "x", 5])
def test_events_must_be_a_list(api, session, events):
    answer = post(api, session, events)
    assert (answer.status_code, set(answer.json()["errors"])) == (400, {"events"})


def test_throttled_by_session(api, session, settings):
    settings.THROTTLES = {**settings.THROTTLES, "anticheat": (2, 60)}
    assert [post(api, session, []).status_code for _ in range(3)] == [200, 200, 429]
