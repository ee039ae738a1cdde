"""Any interleaving of batches, duplicates, replays and crashes ends as one ordered pass does."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import time
from typing import Any

import pytest
from django.db import transaction
from django.db.models import Sum
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from leaderboard import rebuild
from leaderboard.models import Standing
from telemetry import ingest, retention
from telemetry.models import EventConflict, GameEvent, QuarantinedEvent
from telemetry.retention import Scope
from telemetry.wire import read_event
from tests.telemetry.passes import (
    IDS,
    RESPONSES,
    Bad,
    Event,
    Item,
    Pass,
    batches,
    canonical,
    events,
    order_of,
)
from tests.telemetry.server import ServerProcess
from tests.wipe import wipe

pytestmark = pytest.mark.django_db(transaction=True)

MANY = hypothesis_settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
FEW = hypothesis_settings(MANY, max_examples=50)


def parsed(batch: list[Item], name: str) -> ingest.Batch:
    now = timezone.now()
    read = [read_event(item.raw().encode(), index, now) for index, item in enumerate(batch)]
    return ingest.Batch(read, now, name)


def triple(counts: ingest.Counts) -> tuple[int, int, int]:
    return counts.accepted, counts.duplicate, counts.rejected


def stored_state() -> dict[str, Any]:
    """What the database holds, in the shape of `Pass.state`."""
    columns = {name: Sum(name) for name in ("trials", "correct", "timeouts", "excluded")}
    cells = Standing.objects.values_list("user_id", "day").annotate(**columns)
    return {
        "events": {
            row.event_id: (canonical(row.raw), row.client_version)
            for row in GameEvent.objects.all()
        },
        "conflicts": {
            (row.event.event_id, canonical(row.raw))
            for row in EventConflict.objects.select_related("event")
        },
        "quarantined": sorted(
            QuarantinedEvent.objects.filter(resolved_at=None).values_list("raw", flat=True)
        ),
        "standings": {(cell[0], cell[1].isoformat()): cell[2:] for cell in cells if any(cell[2:])},
    }


class Crash(Exception):
    """The process ends here: what its transaction did never was."""


def crash_after_storing(batch: ingest.Batch) -> None:
    with contextlib.suppress(Crash), transaction.atomic():
        ingest.take_turn()
        ingest.store(batch)
        raise Crash


# --- One after the other, with everything that can go wrong ---------------------------------------

sent = st.tuples(st.sampled_from(["send", "lost answer", "crash"]), batches)
again = st.tuples(st.just("again"), st.integers(0, 30))
mended = st.tuples(st.just("mended"), events)
erased = st.tuples(st.just("erase"), st.sampled_from(["player-0", "player-1", "player-2"]))
steps = st.lists(st.one_of(sent, sent, again, mended, erased), max_size=12)


@MANY
@given(steps)
def test_any_sequence_equals_one_ordered_pass(steps):
    wipe()
    law = Pass()
    before: list[tuple[list[Item], str]] = []
    writer = ingest.Writer()
    try:
        for number, (what, given_) in enumerate(steps):
            name = f"b{number}"
            if what in ("send", "lost answer", "crash"):
                if what == "crash":
                    crash_after_storing(parsed(given_, name))
                expected = law.take(given_, name)
                assert triple(writer.submit(parsed(given_, name)).result(30)) == expected
                if what == "lost answer":  # the client has not seen it, and sends the same again
                    expected = law.take(given_, name)
                    assert triple(writer.submit(parsed(given_, name)).result(30)) == expected
                before.append((given_, name))
            elif what == "again" and before:  # a game that starts weeks later with an old spool
                batch, old_name = before[given_ % len(before)]
                expected = law.take(batch, old_name)
                assert triple(writer.submit(parsed(batch, old_name)).result(30)) == expected
            elif what == "mended":  # was refused by an older version, and is submitted again
                row = QuarantinedEvent.objects.create(
                    index=0, reason="invalid_field", raw=given_.raw(), client_version=name
                )
                assert triple(ingest.resubmit(row)) == law.take([given_], name)
            elif what == "erase":
                law.erase(given_)
                retention.prune(Scope(user_id=given_), batch=2, pause_s=0)
    finally:
        writer.close()
    assert stored_state() == law.state()
    assert rebuild.differences() == []


# --- All at once --------------------------------------------------------------------------------


@FEW
@given(st.lists(batches, min_size=2, max_size=8), st.integers(1, 3), st.booleans())
def test_concurrent_batches_equal_some_ordered_pass(drawn, writers, replayed):
    """Batches of several writers: there is an order of them which explains all that is stored."""
    wipe()
    submitted = {f"b{number}": batch for number, batch in enumerate(drawn)}
    running = [ingest.Writer() for _ in range(writers)]
    try:
        futures = {
            name: running[number % writers].submit(parsed(batch, name))
            for number, (name, batch) in enumerate(submitted.items())
        }
        if replayed:  # at the same time, through another writer
            echoes = [
                running[(number + 1) % writers].submit(parsed(batch, name))
                for number, (name, batch) in enumerate(submitted.items())
            ]
            for echo in echoes:
                echo.result(30)
        counts = {name: triple(future.result(30)) for name, future in futures.items()}
    finally:
        for writer in running:
            writer.close()
    found = stored_state()
    law = Pass()
    winners = {event_id: name for event_id, (_raw, name) in found["events"].items()}
    expected = {name: law.take(submitted[name], name) for name in order_of(submitted, winners)}
    assert found == law.state()
    if not replayed:
        assert counts == expected
    assert rebuild.differences() == []


@FEW
@given(st.lists(batches, min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_the_order_of_batches_without_contradictions_does_not_matter(drawn, rng):
    """Where no id has two contents, every order of arrival ends in the same state."""
    content: dict[str, Event] = {}
    agreed = [
        [
            content.setdefault(item.event_id, item) if isinstance(item, Event) else item
            for item in batch
        ]
        for batch in drawn
    ]
    states = []
    for _turn in range(2):
        wipe()
        for batch in agreed:
            with transaction.atomic():
                ingest.take_turn()
                ingest.store(parsed(batch, "any"))
        states.append(stored_state())
        rng.shuffle(agreed)
    assert states[0] == states[1]
    assert states[0]["conflicts"] == set()


# --- A real process that dies -------------------------------------------------------------------


@pytest.fixture(scope="module")
def migrated(tmp_path_factory):
    made = ServerProcess(tmp_path_factory.mktemp("migrated"))
    made.migrate()
    yield made
    made.close()


@pytest.mark.parametrize("seed", range(2))
def test_batches_to_a_server_that_is_killed_equal_one_ordered_pass(migrated, tmp_path, seed):
    """`kill -9` with a request in the air; the client sends again what was not answered."""
    rng = random.Random(seed)
    law = Pass()
    server = ServerProcess(tmp_path, copy_of=migrated)
    try:
        server.start()
        for number in range(40):
            name, batch = f"b{number}", drawn_batch(rng)
            killed = number % 13 == 7
            answered = send(
                server, batch, name, kill_after_s=rng.uniform(0, 0.01) if killed else None
            )
            if killed:
                server.start()
            expected = law.take(batch, name)
            if answered is None:  # stored or not: the same again ends in the same state
                send(server, batch, name)
            else:
                assert answered == expected
        check = server.manage("standings", "rebuild", "--check")
        assert check.returncode == 0, check.stderr
        assert state_over_http(server) == law.state()["events"]
        rows = "SELECT e.event_id, c.raw FROM telemetry_eventconflict c JOIN telemetry_gameevent e"
        conflicts = server.rows(f"{rows} ON e.seq = c.event_id")
        assert {(one, canonical(raw)) for one, raw in conflicts} == law.state()["conflicts"]
        quarantined = server.rows("SELECT raw FROM telemetry_quarantinedevent")
        assert sorted(raw for (raw,) in quarantined) == law.state()["quarantined"]
    finally:
        server.close()


def drawn_batch(rng: random.Random) -> list[Item]:
    def item() -> Item:
        if rng.random() < 0.15:
            return Bad(rng.randrange(4))
        return Event(rng.choice(IDS), rng.random() < 0.5, rng.choice(RESPONSES), rng.random() < 0.5)

    return [item() for _ in range(rng.randrange(7))]


def send(
    server: ServerProcess, batch: list[Item], name: str, kill_after_s: float | None = None
) -> tuple[int, int, int] | None:
    """The counts of the answer; None when the server was killed before it came."""
    events = ",".join(item.raw() for item in batch)
    body = f'{{"client_version": "{name}", "events": [{events}]}}'
    http_connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        headers = {"X-API-Key": "dev-key-change-me", "Content-Type": "application/json"}
        http_connection.request("POST", "/v1/events", body, headers)
        if kill_after_s is not None:
            time.sleep(kill_after_s)
            server.kill()
        answer = http_connection.getresponse()
        answer.read()
        assert answer.status == 200
        names = ("Accepted", "Duplicate", "Rejected")
        accepted, duplicate, rejected = (int(answer.headers[f"X-Neurogame-{one}"]) for one in names)
        return accepted, duplicate, rejected
    except (OSError, http.client.HTTPException):
        return None
    finally:
        http_connection.close()


def state_over_http(server: ServerProcess) -> dict[str, tuple[str, str]]:
    """The events as the export tells them."""
    http_connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        http_connection.request(
            "GET", "/v1/export/raw?limit=10000", headers={"X-API-Key": "dev-key-change-me"}
        )
        page = json.loads(http_connection.getresponse().read())
    finally:
        http_connection.close()
    own = ("seq", "received_at", "effective_ts", "client_version", "flags")
    return {
        event["event_id"]: (
            canonical(json.dumps({name: event[name] for name in event if name not in own})),
            event["client_version"],
        )
        for event in page["events"]
    }
