"""What a trial cost and how long it took: figures from the columns of its history.

What followed each fault is bench.failover's, what coordination cost bench.overhead's. A figure that
does not apply, or that the history holds no events for, is None - never 0.
"""

import msgspec
import numpy as np

from bench.checks.columns import Bools, Columns, Floats
from bench.checks.exposure import exposed
from bench.checks.lag import lag_p99_s
from bench.checks.outcomes import Judged, Outcome
from bench.checks.skips import periods_s
from bench.failover import FaultMetrics, followed
from bench.overhead import (
    CPU,
    OPERATIONS,
    attempts_per_fire,
    growth_per_fire,
    idle_rate,
    overhead,
)
from bench.stats import Quantiles
from strategies.interface import Bounds


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
    faults = [followed(columns, fault) for fault in columns.faults]
    overhead_ms, fleet_ms = overhead(columns, judged)
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
        attempts_per_fire=attempts_per_fire(columns, judged),
        ops_per_fire=growth_per_fire(columns, judged, OPERATIONS),
        idle_ops_per_s=idle_rate(columns, OPERATIONS),
        cpu_ms_per_fire=_thousand(growth_per_fire(columns, judged, CPU)),
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


def _latency(columns: Columns, judged: Judged) -> Quantiles:
    """Start after the due time, over the fires that ran: those never run are left out."""
    ran = judged.fires.planned & (judged.attempts.runs > 0)
    first = judged.attempts.first[ran]
    delay_s: Floats = columns.runs.start_s[first] - judged.fires.due_ms[ran] / 1000
    return Quantiles.of(delay_s * 1000.0)


def _thousand(value: float | None) -> float | None:
    return None if value is None else 1000 * value
