from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboard import scoring
from leaderboard.scoring import BOARD_SUMS


@pytest.mark.parametrize(
    ("correct", "rt_ms", "milli"),
    [(True, 1500, 500), (False, 1500, -500), (True, 3000, 0), (True, 9000, 0), (False, 600, -800)],
)
def test_points_are_signed_residual_time(correct, rt_ms, milli):
    points = scoring.score_trial(correct=correct, rt_ms=rt_ms, task_type="default")
    assert (points.counted, points.correct, points.milli) == (True, correct, milli)


def test_a_timeout_is_a_trial_without_points():
    points = scoring.score_trial(correct=True, rt_ms=None, task_type="default")
    assert (points.counted, points.correct, points.timeout, points.milli) == (True, False, True, 0)


def test_too_fast_is_not_counted():
    assert scoring.score_trial(correct=True, rt_ms=149.9, task_type="default").counted is False


@given(st.floats(150, 86_400_000))
def test_right_and_wrong_are_symmetrical(rt_ms):
    right = scoring.score_trial(correct=True, rt_ms=rt_ms, task_type="x")
    wrong = scoring.score_trial(correct=False, rt_ms=rt_ms, task_type="x")
    assert 0 <= right.milli == -wrong.milli <= 1000


def board(*players: dict[str, int]) -> np.ndarray:
    return np.array([[one.get(name, 0) for one in players] for name in BOARD_SUMS], np.int64)


def scored(*players: dict[str, int]) -> list[float]:
    sums = board(*players)
    mean, variance = scoring.adjusted_means(sums, scoring.reference_difficulty(sums))
    n = sums[0].astype(float)
    population = scoring.population_mean(n, mean)
    score, _error = scoring.shrunk(n, mean, variance, population)
    return [value / 10 for value in score.tolist()]


def test_shrinkage_pulls_few_trials_to_the_population():
    few = {"trials": 10, "points_milli": 8000, "points_sq": 6_400_000}
    many = {"trials": 1000, "points_milli": 800_000, "points_sq": 640_000_000}
    poor = {"trials": 1000, "points_milli": -400_000, "points_sq": 640_000_000}
    scores = scored(few, many, poor)
    assert scores[2] < scores[0] < scores[1] < 800


@given(
    st.lists(
        st.tuples(st.integers(1, 10**6), st.integers(-1000, 1000)), min_size=1, max_size=50
    ),
    st.randoms(use_true_random=False),
)  # fmt: skip
def test_a_score_is_between_the_own_mean_and_the_populations(pairs, chance):
    players = [
        {"trials": n, "points_milli": n * mean, "points_sq": n * mean * mean} for n, mean in pairs
    ]
    scores = scored(*players)
    means = [mean for _n, mean in pairs]
    for score, mean in zip(scores, means, strict=True):
        assert min(means) - 0.1 <= score <= max(means) + 0.1
        assert abs(score - mean) <= max(means) - min(means) + 0.1
    mixed = list(range(len(players)))
    chance.shuffle(mixed)
    assert scored(*[players[at] for at in mixed]) == [scores[at] for at in mixed]


# --- Ability --------------------------------------------------------------------------------------


def test_expected_points_are_those_of_the_model():
    """Against the integral of s over its density, proportional to exp(s x) on [-1, 1]."""
    s = np.linspace(-1, 1, 200_001)
    for x in (-8.0, -1.0, -0.005, 0.0, 0.02, 0.7, 5.0):
        density = np.exp(s * x)
        assert scoring.expected_points(np.array([x]))[0] == pytest.approx(
            np.trapezoid(s * density, s) / np.trapezoid(density, s), abs=1e-6
        )
        right = np.trapezoid(density * (s > 0), s) / np.trapezoid(density, s)
        assert right == pytest.approx(1 / (1 + np.exp(-x)), abs=1e-4)  # Rasch's model


