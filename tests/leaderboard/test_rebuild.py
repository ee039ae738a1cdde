"""Incremental equals rebuild, whatever the order; rebuilding while events arrive; rules."""

from __future__ import annotations

import json
import random
import threading
import time
from types import MappingProxyType

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leaderboard import cells, rebuild, scoring, standings
from leaderboard.models import Board, PlayerHold, PlaySession, Standing, Total
from leaderboard.scoring import SUMS, Rule
from telemetry import ingest
from telemetry.models import GameEvent
from telemetry.wire import read_event
from tests.leaderboard.play import play, store, trial

pytestmark = pytest.mark.django_db

WITHIN_A_TEST = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def contents() -> dict[str, list[tuple]]:
    """What counts, without the numbers of builds and changes."""
    state = rebuild.current()
    which = {"rule_version": state.rule_version, "build": state.build}
    return {
        table._meta.db_table: sorted(table.objects.filter(**which).values_list(*key, *values))
        for table, (key, values) in rebuild.KEYS.items()
    }


def forget() -> None:
    for model in (GameEvent, Board, *rebuild.TABLES, PlayerHold):
        model.objects.all().delete()


event = st.builds(
    lambda key, user, correct, rt, day, task, session, extra: trial(
        key, user, correct, rt, event_ts=f"2026-02-{day:02}T1{key % 10}:00:{key % 60:02}Z",
        session_id=session, payload={"task_type": task, **extra},
    ),
    st.integers(0, 60),
    st.sampled_from("ab"),
    st.booleans(),
    st.one_of(st.none(), st.integers(-1, 5000), st.floats(0, 1e7)),
    st.integers(16, 18),
    st.sampled_from(["stroop", "n_back"]),
    st.sampled_from(["", "s1", "s2"]),
    st.sampled_from([{}, {"item_id": "i"}, {"difficulty": 0.7}, {"difficulty": -2, "item_id": "k"}]),
)  # fmt: skip


@WITHIN_A_TEST
@given(batches=st.lists(st.lists(event, max_size=12), max_size=5))
def test_incremental_equals_rebuild(db, batches):
    with transaction.atomic():
        forget()
        for batch in batches:
            store(batch)
        assert rebuild.differences() == []
        before = contents()
        rebuild.rebuild()
        assert contents() == before
        assert rebuild.differences() == []


