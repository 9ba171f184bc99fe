"""Exactly one outcome per fire, and the flags that stand beside it.

    on-time      its first run began within max(0.5 s, half a period) of the due time
    late         it ran, but began later than that
    recovered    a run of it was interrupted or cancelled, and a later one succeeded
    interrupted  its last run has no end (or was cancelled), and nothing succeeded; or it was
                 taken (a won call, or found in the log by the next owner) and its run never began
    failed       its last run failed: its tries are used up, or there are none
    skipped      left out by the job's declared policy, verified against the history
    missed       due, not run, and not skipped for a reason that holds
    pending      due too close to the end of the recording to be judged
    unknown      its last run was still open when the recording stopped, too recent to be judged

A run that was killed ends at the kill; one that was paused is open all the time. Too recent means
due within max(0.5 s, P/2) of the end, or, in a history with faults, within max(2 leases, the
design's bound) of it.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from bench.checks.attempts import Attempts, attempts
from bench.checks.columns import FAILED, NO_END, Bools, Bytes, Columns, Floats, Ints
from bench.checks.exposure import LEASES
from bench.checks.fires import FireTable, RunTable, death_us, tables
from bench.checks.intervals import overlapping
from bench.checks.skips import periods_s, verified_skips

LATE_S = 0.5
TAKES_OVER = ("recover",)  # actions by which an instance finds what another one had taken
EARLY_US = 1000


class Outcome(IntEnum):
    """What became of a fire."""

    ON_TIME = 0
    LATE = 1
    RECOVERED = 2
    INTERRUPTED = 3
    FAILED = 4
    SKIPPED = 5
    MISSED = 6
    PENDING = 7
    UNKNOWN = 8

    @property
    def word(self) -> str:
        """As it is written: `on-time`."""
        return self.name.lower().replace("_", "-")


@dataclass(frozen=True)
class Judged:
    """Every fire with its outcome and flags; phantom fires were run but never due."""

    fires: FireTable
    runs: RunTable
    attempts: Attempts
    outcome: Bytes
    duplicate: Bools
    overlap: Bools
    repeated: Bools
    stale: Bools
    early: Bools

    @property
    def phantom(self) -> Bools:
        """Fires that were run although no line says they were due."""
        return ~self.fires.planned

    def flags(self) -> dict[str, Bools]:
        """The flags by name."""
        return {
            "duplicate": self.duplicate,
            "overlap": self.overlap,
            "repeated-effect": self.repeated,
            "stale-effect": self.stale,
            "early": self.early,
            "phantom": self.phantom,
        }


def judge_fires(columns: Columns, bound_s: float = 0.0) -> Judged:
    """Outcomes and flags of a history's fires; `bound_s` is the design's failover bound."""
    fires, runs = tables(columns)
    with ThreadPoolExecutor(1) as beside:
        overlap = beside.submit(_overlaps, columns, fires, runs)
        tried = attempts(fires, runs)
        delay_us = tried.first_start_us - fires.due_ms * 1000
        outcome = _outcomes(columns, fires, runs, tried, delay_us, bound_s)
    repeated, stale = _effects(columns, fires)
    return Judged(
        fires=fires,
        runs=runs,
        attempts=tried,
        outcome=outcome,
        duplicate=tried.duplicate,
        overlap=overlap.result(),
        repeated=repeated,
        stale=stale,
        early=(tried.runs > 0) & (delay_us < -EARLY_US),
    )


def _outcomes(
    columns: Columns,
    fires: FireTable,
    runs: RunTable,
    tried: Attempts,
    delay_us: Ints,
    bound_s: float,
) -> Bytes:
    late_s = np.maximum(LATE_S, periods_s(columns, fires) / 2)
    settle_s = late_s.copy()
    if columns.faults:
        settle_s = np.maximum(late_s, max(LEASES * columns.header.lease_s, bound_s))
    until_ms = 1000 * (columns.header.until_s - settle_s)
    recent = fires.due_ms > until_ms[fires.job]
    ran = tried.runs > 0
    verified, unsure = verified_skips(columns, fires, runs, ran, recent, bound_s)
    late = delay_us > (1e6 * late_s)[fires.job]
    unfinished = _may_still_end(columns, fires, tried, settle_s)
    choices = [
        (tried.succeeded & tried.recovered, Outcome.RECOVERED),
        (tried.succeeded & late, Outcome.LATE),
        (tried.succeeded, Outcome.ON_TIME),
        (ran & unfinished, Outcome.UNKNOWN),
        (ran & (tried.last == FAILED), Outcome.FAILED),
        (ran, Outcome.INTERRUPTED),
        (verified, Outcome.SKIPPED),
        (_taken(columns, fires), Outcome.INTERRUPTED),
        (recent | unsure, Outcome.PENDING),
    ]
    outcome = np.full(len(fires), Outcome.MISSED, np.int8)
    for holds, what in reversed(choices):
        outcome[holds] = what
    return outcome


def _taken(columns: Columns, fires: FireTable) -> Bools:
    """Somebody became the owner of the fire: its own winning call, or a successor's log says so."""
    calls = columns.calls
    recovers = [code for code, action in enumerate(calls.actions) if action in TAKES_OVER]
    names_it = calls.won | (calls.kept & np.isin(calls.action, recovers))
    rows = np.flatnonzero(names_it & (calls.job >= 0) & (calls.fires == 0))
    found = np.zeros(len(fires), np.bool_)
    row = fires.find(calls.job[rows], calls.due_ms[rows])
    found[row[row >= 0]] = True
    return found


def _may_still_end(columns: Columns, fires: FireTable, tried: Attempts, settle_s: Floats) -> Bools:
    """A run has no end, but began shortly before the recording stopped, on a living instance."""
    runs, until_s = columns.runs, columns.header.until_s
    rows = np.flatnonzero(np.isnan(runs.end_s))
    rows = rows[runs.start_s[rows] > until_s - settle_s[runs.job[rows]]]
    rows = rows[death_us(columns)[runs.instance[rows]] > 1e6 * until_s]
    found = np.zeros(len(fires), np.bool_)
    found[fires.find(runs.job[rows], runs.due_ms[rows])] = True
    found &= tried.last == NO_END
    return found


def _overlaps(columns: Columns, fires: FireTable, runs: RunTable) -> Bools:
    found = np.zeros(len(fires), np.bool_)
    found[runs.fire[overlapping(runs) & columns.jobs.forbid[runs.job]]] = True
    return found


def _effects(columns: Columns, fires: FireTable) -> tuple[Bools, Bools]:
    """Fires with a repeated effect, and with a stale one."""
    marks = []
    for label in (columns.effects.repeated, columns.effects.stale):
        marked = np.zeros(len(fires), np.bool_)
        row = fires.find(columns.effects.job[label], columns.effects.due_ms[label])
        marked[row[row >= 0]] = True
        marks.append(marked)
    return marks[0], marks[1]
