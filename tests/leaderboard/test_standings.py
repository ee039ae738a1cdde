from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from leaderboard import standings
from leaderboard.models import PlayerHold, Standing
from telemetry import ingest
from telemetry.models import GameEvent
from telemetry.wire import read_event

pytestmark = pytest.mark.django_db


def trial(event_id, user_id="u", correct=True, rt_ms=1000, **fields):
    payload = {"correct": correct, "rt_ms": rt_ms, **fields.pop("payload", {})}
    return {
        "event_id": str(event_id), "event_type": "task_result", "user_id": user_id,
        "event_ts": "2026-02-17T12:00:00Z", "model_version": "m1", "payload": payload, **fields,
    }  # fmt: skip


def store(events, now=None):
    now = now or timezone.now()
    parsed = [read_event(json.dumps(e).encode(), n, now) for n, e in enumerate(events)]
    with transaction.atomic():
        return ingest.store(ingest.Batch(parsed, now))


def play(user_id, n, correct=True, rt_ms=1000, start=0, **fields):
    """`n` trials with plausibly uneven response times around `rt_ms`."""
    return [
        trial(f"{user_id}-{start + k}", user_id, correct, rt_ms + (k % 9 - 4) * 20, **fields)
        for k in range(n)
    ]


def test_board_has_the_contracts_shape(client):
    store(play("fast", 40, rt_ms=500) + play("slow", 40, rt_ms=2000))
    rows = client.get("/v1/leaderboard").json()
    assert [row["user_id"] for row in rows] == ["fast", "slow"]
    assert set(rows[0]) == {
        "rank",
        "user_id",
        "tasks",
        "correct",
        "accuracy",
        "avg_rt_ms",
        "score",
        "score_se",
        "provisional",
    }
    assert (rows[0]["tasks"], rows[0]["correct"], rows[0]["accuracy"]) == (40, 40, 1.0)
    assert (rows[0]["rank"], rows[0]["provisional"]) == (1, True)


def test_equal_scores_share_a_rank():
    store(
        play("a", 30, rt_ms=500)
        + play("b", 30, rt_ms=900)
        + play("c", 30, rt_ms=900)
        + play("d", 30, rt_ms=2000)
    )
    assert [row["rank"] for row in standings.board()] == [1, 2, 2, 4]


def test_filters_and_limits(client):
    now = datetime.now(UTC)
    ago = (now - timedelta(days=3)).isoformat()
    store(play("old", 30) + play("recent", 30, event_ts=ago))
    store(play("today", 30, event_ts=now.isoformat(), payload={"task_type": "flanker"}))

    def names(**query):
        return {row["user_id"] for row in client.get("/v1/leaderboard", query).json()}

    assert names() == {"old", "recent", "today"}
    assert names(window="week") == {"recent", "today"}
    assert names(window="day") == {"today"}
    assert names(task_type="flanker") == {"today"}
    assert names(model_version="none") == set()
    assert names(min_tasks=31) == set()
    assert len(client.get("/v1/leaderboard", {"limit": 2}).json()) == 2


@pytest.mark.parametrize(
    "query",
    [{"limit": 0}, {"limit": 1001}, {"limit": "x"}, {"min_tasks": -1}, {"window": "year"},
     {"task_type": "a\x00b"}],
)  # fmt: skip
def test_bad_filters_are_400(client, query):
    answer = client.get("/v1/leaderboard", query)
    assert answer.status_code == 400
    assert set(answer.json()["errors"]) == set(query)


def test_addresses_are_masked():
    store(play("jane@example.org", 30))
    assert standings.board()[0]["user_id"] == "j***@e***"


def test_timeouts_count_and_too_fast_ones_do_not():
    store(play("a", 30) + [trial("t", "a", rt_ms=None), trial("t2", "a", rt_ms=-1)])
    store([trial("f", "a", rt_ms=100)])
    row = standings.board()[0]
    assert (row["tasks"], row["correct"], row["avg_rt_ms"]) == (32, 30, 994.0)


def test_suspicious_play_is_held_back_and_can_be_released():
    store(play("bot", 30) + [trial(f"x{n}", "bot", rt_ms=90) for n in range(10)])
    assert standings.board() == []
    hold = PlayerHold.objects.get()
    assert (hold.user_id, hold.state) == ("bot", "held")
    PlayerHold.objects.update(state="released")
    assert [row["user_id"] for row in standings.board()] == ["bot"]
    store([trial("more", "bot", rt_ms=90)])
    assert PlayerHold.objects.get().state == "released"


def test_late_and_repeated_events_land_once_in_their_day():
    store(play("a", 5))
    store(play("a", 5))
    cell = Standing.objects.get()
    assert (cell.trials, cell.day.isoformat()) == (5, "2026-02-17")


def test_what_cannot_be_folded_is_stored_and_flagged(monkeypatch):
    def broken(cells):
        raise OverflowError("too large a sum")

    monkeypatch.setattr(standings, "upsert", broken)
    assert store([trial("a"), trial("b", event_type="jump")]).accepted == 2
    assert dict(GameEvent.objects.values_list("event_id", "flags")) == {"a": "not_folded", "b": ""}


@hypothesis_settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    batches=st.lists(
        st.lists(
            st.tuples(
                st.integers(0, 40), st.sampled_from("ab"), st.booleans(),
                st.one_of(st.none(), st.integers(-1, 5000), st.floats(0, 1e7)),
            ),
            max_size=12,
        ),
        max_size=5,
    )
)  # fmt: skip
def test_incremental_equals_rebuild(db, batches):
    with transaction.atomic():
        GameEvent.objects.all().delete()
        Standing.objects.all().delete()
        for batch in batches:
            store([trial(key, user, correct, rt) for key, user, correct, rt in batch])
        assert standings.differences() == []
        before = standings.stored_cells()
        standings.rebuild()
        assert standings.stored_cells() == before


def test_the_command_finds_a_difference(capsys):
    store(play("a", 5))
    call_command("standings", "rebuild", "--check")
    Standing.objects.update(trials=7)
    with pytest.raises(CommandError):
        call_command("standings", "rebuild", "--check")
    call_command("standings", "rebuild")
    call_command("standings", "rebuild", "--check")


def test_no_response_time_overflows_the_sums(client):
    """Also over several days, where the database itself adds."""
    for day in ("2026-02-17", "2026-02-18"):
        batch = [
            trial(f"{day}-{n}", "slow", True, 86_400_000, event_ts=f"{day}T12:00:00Z")
            for n in range(1100)
        ]
        store(batch)
    (row,) = client.get("/v1/leaderboard").json()
    assert (row["tasks"], row["avg_rt_ms"]) == (2200, 86_400_000.0)
    assert Standing.objects.get(day="2026-02-17").rt_sq_sum == 1100 * 60_000**2
    assert standings.differences() == []
