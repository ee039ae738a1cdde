"""Outcomes to scores, scores to ability, ability to the next task and to the end."""

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks import irt
from tasks.irt import Ability
from tasks.selection import (
    MAX_TASKS,
    SE_TARGET,
    Candidate,
    Outcome,
    StopReason,
    choose,
    estimate,
    outcome_score,
    stop,
)


def outcome(**changes):
    solved = Outcome(
        a=1.2,
        b=0.0,
        passed=9,
        total=9,
        attempts=1,
        time_used_s=100,
        time_limit_s=900,
        accepted=True,
    )
    return replace(solved, **changes)


@st.composite
def outcomes(draw):
    total = draw(st.integers(1, 40))
    passed = draw(st.integers(0, total))
    return Outcome(
        a=draw(st.floats(0.3, 2.5)),
        b=draw(st.floats(-2.5, 2.5)),
        passed=passed,
        total=total,
        attempts=draw(st.integers(0, 5)),
        time_used_s=draw(st.floats(0, 5000)),
        time_limit_s=draw(st.floats(0, 3600)),
        accepted=passed == total,
    )


def test_a_quick_first_attempt_scores_one():
    assert outcome_score(outcome()) == 1.0


def test_a_skipped_task_scores_zero():
    assert outcome_score(outcome(passed=0, attempts=0, accepted=False)) == 0.0


def test_both_penalties_at_their_bound():
    assert outcome_score(outcome(attempts=5, time_used_s=900)) == pytest.approx(0.75)
    assert outcome_score(outcome(attempts=50, time_used_s=9e9)) == pytest.approx(0.75)


def test_the_first_half_of_the_time_costs_nothing():
    assert outcome_score(outcome(time_used_s=450)) == 1.0
    assert outcome_score(outcome(time_used_s=675)) == pytest.approx(0.95)


def test_a_task_without_a_time_limit_has_no_time_penalty():
    assert outcome_score(outcome(time_limit_s=0, time_used_s=9e9)) == 1.0


@given(outcomes())
def test_a_score_lies_in_the_unit_interval(any_outcome):
    assert 0.0 <= outcome_score(any_outcome) <= 1.0


@given(outcomes(), outcomes())
def test_an_accepted_task_beats_every_other(one, other):
    worst = replace(one, passed=one.total, attempts=5, accepted=True)
    incomplete = replace(other, passed=other.total - 1, accepted=False)
    assert outcome_score(worst) > outcome_score(incomplete)


@given(outcomes().filter(lambda o: o.attempts), st.integers(0, 5), st.floats(0, 4000))
def test_more_attempts_or_time_never_raise_the_score(base, attempts, seconds):
    slower = replace(
        base, attempts=base.attempts + attempts, time_used_s=base.time_used_s + seconds
    )
    assert outcome_score(slower) <= outcome_score(base) + 1e-12


@given(outcomes().filter(lambda o: not o.accepted and o.attempts))
def test_one_more_test_passed_raises_the_score(base):
    assert outcome_score(replace(base, passed=base.passed + 1)) > outcome_score(base)


def test_more_tests_passed_than_there_are_is_refused():
    with pytest.raises(ValueError):
        outcome(passed=10)


@pytest.mark.parametrize(("level", "mean"), [("junior", -1.0), ("middle", 0.0), ("senior", 1.0)])
def test_the_start_is_the_prior_of_the_level(level, mean):
    assert estimate([], level) == Ability(mean, 1.0)


def test_an_unknown_level_is_refused():
    with pytest.raises(ValueError):
        estimate([], "wizard")


@given(st.lists(outcomes(), max_size=8), outcomes())
def test_a_solved_task_never_lowers_the_ability_below_a_failed_one(history, last):
    solved = replace(last, passed=last.total, attempts=1, accepted=True)
    failed = replace(last, passed=0, accepted=False)
    assert (
        estimate([*history, solved], "middle").theta > estimate([*history, failed], "middle").theta
    )


BANK = [Candidate(f"t{i:02}", a=1.2, b=-2.5 + i * 0.25) for i in range(21)]


