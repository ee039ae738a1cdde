"""From stored events to the board: folding, filters, holds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from leaderboard import cells, rebuild, standings
from leaderboard.models import PlayerHold, Standing, Total
from telemetry.models import GameEvent
from tests.leaderboard.play import play, store, trial

pytestmark = pytest.mark.django_db

ROW = {
    "rank", "user_id", "tasks", "correct", "accuracy", "avg_rt_ms", "score", "score_se",
    "provisional",
}  # fmt: skip


def names(**filters) -> list[str]:
    return [row["user_id"] for row in standings.board(**filters)]


def test_board_has_the_contracts_shape(client):
    store(play("fast", 40, rt_ms=500) + play("slow", 40, rt_ms=2000))
    answer = client.get("/v1/leaderboard")
    rows = answer.json()
    assert (answer["Content-Type"], answer["Cache-Control"]) == ("application/json", "no-store")
    assert [row["user_id"] for row in rows] == ["fast", "slow"]
    assert set(rows[0]) == ROW
    assert (rows[0]["tasks"], rows[0]["correct"], rows[0]["accuracy"]) == (40, 40, 1.0)
    assert (rows[0]["rank"], rows[0]["provisional"]) == (1, True)
    assert standings.board() == rows


def test_equal_scores_share_a_rank():
    store(
        play("a", 30, rt_ms=500)
        + play("b", 30, rt_ms=900)
        + play("c", 30, rt_ms=900)
        + play("d", 30, rt_ms=2000)
    )
    assert [row["rank"] for row in standings.board()] == [1, 2, 2, 4]
    assert standings.board(limit=2) == standings.board()[:2]


def test_a_score_does_not_depend_on_whom_a_filter_leaves_out():
    store(play("a", 30, rt_ms=500) + play("b", 60, rt_ms=900))
    (alone,) = standings.board(min_tasks=50)
    assert alone == {**standings.board()[1], "rank": 1}


def test_filters_and_limits(client):
    now = datetime.now(UTC)
    ago = (now - timedelta(days=3)).isoformat()
    store(play("old", 30) + play("recent", 30, event_ts=ago))
    store(play("today", 30, event_ts=now.isoformat(), payload={"task_type": "flanker"}))

    def listed(**query):
        return {row["user_id"] for row in client.get("/v1/leaderboard", query).json()}

    assert listed() == {"old", "recent", "today"}
    assert listed(window="week") == {"recent", "today"}
    assert listed(window="day") == {"today"}
    assert listed(task_type="flanker") == {"today"}
    assert listed(task_type="flanker", window="week", model_version="m1") == {"today"}
    assert listed(model_version="none") == set()
    assert listed(min_tasks=31) == set()
    assert listed(min_tasks=0) == {"old", "recent", "today"}
    assert len(client.get("/v1/leaderboard", {"limit": 2}).json()) == 2


@pytest.mark.parametrize(
    "query",
    [{"limit": 0}, {"limit": 1001}, {"limit": "x"}, {"limit": "9" * 40}, {"min_tasks": -1},
     {"window": "year"}, {"task_type": "a\x00b"}, {"task_type": "x" * 65},
     {"model_version": "x" * 129}, {"min_tasks": "1" * 11}],
)  # fmt: skip
def test_bad_filters_are_400(client, query):
    answer = client.get("/v1/leaderboard", query)
    assert answer.status_code == 400
    assert set(answer.json()["errors"]) == set(query)


def test_addresses_are_masked():
    store(play("jane@example.org", 30))
    assert names() == ["j***@e***"]


def test_timeouts_count_and_too_fast_ones_do_not():
    store(play("a", 30) + [trial("t", "a", rt_ms=None), trial("t2", "a", rt_ms=-1)])
    store([trial("f", "a", rt_ms=100)])
    row = standings.board()[0]
    assert (row["tasks"], row["correct"], row["avg_rt_ms"]) == (32, 30, 994.0)
    assert (Total.objects.get().excluded, Total.objects.get().timeouts) == (1, 2)


def test_late_and_repeated_events_land_once_in_their_day():
    store(play("a", 5))
    store(play("a", 5))
    cell = Standing.objects.get()
    assert (cell.trials, cell.day.isoformat()) == (5, "2026-02-17")


def test_only_the_events_that_cannot_be_folded_are_flagged(monkeypatch, caplog):
    real = cells.add

    def broken(trials, **rest):
        trials = list(trials)
        if any(trial.user_id.startswith("odd") for trial, _session in trials):
            raise OverflowError("too large a sum")
        return real(trials, **rest)

    monkeypatch.setattr(cells, "add", broken)
    batch = play("a", 20) + [trial("x", "odd")] + play("b", 20) + [trial("y", "odder")]
    assert store([*batch, trial("j", event_type="jump")]).accepted == 43
    flags = dict(GameEvent.objects.exclude(flags="").values_list("event_id", "flags"))
    assert flags == {"x": "not_folded", "y": "not_folded"}
    assert dict(Total.objects.values_list("user_id", "trials")) == {"a": 20, "b": 20}
    (line,) = [one for one in caplog.records if one.name == "leaderboard.standings"]
    assert "2 of 42 events could not be folded" in line.getMessage()
    monkeypatch.undo()
    rebuild.rebuild()  # after the fix they are in
    assert Total.objects.count() == 4


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
    assert rebuild.differences() == []


@pytest.mark.parametrize("difficulty", [1e308, -1e308, 0, 2**53, True, "hard", None])
def test_no_difficulty_breaks_the_sums(difficulty):
    batch = [trial(n, "a", payload={"difficulty": difficulty}) for n in range(40)]
    store(batch)
    assert names() == ["a"]
    assert GameEvent.objects.exclude(flags="").count() == 0
    assert rebuild.differences() == []


# --- Holds --------------------------------------------------------------------------------------


def test_suspicious_play_is_held_back_and_can_be_released():
    store(play("bot", 30) + [trial(f"x{n}", "bot", rt_ms=90) for n in range(10)])
    assert names() == []
    hold = PlayerHold.objects.get()
    assert (hold.user_id, hold.state) == ("bot", "held")
    assert hold.evidence == {
        "fast": {"too_fast": 10, "responses": 40, "share": 0.25, "threshold": 0.05}
    }
    PlayerHold.objects.update(state="released")
    assert names() == ["bot"]
    store([trial("more", "bot", rt_ms=90)])
    assert PlayerHold.objects.get().state == "released"
    PlayerHold.objects.update(state="hidden")
    assert names() == []
    rebuild.rebuild()
    assert PlayerHold.objects.get().state == "hidden"


def at(second: int) -> str:
    return (datetime(2026, 2, 17, 12, tzinfo=UTC) + timedelta(seconds=second)).isoformat()


def session(user_id: str, name: str, begin: int, n: int = 20) -> list[dict]:
    """A trial every five seconds from `begin` on."""
    return [
        trial(f"{name}-{k}", user_id, rt_ms=800 + 37 * (k % 9), session_id=name,
              event_ts=at(begin + 5 * k))
        for k in range(n)
    ]  # fmt: skip


@pytest.mark.parametrize("order", ["as played", "backwards", "late"])
def test_two_sessions_at_once_are_held_back(order):
    events = session("double", "s1", 0) + session("double", "s2", 40)
    events += session("single", "s3", 0) + session("single", "s4", 100)
    if order == "backwards":
        events.reverse()
    if order == "late":
        store(session("double", "s2", 40)[5:10])
    store(events)
    hold = PlayerHold.objects.get()
    assert (hold.user_id, hold.reason) == ("double", "two sessions at once for 55 s")
    assert hold.evidence["overlap"] == {
        "sessions": ["s1", "s2"], "pairs": 1, "longest_s": 55, "threshold_s": 30,
    }  # fmt: skip
    PlayerHold.objects.all().delete()
    rebuild.rebuild()
    assert PlayerHold.objects.get().evidence == hold.evidence


def test_sessions_of_two_players_may_have_the_same_name():
    store(session("one", "s", 0, 40) + [{**e, "event_id": e["event_id"] + "x", "user_id": "two"}
                                        for e in session("one", "s", 10, 40)])  # fmt: skip
    assert PlayerHold.objects.count() == 0


def test_guessing_is_held_back():
    store([trial(n, "coin", n % 2 == 0, 600 + 53 * (n % 7)) for n in range(120)])
    hold = PlayerHold.objects.get()
    assert hold.reason == "60 of 120 responses correct, as by guessing"


def test_even_times_are_held_back():
    store([trial(n, "robot", n % 10 > 0, 700 + n % 3) for n in range(1000)])
    assert list(PlayerHold.objects.get().evidence) == ["even"]
