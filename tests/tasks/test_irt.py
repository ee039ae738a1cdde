"""The 2PL model and EAP against the independent package catsim, and against the model's laws."""

import math

import catsim.irt
import numpy as np
import pytest
from catsim.estimation import NumericalSearchEstimator
from catsim.item_bank import ItemBank
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate

from tasks import irt
from tasks.irt import Response

thetas = st.floats(-6, 6)
discriminations = st.floats(0.2, 3)
difficulties = st.floats(-4, 4)
scores = st.floats(0, 1)
response_lists = st.lists(
    st.builds(Response, a=discriminations, b=difficulties, score=scores), max_size=12
)


@given(thetas, discriminations, difficulties)
def test_probability_equals_catsim(theta, a, b):
    assert float(irt.probability(theta, a, b)) == pytest.approx(
        catsim.irt.icc(theta, a, b), rel=1e-9, abs=1e-12
    )


@given(thetas, discriminations, difficulties)
def test_information_equals_catsim(theta, a, b):
    assert float(irt.information(theta, a, b)) == pytest.approx(
        catsim.irt.inf(theta, a, b), rel=1e-6, abs=1e-12
    )


def test_arrays_give_the_same_as_catsims_matrix_functions():
    rng = np.random.default_rng(3)
    items = np.column_stack(
        [rng.uniform(0.5, 2, 50), rng.normal(0, 1, 50), np.zeros(50), np.ones(50)]
    )
    a, b = items[:, 0], items[:, 1]
    np.testing.assert_allclose(irt.probability(0.7, a, b), catsim.irt.icc_hpc(0.7, items))
    np.testing.assert_allclose(irt.information(0.7, a, b), catsim.irt.inf_hpc(0.7, items))


@pytest.mark.parametrize("true_theta", [-1.5, -0.5, 0.0, 0.8, 1.7])
def test_eap_and_its_error_agree_with_catsim_on_a_long_pattern(true_theta):
    """With 600 answers the prior weighs next to nothing, so that EAP meets maximum likelihood."""
    rng = np.random.default_rng(int(100 * true_theta) + 1000)
    a, b = rng.uniform(0.8, 2.0, 600), rng.normal(0, 1.2, 600)
    right = rng.random(600) < irt.probability(true_theta, a, b)
    bank = ItemBank(np.column_stack([a, b]))
    theta = NumericalSearchEstimator().estimate(
        item_bank=bank,
        administered_items=list(range(600)),
        response_vector=right.tolist(),
        est_theta=0.0,
    )
    responses = [Response(*item) for item in zip(a, b, right.astype(float), strict=True)]
    ability = irt.eap(responses)
    assert ability.theta == pytest.approx(theta, abs=0.03)
    assert ability.se == pytest.approx(catsim.irt.see(theta, bank.items), rel=0.03)
    assert abs(ability.theta - true_theta) < 4 * ability.se


def test_eap_of_one_answer_equals_the_integral():
    """Against an adaptive quadrature of the same posterior."""

    def posterior(theta, power):
        chance = 1 / (1 + math.exp(-1.3 * (theta - 0.4)))
        return theta**power * chance * math.exp(-0.5 * (theta + 1) ** 2)

    mass, first, second = (
        integrate.quad(posterior, -9, 9, args=(power,), epsabs=1e-12)[0] for power in (0, 1, 2)
    )
    ability = irt.eap([Response(1.3, 0.4, 1.0)], prior_mean=-1.0)
    assert ability.theta == pytest.approx(first / mass, abs=1e-5)
    assert ability.se == pytest.approx(math.sqrt(second / mass - (first / mass) ** 2), abs=1e-4)


def test_eap_without_responses_is_the_prior():
    assert irt.eap([], prior_mean=-1.0, prior_sd=0.7) == irt.Ability(-1.0, 0.7)


@given(thetas, thetas, discriminations, difficulties)
def test_probability_rises_with_ability_and_falls_with_difficulty(low, high, a, b):
    low, high = sorted((low, high))
    assert irt.probability(low, a, b) <= irt.probability(high, a, b)
    assert irt.probability(b, a, low) >= irt.probability(b, a, high)


@given(st.floats(-1e300, 1e300), st.floats(1e-3, 1e3), difficulties)
def test_no_ability_overflows(theta, a, b):
    assert 0 <= float(irt.probability(theta, a, b)) <= 1
    assert 0 <= float(irt.information(theta, a, b)) <= a**2 / 4


@given(thetas, discriminations, difficulties)
def test_information_peaks_at_the_difficulty(theta, a, b):
    assert float(irt.information(theta, a, b)) <= float(irt.information(b, a, b))
    assert float(irt.information(b, a, b)) == pytest.approx(a**2 / 4)


@given(response_lists, st.floats(-2, 2))
def test_answers_never_make_the_estimate_less_certain_than_the_prior(responses, prior_mean):
    """A log-concave likelihood on a normal prior has at most the prior's variance."""
    assert irt.eap(responses, prior_mean=prior_mean).se <= 1 + 1e-9


@given(response_lists.filter(len), st.randoms(use_true_random=False))
def test_eap_does_not_depend_on_the_order(responses, random):
    shuffled = list(responses)
    random.shuffle(shuffled)
    assert irt.eap(shuffled).theta == pytest.approx(irt.eap(responses).theta, abs=1e-9)


@given(response_lists, discriminations, difficulties, scores, scores)
def test_a_better_score_never_lowers_the_estimate(responses, a, b, low, high):
    low, high = sorted((low, high))
    worse = irt.eap([*responses, Response(a, b, low)])
    better = irt.eap([*responses, Response(a, b, high)])
    assert worse.theta <= better.theta + 1e-12


def test_more_evidence_of_the_same_kind_shrinks_the_error():
    pattern = [Response(1.5, -0.5, 1.0), Response(1.5, 0.5, 0.0)]
    errors = [irt.eap(pattern * times).se for times in range(1, 30)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.2


def test_a_fractional_score_lies_between_failure_and_success():
    failure, half, success = (irt.eap([Response(1.2, 0.0, s)]).theta for s in (0.0, 0.5, 1.0))
    assert failure < half < success
    assert half == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(
    ("a", "b", "score"),
    [(0, 0, 1), (-1, 0, 1), (math.nan, 0, 1), (math.inf, 0, 1), (1, math.nan, 1), (1, 0, 1.01)]
    + [(1, 0, -0.01), (1, 0, math.nan)],
)
def test_a_response_outside_the_model_is_refused(a, b, score):
    with pytest.raises(ValueError):
        Response(a, b, score)


@pytest.mark.parametrize("prior", [{"prior_sd": 0}, {"prior_sd": math.nan}, {"prior_mean": 9}])
def test_a_prior_that_is_no_distribution_is_refused(prior):
    with pytest.raises(ValueError):
        irt.eap([], **prior)
