"""Broken promises: what a design excludes for a stress, and happened all the same.

Each broken promise lists the fires that broke it, so that the number leads back to the events.
"""

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np

from bench.checks.columns import CANCELLED, NO_END, Bools, Columns, Fault
from bench.checks.exposure import exposed
from bench.checks.fences import fences_not_grown
from bench.checks.outcomes import Judged, Outcome
from bench.checks.releases import foreign_releases
from bench.checks.skips import periods_s
from bench.checks.tries import given_up_early, tried_too_often
from strategies.interface import ANYTHING, Allowed

TIMED: tuple[str, ...] = ("crash",)
"""Stresses under which a design's time bounds are promises; elsewhere they are reported only."""

PASSING: tuple[str, ...] = ("crash", "pause", "partition", "slow-network")
"""Stresses that excuse only what they could have touched. The others have no such end: a clock
that steps back, a service that forgot, a fleet that is replaced reach any fire."""


class Broken(msgspec.Struct, frozen=True):
    """A promise that was broken, how often, and by which fires (`job@due_ms`)."""

    promise: str
    count: int
    fires: list[str]


class Scope(msgspec.Struct, frozen=True):
    """What the promises of a trial apply to, beside its stress.

    `steady` is what may happen to fires that a passing fault could not have touched, which is
    judged from `bound_s` (the design's failover or recovery) after it; `fence_scope` is what the
    fences order, None where none are promised. `lasting`: what a fault did to the jobs that it hit
    has no end.
    """

    stress: str = ""
    steady: Allowed = ANYTHING
    bound_s: float = 0.0
    fence_scope: str | None = None
    lasting: bool = False


def broken_promises(
    columns: Columns, judged: Judged, allowed: Allowed, scope: Scope = Scope()
) -> list[Broken]:
    """What happened although `allowed` excludes it, by promise.

    A fire that was never due is a run too many and counts with the duplicates. Lateness is judged
    in steady trials only; fences, releases and tries wherever the design promises something.
    """
    happened = _happened(judged)
    if scope.stress == "steady" and not columns.faults and _promised(allowed):
        happened |= _untimely(judged)
    beyond = _untouched(columns, judged, scope)
    found = {
        promise: which & _held(allowed, scope.steady, lifted, beyond)
        for promise, (lifted, which) in happened.items()
    }
    if _promised(allowed):
        found |= _always_held(columns, judged, scope)
    return list(_broken(columns, judged, found))


def broken_bounds(
    stress: str,
    measured: Sequence[tuple[str, float | None, str]],
    bounds: dict[str, float | None],
) -> list[Broken]:
    """Time bounds exceeded: `measured` are (failover or recovery, seconds, what was late).

    Seconds are None for what did not happen although there was time for it.
    """
    if stress not in TIMED:
        return []
    broken: dict[str, list[str]] = {}
    for name, seconds, subject in measured:
        bound_s = bounds.get(name)
        if bound_s is not None and (seconds is None or seconds > bound_s):
            took = "never" if seconds is None else f"{seconds:.2f} s"
            broken.setdefault(name, []).append(f"{subject} ({took} > {bound_s:.2f} s)")
    return [Broken(f"{name} in time", len(late), late) for name, late in broken.items()]


def could_take_over(columns: Columns, fault: Fault, failover_s: float) -> bool:
    """Whether there was somebody to take over, and time: fires were still due after the bound.

    Every job was due once more, and a period was left before the fleet was told to end.
    """
    due = columns.due
    if not len(due.ms) or not _others(columns, fault):
        return False
    last_ms = np.zeros(len(columns.jobs.names), np.int64)
    np.maximum.at(last_ms, due.job, due.ms)
    waits_s = float(np.nan_to_num(columns.jobs.period_s).max(initial=0.0))
    late_s = fault.t + failover_s
    return bool(last_ms.min() / 1000 >= late_s) and _until_s(columns) >= late_s + waits_s


