"""Failed runs and the tries that a job has: none given up too early, none tried for ever.

Judged where a job declares more than one try, in histories without faults: an interrupted run may
start its fire's tries anew.
"""

import numpy as np

from bench.checks.columns import FAILED, SUCCEEDED, Bools, Columns, Ints
from bench.checks.exposure import LEASES
from bench.checks.outcomes import Judged


def given_up_early(columns: Columns, judged: Judged, bound_s: float) -> Bools:
    """Fires whose last run failed, with tries left and time to use them.

    There was time if two leases and the design's bound had passed before the fleet was told to end.
    """
    done_s = columns.phase_s("done") or columns.header.until_s
    latest_us = 1e6 * (done_s - LEASES * columns.header.lease_s - bound_s)
    tried, tries = judged.attempts, columns.jobs.tries[judged.fires.job]
    early: Bools = (tried.runs > 0) & (tried.last == FAILED) & (tried.runs < tries)
    early &= ~tried.succeeded
    return early & (_last_end_us(judged) <= latest_us) & _judged(columns, judged)


def tried_too_often(columns: Columns, judged: Judged) -> Bools:
    """Fires with a run after all their tries had failed."""
    tries = columns.jobs.tries[judged.fires.job]
    ended = np.isin(judged.runs.status, (FAILED, SUCCEEDED))
    failed = _count(judged, judged.runs.status == FAILED)
    whole = _count(judged, ~ended) == 0
    too_often: Bools = whole & (failed >= tries) & (judged.attempts.runs > tries)
    return too_often & _judged(columns, judged)


def _judged(columns: Columns, judged: Judged) -> Bools:
    several: Bools = columns.jobs.tries[judged.fires.job] > 1
    return several if not columns.faults else np.zeros(len(judged.fires), np.bool_)


def _count(judged: Judged, which: Bools) -> Ints:
    return np.bincount(judged.runs.fire[which], minlength=len(judged.fires))


def _last_end_us(judged: Judged) -> Ints:
    last = np.full(len(judged.fires), np.iinfo(np.int64).min)
    np.maximum.at(last, judged.runs.fire, judged.runs.end_us)
    return last
