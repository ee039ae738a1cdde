"""Items that events only name: their difficulties, when they are estimated, and what follows."""

from __future__ import annotations

import numpy as np
import pytest

from leaderboard import calibration, cells, jobs, rebuild, standings
from leaderboard.calibration import Answers
from leaderboard.models import Board, ItemDifficulty, Total
from tests.leaderboard.play import store, trial

pytestmark = pytest.mark.django_db


def answers(chance, theta, difficulty, share=0.3):
    """Each player meets about this share of the items."""
    met = chance.random((len(theta), len(difficulty))) < share
    player, item = np.nonzero(met)
    solved = chance.random(len(player)) < 1 / (1 + np.exp(difficulty[item] - theta[player]))
    return player, item, solved


def test_difficulties_are_found_again():
    chance = np.random.default_rng(3)
    difficulty = chance.normal(0, 1, 60)
    player, item, solved = answers(chance, chance.normal(0.5, 1, 800), difficulty)
    found = calibration.estimate(Answers(player, item, solved, np.full(60, np.nan)))
    assert np.corrcoef(found, difficulty)[0, 1] > 0.98
    assert np.abs(found - (difficulty - difficulty.mean())).mean() < 0.2
    anchored = np.full(60, np.nan)
    anchored[:20] = difficulty[:20]
    found = calibration.estimate(Answers(player, item, solved, anchored))
    assert (found[:20] == difficulty[:20]).all()
    assert np.abs(found - difficulty).mean() < 0.2


def test_always_and_never_solved_stay_finite():
    player = np.repeat(np.arange(50), 2)
    item = np.tile(np.arange(2), 50)
    found = calibration.estimate(Answers(player, item, item == 0, np.full(2, np.nan)))
    assert -6 < found[0] < -0.5 < 0.5 < found[1] < 6


def naming_events(players=60, trials=40):
    """Two pools of items, an easy and a hard one; each player meets one pool and a common part."""
    chance = np.random.default_rng(7)
    difficulty = np.concatenate([chance.normal(-1.2, 0.3, 10), chance.normal(1.2, 0.3, 10)])
    theta = chance.normal(0.4, 1.0, players)
    events = []
    for number in range(players):
        pool = np.arange(10) + 10 * (number % 2)
        for place in range(trials):
            item = int(chance.choice(pool if place % 4 else np.arange(20)))
            right = chance.random() < 1 / (1 + np.exp(difficulty[item] - theta[number]))
            events.append(
                trial(f"{number}-{place}", f"p{number:02}", bool(right),
                      float(np.clip(chance.lognormal(6.7, 0.3), 200, 2900)),
                      payload={"item_id": f"i{item}"})
            )  # fmt: skip
    return events, theta


def agreement(theta) -> float:
    rows = {row["user_id"]: row["score"] for row in standings.board(min_tasks=1)}
    scores = [rows[f"p{number:02}"] for number in range(len(theta))]
    return float(np.corrcoef(theta, scores)[0, 1])


def test_items_are_rated_once_and_the_board_becomes_truer():
    events, theta = naming_events()
    store(events)
    assert Total.objects.filter(rated__gt=0).count() == 0
    assert calibration.worth_it()
    before = agreement(theta)
    assert jobs.keep_standings.call() == "rated 20 items"
    assert Total.objects.filter(unrated__gt=0).count() == 0
    assert agreement(theta) > before + 0.1
    assert rebuild.differences() == []
    assert not calibration.worth_it()
    assert jobs.keep_standings.call() == "nothing to do"

    frozen = list(ItemDifficulty.objects.values_list("item_id", "milli_logits"))
    more = [{**one, "event_id": one["event_id"] + "x", "user_id": "z"} for one in events[:60]]
    store(more)  # scored with the frozen difficulties at once
    assert sum(Total.objects.filter(user_id="z").values_list("rated", flat=True)) == 60
    assert calibration.calibrate() == 0
    assert list(ItemDifficulty.objects.values_list("item_id", "milli_logits")) == frozen
    assert rebuild.differences() == []


def test_too_few_trials_rate_nothing_and_are_not_looked_at_again_and_again():
    store([trial(n, f"p{n % 30}", payload={"item_id": f"i{n}"}) for n in range(600)])
    assert calibration.worth_it()
    assert jobs.keep_standings.call() == "rated 0 items"
    assert not calibration.worth_it()
    assert Board.objects.get().calibration == 0


def test_an_item_that_is_named_with_and_without_its_difficulty():
    told = [trial(n, f"p{n % 20}", payload={"item_id": "i", "difficulty": 1.5}) for n in range(60)]
    bare = [trial(f"b{n}", f"p{n % 20}", payload={"item_id": "i"}) for n in range(10)]
    store(told + bare)
    assert calibration.calibrate() == 1
    assert cells.difficulties(rebuild.current()) == {("default", "i"): 1500}
    assert rebuild.differences() == []


def test_nothing_to_rate():
    assert calibration.calibrate() == 0
    assert not calibration.worth_it()
    assert jobs.keep_standings.call() == "nothing to do"
