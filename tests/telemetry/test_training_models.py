"""The two models: their formulas by hand, their JSON, and what they recover of what was planted."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.training.evaluation import predict
from telemetry.training.models import Elo, ItemMean, item_of, logistic, outcome
from telemetry.wire import Trial, trial_of
from tests.telemetry.planted import exported, population, spearman

NOON = datetime(2026, 2, 17, 12, tzinfo=UTC)


def trial(user: str, correct: bool, item: str | None = "i", rt: float | None = 500.0) -> Trial:
    return Trial(user, correct, rt, "stroop", item, None, "v", NOON)


def test_timeout_is_never_solved() -> None:
    assert outcome(trial("u", True))
    assert not outcome(trial("u", False))
    assert not outcome(trial("u", True, rt=None))


def test_items_of_two_task_types_are_two_items() -> None:
    one = trial("u", True)
    other = Trial("u", True, 1.0, "flanker", "i", None, "v", NOON)
    assert item_of(one) != item_of(other)
    assert item_of(trial("u", True, item=None)) == "stroop/*"


@given(st.floats(-800, 800))
def test_logistic_never_overflows_and_is_symmetric(logit: float) -> None:
    assert logistic(logit) + logistic(-logit) == pytest.approx(1.0)


def test_item_mean_by_hand() -> None:
    trials = [
        trial("a", True),
        trial("b", True),
        trial("c", False, "hard"),
        trial("d", True, "hard"),
    ]
    model = ItemMean(strength=2).fit(trials)
    mean = (3 + 1) / (4 + 2)
    assert model.mean == pytest.approx(mean, abs=1e-6)
    assert model.items["stroop/i"] == (pytest.approx((2 + 2 * mean) / 4, abs=1e-6), 2)
    assert model.items["stroop/hard"] == (pytest.approx((1 + 2 * mean) / 4, abs=1e-6), 2)
    predictor = model.predictor()
    assert predictor(trial("x", True, "never seen")) == model.mean


def test_elo_by_hand() -> None:
    model = Elo(user_gain=(1.0, 0.05), item_gain=(0.5, 0.1))
    model.fit([trial("u", True), trial("u", False)])
    theta, difficulty = 0.5, -0.25  # both expected .5 at first
    p = 1 / (1 + math.exp(difficulty - theta))
    theta += 1 / 1.05 * (0 - p)
    difficulty -= 0.5 / 1.1 * (0 - p)
    assert model.users["u"] == (pytest.approx(theta), 2)
    assert model.items["stroop/i"] == (pytest.approx(difficulty, abs=1e-6), 2)


def test_elo_in_use_changes_no_item() -> None:
    model = Elo().fit([trial("a", True), trial("b", False, "hard")])
    before = json.dumps(model.params())
    predict(model, [trial("new", number % 2 == 0, "hard") for number in range(50)])
    assert json.dumps(model.params()) == before


@pytest.mark.parametrize("model", [Elo(user_gain=(0.9, 0.04)), ItemMean(strength=3.0)])
def test_stored_parameters_are_the_whole_model(model: Elo | ItemMean) -> None:
    trials = [trial(f"u{n % 7}", n % 3 > 0, f"i{n % 5}") for n in range(200)]
    model.fit(trials)
    params = json.loads(json.dumps(model.params()))
    again = type(model).from_params(params)
    assert again.params() == params
    test = [trial(f"v{n % 3}", n % 2 > 0, f"i{n % 6}") for n in range(60)]
    assert list(predict(again, test).probabilities) == list(predict(model, test).probabilities)


def test_elo_recovers_planted_difficulties_and_abilities() -> None:
    """At least the correlation that the noise of a rating allows, less three standard errors.

    Around its target a rating with gain K wanders with variance K / 2 (the update is an AR(1) with
    step K p(1-p) and noise K^2 p(1-p)), and its opponents' do the same: with planted variance v the
    correlation is sqrt(v / (v + K_own / 2 + K_other / 2)). Sampling: Fisher's z, SE 1 / sqrt(n - 3).
    """
    planted = population(players=300, trials=150)
    trials = [one for one in map(trial_of, exported(planted)) if one is not None]
    trials.sort(key=lambda one: one.effective_ts)
    model = Elo().fit(trials)
    gain_item = 1 / (1 + 0.05 * len(trials) / len(planted.items))
    gain_user = 1 / (1 + 0.05 * 150)
    noise = gain_item / 2 + gain_user / 2

    difficulties = [one.difficulty for one in planted.items]
    estimates = [model.items[f"{one.task_type}/{one.item_id}"][0] for one in planted.items]
    people = [one for one in planted.players if not one.bot]
    abilities = [one.ability for one in people]
    ratings = [model.users[one.user_id][0] for one in people]
    for true, estimated in ((difficulties, estimates), (abilities, ratings)):
        mean = sum(true) / len(true)
        variance = sum((value - mean) ** 2 for value in true) / len(true)
        best = math.sqrt(variance / (variance + noise))
        floor = math.tanh(math.atanh(best) - 3 / math.sqrt(len(true) - 3))
        assert floor > 0.8
        assert spearman(true, estimated) > floor
