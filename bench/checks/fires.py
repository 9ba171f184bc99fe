"""The fires of a history and the order of their runs: what outcomes and flags are computed from.

Sorting is by narrow keys, so that it stays linear for histories that come in time order: numpy
sorts job codes of 16 bits by radix, and times that are almost sorted in one pass. Everything that
follows works on the sorted arrays. What does not depend on one another is done in two threads:
numpy lets go of the interpreter, and most of the time goes into fresh memory.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from bench.checks.columns import SUCCEEDED, Bools, Bytes, Codes, Columns, Floats, Ints

OPEN_US = np.int64(2**62)  # the end of a run that has none


@dataclass(frozen=True)
class FireTable:
    """One row per fire, sorted by job and due time; `planned` has a Due line, others were run only.

    `keys` are job and due time in one number: job * span_ms + due_ms - first_ms.
    """

    job: Codes
    due_ms: Ints
    planned: Bools
    keys: Ints
    first_ms: int
    span_ms: int

    def __len__(self) -> int:
        return len(self.job)

    def find(self, job: Codes, due_ms: Ints) -> Ints:
        """The row of each (job, due time), -1 where there is none."""
        if not len(job) or not len(self):
            return np.full(len(job), -1, np.int64)
        order = by_job(job, due_ms)
        wanted = _keys(job[order], due_ms[order], self.first_ms, self.span_ms)
        row = _places(self.keys, wanted)
        offset = due_ms[order] - self.first_ms
        known = (self.keys[row] == wanted) & (offset >= 0) & (offset < self.span_ms)
        found = np.empty(len(job), np.int64)
        found[order] = np.where(known, row, -1)
        return found


@dataclass(frozen=True)
class RunTable:
    """The runs ordered by job, start, end; times in microseconds.

    `row` leads back to the columns, `fire` to the fire table. A run that nobody ended and that no
    death of its instance ended either ends at OPEN_US.
    """

    row: Ints
    fire: Ints
    job: Codes
    start_us: Ints
    end_us: Ints
    status: Bytes


def tables(columns: Columns) -> tuple[FireTable, RunTable]:
    """All fires - those that were due, and those run without having been due - and all runs."""
    runs = columns.runs
    first_ms, span_ms = _reach(columns)
    with ThreadPoolExecutor(1) as beside:
        planning = beside.submit(_planned, columns, first_ms, span_ms)
        start_us, end_us = microseconds(runs.start_s), ends_us(columns)
        order = by_job(runs.job, start_us)
        started_us = start_us[order]
        del start_us  # what is freed early need not be asked for again
        order = _settle_ties(order, started_us, runs.job, end_us, runs.status == SUCCEEDED)
        wanted = _keys(runs.job, runs.due_ms, first_ms, span_ms)[order]
        finding = beside.submit(_with_phantoms, planning.result(), wanted)
        ended_us, status, job = end_us[order], runs.status[order], _sorted_codes(runs.job)
        fires, fire = finding.result()
    return fires, RunTable(order, fire, job, started_us, ended_us, status)


def ends_us(columns: Columns) -> Ints:
    """When each run counts as ended: its own end, or the death of its instance, or never."""
    runs = columns.runs
    end = microseconds(np.nan_to_num(runs.end_s))
    open_ones = np.flatnonzero(np.isnan(runs.end_s))
    death = death_us(columns)[runs.instance[open_ones]]
    end[open_ones] = np.maximum(death, microseconds(runs.start_s[open_ones]))
    return end


def death_us(columns: Columns) -> Ints:
    """When each instance's process ended (by code; the last entry stands for none)."""
    death = np.full(len(columns.instances) + 1, OPEN_US, np.int64)
    ends = [(ended.instance, ended.t) for ended in columns.ended]
    ends += [(fault.instance, fault.t) for fault in columns.faults if fault.kills]
    for instance, t in ends:
        if instance >= 0:
            death[instance] = min(death[instance], round(t * 1e6))
    return death


def microseconds(seconds: Floats) -> Ints:
    """Whole microseconds, on which times are compared."""
    scaled = seconds * 1e6
    return np.rint(scaled, out=scaled).astype(np.int64)


def by_job(job: Codes, then: Ints) -> Ints:
    """The order by job and `then`."""
    narrow = job.astype(np.uint16) if len(job) and job.max() < 2**16 else job
    order: Ints = np.lexsort((then, narrow))
    return order


def _sorted_codes(codes: Codes) -> Codes:
    """The codes in order, by counting them."""
    count = np.bincount(codes)
    return np.repeat(np.arange(len(count), dtype=np.int32), count)


def _reach(columns: Columns) -> tuple[int, int]:
    """The first due time, and how many milliseconds there are from it to past the last."""
    times = [part for part in (columns.due.ms, columns.runs.due_ms) if len(part)]
    first = min((int(part.min()) for part in times), default=0)
    return first, max((int(part.max()) for part in times), default=0) - first + 1


def _planned(columns: Columns, first_ms: int, span_ms: int) -> FireTable:
    """The fires that have a Due line, each once."""
    order = by_job(columns.due.job, columns.due.ms)
    job, ms = _sorted_codes(columns.due.job), columns.due.ms[order]
    keys = _keys(job, ms, first_ms, span_ms)
    again = keys[1:] == keys[:-1]
    if again.any():
        fresh = np.append(True, ~again)
        job, ms, keys = job[fresh], ms[fresh], keys[fresh]
    return FireTable(job, ms, np.ones(len(job), np.bool_), keys, first_ms, span_ms)


def _with_phantoms(planned: FireTable, wanted: Ints) -> tuple[FireTable, Ints]:
    """The planned fires and those beside them that were run; the row of each wanted key."""
    place = _places(planned.keys, wanted)
    known = planned.keys[place] == wanted if len(planned) else np.zeros(len(wanted), np.bool_)
    if known.all():
        return planned, place
    keys = np.union1d(planned.keys, wanted[~known])
    was_planned = np.zeros(len(keys), np.bool_)
    was_planned[np.searchsorted(keys, planned.keys)] = True
    span = planned.span_ms
    job, due_ms = (keys // span).astype(np.int32), keys % span + planned.first_ms
    fires = FireTable(job, due_ms, was_planned, keys, planned.first_ms, span)
    return fires, np.searchsorted(keys, wanted)


def _places(keys: Ints, wanted: Ints) -> Ints:
    return np.minimum(np.searchsorted(keys, wanted), max(len(keys) - 1, 0))


def _settle_ties(order: Ints, started: Ints, job: Codes, end: Ints, succeeded: Bools) -> Ints:
    """Order runs of a job that start together by their ends, so that no file order matters."""
    same = np.flatnonzero(started[1:] == started[:-1])
    same = same[job[order[same]] == job[order[same + 1]]]
    if not len(same):
        return order
    tied = np.zeros(len(order), np.bool_)
    tied[same] = tied[same + 1] = True
    some = order[tied]
    order[tied] = some[np.lexsort((succeeded[some], end[some], started[tied], job[some]))]
    return order


def _keys(job: Codes, due_ms: Ints, first_ms: int, span_ms: int) -> Ints:
    keys = job.astype(np.int64)
    keys *= span_ms
    keys += due_ms
    keys -= first_ms
    return keys
