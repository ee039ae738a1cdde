"""What is suspicious: the thresholds, and how often honest simulated players are held back."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from leaderboard import cells, scoring, suspicion
from leaderboard.scoring import Sums
from leaderboard.suspicion import Overlap
from telemetry.simulation import Config, Population
from telemetry.wire import trial_of

PLAUSIBLE = {"rt_sum_ms": 90_000, "rt_sq_sum": 100_000_000, "correct": 80}


def codes(overlap=None, **fields) -> list[str]:
    return [one.code for one in suspicion.judge(Sums(**{**PLAUSIBLE, **fields}), overlap)]


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"rt_count": 95, "excluded": 5}, []),
        ({"rt_count": 94, "excluded": 6}, ["fast"]),
        ({"rt_count": 3, "excluded": 3}, []),
        ({"rt_count": 999, "rt_sum_ms": 999_000, "rt_sq_sum": 999_000_000, "correct": 900}, []),
        ({"rt_count": 1000, "rt_sum_ms": 10**6, "rt_sq_sum": 10**9, "correct": 900}, ["even"]),
        ({"rt_count": 1000, "rt_sum_ms": 10**6, "rt_sq_sum": 1_010_000_000, "correct": 900}, []),
        ({"rt_count": 100, "correct": 50}, ["chance"]),
        ({"rt_count": 99, "correct": 50}, []),
        ({"rt_count": 100, "correct": 59}, []),
        ({"rt_count": 100, "correct": 41}, []),  # worse than a coin is no coin
        ({"rt_count": 100, "correct": 50, "unrated": 1}, []),
    ],
)
def test_thresholds(fields, found):
    assert codes(**fields) == found


def test_a_weak_player_is_told_from_a_guesser_by_the_difficulty():
    half = {"rt_count": 200, "correct": 100, "rated": 200, "rated_correct": 100,
            "difficulty_sum": 0, "difficulty_sq": 200_000_000}  # fmt: skip
    assert codes(**half, difficulty_correct=-40_000) == []
    assert codes(**half, difficulty_correct=0) == ["chance"]
    even = {**half, "difficulty_sq": 200}
    assert codes(**even, difficulty_correct=0) == []  # nothing to tell them by


def test_overlaps():
    pair = ("a", "b")
    assert codes(Overlap(pair, 30_000, 1), rt_count=30, correct=25) == []
    assert codes(Overlap(pair, 30_001, 1), rt_count=30, correct=25) == ["overlap"]
    assert codes(Overlap(pair, 30_001, 1), rt_count=29, correct=25) == []


@pytest.mark.parametrize(
    ("trials", "players"), [(60, 400), (200, 250), (1000, 60)]
)  # fmt: skip
@pytest.mark.parametrize("told", ["difficulty", "item", "nothing"])
def test_hardly_an_honest_player_is_held_back_and_no_bot_escapes(trials, players, told):
    """The simulator's population: abilities from hopeless to perfect, bots of 40-149 ms."""
    end = datetime(2026, 3, 1, tzinfo=UTC)
    population = Population(Config(players=players, trials=trials, seed=4, end=end, bots=0.05))
    honest, bots = [], []
    for number, one in enumerate(population.players):
        if told == "nothing" and abs(one.ability) < 1.0:
            continue  # its accuracy on these hard items is a coin's: no game to leave unrated
        unique = {event["event_id"]: event for event in population.play(number).events}
        events = []
        for event in unique.values():
            payload = dict(event["payload"])
            if told != "difficulty":
                payload.pop("difficulty", None)
            if told == "nothing":
                payload.pop("item_id", None)
            events.append({**event, "payload": payload})
        found = [trial_of(event, effective_ts=event["event_ts"]) for event in events]
        added = cells.add(
            [(trial, "") for trial in found if trial is not None],
            rule=scoring.RULES[1],
            difficulties={},
        )
        sums = Sums(*map(sum, zip(*added.cells.values(), strict=True)))
        (bots if one.bot else honest).append(suspicion.judge(sums))
    assert all([one.code for one in found] == ["fast"] for found in bots)
    held = [found for found in honest if found]
    assert len(held) <= len(honest) * 0.005


def test_a_guesser_who_takes_the_time_is_found():
    """Half right on every item, at a person's pace: only the difficulty tells."""
    end = datetime(2026, 3, 1, tzinfo=UTC)
    population = Population(Config(players=40, trials=300, seed=8, end=end, bots=0.0))
    caught = 0
    for number in range(40):
        trials = []
        for place, event in enumerate(population.play(number).events):
            payload = {**event["payload"], "correct": hash((number * 7919 + place) % 997) % 2 == 0}
            trial = trial_of({**event, "payload": payload}, effective_ts=event["event_ts"])
            if trial is not None:
                trials.append((trial, ""))
        added = cells.add(trials, rule=scoring.RULES[1], difficulties={})
        sums = Sums(*map(sum, zip(*added.cells.values(), strict=True)))
        caught += [one.code for one in suspicion.judge(sums)] == ["chance"]
    assert caught >= 28  # of 40: nine in ten pass the accuracy, five in six of these the slope