@WITHIN_A_TEST
@given(
    events=st.lists(event, max_size=30, unique_by=lambda one: one["event_id"]),
    chance=st.randoms(use_true_random=False),
)
def test_any_interleaving_of_batches_gives_the_same_standings(db, events, chance):
    """Cut anyhow, in any order, with repetitions."""
    with transaction.atomic():
        forget()
        store(events)
        ordered, board = contents(), standings.board(min_tasks=0)
        forget()
        mixed = events + chance.choices(events, k=len(events) // 2) if events else []
        chance.shuffle(mixed)
        while mixed:
            size = chance.randrange(1, 9)
            store(mixed[:size])
            mixed = mixed[size:]
        assert contents() == ordered
        assert standings.board(min_tasks=0) == board


def test_the_command_finds_a_difference():
    store(play("a", 5, session_id="s"))
    call_command("standings", "rebuild", "--check")
    for table, change in (
        (Standing, {"trials": 7}), (Total, {"rated": 7}), (PlaySession, {"first_ms": 7}),
    ):  # fmt: skip
        kept = contents()
        table.objects.update(**change)
        with pytest.raises(CommandError, match="1 rows differ"):
            call_command("standings", "rebuild", "--check")
        call_command("standings", "rebuild")
        call_command("standings", "rebuild", "--check")
        assert contents() == kept
    Total.objects.all().delete()
    with pytest.raises(CommandError, match="1 rows differ"):
        call_command("standings", "rebuild", "--check")


@pytest.mark.parametrize("action", ["rebuild", "check"])
def test_events_that_arrive_meanwhile_are_neither_lost_nor_doubled(monkeypatch, action):
    """Between chunks, between the last chunk and the lock, and into rows that were read already."""
    monkeypatch.setattr(rebuild, "CHUNK", 10)
    monkeypatch.setattr(rebuild, "LEFT_OVER", 15)
    store(play("a", 100, session_id="s"))
    arrived = iter(range(1000))

    def meanwhile(seq):
        if not connection.savepoint_ids:  # under the lock nothing arrives
            number = next(arrived)
            if number < 25:
                store(play("a", 3, start=1000 + 3 * number, session_id="s"))
                store(play(f"new{number}", 2))

    if action == "rebuild":
        rebuild.rebuild(progress=meanwhile)
    else:
        assert rebuild.differences(progress=meanwhile) == []
    assert next(arrived) > 10
    count = GameEvent.objects.count()
    assert sum(Total.objects.values_list("trials", flat=True)) == count
    assert rebuild.differences() == []
    assert set(Standing.objects.values_list("build", flat=True)) == {rebuild.current().build}


@pytest.mark.django_db(transaction=True)
def test_ingest_goes_on_while_standings_are_rebuilt(monkeypatch):
    """A writer thread that commits without a pause, and rebuilds and checks beside it."""
    monkeypatch.setattr(rebuild, "CHUNK", 50)
    monkeypatch.setattr(rebuild, "LEFT_OVER", 100)
    stop = threading.Event()
    sent = []

    def write() -> None:
        number = 0
        while not stop.is_set():
            events = play(f"p{number % 5}", 20, start=20 * number, session_id=f"s{number % 7}")
            now = timezone.now()
            parsed = [read_event(json.dumps(e).encode(), n, now) for n, e in enumerate(events)]
            sent.append(ingest.writer.submit(ingest.Batch(parsed, now)).result(30).accepted)
            number += 1

    thread = threading.Thread(target=write)
    thread.start()
    try:
        while len(sent) < 20:
            time.sleep(0.01)
        for _turn in range(3):
            rebuild.rebuild()
            assert rebuild.differences() == []
    finally:
        stop.set()
        thread.join()
    assert sum(Total.objects.values_list("trials", flat=True)) == sum(sent)
    assert rebuild.differences() == []


def test_only_one_rebuild_runs():
    store(play("a", 5))
    with rebuild.Builder(), pytest.raises(CommandError, match="another rebuild is running"):
        call_command("standings", "rebuild")
    call_command("standings", "rebuild")


def test_what_a_broken_rebuild_left_behind_does_no_harm():
    store(play("a", 5))
    broken = rebuild.Builder()
    broken.__enter__()
    broken.take(rebuild.last_seq())
    Board.objects.update(rebuild_until="2026-01-01T00:00:00Z")  # killed, a while ago
    assert [row["tasks"] for row in standings.board(min_tasks=0)] == [5]
    rebuild.rebuild()
    assert [row["tasks"] for row in standings.board(min_tasks=0)] == [5]
    with pytest.raises(rebuild.Busy):
        broken.take(rebuild.last_seq() + 1) or broken._renew()


def test_a_new_rule_is_built_beside_the_old_one_and_switched_to(monkeypatch):
    rules = {**scoring.RULES, 2: Rule(2, 3000.0, MappingProxyType({"sprint": 1000.0}))}
    monkeypatch.setattr(cells, "RULES", rules)
    monkeypatch.setattr(rebuild, "RULES", rules)
    payload = {"task_type": "sprint"}
    store(play("a", 40, rt_ms=900, payload=payload) + play("b", 40, rt_ms=600))
    assert set(Standing.objects.values_list("rule_version", flat=True)) == {1}
    scored = dict(Total.objects.values_list("user_id", "points_milli"))
    call_command("standings", "rebuild", "--rule", "2")
    assert set(Standing.objects.values_list("rule_version", flat=True)) == {2}
    after = dict(Total.objects.values_list("user_id", "points_milli"))
    assert (after["b"], after["a"] < scored["a"]) == (scored["b"], True)
    store(play("a", 10, rt_ms=900, start=100, payload=payload))
    assert rebuild.differences() == []
    call_command("standings", "rebuild", "--rule", "1")
    assert Total.objects.get(user_id="b").points_milli == scored["b"]
    with pytest.raises(CommandError, match="no rule 7"):
        call_command("standings", "rebuild", "--rule", "7")


def test_a_rule_that_was_used_never_changes():
    """Whoever changes the rule gives it a new number: standings of different rules do not add."""
    assert scoring.RULES[1] == Rule(version=1, deadline_ms=3000.0)


def test_sums_are_folded_as_the_rule_scores_one_trial():
    chance = random.Random(5)
    events = [
        trial(n, "a", chance.random() < 0.7, chance.choice([None, 120, chance.uniform(150, 4000)]))
        for n in range(200)
    ]
    store(events)
    points = [
        scoring.score_trial(
            correct=e["payload"]["correct"], rt_ms=e["payload"]["rt_ms"], task_type="default"
        )
        for e in events
    ]
    row = Total.objects.values(*SUMS).get()
    assert row["points_milli"] == sum(one.milli for one in points)
    assert row["points_sq"] == sum(one.milli**2 for one in points)
    assert row["trials"] == sum(one.counted for one in points)
    assert row["timeouts"] == sum(one.timeout for one in points)
    assert row["rt_sum_ms"] == sum(one.rt_ms or 0 for one in points)
