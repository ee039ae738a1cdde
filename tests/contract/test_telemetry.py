"""Section 4 of the contract, over HTTP: what no input may do to the ingest."""

from __future__ import annotations

import csv
import gzip
import io
import json
import socket
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

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


# --- Duplicates, concurrency, counts --------------------------------------------------------------


def exported(product, **query):
    target = "/v1/export/raw?" + "&".join(f"{name}={value}" for name, value in query.items())
    answer = product.call("GET", target, X_API_Key=KEY)
    assert answer.status == 200
    return answer.json


@pytest.mark.parametrize("payload", [[], "", 0, False, [1], "x", 1, True])
def test_payload_that_is_no_object_is_quarantined(product, payload):
    answer = product.post_events([event(f"p{payload!r}", payload=payload)])
    assert (answer.status, answer.counts()) == (200, (0, 0, 1))


def test_overlapping_batches_of_many_clients_are_stored_once(product):
    """Every event once, every count right, the standings exactly those of the events."""
    batches = [[event(f"race-{n}", user_id="racer") for n in range(k, k + 40)] for k in range(60)]
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(product.post_events, batches))
    assert {answer.status for answer in answers} == {200}
    assert all(sum(answer.counts()) == 40 for answer in answers)
    assert sum(answer.counts()[0] for answer in answers) == 99
    assert [answer.counts()[2] for answer in answers] == [0] * 60
    page = exported(product, user_id="racer")
    assert sorted(row["event_id"] for row in page["events"]) == sorted(
        f"race-{n}" for n in range(99)
    )
    board = product.call("GET", "/v1/leaderboard").json
    (row,) = [row for row in board if row["user_id"] == "racer"]
    assert (row["tasks"], row["correct"], row["avg_rt_ms"]) == (99, 99, 1260.0)
    assert row["provisional"] is True


def test_one_of_many_different_contents_wins_and_all_are_acknowledged(product):
    batches = [[event("same-id", user_id=f"writer-{n}")] for n in range(20)]
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(product.post_events, batches))
    counts = [answer.counts() for answer in answers]
    assert sorted(counts) == [(0, 1, 0)] * 19 + [(1, 0, 0)]
    winner = batches[counts.index((1, 0, 0))][0]["user_id"]
    assert [row["event_id"] for row in exported(product, user_id=winner)["events"]] == ["same-id"]


def test_pages_taken_while_events_arrive_neither_skip_nor_repeat(product):
    stop = threading.Event()
    sent: list[str] = []

    def write():
        number = 0
        while not stop.is_set():
            names = [f"flow-{number + k}" for k in range(20)]
            answer = product.post_events(
                [event(name, user_id="flow", event_type="other") for name in names]
            )
            assert answer.counts() == (20, 0, 0)
            sent.extend(names)
            number += 20

    writer = threading.Thread(target=write)
    writer.start()
    try:
        by_cursor: list[str] = []
        after = 0
        while len(by_cursor) < 400:
            page = exported(product, user_id="flow", limit=37, after=after)
            by_cursor += [row["event_id"] for row in page["events"]]
            after = page["next_cursor"] or (page["events"][-1]["seq"] if page["events"] else after)
        by_offset: list[str] = []
        while len(by_offset) < 400:
            page = exported(product, user_id="flow", limit=37, offset=len(by_offset))
            by_offset += [row["event_id"] for row in page["events"]]
    finally:
        stop.set()
        writer.join()
    assert by_cursor == sent[: len(by_cursor)]
    assert by_offset == sent[: len(by_offset)]


def test_export_has_exactly_what_was_sent_beside_the_servers_own(product):
    sent = event("exact", user_id="exact", extra={"deep": [1, 2.5, None]}, seq="mine", flags="mine")
    product.post_events([sent], client_version="9.9")
    (row,) = exported(product, user_id="exact")["events"]
    own = {"seq", "received_at", "effective_ts", "client_version", "flags"}
    assert set(row) == set(sent) | own
    assert {name: row[name] for name in set(sent) - own} == {
        name: sent[name] for name in set(sent) - own
    }
    assert isinstance(row["seq"], int)
    assert (row["client_version"], row["flags"]) == ("9.9", [])


