"""A trial as something to look at: who ran what, who owned what, what was broken, and when.

Times are seconds since the load began (since the first event, where a history has no phases).
Nothing is left out here; `thinning` chooses what a page draws of a long history.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.compute as pc

from bench.checks.columns import SUCCEEDED, Bools, Columns, Floats, Ints
from bench.checks.fires import OPEN_US, ends_us
from bench.checks.outcomes import Judged, Outcome, judge_fires
from bench.checks.reading import columns as read_columns

STATUS_WORDS = ("no end", "succeeded", "failed", "cancelled")
OUTCOME_WORDS = tuple(one.word for one in Outcome)
RUN_FLAGS = ("duplicate", "extra", "overlap", "repeated-effect", "stale-effect", "early", "phantom")
"""Flags of a run, by bit. `extra` marks the very run that was one too many; `repeated-effect` and
`stale-effect` are of the run's own effect, the others of its fire."""

_OWNERSHIP = ("granted", "released", "lost")
_NOTES = {
    "instance-ready": (),
    "instance-stopped": ("error",),
    "died": (),
    "foreign-release": ("subject",),
    "republished": ("job", "what"),
    "platform": ("what", "subject", "reason"),
}


@dataclass(frozen=True)
class RunBars:
    """One entry per run in order of its start. `end_s` of a run without end is when it broke off.

    `job`, `instance` are places in the timeline's lists, `outcome` of the run's fire,
    `fence` is -1 where there is none, `flags` has the bits of RUN_FLAGS.
    """

    job: Ints
    due_ms: Ints
    instance: Ints
    start_s: Floats
    end_s: Floats
    status: Ints
    fence: Ints
    outcome: Ints
    flags: Ints

    def __len__(self) -> int:
        return len(self.job)

    def take(self, rows: Ints) -> "RunBars":
        """Some of the runs."""
        return RunBars(**{name: values[rows] for name, values in vars(self).items()})


@dataclass(frozen=True)
class Owned:
    """A span of ownership of `subject` (a job, or "leader"); `end_s` None: never given back."""

    instance: str
    subject: str
    begin_s: float
    end_s: float | None
    how: str
    fence: int | None


@dataclass(frozen=True)
class FaultBand:
    """A fault in force; a kill lasts for the rest of the trial (`heal_s` None)."""

    id: int
    kind: str
    target: str
    instance: str
    job: str
    begin_s: float
    heal_s: float | None


@dataclass(frozen=True)
class Idle:
    """A fire without a run: missed, skipped, pending, or taken by somebody who never began."""

    job: int
    due_ms: int
    outcome: int


@dataclass(frozen=True)
class Remark:
    """Something that happened on an instance at one moment."""

    t_s: float
    instance: str
    words: str


@dataclass(frozen=True)
class Timeline:
    """Everything of one trial. `origin_s` is what times count from, on the history's clock."""

    origin_s: float
    end_s: float
    instances: tuple[str, ...]
    jobs: tuple[str, ...]
    runs: RunBars
    owned: tuple[Owned, ...]
    faults: tuple[FaultBand, ...]
    idle: tuple[Idle, ...]
    remarks: tuple[Remark, ...]
    phases: tuple[tuple[str, float], ...]

    def due_s(self, due_ms: Any) -> Any:
        """A due time (or many) on the timeline's clock."""
        return due_ms / 1000 - self.origin_s


def timeline(table: Any, bound_s: float = 0.0) -> Timeline:
    """The timeline of a history's table; `bound_s` is the design's failover bound.

    Raises InvalidResults where the history cannot be judged.
    """
    columns = read_columns(table)
    return timeline_of(table, columns, judge_fires(columns, bound_s))


