"""The harness's own lag, as the probe saw it, without coordinated omission.

A probe that wakes late asks for its next wake-up late as well: while the machine stands still for a
second, fifty timers would have been late, and one line says so. What was left out is put back
(G. Tene's correction for coordinated omission): a lag of x stands for those of x minus one, two,
three ... of the probe's intervals too.
"""

import numpy as np

from bench.checks.columns import Columns, Floats
from bench.events import PROBE_MEAN_S


def lag_p99_s(columns: Columns) -> float | None:
    """The p99 of the lag under load in seconds; None where the probe recorded nothing then."""
    lags_s = lags_under_load_s(columns)
    return float(np.percentile(_completed(lags_s), 99)) if len(lags_s) else None


def lags_under_load_s(columns: Columns) -> Floats:
    """The lags recorded from the phase `load` until `done`; all of them without these phases."""
    load_s, done_s = columns.phase_s("load"), columns.phase_s("done")
    within = columns.lags_t >= (-np.inf if load_s is None else load_s)
    within &= columns.lags_t <= (np.inf if done_s is None else done_s)
    return columns.lags_s[within]


def _completed(lags_s: Floats) -> Floats:
    """The lags, each with those of the wake-ups that were not asked for meanwhile."""
    count = (lags_s / PROBE_MEAN_S).astype(np.int64) + 1
    begin = np.cumsum(count) - count
    step = np.arange(count.sum()) - np.repeat(begin, count)
    completed: Floats = np.repeat(lags_s, count) - step * PROBE_MEAN_S
    return completed
