"""Intervals against published values."""

import pytest
from scipy.stats import binomtest

from bench.stats import quantile, spread, wilson


@pytest.mark.parametrize(("hits", "of"), [(0, 10), (1, 10), (5, 10), (10, 10), (3, 1000)])
def test_wilson_agrees_with_scipy(hits, of):
    theirs = binomtest(hits, of).proportion_ci(method="wilson")
    assert wilson(hits, of) == pytest.approx((theirs.low, theirs.high))


def test_no_hit_of_n_has_an_upper_bound_that_is_not_0():
    low, high = wilson(0, 240)
    assert low == 0.0
    assert high == pytest.approx(0.01576, abs=1e-5)


def test_nothing_of_nothing_has_no_bounds():
    assert wilson(0, 0) is None


def test_few_trials_spread_from_the_least_to_the_greatest():
    assert spread([3.0, 1.0, 2.0]) == (1.0, 3.0)
    assert spread([]) is None


def test_five_trials_spread_by_bootstrap_inside_their_range_and_repeatably():
    low, high = spread([1.0, 2.0, 3.0, 4.0, 100.0])
    assert 1.0 <= low < 3.0 < high <= 100.0
    assert spread([1.0, 2.0, 3.0, 4.0, 100.0]) == (low, high)


def test_a_quantile_of_nothing_is_nothing():
    assert quantile([], 0.5) is None
    assert quantile([1.0, 2.0], 0.5) == 1.5
