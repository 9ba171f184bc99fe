"""How a cost grows with N and M: a power law through the measured sizes of each strategy."""

import math
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

LEAST = 4  # sizes, of at least two N and two M: with fewer there is no law to be seen


def power_law(matrix: Any, column: str) -> Any:
    """Fit column = c x N^a x M^b over the sizes of each strategy, least squares of logarithms.

    `matrix` has strategy, instances, jobs and `column`, positive. One row per strategy with enough
    sizes: `a`, `a_low`, `a_high` (95 %, by Student's t), the same for `b`, `c`, and `r2`.
    """
    rows = {}
    for name, sizes in matrix.dropna(subset=[column]).query(f"{column} > 0").groupby("strategy"):
        if len(sizes) >= LEAST and min(sizes["instances"].nunique(), sizes["jobs"].nunique()) > 1:
            rows[name] = _fit(sizes["instances"], sizes["jobs"], sizes[column])
    columns = ["a", "a_low", "a_high", "b", "b_low", "b_high", "c", "r2"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def _fit(instances: Any, jobs: Any, cost: Any) -> dict[str, float]:
    known = np.column_stack([np.ones(len(cost)), np.log(instances), np.log(jobs)])
    wanted = np.log(cost.to_numpy(float))
    found, *_ = np.linalg.lstsq(known, wanted, rcond=None)
    left, freedom = wanted - known @ found, len(cost) - 3
    spread = np.sqrt(np.diag(np.linalg.inv(known.T @ known)) * (left @ left) / freedom)
    reach = stats.t.ppf(0.975, freedom) * spread
    about = wanted - wanted.mean()
    return {
        "a": found[1], "a_low": found[1] - reach[1], "a_high": found[1] + reach[1],
        "b": found[2], "b_low": found[2] - reach[2], "b_high": found[2] + reach[2],
        "c": math.exp(found[0]), "r2": 1 - (left @ left) / (about @ about) if about.any() else 1.0,
    }  # fmt: skip