@pytest.mark.parametrize("spread", [0.0, 0.4, 1.0, 1.75])
def test_ability_solves_its_equation(spread):
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    weights = weights / weights.sum()
    theta = np.linspace(-6, 6, 41)
    earned = np.array(
        [weights @ scoring.expected_points(one - 0.4 - spread * nodes) for one in theta]
    )
    found = scoring.ability(earned, np.full(41, 0.4), np.full(41, spread**2))
    assert np.abs(found - theta).max() < 0.005


def player(chance, theta, difficulties, known):
    """Sums of trials that follow the model."""
    x = theta - difficulties
    u = chance.random(len(x))
    steep = np.where(np.abs(x) < 1e-6, 1e-6, x)
    points = np.log(np.exp(-steep) + u * (np.exp(steep) - np.exp(-steep))) / steep
    milli = np.rint(1000 * points).astype(np.int64)
    levels = np.rint(1000 * difficulties).astype(np.int64)
    return {
        "trials": len(x), "correct": int((points > 0).sum()), "rt_count": len(x),
        "points_milli": int(milli.sum()), "points_sq": int((milli**2).sum()),
        "rated": len(x) * known, "difficulty_sum": int(levels.sum()) * known,
        "difficulty_sq": int((levels**2).sum()) * known,
    }  # fmt: skip


def ranks(values):
    return np.argsort(np.argsort(values))


@pytest.mark.parametrize("offset", [0.0, 1.0])
def test_ability_ranks_truer_than_the_mean_when_items_differ(offset):
    """Players who saw items of different difficulty; with `offset` 0 all saw the same ones."""
    chance = np.random.default_rng(11)
    theta = chance.normal(0.5, 1.0, 400)
    centres = chance.normal(0.0, offset, 400) if offset else np.zeros(400)
    seen = [chance.normal(centre, 0.7, 120) for centre in centres]
    rated = scored(*(player(chance, t, b, 1) for t, b in zip(theta, seen, strict=True)))
    plain = scored(*(player(chance, t, b, 0) for t, b in zip(theta, seen, strict=True)))
    by_ability = np.corrcoef(ranks(theta), ranks(rated))[0, 1]
    by_mean = np.corrcoef(ranks(theta), ranks(plain))[0, 1]
    assert by_ability > 0.95
    assert by_ability > by_mean + (0.15 if offset else -0.01)


def test_who_saw_average_items_keeps_the_mean():
    """So that the score means the same on every board."""
    same = {"trials": 200, "points_milli": 90_000, "points_sq": 70_000_000}
    rated = {**same, "rated": 200, "difficulty_sum": 60_000, "difficulty_sq": 18_000_000}
    assert scored(same, same) == scored(rated, rated) == scored(same, rated)


def test_harder_items_make_more_of_the_same_points():
    base = {"trials": 100, "points_milli": 30_000, "points_sq": 30_000_000, "rated": 100}
    easy = {**base, "difficulty_sum": -100_000, "difficulty_sq": 130_000_000}
    hard = {**base, "difficulty_sum": 100_000, "difficulty_sq": 130_000_000}
    low, high = scored(easy, hard)
    assert low < high


@given(
    st.integers(1, 10**6), st.integers(-1000, 1000), st.integers(-6000, 6000), st.integers(0, 1000)
)
def test_no_sums_break_the_score(n, mean, level, part):
    rated = n * part // 1000
    one = {
        "trials": n, "points_milli": n * mean, "points_sq": n * mean * mean, "rated": rated,
        "difficulty_sum": rated * level, "difficulty_sq": rated * level * level,
    }  # fmt: skip
    other = {"trials": 50, "points_milli": 0, "points_sq": 0, "rated": 50}
    sums = board(one, other)
    mean_points, variance = scoring.adjusted_means(sums, scoring.reference_difficulty(sums))
    assert np.isfinite(mean_points).all()
    assert np.isfinite(variance).all()
    assert (np.abs(mean_points) <= 1).all()
    assert (variance >= 0).all()
