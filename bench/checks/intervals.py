"""Which runs of a job were open when: intervals in start order with the latest end so far.

A run is open from its start until just before its end; two runs overlap when one starts strictly
before the other has ended.
"""

from dataclasses import dataclass

import numpy as np

from bench.checks.columns import Bools, Codes, Ints
from bench.checks.fires import OPEN_US, RunTable


@dataclass(frozen=True)
class OpenRuns:
    """Answers questions about the open runs of jobs; times in microseconds.

    `starts` and `latest_ends` hold job and time in one number, so that the running maximum of the
    ends needs no reset from job to job: every time of a later job is greater.
    """

    zero_us: int
    span_us: int
    starts: Ints
    latest_ends: Ints

    def during(self, job: Codes, from_us: Ints, to_us: Ints) -> Bools:
        """Whether a run of the job was open at some time in [from, to], ends included."""
        if not len(self.starts):
            return np.zeros(len(job), np.bool_)
        last = np.searchsorted(self.starts, self._key(job, to_us), side="right") - 1
        reached = self.latest_ends[np.maximum(last, 0)] >= self._key(job, from_us)
        return (last >= 0) & (to_us >= self.zero_us) & reached

    def _key(self, job: Codes, t_us: Ints) -> Ints:
        inside = np.clip(t_us - self.zero_us, 0, self.span_us - 1)
        return job.astype(np.int64) * self.span_us + inside


def open_runs(runs: RunTable) -> OpenRuns:
    """The intervals of all runs (ordered by job and start, as a RunTable is)."""
    if not len(runs.start_us):
        return OpenRuns(0, 1, np.empty(0, np.int64), np.empty(0, np.int64))
    zero = int(runs.start_us.min())
    span = _span(runs, zero)
    base = runs.job.astype(np.int64)
    base *= span
    ends = np.minimum(runs.end_us - zero, span - 1)
    ends += base
    np.maximum.accumulate(ends, out=ends)
    base += runs.start_us
    base -= zero
    return OpenRuns(zero, span, base, ends)


def overlapping(runs: RunTable) -> Bools:
    """For each run in order: whether an earlier-started run of its job was still open."""
    known = open_runs(runs)
    found = np.zeros(len(runs.start_us), np.bool_)
    found[1:] = known.latest_ends[:-1] > known.starts[1:]
    return found


def latest_end_before(runs: RunTable, run_due_ms: Ints, job: Codes, due_ms: Ints) -> Ints:
    """The latest end of a run of `job` whose own due time lies before `due_ms`; -1 for none.

    `run_due_ms` are the due times of the fires of `runs`.
    """
    if not len(runs.job) or not len(job):
        return np.full(len(job), -1, np.int64)
    first = min(int(run_due_ms.min()), int(due_ms.min()))
    span = max(int(run_due_ms.max()), int(due_ms.max())) - first + 2
    key = runs.job.astype(np.int64) * span + (run_due_ms - first)
    order = np.argsort(key, kind="stable")
    last = np.searchsorted(key[order], job.astype(np.int64) * span + (due_ms - first)) - 1
    latest = _running_max(runs.job[order], runs.end_us[order], runs)
    same_job = (last >= 0) & (runs.job[order][np.maximum(last, 0)] == job)
    return np.where(same_job, latest[np.maximum(last, 0)], -1)


def _running_max(job: Codes, end_us: Ints, runs: RunTable) -> Ints:
    """The running maximum of the ends within each job, in microseconds; OPEN_US stays open."""
    zero = int(runs.start_us.min())
    span = _span(runs, zero)
    base = job.astype(np.int64) * span
    highest = np.maximum.accumulate(base + np.minimum(end_us - zero, span - 1)) - base
    return np.where(highest == span - 1, OPEN_US, highest + zero)


def _span(runs: RunTable, zero_us: int) -> int:
    """More than any time in the history, with room for the end of a run that has none."""
    ends = int(runs.end_us.max(where=runs.end_us < OPEN_US, initial=0))
    return max(ends, int(runs.start_us.max())) - zero_us + 3
