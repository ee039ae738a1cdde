"""Keys: scopes, rotation, expiry, limits, last use, and that no log or answer ever shows one."""

from __future__ import annotations

import gzip
import http.client
import json
import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from telemetry import keys
from telemetry.models import ApiKey, GameEvent
from tests.telemetry.server import ServerProcess
from tests.telemetry.test_events import event, post

database = pytest.mark.django_db(transaction=True)


def export(text):
    return Client().get("/v1/export/raw", headers={"X-API-Key": text})


def at_once(count, call):
    """The results of `call(number)` from so many threads that begin together."""
    gate, results = threading.Barrier(count), []

    def run(number):
        try:
            gate.wait(30)
            results.append(call(number))
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


# --- Scopes -------------------------------------------------------------------------------------


@database
@pytest.mark.parametrize(
    ("ingest", "may_export", "answers"),
    [
        (True, False, (200, 403)),
        (False, True, (403, 200)),
        (True, True, (200, 200)),
        (False, False, (403, 403)),
    ],
)
def test_a_key_does_what_its_scopes_say(ingest, may_export, answers):
    _key, text = keys.make(name="k", can_ingest=ingest, can_export=may_export)
    assert (post([event()], key=text).status_code, export(text).status_code) == answers
    assert GameEvent.objects.count() == int(ingest)


@database
def test_only_hashes_are_stored():
    key, text = keys.make(name="game")
    row = ApiKey.objects.filter(pk=key.pk).values().get()
    assert text not in json.dumps(row, default=str)
    assert len(text) > 40
    assert keys.make(name="game")[1] != text


# --- Rotation and expiry --------------------------------------------------------------------------


