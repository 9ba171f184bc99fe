"""Fences that do not grow: a run of a new owner must outrank every run before it.

A fence orders the grants of a job, or the deliveries of one fire. Only the order of the runs'
starts is known, so an owner that was stopped between its grant and the start is not held to it
at once: its run starts late, with the older fence, and that is what fences are for.
"""

import numpy as np

from bench.checks.columns import NO_FENCE, Bools, Columns, Ints
from bench.checks.outcomes import Judged

WAKING_S = 0.25
"""How long after a fault on its instance has healed a run may still start with the older fence."""


def fences_not_grown(columns: Columns, judged: Judged, scope: str) -> Bools:
    """Fires with a run whose fence is not above that of an earlier start on another instance.

    `scope` is "job" or "fire". Runs of one instance may share a fence: a leader's term.
    """
    found = np.zeros(len(judged.fires), np.bool_)
    fenced = columns.runs.fence[judged.runs.row] != NO_FENCE
    row, fire = judged.runs.row[fenced], judged.runs.fire[fenced]
    if not len(row):
        return found
    group = fire if scope == "fire" else judged.runs.job[fenced].astype(np.int64)
    order = np.argsort(group, kind="stable")  # within a group the runs are in order of start
    row, fire, group = row[order], fire[order], group[order]
    fence, instance = _ranks(columns.runs.fence[row]), columns.runs.instance[row]
    before, equal = _highest_before(group, fence)
    elsewhere = (before >= 0) & (instance[before] != instance)
    found[fire[elsewhere & (equal | ~_waking(columns, row))]] = True
    return found


def _ranks(fence: Ints) -> Ints:
    """The fences as small numbers in the same order: a ZooKeeper id leaves no room for a key."""
    ranks: Ints = np.unique(fence, return_inverse=True)[1].astype(np.int64)
    return ranks


def _highest_before(group: Ints, fence: Ints) -> tuple[Ints, Bools]:
    """Per run: where the highest fence before it in its group is, and whether it is the same one.

    -1 where the run's own fence is above all before it.
    """
    place = np.arange(len(fence))
    key = group * (int(fence.max()) + 1) + fence
    highest = np.maximum.accumulate(key)
    grown = np.append(True, key[1:] > highest[:-1])
    holder = np.maximum.accumulate(np.where(grown, place, 0))
    return np.where(grown, -1, holder), fence[holder] == fence


def _waking(columns: Columns, row: Ints) -> Bools:
    """Runs that started on an instance while a fault other than a kill was on it, or just after."""
    runs, found = columns.runs, np.zeros(len(row), np.bool_)
    start_s, instance = runs.start_s[row], runs.instance[row]
    for fault in columns.faults:
        if not fault.kills:
            within = (start_s >= fault.asked_s) & (start_s <= columns.heal_s(fault) + WAKING_S)
            found |= within & ((instance == fault.instance) | (fault.instance < 0))
    return found
