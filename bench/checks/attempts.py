"""What the runs of each fire add up to, taken one after another in the order of their starts."""

from dataclasses import dataclass

import numpy as np

from bench.checks.columns import CANCELLED, NO_END, SUCCEEDED, Bools, Bytes, Ints
from bench.checks.fires import FireTable, RunTable


@dataclass(frozen=True)
class Attempts:
    """Per fire: how many runs, which was first (row of the columns, -1 for none), and the sum.

    `succeeded`: some run did. `recovered`: the first that did came after one that was interrupted
    or cancelled. `last` is how the last run ended. `duplicate`: a run started although an earlier
    one had succeeded or had not ended. `first_start_us` means nothing where there is no run.
    """

    runs: Ints
    first: Ints
    first_start_us: Ints
    succeeded: Bools
    recovered: Bools
    last: Bytes
    duplicate: Bools


def attempts(fires: FireTable, runs: RunTable) -> Attempts:
    """Sum up the runs of every fire; only those with several runs need walking through."""
    count = np.bincount(runs.fire, minlength=len(fires))
    if not len(runs.fire):
        return _none(len(fires))
    begin = np.cumsum(count) - count
    order = _by_fire(runs.fire)
    at = np.minimum(begin, len(runs.fire) - 1)
    at = at if order is None else order[at]
    ran = count > 0
    last = np.where(ran, runs.status[at], np.int8(NO_END))
    succeeded = last == SUCCEEDED
    recovered, duplicate = np.zeros((2, len(fires)), np.bool_)
    several = np.flatnonzero(count > 1)
    walk = _walk(runs, order, begin[several], count[several])
    last[several], succeeded[several] = walk.last, walk.succeeded
    recovered[several], duplicate[several] = walk.recovered, walk.duplicate
    return Attempts(
        runs=count,
        first=np.where(ran, runs.row[at], -1),
        first_start_us=runs.start_us[at],
        succeeded=succeeded,
        recovered=recovered,
        last=last,
        duplicate=duplicate,
    )


class _Walk:
    """The state of some fires after their first k runs."""

    def __init__(self, fires: int) -> None:
        self.succeeded = np.zeros(fires, np.bool_)
        self.recovered = np.zeros(fires, np.bool_)
        self.duplicate = np.zeros(fires, np.bool_)
        self.broken_off = np.zeros(fires, np.bool_)
        self.last = np.full(fires, NO_END, np.int8)
        self.latest_end_us = np.full(fires, np.iinfo(np.int64).min)

    def take(self, who: Ints, status: Bytes, start_us: Ints, end_us: Ints) -> None:
        """Each fire in `who` gets one more run."""
        already = self.succeeded[who]
        won = status == SUCCEEDED
        self.duplicate[who] |= already | (self.latest_end_us[who] > start_us)
        self.recovered[who] |= won & ~already & self.broken_off[who]
        self.succeeded[who] = already | won
        self.broken_off[who] |= (status == CANCELLED) | (status == NO_END)
        self.last[who] = status
        self.latest_end_us[who] = np.maximum(self.latest_end_us[who], end_us)


def _walk(runs: RunTable, order: Ints | None, begin: Ints, count: Ints) -> _Walk:
    """All first runs, then all second runs, and so on, of fires with `count` runs from `begin`."""
    walk = _Walk(len(begin))
    who, step = np.arange(len(begin)), 0
    while len(who):
        at = begin[who] + step
        at = at if order is None else order[at]
        walk.take(who, runs.status[at], runs.start_us[at], runs.end_us[at])
        step += 1
        who = who[count[who] > step]
    return walk


def _none(fires: int) -> Attempts:
    nothing, zero = np.zeros(fires, np.bool_), np.zeros(fires, np.int64)
    last = np.full(fires, NO_END, np.int8)
    return Attempts(zero, zero - 1, zero, nothing, nothing, last, nothing)


def _by_fire(fire: Ints) -> Ints | None:
    """The order of runs by fire, then start; None where they are already so."""
    if (fire[1:] < fire[:-1]).any():
        return np.argsort(fire, kind="stable")
    return None
