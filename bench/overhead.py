"""What coordination cost: time in calls, attempts, and what servers and instances counted.

A figure that the history holds no events for is None - never 0.
"""

import numpy as np

from bench.checks.columns import Bools, Calls, Columns, Counted, Floats
from bench.checks.outcomes import Judged
from bench.stats import Quantiles

PUBLISH = "publish"  # the call that counts for its fire, whoever made it
OPERATIONS, CPU = "operations_total", "cpu_s_total"  # running totals in counters


def overhead(columns: Columns, judged: Judged) -> tuple[Quantiles, float | None]:
    """Time in coordination calls: per fire on the instance that ran it first, and fleet-wide.

    A batch call's time is shared among the fires it served, evenly over an instance's fires; a
    fire with calls of its own of the same action there takes no share. A publication counts for
    its fires whichever instance made it.
    """
    calls, fires = columns.calls, judged.fires
    counted_s = sum(
        value
        for line in columns.counters
        for key, value in line.counts.items()
        if key.endswith(".s")
    )
    ran = fires.planned & (judged.attempts.runs > 0)
    if not len(calls.t) or not ran.any():
        return Quantiles(), None
    fleet_ms = 1000 * (float(calls.seconds.sum()) + counted_s) / int(ran.sum())
    winner = np.full(len(fires), -1, np.int32)
    winner[ran] = columns.runs.instance[judged.attempts.first[ran]]
    row = fires.find(calls.job, calls.due_ms)
    own = (row >= 0) & calls.kept & ((winner[row] == calls.instance) | _publishes(calls))
    spent_s = np.bincount(row[own], calls.seconds[own], minlength=len(fires))
    for action in range(len(calls.actions)):
        served_alone = np.zeros(len(fires), np.bool_)
        served_alone[row[own & (calls.action == action)]] = True
        share_s = np.append(_batch_share_s(columns, calls, action), 0.0)[winner]
        spent_s = spent_s + np.where(served_alone, 0.0, share_s)
    return Quantiles.of(1000 * spent_s[ran]), fleet_ms


def _publishes(calls: Calls) -> Bools:
    codes = [code for code, name in enumerate(calls.actions) if name == PUBLISH]
    return np.isin(calls.action, codes)


def _batch_share_s(columns: Columns, calls: Calls, action: int) -> Floats:
    """Per instance: the seconds of the action's batch calls, per fire that they served.

    A publication serves whoever runs its fires: the fleet's are one share, the same for all.
    """
    some = (calls.job < 0) & (calls.fires > 0) & calls.kept & (calls.action == action)
    size = len(columns.instances)
    spent = np.bincount(calls.instance[some], calls.seconds[some], minlength=size)
    served = np.bincount(calls.instance[some], calls.fires[some], minlength=size)
    if calls.actions[action] == PUBLISH:
        spent, served = np.full(size, spent.sum()), np.full(size, served.sum())
    share: Floats = spent / np.maximum(served, 1)
    return share


def attempts_per_fire(columns: Columns, judged: Judged) -> float | None:
    """Calls that won or lost, over the fires that were due."""
    fires = int(judged.fires.planned.sum())
    won = int(columns.calls.won.sum())
    lost = sum(
        value
        for line in columns.counters
        for key, value in line.counts.items()
        if key.endswith((".won", ".lost"))
    )
    return (won + lost) / fires if fires and (won or lost) else None


def growth_per_fire(columns: Columns, judged: Judged, key: str) -> float | None:
    """The growth of a counter over the load phase, summed over its owners, per fire."""
    grown = _growth(columns, key, _before_load(columns), "quiet")
    fires = int(judged.fires.planned.sum())
    return grown / fires if grown is not None and fires else None


def idle_rate(columns: Columns, key: str) -> float | None:
    """The growth of a counter a second, while the fleet is there and nothing is due."""
    end = _before_load(columns)
    grown = _growth(columns, key, "idle", end)
    begin_s, end_s = columns.phase_s("idle"), columns.phase_s(end)
    if grown is None or begin_s is None or end_s is None or end_s <= begin_s:
        return None
    return grown / (end_s - begin_s)


def _before_load(columns: Columns) -> str:
    """The phase at whose beginning the totals were read last before the load."""
    return "load" if columns.phase_s("armed") is None else "armed"


def _growth(columns: Columns, key: str, begin: str, end: str) -> float | None:
    """How far the running totals `key` rose between the beginnings of two phases.

    Totals are read between their samples by interpolation; one that fell (its owner was
    restarted) makes the growth unknown.
    """
    begin_s, end_s = columns.phase_s(begin), columns.phase_s(end)
    owners = _owners(columns, key)
    if begin_s is None or end_s is None or not owners:
        return None
    total = 0.0
    for lines in owners.values():
        times = np.array([line.t for line in lines])
        values = np.array([line.counts[key] for line in lines])
        if (np.diff(values) < 0).any():
            return None
        first, last = np.interp([begin_s, end_s], times, values)
        total += float(last - first)
    return total


def _owners(columns: Columns, key: str) -> dict[str, list[Counted]]:
    """The lines that hold the total `key`, by owner: services count operations, instances CPU."""
    instances = {columns.instances[instance] for _, instance in columns.ready}
    owners: dict[str, list[Counted]] = {}
    for line in columns.counters:
        if key in line.counts and (line.name in instances) == (key == CPU):
            owners.setdefault(line.name, []).append(line)
    return owners