def test_csv_is_harmless_and_ndjson_untouched(product):
    names = ["=1+1", "+1", "-1", "@x", "\tx", "\rx"]
    product.post_events(
        [event(f"csv{n}", user_id="csv", session_id=s) for n, s in enumerate(names)]
    )
    lines = product.call("GET", "/v1/export/raw?format=csv&user_id=csv", X_API_Key=KEY)
    rows = list(csv.reader(io.StringIO(lines.body.decode(), newline="")))
    assert ",".join(rows[0]) == (
        "seq,event_id,event_type,event_ts,effective_ts,received_at,user_id,session_id,"
        "model_version,client_version,flags,payload"
    )
    assert [row[7] for row in rows[1:]] == ["'" + name for name in names]
    lines = product.call("GET", "/v1/export/raw?format=ndjson&user_id=csv", X_API_Key=KEY)
    assert [json.loads(line)["session_id"] for line in lines.body.splitlines()] == names


# --- The board ------------------------------------------------------------------------------------


def test_board_ranks_ties_alike_and_shows_at_once(product):
    def play(user, right, total=10):
        return [
            event(
                f"{user}-{n}", user_id=user, payload={"correct": n < right, "rt_ms": 900,
                "task_type": "tie"},
            )
            for n in range(total)
        ]  # fmt: skip

    product.post_events(play("t1", 9) + play("t2", 6) + play("t3", 6) + play("t4", 2))
    began = time.monotonic()
    rows = product.call("GET", "/v1/leaderboard?task_type=tie&min_tasks=1").json
    assert time.monotonic() - began < 1
    assert [(row["rank"], row["user_id"]) for row in rows] == [
        (1, "t1"), (2, "t2"), (2, "t3"), (4, "t4"),
    ]  # fmt: skip
    assert set(rows[0]) == {
        "rank", "user_id", "tasks", "correct", "accuracy", "avg_rt_ms", "score", "score_se",
        "provisional",
    }  # fmt: skip
    assert rows[0]["accuracy"] == 0.9
    assert product.call("GET", "/v1/leaderboard?task_type=tie").json == []
    two = product.call("GET", "/v1/leaderboard?task_type=tie&min_tasks=1&limit=2").json
    assert two == rows[:2]
    today = product.call("GET", "/v1/leaderboard?task_type=tie&min_tasks=1&window=week").json
    assert today == []


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=1001", "limit=x", "limit=1e2", "min_tasks=-1", "window=month", "limit=%00"],
)
def test_board_refuses_odd_filters(product, query):
    problem(product.call("GET", f"/v1/leaderboard?{query}"), 400, "invalid", "errors")


def test_an_address_as_player_is_masked(product):
    product.post_events([event("mask", user_id="ann@example.org", payload={
        "correct": True, "rt_ms": 700, "task_type": "mask"})])  # fmt: skip
    rows = product.call("GET", "/v1/leaderboard?task_type=mask&min_tasks=1").json
    assert [row["user_id"] for row in rows] == ["a***@e***"]


# --- Keys -----------------------------------------------------------------------------------------


def test_keys_are_in_no_log(product):
    secrets = ["dev-key-change-me", "ngk_" + "Q" * 43, "a-wrong-key-that-was-sent"]
    for secret in secrets:
        product.call("GET", f"/v1/export/raw?api_key={secret}&limit=1")
        product.call("GET", f"/v1/export/raw?API%5FKEY={secret}&limit=x")
        product.call("GET", "/v1/export/raw?limit=1", Authorization=f"Bearer {secret}")
        product.call("POST", "/v1/events", {"api_key": secret, "events": []})
        product.call("POST", "/v1/events", {"api_key": secret, "events": []}, X_API_Key=secret)
        product.call("POST", "/v1/events", b'{"api_key": "%s", "ev' % secret.encode())
        product.call("GET", f"/v1/export/raw/{secret}?key={secret}")
    product.raw(b"GET /v1/export/raw?api_key=dev-key-change-me HTTP/1.1\r\nbad\r\n\r\n")
    log = product.log.read_text()
    assert "/v1/export/raw?api_key=[redacted]" in log
    assert "dev-key-change-me" not in log
    assert f"={secrets[1]}" not in log
    assert f"={secrets[2]}" not in log


