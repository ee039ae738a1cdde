"""The contract's table while everybody sends at once: two server processes, one database."""

from __future__ import annotations

import gzip
import http.client
import json
import threading
from collections import Counter
from datetime import timedelta

import pytest
from django.utils import timezone

from tests.telemetry.passes import canonical
from tests.telemetry.server import ServerProcess

KEY = "dev-key-change-me"
SENDERS = 12


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    first = ServerProcess(tmp_path_factory.mktemp("first"))
    second = None
    try:
        first.migrate()
        second = ServerProcess(tmp_path_factory.mktemp("second"), same_as=first)
        first.start()
        second.start()
        yield [first, second]
    finally:
        for server in (second, first):
            if server is not None:
                server.close()


def event(name, **fields):
    return {
        "event_id": name, "event_type": "task_result", "event_ts": "2026-02-17T12:05:11Z",
        "user_id": "u_42", "payload": {"correct": True, "rt_ms": 1260}, **fields,
    }  # fmt: skip


def request(server, body, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        fields = {"Content-Type": "application/json", **headers}
        connection.request("POST", "/v1/events", body, fields)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def at_once(calls):
    gate, results = threading.Barrier(len(calls)), [None] * len(calls)

    def run(number, call):
        gate.wait(30)
        results[number] = call()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_every_row_of_the_table_holds_when_all_come_at_once(servers):
    ahead = (timezone.now() + timedelta(minutes=30)).isoformat()
    shared = [
        event("plain", model_version="baseline_v1"),
        event("unknown-type", event_type="jump"),
        event("unknown-model", model_version="never-registered"),
        event("timeout-null", payload={"correct": False, "rt_ms": None}),
        event("timeout-minus", payload={"correct": False, "rt_ms": -1}),
        event("ahead", event_ts=ahead),
        event("naive", event_ts="2026-02-17T12:05:11"),
        event("old", event_ts="1999-02-17T12:05:11Z"),
        event("huge", payload={"correct": True, "rt_ms": 1e308}),
        {"event_id": "bad"},
        event("bad-ts", event_ts="yesterday"),
    ]

    def sender(number):
        mine = [event(f"own-{number}"), event("contested", payload={"n": number})]
        turned = [dict(reversed(one.items())) for one in shared]  # the same, written otherwise
        events = [*(turned if number % 2 else shared), *mine, mine[0], event("plain")]
        body, headers = json.dumps({"client_version": f"v{number}", "events": events}), {}
        if number % 3 == 0:
            body, headers = gzip.compress(body.encode()), {"Content-Encoding": "gzip"}
        return lambda: request(servers[number % 2], body, **{"X-API-Key": KEY}, **headers)

    stranger = json.dumps({"api_key": "wrong", "events": [event("stranger")]})
    envelope = {"api_key": KEY, "events": [event("never")]}
    wrong = [
        (401, lambda: request(servers[0], stranger)),
        (400, lambda: request(servers[1], json.dumps(envelope)[:-1])),
        (400, lambda: request(servers[1], json.dumps({"api_key": KEY, "events": 5}))),
        (413, lambda: request(servers[0], json.dumps(dict(envelope, events=[1] * 501)))),
        (415, lambda: request(servers[1], json.dumps(envelope), **{"Content-Encoding": "br"})),
        (200, lambda: request(servers[0], json.dumps(dict(envelope, events=[])))),
    ]
    results = at_once([*map(sender, range(SENDERS)), *(call for _status, call in wrong)])
    answers, others = results[:SENDERS], results[SENDERS:]
    assert [answer[0] for answer in others] == [status for status, _call in wrong]
    assert {(status, text) for status, _headers, text in answers} == {(200, b'{"ok": true}')}
    server = servers[0]
    stored = {
        name: (flags, str(effective), str(received), raw)
        for name, flags, effective, received, raw in server.rows(
            "SELECT event_id, flags, effective_ts, received_at, raw FROM telemetry_gameevent"
        )
    }
    good = {one["event_id"] for one in shared} - {"bad", "bad-ts"}
    assert set(stored) == {*good, "contested", *(f"own-{n}" for n in range(SENDERS))}
    # Counted: each event accepted by one of them, each bad one rejected for all.
    sums = Counter()
    for _status, headers, _text in answers:
        for name in ("Accepted", "Duplicate", "Rejected"):
            sums[name] += int(headers[f"X-Neurogame-{name}"])
    assert sums["Accepted"] == len(stored)
    assert sums["Rejected"] == 2 * SENDERS
    assert sum(sums.values()) == SENDERS * (len(shared) + 4)
    flags = {name: row[0] for name, row in stored.items() if row[0]}
    assert flags == {
        "ahead": "clock_ahead",
        "naive": "naive_ts",
        "huge": "not_scored",
        "contested": "not_scored",
    }
    assert stored["ahead"][1] == stored["ahead"][2]
    assert stored["old"][1].startswith("1999-02-17")
    # The first content is kept, every other one is a conflict, once; another way to write the
    # same is none, and "plain" came with and without its model.
    conflicts = server.rows(
        "SELECT e.event_id, c.raw FROM telemetry_eventconflict c "
        "JOIN telemetry_gameevent e ON e.seq = c.event_id"
    )
    assert len(conflicts) == len({(name, canonical(raw)) for name, raw in conflicts})
    contents = [raw for name, raw in conflicts if name == "contested"] + [stored["contested"][3]]
    assert {json.loads(raw)["payload"]["n"] for raw in contents} == set(range(SENDERS))
    assert Counter(name for name, _raw in conflicts) == {"contested": SENDERS - 1, "plain": 1}
    # What was refused waits once for a person, however it was written.
    quarantined = server.rows("SELECT reason, raw FROM telemetry_quarantinedevent")
    assert Counter(reason for reason, _raw in quarantined) == {
        "invalid_field": 1,
        "invalid_time": 2,  # two texts: the sender's order of the fields is kept
    }
    models = server.rows("SELECT name, status FROM telemetry_modelversion ORDER BY name")
    assert models == [("baseline_v1", "registered"), ("never-registered", "unregistered")]
    trials = server.rows("SELECT SUM(trials), SUM(timeouts) FROM leaderboard_standing")[0]
    assert tuple(map(int, trials)) == (SENDERS + 7, 2)
    check = server.manage("standings", "rebuild", "--check")
    assert check.returncode == 0, check.stderr


def test_a_fixed_quarantine_is_submitted_by_two_people_at_once(servers):
    """Both tick the same rows at the same moment, in two processes: each event is stored once."""
    code = (
        "import json; from telemetry.models import QuarantinedEvent as Q; "
        "Q.objects.bulk_create(Q(index=0, reason='invalid_field', raw=json.dumps({"
        "'event_id': f'fixed-{n}', 'event_type': 'task_result', 'user_id': 'u_7',"
        "'event_ts': '2026-02-17T12:00:00Z', 'payload': {'correct': True, 'rt_ms': 800}}))"
        " for n in range(40))"
    )
    made = servers[0].manage("shell", "-v0", "-c", code)
    assert made.returncode == 0, made.stderr
    submit = (
        "from telemetry import ingest; from telemetry.models import QuarantinedEvent as Q\n"
        "rows = list(Q.objects.filter(resolved_at=None, raw__contains='fixed-'))\n"
        "assert len(rows) == 40\n"
        "print('ready', flush=True); input()\n"
        "counts = [ingest.resubmit(row) for row in rows]\n"
        "print(sum(c.accepted for c in counts), sum(c.duplicate for c in counts))\n"
    )
    people = [server.shell(submit) for server in servers]
    assert [person.stdout.readline() for person in people] == ["ready\n"] * 2
    for person in people:
        person.stdin.write("\n")
        person.stdin.flush()
    said = [person.communicate(timeout=60) for person in people]
    assert [person.returncode for person in people] == [0, 0], said
    counts = [tuple(map(int, out.split()[-2:])) for out, _err in said]
    assert tuple(map(sum, zip(*counts, strict=True))) == (40, 40)
    query = "SELECT count(*), count(DISTINCT event_id) FROM telemetry_gameevent"
    assert servers[0].rows(f"{query} WHERE user_id = 'u_7'") == [(40, 40)]
    standing = "SELECT SUM(trials) FROM leaderboard_standing WHERE user_id = 'u_7'"
    assert int(servers[0].rows(standing)[0][0]) == 40
    assert servers[0].rows(
        "SELECT count(*) FROM telemetry_eventconflict WHERE raw LIKE '%fixed%'"
    ) == [(0,)]
