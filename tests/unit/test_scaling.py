"""The law of growth: found where it is, with an interval, and not claimed from too few sizes."""

import itertools

import pandas as pd
import pytest

from bench.scaling import power_law


def sizes(strategy: str, cost, counts=((1, 3, 10, 30), (10, 100))) -> pd.DataFrame:
    return pd.DataFrame(
        {"strategy": strategy, "instances": n, "jobs": m, "cost": cost(n, m)}
        for n, m in itertools.product(*counts)
    )


def test_a_cost_linear_in_both_is_found_exactly():
    law = power_law(sizes("lock", lambda n, m: 5.0 * n * m), "cost").loc["lock"]
    assert law[["a", "b", "c"]].tolist() == pytest.approx([1, 1, 5])
    assert law[["a_low", "a_high"]].tolist() == pytest.approx([1, 1])
    assert law["r2"] == pytest.approx(1)


def test_a_cost_that_never_grows_has_exponent_zero():
    law = power_law(sizes("leader", lambda n, m: 3.0), "cost").loc["leader"]
    assert law[["a", "b"]].tolist() == pytest.approx([0, 0])


def test_the_interval_holds_the_truth_where_sizes_scatter():
    noise = itertools.cycle([1.1, 0.9, 0.95, 1.05])
    law = power_law(sizes("lock", lambda n, m: next(noise) * n * m**0.5), "cost").loc["lock"]
    assert law["a_low"] < 1 < law["a_high"]
    assert law["b_low"] < 0.5 < law["b_high"]
    assert law["a_high"] - law["a_low"] > 0.01


def test_too_few_sizes_or_a_single_m_give_no_law():
    few = sizes("few", lambda n, m: n * m, ((1, 3), (10,)))
    line = sizes("line", lambda n, m: n * m, ((1, 3, 10, 30), (10,)))
    assert power_law(pd.concat([few, line]), "cost").empty


def test_sizes_without_a_cost_are_left_out():
    known = sizes("lock", lambda n, m: float(n * m))
    known.loc[0, "cost"] = None
    assert power_law(known, "cost").loc["lock", "a"] == pytest.approx(1)