@pytest.mark.parametrize(("level", "difficulty"), [("junior", -1), ("middle", 0), ("senior", 1)])
def test_the_first_task_fits_the_level(level, difficulty):
    assert choose(BANK, estimate([], level)).b == difficulty


def test_the_most_informative_task_is_not_always_the_nearest():
    near, sharp = Candidate("near", a=0.5, b=0.0), Candidate("sharp", a=2.0, b=0.4)
    assert choose([near, sharp], Ability(0.0, 1.0)) == sharp


def test_a_tie_goes_to_the_less_exposed_then_to_the_id():
    left, right = Candidate("b", 1.0, -0.5, exposure=7), Candidate("c", 1.0, 0.5, exposure=3)
    assert choose([left, right], Ability(0.0, 1.0)) == right
    assert choose([replace(right, exposure=7), left], Ability(0.0, 1.0)) == left


@given(
    st.lists(st.builds(Candidate, id=st.uuids().map(str), a=st.floats(0.2, 3), b=st.floats(-3, 3))),
    st.floats(-3, 3),
    st.randoms(use_true_random=False),
)
def test_the_choice_is_the_most_informative_in_any_order(candidates, theta, random):
    ability = Ability(theta, 1.0)
    chosen = choose(candidates, ability)
    if not candidates:
        assert chosen is None
        return
    best = max(float(irt.information(theta, c.a, c.b)) for c in candidates)
    assert float(irt.information(theta, chosen.a, chosen.b)) == pytest.approx(best, abs=1e-8)
    random.shuffle(candidates)
    assert choose(candidates, ability) == chosen


def test_a_random_choice_stays_among_the_best_and_follows_the_seed():
    ability = Ability(0.0, 1.0)
    drawn = {choose(BANK, ability, rng=Random(seed), among=3).id for seed in range(60)}
    assert drawn == {"t09", "t10", "t11"}
    assert choose(BANK, ability, rng=Random(5), among=3) == choose(
        BANK, ability, rng=Random(5), among=3
    )


@pytest.mark.parametrize(
    ("se", "n_done", "seconds_left", "n_left", "reason"),
    [
        (0.8, 3, 1200, 5, None),
        (0.8, 0, 1200, 5, None),
        (SE_TARGET, 3, 1200, 5, StopReason.PRECISE),
        (0.1, 0, 1200, 5, None),
        (0.8, 3, 59.9, 5, StopReason.TIME),
        (0.1, 12, -3, 0, StopReason.TIME),
        (0.8, MAX_TASKS, 1200, 5, StopReason.LENGTH),
        (0.8, 3, 1200, 0, StopReason.BANK),
        (0.1, MAX_TASKS, 1200, 0, StopReason.PRECISE),
    ],
)
def test_the_reason_to_stop(se, n_done, seconds_left, n_left, reason):
    assert stop(Ability(0.0, se), n_done, seconds_left, n_left) == reason


def test_the_bounds_of_stopping_are_arguments():
    ability = Ability(0.0, 0.5)
    assert stop(ability, 1, 100, 3, se_target=0.5) == StopReason.PRECISE
    assert stop(ability, 2, 100, 3, max_tasks=2) == StopReason.LENGTH
    assert stop(ability, 1, 100, 3, min_seconds=101) == StopReason.TIME


def test_an_adaptive_interview_finds_the_planted_ability():
    """Sixty candidates answer by the model itself; the errors are as large as the SE says."""
    rng = np.random.default_rng(11)
    bank = [Candidate(f"t{i:03}", a=1.6, b=-3 + 6 * i / 79) for i in range(80)]
    misses = []
    for true_theta in rng.normal(0, 1, 60):
        responses, unseen = [], list(bank)
        ability = irt.eap([])
        while not stop(ability, len(responses), 9e9, len(unseen), max_tasks=40):
            task = choose(unseen, ability)
            unseen.remove(task)
            right = rng.random() < irt.probability(true_theta, task.a, task.b)
            responses.append(irt.Response(task.a, task.b, float(right)))
            ability = irt.eap(responses)
        assert ability.se <= SE_TARGET
        misses.append((ability.theta - true_theta) / ability.se)
    assert abs(np.mean(misses)) < 0.5
    assert 0.7 < np.std(misses) < 1.3
