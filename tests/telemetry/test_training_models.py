"""The models: their formulas by hand, their JSON, and what they recover of what was planted."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.training import models, trials
from telemetry.training.models import Elo, ItemMean, Logistic, Model
from telemetry.training.models.base import logistic
from telemetry.training.models.logistic import COUNTS, counts_before, counts_of
from telemetry.training.trials import Trials
from telemetry.wire import Trial, trial_of
from tests.telemetry.planted import exported, population, spearman

NOON = datetime(2026, 2, 17, 12, tzinfo=UTC)


def trial(
    user: str,
    correct: bool,
    item: str | None = "i",
    rt: float | None = 500.0,
    task_type: str = "stroop",
) -> Trial:
    return Trial(user, correct, rt, task_type, item, None, "v", NOON)


def some(count: int, users: int = 7, items: int = 5) -> Trials:
    rng = np.random.default_rng(count)
    return trials.of(
        trial(
            f"u{rng.integers(users)}",
            bool(rng.random() < 0.6),
            f"i{rng.integers(items)}",
            task_type=("stroop", "flanker")[int(rng.integers(2))],
        )
        for _ in range(count)
    )


def test_timeout_is_never_solved() -> None:
    made = trials.of([trial("u", True), trial("u", False), trial("u", True, rt=None)])
    assert made.solved.tolist() == [True, False, False]


def test_items_of_two_task_types_are_two_items() -> None:
    made = trials.of([trial("u", True), trial("u", True, task_type="n"), trial("u", True, None)])
    assert made.items == ("n/i", "stroop/*", "stroop/i")
    assert made.item.tolist() == [2, 0, 1]


def test_trials_are_in_the_order_of_time() -> None:
    rows = [trial("a", True), trial("b", True), trial("c", True)]
    late = Trial("d", False, 1.0, "stroop", "i", None, "v", NOON - timedelta(seconds=1))
    made = trials.of([*rows, late])
    assert [made.users[code] for code in made.user] == ["d", "a", "b", "c"]
    assert made.time[1] - made.time[0] == 1_000_000


@given(st.floats(-1e6, 1e6))
def test_logistic_never_overflows_and_is_symmetric(logit: float) -> None:
    both = logistic(np.array([logit, -logit]))
    assert both.sum() == pytest.approx(1.0)


def test_item_mean_by_hand() -> None:
    model = ItemMean(strength=2).fit(
        trials.of(
            [trial("a", True), trial("b", True), trial("c", False, "x"), trial("d", True, "x")]
        )
    )
    mean = (3 + 1) / (4 + 2)
    assert model.mean == pytest.approx(mean, abs=1e-6)
    assert model.items == {
        "stroop/i": pytest.approx((2 + 2 * mean) / 4, abs=1e-6),
        "stroop/x": pytest.approx((1 + 2 * mean) / 4, abs=1e-6),
    }
    assert model.shown == {"stroop/i": 2, "stroop/x": 2}
    assert model.predict(trials.of([trial("x", True, "never seen")])).tolist() == [model.mean]


def test_elo_by_hand() -> None:
    model = Elo(user_gain=(1.0, 0.05), item_gain=(0.5, 0.1))
    model.fit(trials.of([trial("u", True), trial("u", False)]))
    theta, difficulty = 0.5, -0.25  # both expected .5 at first
    p = 1 / (1 + math.exp(difficulty - theta))
    theta += 1 / 1.05 * (0 - p)
    difficulty -= 0.5 / 1.1 * (0 - p)
    assert model.users == {"u": pytest.approx(theta)}
    assert model.items == {"stroop/i": pytest.approx(difficulty, abs=1e-6)}
    assert model.shown == {"stroop/i": 2}


def test_elo_with_an_absurd_gain_stays_finite() -> None:
    model = Elo(user_gain=(1e8, 0.0), item_gain=(1e8, 0.0)).fit(some(300))
    assert np.isfinite(model.predict(some(300))).all()


def test_prediction_comes_before_learning() -> None:
    found = Elo().fit(trials.of([])).predict(trials.of([trial("u", True), trial("u", True)]))
    assert found.tolist() == [0.5, pytest.approx(1 / (1 + math.exp(-0.5)))]


keys = st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=60)


@given(keys)
def test_counts_are_what_came_before(rows: list[tuple[int, bool]]) -> None:
    key = np.array([one for one, _ in rows], dtype=np.int64)
    solved = np.array([hit for _, hit in rows], dtype=bool)
    expected = [
        [sum(k == key_ and h == kind for k, h in rows[:place]) for place, (key_, _) in enumerate(rows)]
        for kind in (True, False)
    ]  # fmt: skip
    found = counts_before(key, solved)
    assert [column.tolist() for column in found] == expected


def test_features_of_the_logistic_model_by_hand() -> None:
    rows = [
        trial("u", True, "a"),
        trial("v", True, "a"),
        trial("u", False, "b"),
        trial("u", True, "a", task_type="n"),
        trial("u", True, "a"),
    ]
    found = np.expm1(counts_of(trials.of(rows)))
    assert COUNTS == (
        "all_solved", "all_failed", "skill_solved", "skill_failed", "item_solved", "item_failed",
    )  # fmt: skip
    assert np.round(found, 9).tolist() == [
        [0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0],
        [1, 0, 1, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [2, 1, 1, 1, 1, 0],
    ]


def test_logistic_predicts_by_its_formula() -> None:
    model = Logistic.from_params(
        {
            "kind": "logistic",
            "c": 1.0,
            "converged": True,
            "intercept": 0.5,
            "items": {"stroop/a": -0.25},
            "skills": {"stroop": 0.125},
            "counts": dict(zip(COUNTS, (0.1, 0.2, 0.3, 0.4, 0.5, 0.6), strict=True)),
        }
    )
    rows = [trial("u", True, "a"), trial("u", False, "a"), trial("u", True, "?", task_type="?")]
    first = 0.5 - 0.25 + 0.125
    second = first + (0.1 + 0.3 + 0.5) * math.log(2)
    third = 0.5 + (0.1 + 0.2) * math.log(2)
    expected = [1 / (1 + math.exp(-logit)) for logit in (first, second, third)]
    assert model.predict(trials.of(rows)).tolist() == pytest.approx(expected)


def test_stronger_penalty_pulls_towards_nothing() -> None:
    train = some(2000)
    sizes = [
        sum(weight**2 for weight in Logistic(c=c).fit(train).items.values())
        for c in (0.001, 0.1, 10.0)
    ]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[2] / 4


def test_fit_that_does_not_converge_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("telemetry.training.models.logistic.MAX_ITERATIONS", 1)
    assert Logistic(c=10.0).fit(some(500)).params()["converged"] is False


FITTED = [Elo(user_gain=(0.9, 0.04)), ItemMean(strength=3.0), Logistic(c=0.3)]


@pytest.mark.parametrize("model", FITTED, ids=lambda model: model.kind)
def test_stored_parameters_are_the_whole_model(model: Model) -> None:
    model.fit(some(400))
    params = json.loads(json.dumps(model.params()))
    again = models.from_params(params)
    assert type(again) is type(model)
    assert again.params() == params
    test = some(60, users=3, items=6)
    assert again.predict(test).tolist() == model.predict(test).tolist()


@pytest.mark.parametrize("model", FITTED, ids=lambda model: model.kind)
def test_use_changes_nothing_and_is_forgotten(model: Model) -> None:
    model.fit(some(400))
    before = json.dumps(model.params())
    first, second = (model.predict(some(90)).tolist() for _ in range(2))
    assert first == second
    assert json.dumps(model.params()) == before


@pytest.mark.parametrize("model", FITTED, ids=lambda model: model.kind)
def test_future_changes_no_prediction(model: Model) -> None:
    """What comes after a trial, its own outcome included, leaves its prediction as it is."""
    model.fit(some(400))
    whole = some(80)
    turned = Trials(**{**vars(whole), "solved": whole.solved.copy()})
    turned.solved[40:] = ~turned.solved[40:]
    assert model.predict(turned)[:41].tolist() == model.predict(whole)[:41].tolist()


@pytest.mark.parametrize("model", FITTED, ids=lambda model: model.kind)
def test_names_that_were_not_trained_on_are_no_error(model: Model) -> None:
    model.fit(some(400))
    odd = trials.of([trial("", True, "новый", task_type="?"), trial("x", False, None)])
    found = model.predict(odd)
    assert ((found > 0) & (found < 1)).all()


def test_elo_recovers_planted_difficulties_and_abilities() -> None:
    """At least the correlation that the noise of a rating allows, less three standard errors.

    Around its target a rating with gain K wanders with variance K / 2 (the update is an AR(1) with
    step K p(1-p) and noise K^2 p(1-p)), and its opponents' do the same: with planted variance v the
    correlation is sqrt(v / (v + K_own / 2 + K_other / 2)). Sampling: Fisher's z, SE 1 / sqrt(n - 3).
    """
    planted = population(players=300, trials=150)
    found = [one for one in map(trial_of, exported(planted)) if one is not None]
    model = Elo().fit(trials.of(found))
    gain_item = 1 / (1 + 0.05 * len(found) / len(planted.items))
    gain_user = 1 / (1 + 0.05 * 150)
    noise = gain_item / 2 + gain_user / 2

    difficulties = [one.difficulty for one in planted.items]
    estimates = [model.items[f"{one.task_type}/{one.item_id}"] for one in planted.items]
    people = [one for one in planted.players if not one.bot]
    abilities = [one.ability for one in people]
    ratings = [model.users[one.user_id] for one in people]
    for true, estimated in ((difficulties, estimates), (abilities, ratings)):
        mean = sum(true) / len(true)
        variance = sum((value - mean) ** 2 for value in true) / len(true)
        best = math.sqrt(variance / (variance + noise))
        floor = math.tanh(math.atanh(best) - 3 / math.sqrt(len(true) - 3))
        assert floor > 0.8
        assert spearman(true, estimated) > floor


def test_logistic_recovers_planted_difficulties() -> None:
    """280 trials an item leave noise of about .02 beside a planted variance of .77, a correlation
    of .98; the counts of the item carry a part of its difficulty too, so its weight has less."""
    planted = population(players=300, trials=150)
    found = [one for one in map(trial_of, exported(planted)) if one is not None]
    model = Logistic(c=1.0).fit(trials.of(found))
    weights = [model.items[f"{one.task_type}/{one.item_id}"] for one in planted.items]
    assert spearman([-one.difficulty for one in planted.items], weights) > 0.9