@database
def test_both_keys_work_during_the_overlap_and_one_after_it():
    key, old = keys.make(name="game", requests_per_minute=50)
    successor, new = keys.rotate(key, overlap=timedelta(days=3))
    assert [post([event(text)], key=text).status_code for text in (old, new)] == [200, 200]
    assert (successor.requests_per_minute, successor.can_export) == (50, False)
    ApiKey.objects.filter(pk=key.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    keys.forget()
    assert [post([event()], key=text).status_code for text in (old, new)] == [401, 200]


@database
def test_a_rotation_without_overlap_ends_the_old_key_at_once():
    key, old = keys.make(name="game")
    assert post([event()], key=old).status_code == 200  # and cached
    with transaction.atomic():
        _successor, new = keys.rotate(key, overlap=timedelta())
        # What another request reads and caches before the commit must not outlive it.
        keys._cache[keys.digest(old)] = (float("inf"), keys.Grant(key.pk, True, False))
    assert [post([event()], key=text).status_code for text in (old, new)] == [401, 200]


@database
def test_of_those_who_rotate_a_key_at_once_one_does(make_user):
    key, _old = keys.make(name="game")
    boss = make_user("boss", is_staff=True, is_superuser=True)
    clients = [Client() for _ in range(5)]
    for client in clients:
        client.force_login(boss)
    address = f"/admin/telemetry/apikey/{key.pk}/rotate/"
    answers = at_once(5, lambda n: clients[n].post(address, {"overlap": "1"}))
    assert sorted(answer.status_code for answer in answers) == [200, 302, 302, 302, 302]
    assert ApiKey.objects.filter(replaces=key).count() == 1
    assert ApiKey.objects.count() == 2


@database
def test_a_revoked_key_is_not_rotated():
    key, _old = keys.make(name="game")
    keys.revoke(ApiKey.objects.get(pk=key.pk))
    with pytest.raises(keys.NotRotatable):
        keys.rotate(key)
    assert ApiKey.objects.count() == 1


@database
def test_a_rotation_never_lengthens_a_keys_life():
    ends = timezone.now() + timedelta(days=1)
    key, _old = keys.make(name="game", expires_at=ends)
    keys.rotate(key, overlap=timedelta(days=7))
    key.refresh_from_db()
    assert key.expires_at == ends


@database
def test_a_cached_key_ends_at_its_expiry(monkeypatch):
    ends = timezone.now() + timedelta(seconds=0.2)
    _key, text = keys.make(name="game", expires_at=ends)
    assert keys.check(text) is not None
    until, _grant = keys._cache[keys.digest(text)]
    assert until - keys.time.monotonic() <= 0.2


@database
def test_requests_go_through_while_a_key_is_rotated():
    """Nobody who holds one of the two keys is refused at any moment."""
    key, old = keys.make(name="game")
    _successor, new = keys.rotate(key)
    texts = [old, new]
    answers = at_once(12, lambda n: post([event(f"e{n}")], key=texts[n % 2]).status_code)
    assert answers == [200] * 12
    assert GameEvent.objects.count() == 12


# --- Limits -------------------------------------------------------------------------------------


@database
def test_there_is_no_limit_by_default():
    _key, text = keys.make(name="game")
    assert ApiKey.objects.get().requests_per_minute is None
    client = Client()
    answers = [post([event(str(n))], key=text, client=client) for n in range(300)]
    assert {answer.status_code for answer in answers} == {200}


@database
def test_a_limit_holds_under_concurrency_and_for_its_key_alone():
    _key, text = keys.make(name="slow", requests_per_minute=7)
    _other, free = keys.make(name="free")
    answers = at_once(24, lambda n: post([event(f"e{n}")], key=text))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [429] * 17
    for answer in answers:
        if answer.status_code == 429:
            assert 1 <= int(answer["Retry-After"]) <= 60
            assert answer.json()["code"] == "throttled"
    assert GameEvent.objects.count() == 7
    assert post([event("f")], key=free).status_code == 200
    assert post([event("g")]).status_code == 200  # the environment's key


@database
def test_a_limit_that_is_lifted_holds_no_longer():
    key, text = keys.make(name="slow", requests_per_minute=1)
    assert [post([event(str(n))], key=text).status_code for n in range(2)] == [200, 429]
    key.requests_per_minute = None
    key.save()
    assert post([event("again")], key=text).status_code == 200


# --- Last use -----------------------------------------------------------------------------------


@database
def test_the_last_use_is_known_to_the_minute(django_assert_num_queries):
    key, text = keys.make(name="game")
    keys.check(text)
    key.refresh_from_db()
    first = key.last_used_at
    assert timezone.now() - first < timedelta(minutes=1)
    keys.forget()
    keys.check(text)
    key.refresh_from_db()
    assert key.last_used_at == first  # written once a minute, not once a request
    ApiKey.objects.update(last_used_at=first - timedelta(minutes=2))
    keys.forget()
    keys.check(text)
    key.refresh_from_db()
    assert key.last_used_at > first - timedelta(minutes=1)
    with django_assert_num_queries(0):
        keys.check(text)


@database
def test_a_wrong_key_is_no_use():
    key, text = keys.make(name="game")
    assert post([event()], key=text + "x").status_code == 401
    key.refresh_from_db()
    assert key.last_used_at is None


# --- Nowhere in a log, nowhere in an answer -------------------------------------------------------


def test_no_key_reaches_a_log_or_an_answer(tmp_path):
    """Every way to send a key, right and wrong, to a server as it is served; then its log is read."""
    environments = "the-key-of-this-environment"
    server = ServerProcess(tmp_path, NEUROGAME_API_KEY=environments, LOG_LEVEL="DEBUG")
    try:
        server.migrate()
        made = server.manage(
            "shell", "-v0", "-c", "from telemetry import keys; print(keys.make(name='g')[1])"
        )
        assert made.returncode == 0, made.stderr
        own = made.stdout.split()[-1]
        wrong = "ngk_wrong-key-0123456789abcdefghij"
        server.start()
        answers = []
        for key in (own, environments, wrong):
            envelope = json.dumps({"api_key": key, "events": [{"bad": key}]})
            quoted = key.replace("_", "%5F")
            for target, body, headers in (
                ("/v1/events", envelope, {}),
                ("/v1/events", envelope[:-1], {}),
                ("/v1/events", json.dumps({"api_key": key}), {}),
                ("/v1/events", gzip.compress(envelope.encode()), {"Content-Encoding": "gzip"}),
                ("/v1/events", gzip.compress(envelope.encode())[:-9], {"Content-Encoding": "gzip"}),
                ("/v1/events", envelope.encode() + b"\xff", {}),
                ("/v1/events", "[]", {"X-API-Key": key}),
                ("/v1/events", "[]", {"Authorization": f"Bearer {key}"}),
                ("/v1/events", "[]", {"Authorization": f"Basic {key}"}),
                (f"/v1/events?api_key={key}", "[]", {}),
                (f"/v1/nowhere/{key}", "x", {}),
                (f"/v1/export/raw?api_key={key}", None, {}),
                (f"/v1/export/raw?api_key={quoted}&limit=x", None, {}),
                (f"/v1/export/raw?API%5FKEY={quoted}&user_id={key}&limit=0", None, {}),
                ("/v1/export/raw", None, {"Cookie": f"api_key={key}", "Referer": f"/?key={key}"}),
                (f"/{key}", None, {}),
                (f"/v1/export/raw?api_key={key}&" + "x" * 40_000, None, {}),
            ):
                caller = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
                method = "GET" if body is None else "POST"
                caller.request(method, target, body, headers)
                answer = caller.getresponse()
                answers.append((target, answer.status, answer.read()))
                caller.close()
        (rows,) = server.rows("SELECT count(*) FROM telemetry_quarantinedevent")[0]
    finally:
        server.close()
    assert rows == 2
    log = server.log.read_text()
    assert log.count("/v1/export/raw") >= 12
    for key in (own, environments, wrong):
        assert key not in log
        assert key.replace("_", "%5F") not in log
        for target, status, text in answers:
            assert status < 500
            if (
                status >= 400 and target != f"/{key}"
            ):  # a page of the site says what it did not find
                assert key.encode() not in text, target
