"""Broken promises: what a design excludes for a stress, and happened all the same.

Each broken promise lists the fires that broke it, so that the number leads back to the events.
"""

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np

from bench.checks.columns import Bools, Columns
from bench.checks.outcomes import Judged, Outcome
from strategies.interface import Allowed

TIMED: tuple[str, ...] = ("crash",)
"""Stresses under which a design's time bounds are promises; elsewhere they are reported only."""


class Broken(msgspec.Struct, frozen=True):
    """A promise that was broken, how often, and by which fires (`job@due_ms`)."""

    promise: str
    count: int
    fires: list[str]


def broken_promises(columns: Columns, judged: Judged, allowed: Allowed) -> list[Broken]:
    """What happened although `allowed` excludes it, by promise.

    A fire that was never due is a run too many and counts with the duplicates.
    """
    return list(_broken(columns, judged, allowed))


def broken_bounds(
    stress: str, measured: Sequence[tuple[str, float, str]], bounds: dict[str, float | None]
) -> list[Broken]:
    """Time bounds exceeded: `measured` are (failover or recovery, seconds, what was late)."""
    if stress not in TIMED:
        return []
    broken: dict[str, list[str]] = {}
    for name, seconds, subject in measured:
        bound_s = bounds.get(name)
        if bound_s is not None and seconds > bound_s:
            broken.setdefault(name, []).append(f"{subject} ({seconds:.2f} s > {bound_s:.2f} s)")
    return [Broken(f"{name} in time", len(late), late) for name, late in broken.items()]


def fire_ids(columns: Columns, judged: Judged, which: Bools) -> list[str]:
    """The ids of the fires in `which`, in order of job and due time."""
    rows = np.flatnonzero(which)
    jobs, due = judged.fires.job[rows].tolist(), judged.fires.due_ms[rows].tolist()
    names = columns.jobs.names
    return [f"{names[job]}@{due_ms}" for job, due_ms in zip(jobs, due, strict=True)]


def _broken(columns: Columns, judged: Judged, allowed: Allowed) -> Iterator[Broken]:
    planned = judged.fires.planned
    happened = {
        "no duplicates": (allowed.duplicates, judged.duplicate | judged.phantom),
        "no overlaps": (allowed.overlaps, judged.overlap),
        "none missed": (allowed.missed, planned & (judged.outcome == Outcome.MISSED)),
        "none left interrupted": (
            allowed.interrupted,
            planned & (judged.outcome == Outcome.INTERRUPTED),
        ),
    }
    for promise, (fine, which) in happened.items():
        if not fine and which.any():
            ids = fire_ids(columns, judged, which)
            yield Broken(promise, len(ids), ids)
