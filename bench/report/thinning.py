"""What a page draws of a long history. Judging never sees this: verdicts come from every event."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from bench.checks.columns import Bools, Ints
from bench.checks.outcomes import Outcome
from bench.report.timeline import Timeline

T = TypeVar("T")

PAGE_RUNS = 120_000  # drawn on one page, over all its trials
TRIAL_RUNS = 20_000  # drawn of one trial at most
LEAST_RUNS = 300
NEAR_S = 3.0  # around a fault, where everything is drawn as far as it fits


@dataclass(frozen=True)
class Drawn:
    """A thinned timeline, and what was left out, in words (empty where nothing was)."""

    timeline: Timeline
    said: str


def share(trials: int) -> int:
    """How many runs each of a page's trials may draw."""
    return max(LEAST_RUNS, min(TRIAL_RUNS, PAGE_RUNS // max(trials, 1)))


def thin(whole: Timeline, runs: int) -> Drawn:
    """At most `runs` runs, fires without a run, spans of ownership and remarks, each.

    Remarkable runs come first, then those near a fault, then the others; where one of these does
    not fit, every nth of it is drawn.
    """
    kept = _choose([_remarkable(whole), _near_faults(whole)], len(whole.runs), runs)
    idle = _every(whole.idle, runs)
    leading = [one for one in whole.owned if one.subject == "leader"]
    owned = leading + list(_every([one for one in whole.owned if one.subject != "leader"], runs))
    thinned = replace(
        whole,
        runs=whole.runs.take(kept),
        idle=tuple(idle),
        owned=tuple(owned),
        remarks=tuple(_every(whole.remarks, runs)),
    )
    left_out = [
        f"{len(some):,} of {len(every):,} {words}"
        for words, some, every in (
            ("runs", thinned.runs, whole.runs),
            ("fires without a run", thinned.idle, whole.idle),
            ("spans of ownership", thinned.owned, whole.owned),
            ("remarks", thinned.remarks, whole.remarks),
        )
        if len(some) < len(every)
    ]
    return Drawn(thinned, ", ".join(left_out))


def _remarkable(whole: Timeline) -> Bools:
    marked: Bools = (whole.runs.flags > 0) | (whole.runs.outcome != Outcome.ON_TIME)
    return marked


def _near_faults(whole: Timeline) -> Bools:
    near = np.zeros(len(whole.runs), np.bool_)
    for fault in whole.faults:
        until = fault.begin_s if fault.heal_s is None else fault.heal_s
        near |= (whole.runs.end_s > fault.begin_s - NEAR_S) & (whole.runs.start_s < until + NEAR_S)
    return near


def _choose(preferred: list[Bools], count: int, room: int) -> Ints:
    """At most `room` of `count` rows in order: each preferred kind in turn, then the rest."""
    left = np.ones(count, np.bool_)
    chosen: list[Ints] = []
    for kind in [*preferred, left.copy()]:
        rows = np.flatnonzero(kind & left)
        free = room - sum(len(some) for some in chosen)
        chosen.append(rows[_even(len(rows), free)])
        left &= ~kind
    return np.sort(np.concatenate(chosen))


def _even(count: int, room: int) -> Ints:
    """At most `room` places of `count`, evenly spaced."""
    if count <= room:
        return np.arange(count)
    return np.unique(np.linspace(0, count - 1, max(room, 0)).astype(np.int64))


def _every(some: Sequence[T], room: int) -> list[T]:
    return [some[place] for place in _even(len(some), room).tolist()]
