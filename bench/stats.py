"""Distributions in a few figures, and how far a figure may be from what it estimates."""

from collections.abc import Sequence
from math import sqrt
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

Z95 = 1.959963984540054  # the standard normal's 97.5 % quantile
BOOTSTRAP_TRIALS = 5  # fewer trials than these say too little for a bootstrap
RESAMPLES = 2000


class Quantiles(msgspec.Struct):
    """A distribution in a few figures, in milliseconds."""

    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    max: float | None = None

    @classmethod
    def of(cls, values_ms: npt.NDArray[Any]) -> "Quantiles":
        """Those of an array of milliseconds; none of an empty one."""
        values = values_ms.tolist()
        return cls(*(quantile(values, share) for share in (0.5, 0.95, 0.99, 1)))


def wilson(hits: int, of: int) -> tuple[float, float] | None:
    """The 95 % score interval of a rate (E. B. Wilson, 1927), also for 0 of n; None for n = 0."""
    if of == 0:
        return None
    rate = hits / of
    scale = 1 + Z95**2 / of
    middle = (rate + Z95**2 / (2 * of)) / scale
    half = Z95 * sqrt(rate * (1 - rate) / of + Z95**2 / (4 * of**2)) / scale
    low = 0.0 if hits == 0 else max(0.0, middle - half)
    high = 1.0 if hits == of else min(1.0, middle + half)
    return low, high


def spread(values: Sequence[float], seed: int = 0) -> tuple[float, float] | None:
    """How a figure varies over trials; None without values.

    From five trials up a 95 % percentile bootstrap of the median (B. Efron, 1979); below that the
    least and the greatest.
    """
    if not values:
        return None
    if len(values) < BOOTSTRAP_TRIALS:
        return min(values), max(values)
    rng = np.random.default_rng(seed)
    drawn = rng.choice(np.asarray(values, np.float64), (RESAMPLES, len(values)))
    low, high = np.percentile(np.median(drawn, axis=1), [2.5, 97.5])
    return float(low), float(high)


def quantile(values: Sequence[float], share: float) -> float | None:
    """The `share` quantile (0 to 1), interpolated; None without values."""
    return float(np.quantile(np.asarray(values, np.float64), share)) if len(values) else None
