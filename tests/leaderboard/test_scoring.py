from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboard import scoring


@pytest.mark.parametrize(
    ("correct", "rt_ms", "milli"),
    [(True, 1500, 500), (False, 1500, -500), (True, 3000, 0), (True, 9000, 0), (False, 600, -800)],
)
def test_points_are_signed_residual_time(correct, rt_ms, milli):
    points = scoring.score_trial(correct=correct, rt_ms=rt_ms, task_type="default")
    assert (points.counted, points.correct, points.milli) == (True, correct, milli)


def test_a_timeout_is_a_trial_with_no_points():
    points = scoring.score_trial(correct=True, rt_ms=None, task_type="default")
    assert (points.counted, points.correct, points.timeout, points.milli) == (True, False, True, 0)


def test_too_fast_is_not_counted():
    assert scoring.score_trial(correct=True, rt_ms=149.9, task_type="default").counted is False


@given(st.floats(150, 86_400_000))
def test_right_and_wrong_are_symmetrical(rt_ms):
    right = scoring.score_trial(correct=True, rt_ms=rt_ms, task_type="x")
    wrong = scoring.score_trial(correct=False, rt_ms=rt_ms, task_type="x")
    assert 0 <= right.milli == -wrong.milli <= 1000


def sums(**fields):
    base = dict.fromkeys(scoring.Sums.__dataclass_fields__, 0)
    return scoring.Sums(**{**base, **fields})


def test_shrinkage_pulls_few_trials_to_the_population():
    few = sums(trials=10, points_milli=8000, points_sq=6_400_000)
    many = sums(trials=1000, points_milli=800_000, points_sq=640_000_000)
    assert scoring.shrunk(few, 0.2)[0] < scoring.shrunk(many, 0.2)[0] < 800


@pytest.mark.parametrize(
    ("fields", "suspicious"),
    [
        ({"rt_count": 95, "excluded": 5}, False),
        ({"rt_count": 94, "excluded": 6}, True),
        ({"rt_count": 3, "excluded": 3}, False),
        ({"rt_count": 999, "rt_sum_ms": 999_000, "rt_sq_sum": 999_000_000}, False),
        ({"rt_count": 1000, "rt_sum_ms": 1_000_000, "rt_sq_sum": 1_000_000_000}, True),
        ({"rt_count": 1000, "rt_sum_ms": 1_000_000, "rt_sq_sum": 1_010_000_000}, False),
    ],
)
def test_suspicion(fields, suspicious):
    plausible = {"rt_sum_ms": 90_000, "rt_sq_sum": 100_000_000}
    assert bool(scoring.suspicion(sums(**{**plausible, **fields}))) is suspicious