def timeline_of(table: Any, columns: Columns, judged: Judged) -> Timeline:
    """The timeline of a history that has been read and judged already."""
    load_s = columns.phase_s("load")
    origin_s = load_s if load_s is not None else float(pc.min(_seen(table)).as_py() or 0.0)
    runs = _runs(table, columns, judged, origin_s)
    owned = tuple(_owned(table, origin_s))
    remarks = tuple(_remarks(table, origin_s))
    shown = {columns.instances[code] for _, code in columns.ready}
    shown |= {columns.instances[code] for code in np.unique(runs.instance).tolist()}
    shown |= {one.instance for one in owned}
    shown |= {columns.instances[one.instance] for one in columns.faults if one.instance >= 0}
    instances = tuple(sorted(shown, key=_natural))
    place = {name: row for row, name in enumerate(instances)}
    lane = np.array([place.get(name, -1) for name in columns.instances], np.int64)
    runs.instance[:] = lane[runs.instance]
    return Timeline(
        origin_s=origin_s,
        end_s=columns.header.until_s - origin_s,
        instances=instances,
        jobs=columns.jobs.names,
        runs=runs,
        owned=owned,
        faults=tuple(_faults(columns, origin_s)),
        idle=tuple(_idle(judged)),
        remarks=tuple(one for one in remarks if one.instance in place),
        phases=tuple((name, t - origin_s) for t, name in columns.phases),
    )


def frame(whole: Timeline) -> Any:
    """A timeline as one tidy data frame (docs/report.md): one row per bar, span, fault or mark."""
    import pandas as pd

    rows = [*_run_rows(whole), *_other_rows(whole)]
    names = ["kind", "instance", "begin_s", "end_s", "job", "due_ms", "fence", "words"]
    made = pd.DataFrame(rows, columns=names).sort_values("begin_s", kind="stable")
    return made.reset_index(drop=True).astype({"due_ms": "Int64", "fence": "Int64"})


def flag_words(flags: int) -> list[str]:
    """The names of the bits that are set."""
    return [name for bit, name in enumerate(RUN_FLAGS) if flags >> bit & 1]


def _run_rows(whole: Timeline) -> Iterator[tuple[Any, ...]]:
    columns = [values.tolist() for values in vars(whole.runs).values()]
    for job, due, lane, start, end, status, fence, outcome, flags in zip(*columns, strict=True):
        words = [STATUS_WORDS[status], OUTCOME_WORDS[outcome], *flag_words(flags)]
        known = None if fence < 0 else fence
        name = whole.instances[lane] if lane >= 0 else ""
        yield "run", name, start, end, whole.jobs[job], due, known, ", ".join(words)


def _other_rows(whole: Timeline) -> Iterator[tuple[Any, ...]]:
    for one in whole.owned:
        yield "owned", one.instance, one.begin_s, one.end_s, one.subject, None, one.fence, one.how
    for fault in whole.faults:
        begin, heal = fault.begin_s, fault.heal_s
        yield "fault", fault.instance, begin, heal, fault.job, None, None, fault.kind
    for idle in whole.idle:
        due, word = whole.due_s(idle.due_ms), OUTCOME_WORDS[idle.outcome]
        yield "fire", "", due, None, whole.jobs[idle.job], idle.due_ms, None, word
    for remark in whole.remarks:
        yield "note", remark.instance, remark.t_s, None, "", None, None, remark.words


def _seen(table: Any) -> Any:
    return table["t"].filter(pc.greater(table["t"], 0))


def _runs(table: Any, columns: Columns, judged: Judged, origin_s: float) -> RunBars:
    runs, fires = columns.runs, judged.fires
    fire = fires.find(runs.job, runs.due_ms)
    started = table.filter(pc.equal(table["type"], "run-started"))
    repeated, stale = _effects_of_runs(table, started)
    flags = np.zeros(len(runs.job), np.int64)
    of_fire = [judged.duplicate[fire], _extra(judged, len(flags)), judged.overlap[fire]]
    marks = [*of_fire, repeated, stale, judged.early[fire], judged.phantom[fire]]
    for bit, marked in enumerate(marks):
        flags |= marked.astype(np.int64) << bit
    end_us = ends_us(columns)
    until_us = round(columns.header.until_s * 1e6)
    end_s = np.where(end_us == OPEN_US, until_us, end_us) / 1e6
    bars = RunBars(
        job=runs.job.astype(np.int64),
        due_ms=runs.due_ms,
        instance=runs.instance.astype(np.int64),
        start_s=runs.start_s - origin_s,
        end_s=end_s - origin_s,
        status=runs.status.astype(np.int64),
        fence=pc.fill_null(started["fence"], -1).to_numpy(),
        outcome=judged.outcome[fire].astype(np.int64),
        flags=flags,
    )
    return bars.take(np.argsort(bars.start_s, kind="stable"))


