"""Which fires a fault could have touched."""

import numpy as np

from bench.checks.columns import Bools, Columns
from bench.checks.fires import FireTable

LEASES = 2  # how long after a fault its consequences are counted


def exposed(
    columns: Columns, fires: FireTable, *, before_s: float = 0, after_s: float = 0
) -> Bools:
    """Fires due from a fault until two leases after it healed, widened by `before_s`, `after_s`.

    Fires whose run was open on the faulted instance count too, though they were due before.
    """
    due_s = fires.due_ms / 1000
    found = np.zeros(len(fires), np.bool_)
    for fault in columns.faults:
        until_s = columns.heal_s(fault) + LEASES * columns.header.lease_s + after_s
        found |= (due_s >= fault.t - before_s) & (due_s <= until_s)
    hit = held_at_faults(columns)
    rows = fires.find(columns.runs.job[hit], columns.runs.due_ms[hit])
    found[rows] = True
    return found


def held_at_faults(columns: Columns) -> Bools:
    """Runs that were open on the instance that a fault hit, when it hit."""
    runs = columns.runs
    found = np.zeros(len(runs.job), np.bool_)
    for fault in columns.faults:
        if fault.instance >= 0:
            unended = np.isnan(runs.end_s) | (runs.end_s > fault.t)
            found |= (runs.instance == fault.instance) & (runs.start_s <= fault.t) & unended
    return found
