"""Metrics against their definitions, and the split that keeps players apart."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import log_loss, roc_auc_score

from telemetry.training import evaluation
from telemetry.training.models import Elo, ItemMean
from telemetry.wire import Trial

NOON = datetime(2026, 2, 17, 12, tzinfo=UTC)


def trial(user: str, correct: bool = True, item: str = "i", rt: float | None = 500.0) -> Trial:
    return Trial(user, correct, rt, "stroop", item, None, "v", NOON)


pairs = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.05, 0.1, 0.3, 0.5, 0.5001, 0.9])),
    min_size=2,
    max_size=60,
).filter(lambda rows: len({hit for hit, _ in rows}) == 2)


@given(pairs)
def test_auc_is_the_share_of_ordered_pairs(rows: list[tuple[bool, float]]) -> None:
    solved = [p for hit, p in rows if hit]
    failed = [p for hit, p in rows if not hit]
    wins = sum((a > b) + (a == b) / 2 for a in solved for b in failed)
    outcomes, scores = np.array([hit for hit, _ in rows]), np.array([p for _, p in rows])
    assert evaluation.auc(outcomes, scores) == pytest.approx(wins / (len(solved) * len(failed)))
    assert evaluation.auc(outcomes, scores) == pytest.approx(roc_auc_score(outcomes, scores))


@given(pairs, st.data())
def test_weights_repeat_trials(rows: list[tuple[bool, float]], data: st.DataObject) -> None:
    times = data.draw(st.lists(st.integers(1, 4), min_size=len(rows), max_size=len(rows)))
    outcomes, scores = np.array([hit for hit, _ in rows]), np.array([p for _, p in rows])
    weighted = evaluation.auc(outcomes, scores, np.array(times, dtype=float))
    repeated = evaluation.auc(np.repeat(outcomes, times), np.repeat(scores, times))
    assert weighted == pytest.approx(repeated)


def test_auc_of_one_kind_of_outcome_is_unknown() -> None:
    assert math.isnan(evaluation.auc(np.array([True, True]), np.array([0.1, 0.9])))
    assert math.isnan(evaluation.auc(np.array([], dtype=bool), np.array([])))


@given(pairs)
def test_log_loss_agrees_with_scikit_learn(rows: list[tuple[bool, float]]) -> None:
    outcomes, scores = np.array([hit for hit, _ in rows]), np.array([p for _, p in rows])
    assert evaluation.log_losses(outcomes, scores).mean() == pytest.approx(
        log_loss(outcomes, scores)
    )


def test_log_loss_of_a_wrong_certainty_is_finite() -> None:
    losses = evaluation.log_losses(np.array([False, True]), np.array([1.0, 1.0]))
    assert losses == pytest.approx([math.log(1e6), 0.0], abs=2e-6)


def test_ece_by_hand() -> None:
    # Bin [.2, .3): three trials, one solved, mean .25. Bin [.9, 1]: two, both solved, mean .95.
    outcomes = np.array([True, False, False, True, True])
    probabilities = np.array([0.25, 0.25, 0.25, 0.9, 1.0])
    expected = 3 / 5 * abs(1 / 3 - 0.25) + 2 / 5 * abs(1 - 0.95)
    assert evaluation.ece(outcomes, probabilities) == pytest.approx(expected)


def test_ece_of_perfect_calibration_is_zero() -> None:
    outcomes = np.array([True] * 3 + [False] * 7)
    assert evaluation.ece(outcomes, np.full(10, 0.3)) == pytest.approx(0.0)


@given(st.lists(st.text(max_size=8), max_size=40), st.integers(0, 2**32), st.floats(0.05, 0.95))
def test_no_player_is_on_both_sides(users: list[str], seed: int, share: float) -> None:
    trials = [trial(user, item=str(number)) for number, user in enumerate(users)]
    train, test = evaluation.split_users(trials, seed=seed, share=share)
    assert not {one.user_id for one in train} & {one.user_id for one in test}
    assert sorted(train + test, key=lambda one: int(one.item_id or 0)) == trials


def test_split_takes_about_its_share_and_depends_on_the_seed() -> None:
    users = [f"u{number}" for number in range(4000)]
    first = {user for user in users if evaluation.in_test(user, seed=1, share=0.2)}
    second = {user for user in users if evaluation.in_test(user, seed=2, share=0.2)}
    deviation = math.sqrt(4000 * 0.2 * 0.8)
    assert abs(len(first) - 800) < 4 * deviation
    assert abs(len(first & second) - 160) < 4 * math.sqrt(4000 * 0.04 * 0.96)


def test_players_stay_on_their_side_when_others_come() -> None:
    few = [trial(f"u{number}") for number in range(50)]
    many = few + [trial(f"v{number}") for number in range(50)]
    _, test_few = evaluation.split_users(few, seed=3, share=0.3)
    _, test_many = evaluation.split_users(many, seed=3, share=0.3)
    assert [one for one in test_many if one.user_id.startswith("u")] == test_few


def test_prediction_comes_before_learning() -> None:
    model = Elo().fit([])
    predicted = evaluation.predict(model, [trial("u", True), trial("u", True)])
    assert predicted.probabilities[0] == 0.5
    assert predicted.probabilities[1] == pytest.approx(1 / (1 + math.exp(-0.5)))
    assert list(predicted.users) == [0, 0]


def test_evaluation_forgets_between_runs() -> None:
    model = Elo().fit([trial("a", True), trial("b", False)])
    trials = [trial("c", True), trial("c", False), trial("d", True)]
    first, second = (evaluation.predict(model, trials).probabilities for _ in range(2))
    assert list(first) == list(second)


def test_interval_covers_the_estimate_and_widens_with_fewer_players() -> None:
    rng = np.random.default_rng(5)

    def width(players: int) -> float:
        users = np.repeat(np.arange(players), 40)
        p = rng.uniform(0.1, 0.9, len(users))
        one = evaluation.Predictions(rng.random(len(users)) < p, p, users)
        report = evaluation.evaluate({"m": one}, reference="m", seed=0, bins=10, bootstrap=200)
        low, value, high = (report["m"]["auc"][name] for name in ("low", "value", "high"))
        assert low < value < high
        return float(high - low)

    assert width(10) > 2 * width(160)


def test_gain_of_a_model_over_itself_is_nothing() -> None:
    trials = [trial(f"u{n % 5}", n % 3 == 0, item=f"i{n % 4}") for n in range(60)]
    one = evaluation.predict(ItemMean().fit(trials), trials)
    report = evaluation.evaluate({"a": one, "b": one}, reference="a", seed=0, bins=10, bootstrap=20)
    assert report["b"]["gain"]["auc"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert "gain" not in report["a"]
