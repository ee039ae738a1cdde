"""Metrics against their definitions, intervals, groups, and the split that keeps everything apart."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from telemetry.training import evaluation, metrics, trials
from telemetry.training.metrics import Judged
from telemetry.training.models import ItemMean
from telemetry.training.trials import Trials
from telemetry.wire import Trial

NOON = datetime(2026, 2, 17, 12, tzinfo=UTC)


def trial(
    user: str, correct: bool = True, item: str = "i", at: int = 0, version: str = "v"
) -> Trial:
    moment = NOON + timedelta(seconds=at)
    return Trial(user, correct, 500.0, "stroop", item, None, version, moment)


pairs = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.05, 0.1, 0.3, 0.5, 0.5001, 0.9])),
    min_size=2,
    max_size=60,
).filter(lambda rows: len({hit for hit, _ in rows}) == 2)
Rows = list[tuple[bool, float]]


def columns(rows: Rows) -> tuple[trials.Bools, trials.Floats]:
    return np.array([hit for hit, _ in rows]), np.array([p for _, p in rows])


# Metrics ---------------------------------------------------------------------------------------------


@given(pairs)
def test_auc_is_the_share_of_ordered_pairs(rows: Rows) -> None:
    solved = [p for hit, p in rows if hit]
    failed = [p for hit, p in rows if not hit]
    wins = sum((a > b) + (a == b) / 2 for a in solved for b in failed)
    outcomes, scores = columns(rows)
    assert metrics.auc(outcomes, scores) == pytest.approx(wins / (len(solved) * len(failed)))
    assert metrics.auc(outcomes, scores) == pytest.approx(roc_auc_score(outcomes, scores))


@given(pairs, st.data())
def test_weights_repeat_trials(rows: Rows, data: st.DataObject) -> None:
    times = data.draw(st.lists(st.integers(1, 4), min_size=len(rows), max_size=len(rows)))
    outcomes, scores = columns(rows)
    weighted = metrics.auc(outcomes, scores, np.array(times, dtype=float))
    repeated = metrics.auc(np.repeat(outcomes, times), np.repeat(scores, times))
    assert weighted == pytest.approx(repeated)


def test_auc_of_one_kind_of_outcome_is_unknown() -> None:
    assert math.isnan(metrics.auc(np.array([True, True]), np.array([0.1, 0.9])))
    assert math.isnan(metrics.auc(np.array([], dtype=bool), np.array([])))


@given(pairs)
def test_losses_agree_with_scikit_learn(rows: Rows) -> None:
    outcomes, scores = columns(rows)
    assert metrics.log_losses(outcomes, scores).mean() == pytest.approx(log_loss(outcomes, scores))
    assert metrics.briers(outcomes, scores).mean() == pytest.approx(
        brier_score_loss(outcomes, scores)
    )


def test_log_loss_of_a_wrong_certainty_is_finite() -> None:
    losses = metrics.log_losses(np.array([False, True]), np.array([1.0, 1.0]))
    assert losses == pytest.approx([math.log(1e6), 0.0], abs=2e-6)


def test_ece_by_hand() -> None:
    # Bin [.2, .3): three trials, one solved, mean .25. Bin [.9, 1]: two, both solved, mean .95.
    outcomes = np.array([True, False, False, True, True])
    probabilities = np.array([0.25, 0.25, 0.25, 0.9, 1.0])
    expected = 3 / 5 * abs(1 / 3 - 0.25) + 2 / 5 * abs(1 - 0.95)
    assert metrics.ece(outcomes, probabilities) == pytest.approx(expected)


def test_ece_of_perfect_calibration_is_zero() -> None:
    outcomes = np.array([True] * 3 + [False] * 7)
    assert metrics.ece(outcomes, np.full(10, 0.3)) == pytest.approx(0.0)


def test_reliability_by_hand() -> None:
    one = Judged(
        np.array([True, False, False, True, True]),
        np.array([0.25, 0.25, 0.2, 0.9, 1.0]),
        np.zeros(5, dtype=np.int64),
    )
    draws = metrics.draw_players(1, draws=3, seed=0)
    assert metrics.reliability(one, draws, bins=10) == [
        {
            "from": 0.2,
            "to": 0.3,
            "trials": 3,
            "predicted": 0.233333,
            "observed": {"value": 0.333333, "low": 0.333333, "high": 0.333333},
        },
        {
            "from": 0.9,
            "to": 1.0,
            "trials": 2,
            "predicted": 0.95,
            "observed": {"value": 1.0, "low": 1.0, "high": 1.0},
        },
    ]


# Intervals -------------------------------------------------------------------------------------------


@given(pairs, st.integers(0, 100))
def test_resampling_repeats_whole_players(rows: Rows, seed: int) -> None:
    """Every metric of a draw equals that of the trials of the drawn players, one after another."""
    outcomes, scores = columns(rows)
    users = np.arange(len(rows)) % 4
    users = np.unique(users, return_inverse=True)[1].astype(np.int64)
    players = int(users.max()) + 1
    draws = metrics.draw_players(players, draws=3, seed=seed)
    found = metrics.resampled(Judged(outcomes, scores, users), draws, bins=5)
    for number, draw in enumerate(draws):
        times = draw[users]
        again = Judged(
            np.repeat(outcomes, times), np.repeat(scores, times), np.repeat(users, times)
        )
        for name, value in metrics.values(again, bins=5).items():
            assert found[name][number] == pytest.approx(value, nan_ok=True)


def test_draws_follow_from_the_seed() -> None:
    first, again, other = (metrics.draw_players(50, draws=9, seed=seed) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()
    assert (first.sum(axis=1) == 50).all()


def test_products_do_not_depend_on_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    draws = metrics.draw_players(20, draws=30, seed=3)
    sums = np.random.default_rng(0).random((20, 4))
    whole = metrics.product(draws, sums)
    monkeypatch.setattr(metrics, "_BLOCK", 7)
    assert metrics.product(draws, sums).tobytes() == whole.tobytes()
    assert whole == pytest.approx(draws @ sums)
    assert metrics.product(draws[:0], sums).shape == (0, 4)


def planted(players: int, seed: int = 5) -> tuple[Judged, Trials]:
    rng = np.random.default_rng(seed)
    users = np.repeat(np.arange(players), 40)
    p = rng.uniform(0.1, 0.9, len(users))
    solved = rng.random(len(users)) < p
    rows = trials.of(
        trial(f"u{user:04}", bool(hit), item=f"i{place % 9}", at=place, version=f"v{place % 3}")
        for place, (user, hit) in enumerate(zip(users, solved, strict=True))
    )
    return Judged(solved, p, users), rows


def test_interval_covers_the_estimate_and_widens_with_fewer_players() -> None:
    def width(players: int) -> float:
        one, rows = planted(players)
        report = evaluation.evaluate(
            {"m": one}, trials=rows, reference="m", seed=0, bins=10, bootstrap=200
        )
        for metric in ("auc", "log_loss", "brier"):
            low, value, high = (report["m"][metric][name] for name in ("low", "value", "high"))
            assert low < value < high
        return float(report["m"]["auc"]["high"] - report["m"]["auc"]["low"])

    assert width(10) > 2 * width(160)


def test_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    """Of 200 planted worlds about 95 % of the intervals of the gain hold the true one, here 0: two
    models whose errors mirror each other. Binomial: 190 less three standard errors of 3.1."""
    held = 0
    for world in range(200):
        rng = np.random.default_rng(world)
        users = np.repeat(np.arange(60), 5)
        solved = rng.random(len(users)) < 0.5
        one = Judged(solved, np.full(len(users), 0.6), users)
        other = Judged(solved, np.full(len(users), 0.4), users)
        gain = evaluation.difference(one, other, seed=world, bootstrap=200)
        held += gain["low"] <= 0 <= gain["high"]
    assert held > 190 - 3 * 3.1


def test_gain_of_a_model_over_itself_is_nothing() -> None:
    one, rows = planted(12)
    report = evaluation.evaluate(
        {"a": one, "b": one}, trials=rows, reference="a", seed=0, bins=10, bootstrap=20
    )
    nothing = {"value": 0.0, "low": 0.0, "high": 0.0}
    assert report["b"]["gain"] == dict.fromkeys(("auc", "log_loss", "brier"), nothing)
    assert "gain" not in report["a"]
    assert evaluation.difference(one, one, seed=0, bootstrap=20) == nothing


def test_without_draws_there_are_values_and_no_intervals() -> None:
    one, rows = planted(12)
    report = evaluation.evaluate(
        {"a": one}, trials=rows, reference="a", seed=0, bins=10, bootstrap=0
    )
    assert report["a"]["auc"]["value"] > 0.5
    assert report["a"]["auc"]["low"] is None


# Groups ----------------------------------------------------------------------------------------------


def test_groups_hold_every_trial_once_and_their_metrics_are_those_of_the_trials() -> None:
    one, rows = planted(12)
    report = evaluation.evaluate(
        {"a": one}, trials=rows, reference="a", seed=0, bins=10, bootstrap=20
    )["a"]
    assert [row["name"] for row in report["by_version"]] == ["v0", "v1", "v2"]
    assert sum(row["trials"] for row in report["by_version"]) == len(rows)
    assert [row["trials"] for row in report["by_task_type"]] == [len(rows)]
    for place, row in enumerate(report["by_version"]):
        chosen = rows.served == place
        assert row["log_loss"]["value"] == pytest.approx(
            log_loss(one.outcomes[chosen], one.probabilities[chosen]), abs=1e-6
        )
        assert row["gain"]["value"] == 0.0
    whole = report["by_task_type"][0]
    assert whole["auc"] == report["auc"]["value"]
    assert whole["log_loss"] == report["log_loss"]


def test_many_versions_are_a_few_groups_and_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "MAX_GROUPS", 2)
    one, rows = planted(12)
    report = evaluation.evaluate(
        {"a": one}, trials=rows, reference="a", seed=0, bins=10, bootstrap=2
    )["a"]
    assert [(row["name"], row["trials"]) for row in report["by_version"]] == [
        ("v0", 160), ("v1", 160), (None, 160),
    ]  # fmt: skip


# The split -------------------------------------------------------------------------------------------

plays = st.lists(st.tuples(st.sampled_from("abcdefghij"), st.integers(0, 99)), max_size=80)
shares = st.floats(0.05, 0.95)


@given(plays, st.integers(0, 2**32), shares, shares)
def test_tested_players_and_times_are_never_trained_on(
    rows: list[tuple[str, int]], seed: int, test_share: float, forward_share: float
) -> None:
    made = trials.of(trial(user, at=at) for user, at in rows)
    split = trials.split(made, seed=seed, test_share=test_share, forward_share=forward_share)
    assert not set(made.user[split.train]) & set(made.user[split.follow])
    assert (made.time[split.train] < split.cut).all()
    assert (made.time[split.test] >= split.cut).all()
    assert (split.test <= split.follow).all()
    in_test = [trials.in_test(made.users[code], seed=seed, share=test_share) for code in made.user]
    assert split.follow.tolist() == in_test


@given(plays, plays)
def test_test_players_do_not_move_the_cut(
    rows: list[tuple[str, int]], more: list[tuple[str, int]]
) -> None:
    def cut(rows: list[tuple[str, int]]) -> int:
        made = trials.of(trial(user, at=at) for user, at in rows)
        return trials.split(made, seed=1, test_share=0.5, forward_share=0.25).cut

    others = [(user, at) for user, at in more if trials.in_test(user, seed=1, share=0.5)]
    assert cut(rows + others) == cut(rows)


def test_cut_leaves_the_last_share() -> None:
    times = np.arange(100, dtype=np.int64)
    assert trials.cut_of(times, 0.25) == 75
    assert trials.cut_of(times[:1], 0.25) == 0
    assert trials.cut_of(times[:0], 0.25) == 0


def test_split_takes_about_its_share_and_depends_on_the_seed() -> None:
    users = [f"u{number}" for number in range(4000)]
    first = {user for user in users if trials.in_test(user, seed=1, share=0.2)}
    second = {user for user in users if trials.in_test(user, seed=2, share=0.2)}
    deviation = math.sqrt(4000 * 0.2 * 0.8)
    assert abs(len(first) - 800) < 4 * deviation
    assert abs(len(first & second) - 160) < 4 * math.sqrt(4000 * 0.04 * 0.96)


def test_players_stay_on_their_side_when_others_come() -> None:
    few = {f"u{number}" for number in range(50)}
    rows = trials.of(trial(user) for user in sorted(few))
    many = trials.of(trial(user) for user in sorted(few | {f"v{number}" for number in range(50)}))
    sides = []
    for made in (rows, many):
        split = trials.split(made, seed=3, test_share=0.3, forward_share=0.5)
        sides.append({made.users[code] for code in made.user[split.follow]} & few)
    assert sides[0] == sides[1]


def test_predictions_are_of_the_test_trials_in_their_order() -> None:
    rows = trials.of(
        trial(f"u{number % 8}", number % 3 > 0, item=f"i{number % 5}", at=number)
        for number in range(200)
    )
    split = trials.split(rows, seed=1, test_share=0.4, forward_share=0.3)
    model = ItemMean().fit(rows.where(split.train))
    found = evaluation.predict(model, rows, split)
    test = rows.where(split.test)
    assert found.tolist() == [model.items[f"stroop/{test.items[code][7:]}"] for code in test.item]
    judged = evaluation.judged(rows, split, found)
    assert judged.outcomes.tolist() == test.solved.tolist()
    assert sorted(set(judged.users.tolist())) == list(range(len(np.unique(test.user))))
