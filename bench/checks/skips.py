"""Skips verified: a strategy's word for it is not enough.

- `overlap` holds when the job forbids overlap and a run of it was open when the skip was noted.
- `misfire` holds when the job's policy is run-latest or skip, a later fire of the job was due by
  then, the next fire that was not skipped has a run (or is too recent to judge), and there was a
  cause: a run of an earlier fire still open at the due time, or a fault the fire was exposed to.
"""

import numpy as np

from bench.checks.columns import MISFIRE, OVERLAP, RUN_ALL, Bools, Columns, Floats, Ints, Skips
from bench.checks.exposure import exposed
from bench.checks.fires import FireTable, RunTable, microseconds
from bench.checks.intervals import latest_end_before, open_runs

TOLERANCE_US = 50_000
"""How far a note may lie beside what it speaks of: it is written after the decision."""


def verified_skips(
    columns: Columns,
    fires: FireTable,
    runs: RunTable,
    ran: Bools,
    recent: Bools,
    bound_s: float,
) -> tuple[Bools, Bools]:
    """Per fire: whether a skip of it is verified, and whether that cannot be judged yet.

    `ran` says which fires have a run, `recent` which are too recent to be judged; `bound_s` is how
    long the design may take to fail over.
    """
    verified = np.zeros(len(fires), np.bool_)
    unsure = np.zeros(len(fires), np.bool_)
    skips = columns.skips
    if not len(skips.job):
        return verified, unsure
    row = fires.find(skips.job, skips.due_ms)
    known = row >= 0
    noted = _Noted(skips, row, known)
    verified[noted.row[_overlap(columns, runs, noted)]] = True
    if not (noted.reason == MISFIRE).any():
        return verified, unsure
    follower = _next_not_skipped(fires, ran, noted.row)
    cause = _cause(columns, fires, runs, noted, bound_s)
    misfired = _policy_and_later(columns, fires, noted) & cause & (follower >= 0)
    verified[noted.row[misfired & ran[follower]]] = True
    unsure[noted.row[misfired & ~ran[follower] & recent[follower]]] = True
    return verified, unsure & ~verified


class _Noted:
    """The skips of known fires: row of the fire, job, time in microseconds, reason."""

    def __init__(self, skips: Skips, row: Ints, known: Bools) -> None:
        self.row = row[known]
        self.job = skips.job[known]
        self.due_ms = skips.due_ms[known]
        self.t_us = microseconds(skips.t[known])
        self.reason = skips.reason[known]


def _overlap(columns: Columns, runs: RunTable, noted: _Noted) -> Bools:
    near = open_runs(runs).during(noted.job, noted.t_us - TOLERANCE_US, noted.t_us + TOLERANCE_US)
    found: Bools = (noted.reason == OVERLAP) & columns.jobs.forbid[noted.job] & near
    return found


def _policy_and_later(columns: Columns, fires: FireTable, noted: _Noted) -> Bools:
    later = np.minimum(noted.row + 1, len(fires) - 1)
    same_job = (fires.job[later] == noted.job) & (later > noted.row)
    due_us = fires.due_ms[later] * 1000
    policy = columns.jobs.misfire[noted.job] != RUN_ALL
    due = same_job & (due_us <= noted.t_us + TOLERANCE_US)
    found: Bools = (noted.reason == MISFIRE) & policy & due
    return found


def _next_not_skipped(fires: FireTable, ran: Bools, skipped: Ints) -> Ints:
    """For each skipped fire the row of its job's next fire without a skip; -1 for none."""
    count = len(fires)
    stands = np.ones(count, np.bool_)
    stands[skipped] = False
    stands |= ran
    places = np.where(stands, np.arange(count), count)
    following = np.append(np.minimum.accumulate(places[::-1])[::-1], count)[skipped + 1]
    inside = np.minimum(following, count - 1)
    same_job = (following < count) & (fires.job[inside] == fires.job[skipped])
    return np.where(same_job, inside, -1)


def _cause(
    columns: Columns, fires: FireTable, runs: RunTable, noted: _Noted, bound_s: float
) -> Bools:
    due_us = noted.due_ms * 1000
    busy = open_runs(runs).during(noted.job, due_us, noted.t_us)
    earlier = latest_end_before(runs, fires.due_ms[runs.fire], noted.job, noted.due_ms) >= due_us
    period_s = float(np.nanmax(periods_s(columns, fires), initial=0.0))
    faulted = exposed(columns, fires, before_s=period_s, after_s=bound_s)[noted.row]
    found: Bools = (busy & earlier) | faulted
    return found


def periods_s(columns: Columns, fires: FireTable) -> Floats:
    """Each job's period: the declared one, else the shortest gap between its fires, else 0."""
    period = columns.jobs.period_s.copy()
    unknown = np.isnan(period)
    if unknown.any():
        same = (fires.job[1:] == fires.job[:-1]) & fires.planned[1:] & fires.planned[:-1]
        gaps = np.full(len(period), np.inf)
        np.minimum.at(gaps, fires.job[1:][same], (np.diff(fires.due_ms) / 1000)[same])
        period[unknown] = np.where(np.isfinite(gaps), gaps, 0.0)[unknown]
    return period