def should_have_recovered(columns: Columns, fault: Fault, recovery_s: float) -> bool:
    """Whether the fault broke off a run, and there was somebody and time to run its fire again."""
    runs = columns.runs
    open_then = np.isnan(runs.end_s) | (runs.end_s > fault.t)
    broken_off = open_then & np.isin(runs.status, (NO_END, CANCELLED))
    broken_off &= (runs.instance == fault.instance) & (runs.start_s <= fault.t)
    time = _until_s(columns) >= fault.t + recovery_s
    return bool(broken_off.any()) and time and _others(columns, fault)


def fire_ids(columns: Columns, judged: Judged, which: Bools) -> list[str]:
    """The ids of the fires in `which`, in order of job and due time."""
    rows = np.flatnonzero(which)
    jobs, due = judged.fires.job[rows].tolist(), judged.fires.due_ms[rows].tolist()
    names = columns.jobs.names
    return [f"{names[job]}@{due_ms}" for job, due_ms in zip(jobs, due, strict=True)]


def _happened(judged: Judged) -> dict[str, tuple[str, Bools]]:
    """By promise: the field of Allowed that lifts it, and the fires that break it."""
    planned = judged.fires.planned
    return {
        "no duplicates": ("duplicates", judged.duplicate | judged.phantom),
        "no overlaps": ("overlaps", judged.overlap),
        "none missed": ("missed", planned & (judged.outcome == Outcome.MISSED)),
        "none left interrupted": (
            "interrupted",
            planned & (judged.outcome == Outcome.INTERRUPTED),
        ),
    }


def _untimely(judged: Judged) -> dict[str, tuple[str, Bools]]:
    planned = judged.fires.planned
    return {
        "none late": ("late", planned & (judged.outcome == Outcome.LATE)),
        "none early": ("early", planned & judged.early),
    }


def _always_held(columns: Columns, judged: Judged, scope: Scope) -> dict[str, Bools]:
    """What no stress excuses, by promise."""
    found = {
        "no foreign releases": foreign_releases(columns, judged.fires),
        "failed runs are tried again": given_up_early(columns, judged, scope.bound_s),
        "no more tries than declared": tried_too_often(columns, judged),
    }
    if scope.fence_scope:
        found["fences grow"] = fences_not_grown(columns, judged, scope.fence_scope)
    return found


def _promised(allowed: Allowed) -> bool:
    """Whether anything is promised at all; records without lateness had four fields."""
    return not (allowed.duplicates and allowed.overlaps and allowed.missed and allowed.interrupted)


def _held(allowed: Allowed, steady: Allowed, lifted: str, beyond: Bools) -> Bools:
    """The fires that one promise applies to."""
    if not getattr(allowed, lifted):
        return np.ones(len(beyond), np.bool_)
    return np.zeros(len(beyond), np.bool_) if getattr(steady, lifted) else beyond


def _untouched(columns: Columns, judged: Judged, scope: Scope) -> Bools:
    """The fires that a passing fault could not have touched; none where faults do not pass."""
    if scope.stress not in PASSING or not columns.faults:
        return np.zeros(len(judged.fires), np.bool_)
    period_s = float(np.nanmax(periods_s(columns, judged.fires), initial=0.0))
    return ~exposed(
        columns, judged.fires, before_s=period_s, after_s=scope.bound_s, lasting=scope.lasting
    )


def _others(columns: Columns, fault: Fault) -> bool:
    """Whether an instance was there beside the faulted one, as far as the history says."""
    ready = {instance for _, instance in columns.ready}
    return bool(ready - {fault.instance}) if ready else columns.header.instances != 1


def _until_s(columns: Columns) -> float:
    """Until when the fleet was there."""
    done_s = columns.phase_s("done")
    return columns.header.until_s if done_s is None else done_s


def _broken(columns: Columns, judged: Judged, found: dict[str, Bools]) -> Iterator[Broken]:
    for promise, which in found.items():
        if which.any():
            ids = fire_ids(columns, judged, which)
            yield Broken(promise, len(ids), ids)
