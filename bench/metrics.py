"""What a trial cost and how long it took: figures from the columns of its history.

Durations are measured on the history's one clock. A figure that does not apply, or that the
history holds no events for, is None - never 0.
"""

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from bench.checks.columns import (
    CANCELLED,
    GRANTED,
    LOST,
    NO_END,
    Bools,
    Calls,
    Columns,
    Counted,
    Fault,
    Floats,
    Ints,
)
from bench.checks.exposure import exposed
from bench.checks.lag import lag_p99_s
from bench.checks.outcomes import TAKES_OVER, Judged, Outcome
from bench.checks.skips import periods_s
from bench.checks.validity import hit, leads
from bench.stats import quantile
from strategies.interface import Bounds

PUBLISH = "publish"  # the call that counts for its fire, whoever made it
OPERATIONS, CPU = "operations_total", "cpu_s_total"  # running totals in counters


class FaultMetrics(msgspec.Struct, kw_only=True):
    """One fault and what followed, in seconds since it struck; None where it did not happen.

    `detected_s`: first sign that somebody noticed; `owner_s`: ownership elsewhere;
    `failover_s`: first run elsewhere of an affected job; `recovery_s`: the latest of the
    interrupted fires that ran again, began to.
    """

    id: int
    kind: str
    target: str
    instance: str
    job: str
    t: float
    heal_s: float
    hit: bool
    affected_jobs: int
    affected_fires: int
    detected_s: float | None = None
    owner_s: float | None = None
    failover_s: float | None = None
    recovery_s: float | None = None


class Quantiles(msgspec.Struct):
    """A distribution in a few figures, in milliseconds."""

    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    max: float | None = None


class Metrics(msgspec.Struct, kw_only=True):
    """The figures of one trial.

    `counts` has the outcomes and flags of all fires that were due, `judged` of those that could be
    judged, `exposed` of those among them that a fault could have touched.
    `interrupted_done_fires` are interrupted ones whose effect is on the ledger all the same; None
    in a history without effects. What does not apply to the trial is None (bench.applying).
    """

    fires: int
    judged_fires: int
    judged: dict[str, int]
    runs: int
    counts: dict[str, int]
    interrupted_done_fires: int | None
    repeated_effects: int
    stale_effects: int | None
    foreign_releases: int | None
    exposed_fires: int | None
    exposed: dict[str, int]
    faults: list[FaultMetrics]
    failover_bound_s: float | None
    recovery_bound_s: float | None
    trigger_latency_ms: Quantiles
    overhead_ms: Quantiles
    fleet_overhead_ms_per_fire: float | None
    attempts_per_fire: float | None
    ops_per_fire: float | None
    idle_ops_per_s: float | None
    cpu_ms_per_fire: float | None
    rss_mb: float | None
    lag_p99_ms: float | None


def measure(columns: Columns, judged: Judged, bounds: Bounds, *, lasting: bool = False) -> Metrics:
    """All figures of one history. The failover bound gets the longest wait for a due time.

    `lasting`: what a fault did to the jobs that it hit has no end.
    """
    near = _exposed(columns, judged, lasting=lasting) if columns.faults else None
    faults = [_fault(columns, judged, fault) for fault in columns.faults]
    overhead_ms, fleet_ms = _overhead(columns, judged)
    return Metrics(
        fires=int(judged.fires.planned.sum()),
        judged_fires=int(judgeable(judged).sum()),
        judged=count(judged, judgeable(judged)),
        runs=len(columns.runs.job),
        counts=count(judged, judged.fires.planned),
        interrupted_done_fires=_interrupted_done(columns, judged),
        repeated_effects=int(columns.effects.repeated.sum()),
        stale_effects=int(columns.effects.stale.sum()),
        foreign_releases=columns.foreign_releases,
        exposed_fires=None if near is None else int((near & judgeable(judged)).sum()),
        exposed={} if near is None else count(judged, near & judgeable(judged)),
        faults=faults,
        failover_bound_s=_failover_bound_s(columns, judged, bounds),
        recovery_bound_s=bounds.recovery_s if columns.faults else None,
        trigger_latency_ms=_latency(columns, judged),
        overhead_ms=overhead_ms,
        fleet_overhead_ms_per_fire=fleet_ms,
        attempts_per_fire=_attempts_per_fire(columns, judged),
        ops_per_fire=_per_fire(columns, judged, OPERATIONS),
        idle_ops_per_s=_idle_rate(columns, OPERATIONS),
        cpu_ms_per_fire=_thousand(_per_fire(columns, judged, CPU)),
        rss_mb=max((line.counts.get("rss_mb", 0.0) for line in columns.counters), default=0)
        or None,
        lag_p99_ms=_thousand(lag_p99_s(columns)),
    )


def judgeable(judged: Judged) -> Bools:
    """Fires that were due and could be judged: the denominator of every rate."""
    open_end = (judged.outcome == Outcome.PENDING) | (judged.outcome == Outcome.UNKNOWN)
    found: Bools = judged.fires.planned & ~open_end
    return found


def count(judged: Judged, among: Bools) -> dict[str, int]:
    """How many fires in `among` have each outcome and each flag; phantom fires always count."""
    found = np.bincount(judged.outcome[among], minlength=len(Outcome))
    counts = {outcome.word: int(found[outcome]) for outcome in Outcome}
    for name, flagged in judged.flags().items():
        counts[name] = int((flagged & (among | judged.phantom)).sum())
    return counts


def _exposed(columns: Columns, judged: Judged, *, lasting: bool) -> Bools:
    """Fires exposed to a fault: also those of the period before it, whose runs ended just then."""
    period_s = float(periods_s(columns, judged.fires).max(initial=0.0))
    return exposed(columns, judged.fires, before_s=period_s, lasting=lasting)


