"""Foreign releases: a lock given back by somebody who had lost it, and the service took it.

A release is foreign when another instance asked for the job's lock after the releaser was granted
it, and was granted it before the releaser asked to give it back: whatever the service did in
between, the lock was not the releaser's any more, and an owner check would have refused. Only
calls that came one after the other on the history's one clock are compared, so that no delay of
an answer can make a release foreign.
"""

from dataclasses import dataclass

import numpy as np

from bench.checks.columns import Bools, Codes, Columns, Ints
from bench.checks.fires import FireTable, microseconds

RELEASE = "release"
STANDS_STILL = "suspend"  # a fault after which an instance measures its calls too short
WAKING_S = 0.25  # for how long after its end


@dataclass(frozen=True)
class _Calls:
    """Calls about one job's lock each: between `asked_us` and `end_us` the service acted."""

    job: Codes
    instance: Codes
    due_ms: Ints
    asked_us: Ints
    end_us: Ints


def foreign_releases(columns: Columns, fires: FireTable) -> Bools:
    """Fires whose lock was given back by an instance that did not own it any more."""
    calls = columns.calls
    released = np.array([action == RELEASE for action in calls.actions], np.bool_)
    found = np.zeros(len(fires), np.bool_)
    if not released.any():
        return found
    single = (calls.job >= 0) & (calls.fires == 0) & ~_mismeasured(columns)
    wins = _calls(columns, single & calls.won)
    ours = _calls(columns, single & calls.kept & released[calls.action])
    if len(wins.job) and len(ours.job):
        foreign = _superseded(wins, ours, len(columns.instances) + 1)
        row = fires.find(ours.job[foreign], ours.due_ms[foreign])
        found[row[row >= 0]] = True
    return found


def _calls(columns: Columns, which: Bools) -> _Calls:
    calls = columns.calls
    return _Calls(
        job=calls.job[which],
        instance=calls.instance[which],
        due_ms=calls.due_ms[which],
        asked_us=microseconds(calls.t[which] - calls.seconds[which]),
        end_us=microseconds(calls.t[which]),
    )


def _superseded(wins: _Calls, released: _Calls, instances: int) -> Bools:
    """Per release: whether a grant lies wholly between the releaser's own last one and it.

    The releaser's last grant is the last of all its own, so that a later one is another's.
    """
    zero = int(wins.asked_us.min())
    span = int(max(wins.end_us.max(), released.end_us.max())) - zero + 2
    asked = released.asked_us - zero
    mine = np.sort(_keys(_owner(wins, instances), wins.end_us - zero, span))
    owner = _owner(released, instances)
    own = np.searchsorted(mine, _keys(owner, asked, span), side="right") - 1
    granted = mine[np.maximum(own, 0)]
    has_grant = (own >= 0) & (granted // span == owner)

    order = np.lexsort((wins.end_us, wins.job))
    ends = _keys(wins.job, wins.end_us - zero, span)[order]
    latest_asked = np.maximum.accumulate(_keys(wins.job, wins.asked_us - zero, span)[order])
    before = np.searchsorted(ends, _keys(released.job, asked, span), side="right") - 1
    since = _keys(released.job, granted % span, span)
    superseded: Bools = has_grant & (before >= 0)
    superseded &= latest_asked[np.maximum(before, 0)] >= since
    return superseded


def _owner(calls: _Calls, instances: int) -> Ints:
    return calls.job.astype(np.int64) * instances + calls.instance


def _keys(group: Codes | Ints, t_us: Ints, span: int) -> Ints:
    """Group and time in one number."""
    return group.astype(np.int64) * span + t_us


def _mismeasured(columns: Columns) -> Bools:
    """Calls that may have been under way while their instance's own clock stood still."""
    calls, found = columns.calls, np.zeros(len(columns.calls.t), np.bool_)
    for fault in columns.faults:
        if fault.kind == STANDS_STILL:
            within = (calls.t >= fault.t) & (calls.t <= columns.heal_s(fault) + WAKING_S)
            found |= within & (calls.instance == fault.instance)
    return found