# --- Clients that leave, databases that are busy ------------------------------------------------------


def holding_the_database(product):
    """Another connection that lets nobody write; close it to let go."""
    other = sqlite3.connect(product.database, isolation_level=None, timeout=10)
    other.execute("BEGIN IMMEDIATE")
    return other


def test_a_client_that_leaves_takes_nobody_along(product):
    """Its request waited for the same commit as the others'."""
    body = json.dumps({"events": [event("left", user_id="left")]}).encode()
    head = (
        f"POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nX-API-Key: {KEY}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    other = holding_the_database(product)
    leaving = []
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(product.post_events, [event("stay-0", user_id="stay")])
        time.sleep(0.3)
        for _ in range(3):
            connection = socket.create_connection(("127.0.0.1", product.port))
            connection.sendall(head.encode() + body)
            leaving.append(connection)
        rest = [pool.submit(product.post_events, [event(f"stay-{n}", user_id="stay")])
                for n in (1, 2, 3)]  # fmt: skip
        time.sleep(0.5)
        for connection in leaving:
            connection.close()
        time.sleep(0.5)
        other.close()
        began = time.monotonic()
        answers = [waiting.result(40) for waiting in [first, *rest]]
    assert [(answer.status, answer.counts()) for answer in answers] == [(200, (1, 0, 0))] * 4
    assert time.monotonic() - began < 10
    assert exported(product, user_id="stay")["total"] == 4


def test_busy_database_is_503_and_nothing_is_stored(product):
    other = holding_the_database(product)
    try:
        answer = product.post_events([event("busy", user_id="busy")])
    finally:
        other.close()
    problem(answer, 503, "unavailable")
    assert exported(product, user_id="busy")["total"] == 0
    assert product.post_events([event("busy", user_id="busy")]).counts() == (1, 0, 0)


def made_key(product, **fields):
    """A key made as the admin makes it; its text."""
    call = f"from telemetry import keys; print(keys.make(name='k', **{fields!r})[1])"
    done = product.manage("shell", "--no-imports", "-v0", "-c", call)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[-1]


def test_scopes_of_keys(product):
    ingest = made_key(product, can_ingest=True, can_export=False)
    export = made_key(product, can_ingest=False, can_export=True)
    assert product.post_events([], key=ingest).status == 200
    problem(product.post_events([], key=export), 403, "permission_denied")
    for text, status in ((ingest, 403), (export, 200)):
        for sent in ({"X_API_Key": text}, {"Authorization": f"Bearer {text}"}):
            assert product.call("GET", "/v1/export/raw?limit=1", **sent).status == status
        assert product.call("GET", f"/v1/export/raw?limit=1&api_key={text}").status == status
    with closing(sqlite3.connect(product.database)) as connection:
        stored = connection.execute("SELECT * FROM telemetry_apikey").fetchall()
    assert not [row for row in stored if ingest in row or export in row]


def test_a_keys_own_limit_and_its_end(product):
    limited = made_key(product, requests_per_minute=3)
    assert [product.post_events([], key=limited).status for _ in range(3)] == [200] * 3
    problem(product.post_events([], key=limited), 429, "throttled")
    other = made_key(product)
    assert product.post_events([], key=other).status == 200
    with closing(sqlite3.connect(product.database, timeout=10)) as connection:
        connection.execute("UPDATE telemetry_apikey SET revoked_at = '2026-01-01 00:00:00'")
        connection.commit()
    time.sleep(1.2)  # another process may know a key for a second
    problem(product.post_events([event("late", user_id="late")], key=other), 401, "invalid_api_key")
    assert exported(product, user_id="late")["total"] == 0
