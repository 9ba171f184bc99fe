"""From a history's table to the columns that the checks work on.

What cannot be judged is refused here, in one line that names the value: no header or two, a fire
of an undeclared job, a run that ends without having started, or twice.
"""

from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bench.checks.columns import (
    CANCELLED,
    FAILED,
    GRANTED,
    LEADER,
    LOST,
    MISFIRE,
    NO_END,
    NO_FENCE,
    OVERLAP,
    RELEASED,
    RUN_ALL,
    RUN_LATEST,
    SKIP,
    SUCCEEDED,
    Calls,
    Columns,
    Counted,
    Due,
    Effects,
    Ended,
    Fault,
    Header,
    Ints,
    Jobs,
    Ownership,
    PlatformSteps,
    Runs,
    Skips,
)
from bench.checks.table import EventTable
from bench.errors import InvalidResults

_STATUS = {"succeeded": SUCCEEDED, "failed": FAILED, "cancelled": CANCELLED}
_REASON = {"overlap": OVERLAP, "misfire": MISFIRE}
_POLICY = {"run-latest": RUN_LATEST, "run-all": RUN_ALL, "skip": SKIP}
SIGKILLED = -9
LAST_BREATH_S = 0.05  # a signal takes effect within it, and the ledger has written what it was told
# Written in an instance's name by the harness, the ledger or a platform, not by the instance.
NOT_ITS_OWN = ("fault-began", "fault-healed", "died", "effect", "platform")
_OWNERSHIP = {"granted": GRANTED, "released": RELEASED, "lost": LOST}


def columns(table: pa.Table) -> Columns:
    """The columns of a history's table; raises InvalidResults where it contradicts itself."""
    events = EventTable(table)
    runs, run_rows = _runs(events)
    return Columns(
        header=_header(events),
        jobs=_jobs(events),
        instances=events.instance_names,
        due=Due(events.job_codes("due"), events.ints("due", "due_ms")),
        runs=runs,
        skips=_skips(events),
        effects=_effects(events),
        calls=_calls(events),
        ownership=_ownership(events),
        platform=_platform(events),
        faults=_faults(events, run_rows),
        ready=tuple(
            zip(
                events.floats("instance-ready", "t").tolist(),
                events.instance_codes("instance-ready").tolist(),
                strict=True,
            )
        ),
        ended=_ended(events),
        phases=tuple(
            zip(events.floats("phase", "t").tolist(), events.strings("phase", "name"), strict=True)
        ),
        counters=_counters(events),
        foreign_releases=len(events.rows("foreign-release")),
        lags_s=events.floats("lag", "lag_s"),
        lags_t=events.floats("lag", "t"),
    )


def _header(events: EventTable) -> Header:
    if len(events.rows("history")) != 1:
        found = len(events.rows("history"))
        raise InvalidResults(
            f"history: {found} header lines, expected one with version and until_s"
        )
    return Header(
        until_s=float(events.floats("history", "until_s")[0]),
        lease_s=float(events.floats("history", "lease_s")[0]),
        instances=int(events.ints("history", "instances")[0]),
        strategy=events.strings("history", "strategy")[0],
        scenario=events.strings("history", "scenario")[0],
    )


def _jobs(events: EventTable) -> Jobs:
    if len(set(events.job_names)) < len(events.job_names):
        twice = next(name for name in events.job_names if events.job_names.count(name) > 1)
        raise InvalidResults(f"history: job {twice!r} is declared twice")
    forbid = events.coded("job-declared", "overlap", {"forbid": 1, "allow": 0}) == 1
    return Jobs(
        names=events.job_names,
        period_s=events.floats("job-declared", "period_s"),
        forbid=forbid,
        misfire=events.coded("job-declared", "misfire", _POLICY),
        tries=events.ints("job-declared", "tries", 1),
    )


def _runs(events: EventTable) -> tuple[Runs, dict[str, int]]:
    """The runs, each with its end, and the rows of those that a fault names."""
    started, ended = events.array("run-started", "run"), events.array("run-ended", "run")
    row = pc.index_in(ended, value_set=started)
    if row.null_count:
        name = ended[pc.index(pc.is_null(row), True).as_py()]
        raise InvalidResults(f"history: run {str(name)!r} ended but never started")
    where = row.to_numpy()
    count = len(started)
    _refuse_repeats(where, ended, count)
    if len(pc.unique(started)) < count:
        counts = pc.value_counts(started)
        name = next(one["values"] for one in counts if one["counts"].as_py() > 1)
        raise InvalidResults(f"history: two runs are called {str(name)!r}")
    end_s, status = np.full(count, np.nan), np.full(count, NO_END, np.int8)
    end_s[where] = events.floats("run-ended", "t")
    status[where] = events.coded("run-ended", "status", _STATUS)
    runs = Runs(
        job=events.job_codes("run-started"),
        due_ms=events.ints("run-started", "due_ms"),
        instance=events.instance_codes("run-started"),
        start_s=events.floats("run-started", "t"),
        end_s=end_s,
        status=status,
        fence=events.ints("run-started", "fence", NO_FENCE),
    )
    named = pa.array(events.strings("fault-began", "run"), pa.string())
    rows = pc.index_in(named, value_set=started).to_pylist()
    pairs = zip(named.to_pylist(), rows, strict=True)
    _refuse_backwards(runs, started)
    return runs, {name: row for name, row in pairs if row is not None}


def _skips(events: EventTable) -> Skips:
    return Skips(
        job=events.job_codes("skipped"),
        due_ms=events.ints("skipped", "due_ms"),
        t=events.floats("skipped", "t"),
        reason=events.coded("skipped", "reason", _REASON),
    )


