"""Strangers share a commit, never a failure: what the database refuses of one hurts no other."""

from __future__ import annotations

import json

import pytest
from django.db import connection
from django.utils import timezone

from leaderboard.models import Standing
from telemetry import ingest
from telemetry.models import GameEvent
from telemetry.wire import read_event
from tests.telemetry.test_events import event, second_connection_holding_the_table

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def refuse():
    """A function that lets the database itself refuse a player's rows in a table."""
    made = []

    def install(table, user_id):
        name = f"refuse_{table}"
        with connection.cursor() as cursor:
            if connection.vendor == "sqlite":
                cursor.execute(
                    f"CREATE TRIGGER {name} BEFORE INSERT ON {table} WHEN NEW.user_id = '{user_id}' "
                    "BEGIN SELECT RAISE(ABORT, 'refused by the test'); END"
                )
                made.append(f"DROP TRIGGER {name}")
            else:
                cursor.execute(
                    f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS "
                    "$$BEGIN RAISE EXCEPTION 'refused by the test'; END$$"
                )
                cursor.execute(
                    f"CREATE TRIGGER {name} BEFORE INSERT ON {table} FOR EACH ROW "
                    f"WHEN (NEW.user_id = '{user_id}') EXECUTE FUNCTION {name}()"
                )
                made.append(f"DROP TRIGGER {name} ON {table}; DROP FUNCTION {name}()")

    yield install
    with connection.cursor() as cursor:
        for statement in made:
            cursor.execute(statement)


def batch(*names, user_id):
    now = timezone.now()
    raws = [json.dumps(event(name, user_id=user_id)).encode() for name in names]
    return ingest.Batch([read_event(raw, index, now) for index, raw in enumerate(raws)], now)


def in_one_commit(*batches):
    """The futures of batches that had to wait for each other, and so share a commit."""
    writer = ingest.Writer()
    try:
        with second_connection_holding_the_table():
            futures = [writer.submit(one) for one in [batch(user_id="first"), *batches]]
        for future in futures:
            future.exception(30)
    finally:
        writer.close()
    return futures[1:]


def test_what_cannot_be_folded_is_stored_flagged_and_costs_nobody_else_a_point(refuse):
    refuse("leaderboard_standing", "odd")
    futures = in_one_commit(
        batch("a1", "a2", user_id="ada"),
        batch("o1", "o2", user_id="odd"),
        batch("b1", user_id="bob"),
    )
    assert [future.result().accepted for future in futures] == [2, 2, 1]
    flags = dict(GameEvent.objects.values_list("event_id", "flags"))
    assert flags == {"a1": "", "a2": "", "o1": "not_folded", "o2": "not_folded", "b1": ""}
    assert dict(Standing.objects.values_list("user_id", "trials")) == {"ada": 2, "bob": 1}


def test_a_request_that_cannot_be_stored_is_answered_busy_and_the_others_are_stored(refuse):
    refuse("telemetry_gameevent", "odd")
    good, odd, also = in_one_commit(
        batch("a1", user_id="ada"), batch("o1", user_id="odd"), batch("b1", user_id="bob")
    )
    assert (good.result().accepted, also.result().accepted) == (1, 1)
    with pytest.raises(ingest.Busy):
        odd.result()
    assert set(GameEvent.objects.values_list("event_id", flat=True)) == {"a1", "b1"}
    assert dict(Standing.objects.values_list("user_id", "trials")) == {"ada": 1, "bob": 1}


@pytest.mark.parametrize("rt_ms", [1e308, -1e308, 1.7976931348623157e308, 86_400_001, 2**63])
def test_a_number_that_no_sum_holds_is_stored_and_flagged(rt_ms):
    odd = event("odd", payload={"correct": True, "rt_ms": rt_ms})
    now = timezone.now()
    raws = [json.dumps(odd).encode(), json.dumps(event("fine")).encode()]
    writer = ingest.Writer()
    try:
        read = [read_event(raw, index, now) for index, raw in enumerate(raws)]
        assert writer.submit(ingest.Batch(read, now)).result(30).accepted == 2
    finally:
        writer.close()
    assert dict(GameEvent.objects.values_list("event_id", "flags")) == {
        "odd": "not_scored",
        "fine": "",
    }
    assert Standing.objects.get().trials == 1