def _extra(judged: Judged, count: int) -> Bools:
    """The runs that began although an earlier one of their fire had succeeded, or was open."""
    found = np.zeros(count, np.bool_)
    runs = judged.runs
    rows = np.flatnonzero(judged.duplicate[runs.fire])
    latest_end: dict[int, int] = {}
    succeeded: set[int] = set()
    for row in rows.tolist():  # in order of job and start
        fire, end = int(runs.fire[row]), int(runs.end_us[row])
        if fire in succeeded or latest_end.get(fire, 0) > runs.start_us[row]:
            found[runs.row[row]] = True
        latest_end[fire] = max(end, latest_end.get(fire, 0))
        if runs.status[row] == SUCCEEDED:
            succeeded.add(fire)
    return found


def _effects_of_runs(table: Any, started: Any) -> tuple[Bools, Bools]:
    effects = table.filter(pc.equal(table["type"], "effect"))
    found = []
    for label in ("repeated", "stale"):
        marked = effects.filter(pc.fill_null(effects[label], False))["run"]
        found.append(pc.is_in(started["run"], value_set=marked.combine_chunks()).to_numpy())
    return found[0], found[1]


def _owned(table: Any, origin_s: float) -> Iterator[Owned]:
    """Every grant with its end, in the order of the ends."""
    some = table.filter(pc.is_in(table["type"], value_set=_words(_OWNERSHIP)))
    names = ("type", "t", "instance", "subject", "fence", "reason")
    open_ones: dict[tuple[str, str], Owned] = {}
    for kind, t, instance, subject, fence, reason in zip(
        *(some[name].to_pylist() for name in names), strict=True
    ):
        key, t_s = (instance, subject), t - origin_s
        held = open_ones.pop(key, None)
        if held is not None:
            how = f"lost: {reason}" if kind == "lost" else kind
            end = "granted again" if kind == "granted" else how
            yield Owned(instance, subject, held.begin_s, t_s, end, held.fence)
        if kind == "granted":
            open_ones[key] = Owned(instance, subject, t_s, None, "never given back", fence)
    yield from open_ones.values()


def _remarks(table: Any, origin_s: float) -> Iterator[Remark]:
    some = table.filter(pc.is_in(table["type"], value_set=_words(_NOTES)))
    for event in some.to_pylist():
        told = [str(event[name]) for name in _NOTES[event["type"]] if event[name]]
        words = ": ".join([event["type"].replace("-", " "), *([", ".join(told)] if told else [])])
        yield Remark(event["t"] - origin_s, event["instance"] or "", words)


def _faults(columns: Columns, origin_s: float) -> Iterator[FaultBand]:
    for fault in columns.faults:
        instance, job = columns.struck(fault)
        yield FaultBand(
            id=fault.id,
            kind=fault.kind,
            target=fault.target,
            instance=instance,
            job=job,
            begin_s=fault.t - origin_s,
            heal_s=None if fault.heal_s is None else fault.heal_s - origin_s,
        )


def _idle(judged: Judged) -> Iterator[Idle]:
    rows = np.flatnonzero(judged.attempts.runs == 0)
    columns = (judged.fires.job[rows], judged.fires.due_ms[rows], judged.outcome[rows])
    for job, due_ms, outcome in zip(*(values.tolist() for values in columns), strict=True):
        yield Idle(job, due_ms, outcome)


def _words(words: Any) -> Any:
    import pyarrow as pa

    return pa.array(list(words), pa.string())


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Sorts i2 before i10."""
    parts = re.split(r"(\d+)", name)
    return [(1, int(part), "") if part.isdecimal() else (0, 0, part) for part in parts]