def _interrupted_done(columns: Columns, judged: Judged) -> int | None:
    effects = columns.effects
    if not len(effects.job):
        return None
    row = judged.fires.find(effects.job, effects.due_ms)
    done = np.zeros(len(judged.fires), np.bool_)
    done[row[row >= 0]] = True
    return int((done & judged.fires.planned & (judged.outcome == Outcome.INTERRUPTED)).sum())


def _failover_bound_s(columns: Columns, judged: Judged, bounds: Bounds) -> float | None:
    if bounds.failover_s is None or not columns.faults:
        return None
    return bounds.failover_s + float(periods_s(columns, judged.fires).max(initial=0.0))


def _fault(columns: Columns, judged: Judged, fault: Fault) -> FaultMetrics:
    held = _held(columns, fault)
    jobs = _affected_jobs(columns, fault, held)
    later = columns.runs.start_s > fault.t
    elsewhere = later & jobs[columns.runs.job] & (columns.runs.instance != fault.instance)
    detected, owner = _took_over(columns, fault, jobs)
    return FaultMetrics(
        id=fault.id,
        kind=fault.kind,
        target=fault.target,
        instance=columns.instances[fault.instance] if fault.instance >= 0 else "",
        job=columns.jobs.names[fault.job] if fault.job >= 0 else "",
        t=fault.t,
        heal_s=columns.heal_s(fault),
        hit=hit(columns, fault) is None,
        affected_jobs=int(jobs.sum()),
        affected_fires=len(held),
        detected_s=detected,
        owner_s=owner,
        failover_s=_since(fault, columns.runs.start_s[elsewhere]),
        recovery_s=_recovery_s(columns, fault, held),
    )


def _held(columns: Columns, fault: Fault) -> Ints:
    """The runs that were open on the faulted instance when the fault struck."""
    runs = columns.runs
    unended = np.isnan(runs.end_s) | (runs.end_s > fault.t)
    return np.flatnonzero((runs.instance == fault.instance) & (runs.start_s <= fault.t) & unended)


def _affected_jobs(columns: Columns, fault: Fault, held: Ints) -> Bools:
    jobs = np.zeros(len(columns.jobs.names), np.bool_)
    jobs[columns.runs.job[held]] = True
    if fault.instance >= 0 and leads(columns, fault.instance, fault.t):
        jobs[:] = True
    return jobs


def _took_over(columns: Columns, fault: Fault, jobs: Bools) -> tuple[float | None, float | None]:
    """When somebody noticed, and when somebody else owned what the faulted instance had."""
    owned, calls = columns.ownership, columns.calls
    led = fault.instance >= 0 and leads(columns, fault.instance, fault.t)
    affected = owned.leader if led else (owned.subject >= 0) & np.append(jobs, False)[owned.subject]
    after = affected & (owned.t > fault.t)
    granted = owned.t[after & (owned.what == GRANTED) & (owned.instance != fault.instance)]
    lost = owned.t[after & (owned.what == LOST)]
    codes = [code for code, name in enumerate(calls.actions) if name in TAKES_OVER]
    noticed = np.isin(calls.action, codes) & (calls.instance != fault.instance)
    noticed &= calls.t > fault.t
    steps = columns.platform
    given_up = steps.lost & (steps.instance == fault.instance) & (steps.t > fault.t)
    bound = steps.bound & np.append(jobs, False)[steps.job] & (steps.instance != fault.instance)
    owner = np.concatenate([granted, steps.t[bound & (steps.t > fault.t)]])
    signs = np.concatenate([owner, lost, calls.t[noticed], steps.t[given_up]])
    return _since(fault, signs), _since(fault, owner)


def _recovery_s(columns: Columns, fault: Fault, held: Ints) -> float | None:
    """Until the last of the fires whose runs broke off began again; None if none did."""
    runs, longest = columns.runs, None
    for row in held:
        if runs.status[row] not in (NO_END, CANCELLED):
            continue
        same = (runs.job == runs.job[row]) & (runs.due_ms == runs.due_ms[row])
        again = _since(fault, runs.start_s[same & (runs.start_s > fault.t)])
        if again is not None:
            longest = max(longest or 0.0, again)
    return longest


def _since(fault: Fault, times: Floats) -> float | None:
    return float(times.min()) - fault.t if len(times) else None


def _latency(columns: Columns, judged: Judged) -> Quantiles:
    """Start after the due time, over the fires that ran: those never run are left out."""
    ran = judged.fires.planned & (judged.attempts.runs > 0)
    first = judged.attempts.first[ran]
    delay_s: Floats = columns.runs.start_s[first] - judged.fires.due_ms[ran] / 1000
    return _quantiles(delay_s * 1000.0)


def _overhead(columns: Columns, judged: Judged) -> tuple[Quantiles, float | None]:
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
    return _quantiles(1000 * spent_s[ran]), fleet_ms


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


def _attempts_per_fire(columns: Columns, judged: Judged) -> float | None:
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


def _per_fire(columns: Columns, judged: Judged, key: str) -> float | None:
    """The growth of a counter over the load phase, summed over its owners, per fire."""
    grown = _growth(columns, key, _before_load(columns), "quiet")
    fires = int(judged.fires.planned.sum())
    return grown / fires if grown is not None and fires else None


def _idle_rate(columns: Columns, key: str) -> float | None:
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


def _quantiles(values_ms: npt.NDArray[Any]) -> Quantiles:
    values = values_ms.tolist()
    return Quantiles(
        quantile(values, 0.5), quantile(values, 0.95), quantile(values, 0.99), quantile(values, 1)
    )


def _thousand(value: float | None) -> float | None:
    return None if value is None else 1000 * value