def _effects(events: EventTable) -> Effects:
    return Effects(
        job=events.job_codes("effect"),
        due_ms=events.ints("effect", "due_ms"),
        repeated=events.floats("effect", "repeated") == 1,
        stale=events.floats("effect", "stale") == 1,
    )


def _calls(events: EventTable) -> Calls:
    actions = {
        name: code for code, name in enumerate(sorted(set(events.strings("coordinated", "action"))))
    }
    outcome = events.coded("coordinated", "outcome", {"won": 0, "ok": 1, "lost": 2, "error": 3})
    return Calls(
        t=events.floats("coordinated", "t"),
        instance=events.instance_codes("coordinated"),
        job=events.job_codes("coordinated"),
        due_ms=events.ints("coordinated", "due_ms"),
        seconds=events.floats("coordinated", "seconds"),
        fires=events.ints("coordinated", "fires", 0),
        action=events.encoded("coordinated", "action", actions),
        won=outcome == 0,
        kept=outcome <= 1,
        actions=tuple(actions),
    )


def _ownership(events: EventTable) -> Ownership:
    kinds = list(_OWNERSHIP)
    t = np.concatenate([events.floats(kind, "t") for kind in kinds])
    order = np.argsort(t, kind="stable")
    subject = np.concatenate([events.encoded(kind, "subject", events.jobs) for kind in kinds])
    leads = [events.encoded(kind, "subject", {LEADER: 1}) == 1 for kind in kinds]
    what = [np.full(len(events.rows(kind)), code, np.int8) for kind, code in _OWNERSHIP.items()]
    instance = np.concatenate([events.instance_codes(kind) for kind in kinds])
    return Ownership(
        t=t[order],
        instance=instance[order],
        subject=subject[order],
        leader=np.concatenate(leads)[order],
        what=np.concatenate(what)[order],
    )


def _platform(events: EventTable) -> PlatformSteps:
    steps = events.coded("platform", "what", {"node-not-ready": 0, "pod-bound": 1})
    return PlatformSteps(
        t=events.floats("platform", "t"),
        instance=events.instance_codes("platform"),
        job=events.encoded("platform", "job", events.jobs),
        lost=steps == 0,
        bound=steps == 1,
    )


def _faults(events: EventTable, run_rows: dict[str, int]) -> tuple[Fault, ...]:
    healed = dict(
        zip(
            events.ints("fault-healed", "id").tolist(),
            events.floats("fault-healed", "t").tolist(),
            strict=True,
        )
    )
    asked = dict(
        zip(
            events.ints("fault-healed", "id").tolist(),
            events.floats("fault-healed", "asked_s").tolist(),
            strict=True,
        )
    )
    return tuple(
        Fault(
            id=line["id"],
            kind=line["fault"],
            target=line["target"] or "",
            instance=events.instances.get(line["instance"], -1),
            job=events.jobs.get(line["job"], -1),
            run=run_rows.get(line["run"], -1),
            t=line["t"],
            asked_s=line["asked_s"] or line["t"],
            heal_s=healed.get(line["id"]),
            died_s=_killed_s(events, line["instance"], line["asked_s"] or line["t"]),
            own_events=_own_events(events, line["instance"], line["t"], asked.get(line["id"])),
        )
        for line in events.lines("fault-began")
    )


def _killed_s(events: EventTable, instance: str, since_s: float) -> float | None:
    """When the harness first saw the instance dead by SIGKILL."""
    seen = zip(
        events.strings("died", "instance"),
        events.floats("died", "t").tolist(),
        events.ints("died", "exit_status", 0).tolist(),
        strict=True,
    )
    times = [t for name, t, status in seen if (name, status) == (instance, SIGKILLED)]
    return min((t for t in times if t >= since_s), default=None)


def _own_events(events: EventTable, instance: str, since_s: float, until_s: float | None) -> int:
    """How many events the instance itself wrote in between, but for its last breath."""
    kinds = events.written_as(instance, since_s + LAST_BREATH_S, until_s)
    return sum(kind not in NOT_ITS_OWN for kind in kinds)


def _ended(events: EventTable) -> tuple[Ended, ...]:
    stopped = zip(
        events.floats("instance-stopped", "t").tolist(),
        events.instance_codes("instance-stopped").tolist(),
        events.strings("instance-stopped", "error"),
        strict=True,
    )
    died = zip(
        events.floats("died", "t").tolist(), events.instance_codes("died").tolist(), strict=True
    )
    return (
        *(Ended(t, instance, True, error) for t, instance, error in stopped),
        *(Ended(t, instance, False) for t, instance in died),
    )


def _counters(events: EventTable) -> tuple[Counted, ...]:
    decode = msgspec.json.Decoder(dict[str, float]).decode
    return tuple(
        Counted(t, name, decode(counts))
        for t, name, counts in zip(
            events.floats("counters", "t").tolist(),
            events.strings("counters", "instance"),
            events.strings("counters", "counts"),
            strict=True,
        )
    )


def _refuse_backwards(runs: Runs, names: Any) -> None:
    """Raise InvalidResults when a run ended before it began: the times are not of one clock."""
    wrong = np.flatnonzero(runs.end_s < runs.start_s)
    if len(wrong):
        row = int(wrong[0])
        raise InvalidResults(
            f"history: run {str(names[row])!r} ended {runs.start_s[row] - runs.end_s[row]:.6f} s "
            "before it started: all times must be of one clock"
        )


def _refuse_repeats(rows: Ints, names: Any, count: int) -> None:
    """Raise InvalidResults when a run ended twice."""
    seen = np.bincount(rows, minlength=count)
    if len(rows) and seen.max() > 1:
        row = int(np.flatnonzero(seen[rows] > 1)[0])
        raise InvalidResults(f"history: run {str(names[row])!r} ended twice")
