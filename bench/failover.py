"""What followed a fault: who noticed, who took over, and when what it broke off ran again.

Durations are measured on the history's one clock, in seconds since the fault struck. What did not
happen, or what the history holds no events for, is None - never 0.
"""

import msgspec
import numpy as np

from bench.checks.columns import (
    CANCELLED,
    GRANTED,
    LOST,
    NO_END,
    Bools,
    Columns,
    Fault,
    Floats,
    Ints,
)
from bench.checks.outcomes import TAKES_OVER
from bench.checks.validity import hit, leads


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


def followed(columns: Columns, fault: Fault) -> FaultMetrics:
    """One fault of a history, and what followed it."""
    held = _held(columns, fault)
    led = fault.instance >= 0 and leads(columns, fault.instance, fault.t)
    jobs = _affected_jobs(columns, held, led)
    later = columns.runs.start_s > fault.t
    elsewhere = later & jobs[columns.runs.job] & (columns.runs.instance != fault.instance)
    detected, owner = _took_over(columns, fault, jobs, led)
    instance, job = columns.struck(fault)
    return FaultMetrics(
        id=fault.id,
        kind=fault.kind,
        target=fault.target,
        instance=instance,
        job=job,
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


def _affected_jobs(columns: Columns, held: Ints, led: bool) -> Bools:
    """All jobs of one that led when the fault struck; of another, those that it was running."""
    jobs = np.full(len(columns.jobs.names), led, np.bool_)
    jobs[columns.runs.job[held]] = True
    return jobs


def _took_over(
    columns: Columns, fault: Fault, jobs: Bools, led: bool
) -> tuple[float | None, float | None]:
    """When somebody noticed, and when somebody else owned what the faulted instance had."""
    owned, calls = columns.ownership, columns.calls
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
