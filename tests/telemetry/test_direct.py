"""The short ways that most events take end as the long ones do."""

from __future__ import annotations

import asyncio
import gzip
import json
from datetime import UTC, datetime

import pytest
from django.conf import settings
from hypothesis import example, given
from hypothesis import strategies as st

from neurogame.asgi import application, django_application
from neurogame.requestlog import RequestLog
from telemetry import wire
from telemetry.models import GameEvent
from tests.telemetry.test_events import event

NOW = datetime(2026, 2, 17, 12, 5, tzinfo=UTC)

# --- Parsing ------------------------------------------------------------------------------------

texts = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["", "u", "x" * 64, "x" * 128, "x" * 129, "0190e3e4", "a\\u0000b", "é\ud800"]),
)
times = st.sampled_from(
    [
        "2026-02-17T12:05:11Z", "2026-02-17 12:05:11", "2026-02-17T12:05:11.123456+03:00",
        "2026-02-17T13:05:11Z", " 2026-02-17T12:05:11Z ", "0001-01-01T00:00:00+14:00", "soon",
        "9999-12-31T23:59:59-14:00", "2026-02-17", "2026-W08-2T10:00:00Z", "2" * 65, "",
    ]
)  # fmt: skip
numbers = st.one_of(
    st.integers(-3, 90_000_000),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([-1, -1.0, 0, 0.1, 1e308, 86_400_000, 2**63, 2**64, 1234567890123456.0]),
)
values = st.one_of(st.none(), st.booleans(), numbers, texts)
payloads = st.one_of(
    st.none(),
    st.just([]),
    st.fixed_dictionaries(
        {},
        optional={
            "correct": st.one_of(st.booleans(), values),
            "rt_ms": values,
            "task_type": values,
            "item_id": values,
            "difficulty": values,
            "deep": st.recursive(values, lambda inner: st.lists(inner, max_size=2), max_leaves=3),
        },
    ),
)
events = st.one_of(
    values,
    st.fixed_dictionaries(
        {},
        optional={
            "event_id": st.one_of(texts, values),
            "event_type": st.one_of(st.just("task_result"), texts, values),
            "event_ts": st.one_of(times, values),
            "user_id": st.one_of(texts, values),
            "session_id": st.one_of(texts, values),
            "model_version": st.one_of(texts, values),
            "payload": payloads,
            "more": values,
        },
    ),
    st.builds(
        event, texts, payload=payloads, event_ts=times, session_id=texts, model_version=texts
    ),
)


@given(st.lists(events, max_size=4), st.booleans())
@example([event("a", payload={"correct": True, "rt_ms": 1e20})], True)
@example([event("a", payload={"n": [[[]]] * 40})], True)
@example([event("a", more="x" * (32 << 10))], True)
def test_the_typed_decoder_says_the_same_of_an_event(sent, plain_text):
    body = json.dumps({"events": sent}, ensure_ascii=plain_text).encode("utf-8", "surrogatepass")
    try:
        envelope = wire.read_envelope(body)
    except wire.EnvelopeError:
        return
    slow = [wire.read_event(raw, index, NOW) for index, raw in enumerate(envelope.events)]
    assert wire.read_events(envelope, NOW) == slow


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ('{"event_id": "0190e3e4-7e12-7e3e-8e11-1e2e3e4e5e6e", "n": [1, 2.5, -3]}', True),
        ('{"n": "12345678901234567"}', True),
        ('{"n": 12345678901234567}', False),
        ('{"n":-1e5}', False),
        ('{"n":[0,1E2]}', False),
        ('{"n": 0.12345678901234567}', False),
        ('{"n": "\\u0041"}', False),
    ],
)
def test_odd_numbers_and_escapes_are_found(text, plain):
    assert wire.read_envelope(f'{{"events": [{text}]}}'.encode()).plain is plain


# --- Without the middleware ---------------------------------------------------------------------


def ask(app, body, headers=(), method="POST", parts=1):
    """(status, headers, body) of an answer, without what differs from request to request."""
    sent = {b"host": b"testserver", b"content-type": b"application/json"} | dict(headers)
    scope = {
        "type": "http", "http_version": "1.1", "method": method, "path": "/v1/events",
        "raw_path": b"/v1/events", "query_string": b"", "root_path": "", "scheme": "http",
        "server": ("127.0.0.1", 8000), "client": ("127.0.0.1", 1), "headers": list(sent.items()),
    }  # fmt: skip
    size = -(-len(body) // parts) or 1
    chunks = [body[start : start + size] for start in range(0, len(body), size)] or [b""]
    messages = [
        {"type": "http.request", "body": chunk, "more_body": chunk is not chunks[-1]}
        for chunk in chunks
    ]
    answered = []

    async def receive():
        return messages.pop(0) if messages else await asyncio.Event().wait()

    async def send(message):
        answered.append(message)

    asyncio.run(app(scope, receive, send))
    found = {name.lower(): value for name, value in answered[0]["headers"]}
    found.pop(b"x-request-id")
    text = b"".join(message.get("body", b"") for message in answered[1:])
    if found[b"content-type"] == b"application/problem+json":
        problem = json.loads(text)
        problem.pop("request_id")
        text = json.dumps(problem)
        found.pop(b"content-length", None)
    return answered[0]["status"], found, text


KEY = (b"x-api-key", settings.NEUROGAME_API_KEY.encode())
ODD = {
    "no key": ([], json.dumps({"events": [event("a")]})),
    "a wrong key": ([(b"x-api-key", b"wrong")], json.dumps({"events": [event("a")]})),
    "no JSON": ([KEY], "{"),
    "no envelope": ([KEY], '{"events": 1}'),
    "too many": ([KEY], json.dumps({"events": [event(str(n)) for n in range(501)]})),
    "another encoding": ([KEY, (b"content-encoding", b"br")], "x"),
    "a broken gzip": ([KEY, (b"content-encoding", b"gzip")], "x"),
    "a foreign host": ([KEY, (b"host", b"evil.example")], "{"),
    "a body in Russian": ([KEY, (b"accept-language", b"ru")], "{"),
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("case", ODD)
def test_what_is_refused_is_refused_as_ever(case):
    headers, body = ODD[case]
    ordinary = ask(RequestLog(django_application), body.encode(), headers)
    assert ask(application, body.encode(), headers, parts=3) == ordinary
    assert GameEvent.objects.count() == 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("origin", [[], [(b"origin", b"http://game.example")]])
def test_what_is_stored_is_answered_with_the_same_headers(origin):
    bodies = [json.dumps({"events": [event(name)]}).encode() for name in ("a", "b", "c")]
    status, headers, text = ask(RequestLog(django_application), bodies[0], [KEY, *origin])
    assert (status, text) == (200, b'{"ok": true}')
    varies = {b"content-language", b"vary"}  # nothing of this answer depends on the language
    for body, parts, more in ((bodies[1], 1, []), (bodies[2], 3, [])):
        again = ask(application, body, [KEY, *origin, *more], parts=parts)
        assert (again[0], again[2]) == (status, text)
        assert {k: v for k, v in again[1].items() if k not in varies} == {
            k: v for k, v in headers.items() if k not in varies
        }
    packed = gzip.compress(json.dumps({"events": [event("d")]}).encode())
    assert ask(application, packed, [KEY, (b"content-encoding", b"gzip")])[0] == 200
    assert GameEvent.objects.count() == 4
