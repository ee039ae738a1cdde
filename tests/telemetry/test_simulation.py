"""The simulated population: seeded, as planted, and delivered by the real client."""

from __future__ import annotations

import json
import math
import statistics
from collections import Counter
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from telemetry.simulation import Config, Play, Population, simulate, truth
from tests.telemetry.collector import OK, Collector, problem
from tests.telemetry.planted import END, population


def plays(planted: Population) -> list[Play]:
    return [planted.play(number) for number in range(len(planted.players))]


def trials(play: Play) -> list[dict[str, Any]]:
    """The trials of a player, each once, in the order of play."""
    events = {event["event_id"]: event for event in play.events}
    found = [event for event in events.values() if event["event_type"] == "task_result"]
    return sorted(found, key=lambda event: event["event_ts"])


def test_same_seed_gives_the_same_play_and_another_does_not() -> None:
    first, again, other = (population(players=4, trials=30, seed=seed) for seed in (1, 1, 2))
    assert first.items == again.items
    assert [play.events for play in plays(first)] == [play.events for play in plays(again)]
    ids = [
        {event["event_id"] for play in plays(one) for event in play.events}
        for one in (first, other)
    ]
    assert not ids[0] & ids[1]


def test_a_player_plays_the_same_whoever_else_plays() -> None:
    few, many = population(players=3, trials=30), population(players=3, trials=30, bots=0.0)
    assert few.play(1).events == many.play(1).events


def test_tally_is_what_the_events_say() -> None:
    for play in plays(population(players=20, trials=90, days=2)):
        rows = trials(play)
        answered = [row for row in rows if row["payload"]["rt_ms"] not in (None, -1)]
        assert len(rows) == play.tally["tasks"] == 90
        assert sum(row["payload"]["correct"] for row in rows) == play.tally["correct"]
        assert len(rows) - len(answered) == play.tally["timeouts"]
        mean = statistics.fmean(row["payload"]["rt_ms"] for row in answered)
        assert play.tally["mean_rt_ms"] == pytest.approx(mean, abs=0.001)
        assert Counter(row["model_version"] for row in rows) == play.tally["by_version"]
        assert Counter(row["payload"]["task_type"] for row in rows) == play.tally["by_type"]
        assert Counter(f"{row['event_ts']:%Y-%m-%d}" for row in rows) == play.tally["by_day"]
        assert len(play.events) == play.tally["events"] + play.tally["repeats"]


def test_play_lies_within_its_days_and_sessions_never_overlap() -> None:
    for play in plays(population(players=20, trials=300, days=1)):
        moments = [event["event_ts"] for event in play.events]
        assert END - timedelta(days=1) <= min(moments)
        assert max(moments) <= END
        sessions = [event["session_id"] for event in trials(play)]
        changes = sum(one != other for one, other in pairwise(sessions))
        assert changes == len(set(sessions)) - 1


def test_planted_behaviour_shows_in_the_answers() -> None:
    planted = population(players=150, trials=200, bots=0.1)
    played = plays(planted)
    bots = [play.tally for play in played if play.tally["bot"]]
    people = [play.tally for play in played if not play.tally["bot"]]
    assert len(bots) == 15
    share = sum(one["correct"] for one in bots) / (15 * 200)
    assert abs(share - 0.5) < 4 * math.sqrt(0.25 / (15 * 200))
    assert all(one["mean_rt_ms"] < 150 and one["timeouts"] == 0 for one in bots)
    assert all(one["mean_rt_ms"] > 180 for one in people)
    lapses = sum(one["lapse"] * 200 for one in people)
    assert abs(sum(one["timeouts"] for one in people) - lapses) < 4 * math.sqrt(lapses)
    for what, planted_name in (("correct", "ability"), ("mean_rt_ms", "speed")):
        correlation = statistics.correlation(
            [one[what] for one in people], [one[planted_name] for one in people]
        )
        assert abs(correlation) > 0.7
    events = sum(play.tally["events"] for play in played)
    repeats = sum(play.tally["repeats"] for play in played)
    assert abs(repeats - 0.01 * events) < 4 * math.sqrt(0.01 * events)


def test_oracle_loss_is_the_entropy_of_what_was_planted() -> None:
    planted = population(players=100, trials=200)
    played = plays(planted)
    chances = [chance for play in played for chance, _ in play.outcomes]
    entropy = -statistics.fmean(p * math.log(p) + (1 - p) * math.log(1 - p) for p in chances)
    spread = statistics.pstdev(
        -math.log(p if hit else 1 - p) for play in played for p, hit in play.outcomes
    )
    measured = truth(planted, played)["oracle_log_loss"]
    assert abs(measured - entropy) < 4 * spread / math.sqrt(len(chances))


@pytest.mark.parametrize(
    "options",
    [
        {"players": 0},
        {"trials": 0},
        {"days": 0},
        {"trials": 5000, "days": 1},
        {"items_per_type": 0},
    ],
)
def test_impossible_parameters_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(ValueError):
        Config(**{"end": END, **options})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="time zone"):
        Config(end=END.replace(tzinfo=None))


# Delivery --------------------------------------------------------------------------------------------


def deliver(collector: Collector, tmp_path: Path, **options: Any) -> Any:
    config = Config(players=25, trials=20, seed=3, end=END)
    spool = tmp_path / "spool"
    return simulate(config=config, url=collector.url, api_key="k", spool=spool, **options)


def test_everything_arrives_once_but_for_the_repeats(tmp_path: Path) -> None:
    seen: list[int] = []
    with Collector() as collector:
        delivery = deliver(collector, tmp_path, progress=seen.append)
    totals = delivery.truth["totals"]
    assert delivery.complete
    assert len(collector.accepted()) == totals["events"]
    assert sum(collector.accepted().values()) == sum(seen) == totals["events"] + totals["repeats"]
    assert list((tmp_path / "spool").iterdir()) == []
    assert json.loads(json.dumps(delivery.truth)) == delivery.truth


def test_number_of_processes_changes_nothing(tmp_path: Path) -> None:
    with Collector() as one, Collector() as two:
        alone = deliver(one, tmp_path)
        together = deliver(two, tmp_path, processes=2)
    assert alone.truth == together.truth
    assert one.accepted() == two.accepted()


@pytest.mark.parametrize("processes", [1, 2])
def test_what_is_not_delivered_is_not_complete(tmp_path: Path, processes: int) -> None:
    with Collector(lambda events: problem(401)) as collector:
        delivery = deliver(collector, tmp_path, processes=processes)
    assert not delivery.complete
    assert "401" in delivery.last_error


def test_quarantined_events_are_not_complete(tmp_path: Path) -> None:
    with Collector(lambda events: (200, {"X-Neurogame-Rejected": "1"}, OK[2])) as collector:
        assert not deliver(collector, tmp_path).complete
