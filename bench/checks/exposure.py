"""Which fires a fault could have touched."""

import numpy as np

from bench.checks.columns import Bools, Codes, Columns
from bench.checks.fires import FireTable

LEASES = 2  # how long after a fault its consequences are counted


def exposed(
    columns: Columns,
    fires: FireTable,
    *,
    before_s: float = 0,
    after_s: float = 0,
    lasting: bool = False,
) -> Bools:
    """Fires due from a fault until two leases after it healed, widened by `before_s`, `after_s`.

    Fires whose run was open on the faulted instance count too, though they were due before; where
    the fault's effect is `lasting`, so do all later fires of their jobs.
    """
    due_s = fires.due_ms / 1000
    found = np.zeros(len(fires), np.bool_)
    for fault in columns.faults:
        until_s = columns.heal_s(fault) + LEASES * columns.header.lease_s + after_s
        found |= (due_s >= fault.t - before_s) & (due_s <= until_s)
    hit = held_at_faults(columns)
    rows = fires.find(columns.runs.job[hit], columns.runs.due_ms[hit])
    found[rows] = True
    if lasting and columns.faults:
        jobs = np.zeros(len(columns.jobs.names), np.bool_)
        jobs[columns.runs.job[held_at_faults(columns, columns.header.lease_s)]] = True
        jobs[bound_at_faults(columns, columns.header.lease_s)] = True
        found |= jobs[fires.job] & (due_s >= min(fault.t for fault in columns.faults))
    return found


def bound_at_faults(columns: Columns, before_s: float) -> Codes:
    """Jobs that a platform gave to a faulted instance, from `before_s` ago until it saw the loss.

    They hang as those do that were running there, though no run of theirs had begun.
    """
    steps = columns.platform
    found = np.zeros(len(steps.t), np.bool_)
    for fault in columns.faults:
        seen = steps.t[steps.lost & (steps.instance == fault.instance) & (steps.t >= fault.t)]
        until_s = seen.min() if len(seen) else columns.heal_s(fault)
        given = steps.bound & (steps.instance == fault.instance) & (fault.instance >= 0)
        found |= given & (steps.t >= fault.t - before_s) & (steps.t <= until_s)
    return steps.job[found & (steps.job >= 0)]


def held_at_faults(columns: Columns, before_s: float = 0.0) -> Bools:
    """Runs that were open on the instance that a fault hit, when it hit or up to `before_s` ago.

    That a run has just ended the instance may not have said yet.
    """
    runs = columns.runs
    found = np.zeros(len(runs.job), np.bool_)
    for fault in columns.faults:
        if fault.instance >= 0:
            unended = np.isnan(runs.end_s) | (runs.end_s > fault.t - before_s)
            found |= (runs.instance == fault.instance) & (runs.start_s <= fault.t) & unended
    return found
