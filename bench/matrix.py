"""The matrix: one row per strategy x scenario x timing x N x M, computed from its valid trials.

Counts are sums over the valid trials. Rates are over the fires that could be judged, under a fault
over those exposed to it, with 95 % Wilson bounds. Failover and recovery figures pool the faults of
all valid trials; other times are the median over the trials of each trial's own quantile, with
their spread (bootstrap from five trials up, else least and greatest). What does not apply is None
in a row and empty in a file - never 0.
"""

import csv
import io
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

import msgspec

from bench.applying import applying
from bench.errors import Exit
from bench.judge import Judgement
from bench.metrics import Metrics
from bench.naming import names, timings_apart
from bench.record import Cell
from bench.stats import quantile, spread, wilson

RowStatus = Literal["ok", "broken", "invalid", "unknown", "not-run", "declared"]


class NotRun(msgspec.Struct, frozen=True):
    """A cell without trials, and why."""

    cell: Cell
    why: str


class Row(msgspec.Struct, kw_only=True):
    """One row. The fields are the columns of matrix.csv, in order (docs/results.md)."""

    strategy: str
    scenario: str
    timing: str
    instances: int
    jobs: int
    trials: int = 0
    valid_trials: int = 0
    status: RowStatus
    fires: int | None = None
    runs: int | None = None
    duplicate_fires: int | None = None
    duplicate_rate: float | None = None
    duplicate_low: float | None = None
    duplicate_high: float | None = None
    overlap_fires: int | None = None
    repeated_effects: int | None = None
    stale_effects: int | None = None
    foreign_releases: int | None = None
    missed_fires: int | None = None
    missed_rate: float | None = None
    missed_low: float | None = None
    missed_high: float | None = None
    late_fires: int | None = None
    skipped_fires: int | None = None
    failed_fires: int | None = None
    interrupted_fires: int | None = None
    recovered_fires: int | None = None
    faults_hit: int | None = None
    exposed_fires: int | None = None
    failover_p50_s: float | None = None
    failover_max_s: float | None = None
    failover_bound_s: float | None = None
    recovery_p50_s: float | None = None
    recovery_max_s: float | None = None
    recovery_bound_s: float | None = None
    broken_promises: int | None = None
    overhead_p50_ms: float | None = None
    overhead_p99_ms: float | None = None
    ops_per_fire: float | None = None
    idle_ops_per_s: float | None = None
    trigger_latency_p50_ms: float | None = None
    trigger_latency_p99_ms: float | None = None
    cpu_ms_per_fire: float | None = None
    lease_s: float | None = None
    period_s: float | None = None
    overlap_rate: float | None = None
    overlap_low: float | None = None
    overlap_high: float | None = None
    phantom_fires: int | None = None
    early_fires: int | None = None
    pending_fires: int | None = None
    unknown_fires: int | None = None
    affected_fires_per_fault: float | None = None
    failover_low_s: float | None = None
    failover_high_s: float | None = None
    failover_p50_leases: float | None = None
    detected_p50_s: float | None = None
    owner_p50_s: float | None = None
    overhead_p50_low_ms: float | None = None
    overhead_p50_high_ms: float | None = None
    fleet_overhead_ms_per_fire: float | None = None
    attempts_per_fire: float | None = None
    trigger_latency_p95_ms: float | None = None
    trigger_latency_max_ms: float | None = None
    trigger_latency_p50_low_ms: float | None = None
    trigger_latency_p50_high_ms: float | None = None
    lag_p99_ms: float | None = None
    rss_mb: float | None = None
    kind: str = ""
    note: str = ""
    interrupted_done_fires: int | None = None
    fence_scope: str | None = None

    @property
    def cell(self) -> Cell:
        """Which cell the row is of."""
        return Cell(
            strategy=self.strategy,
            scenario=self.scenario,
            timing=self.timing,
            lease_s=self.lease_s or 0.0,
            instances=self.instances,
            jobs=self.jobs,
        )


COLUMNS = Row.__struct_fields__
_KINDS = {"reference": 0, "variant": 1, "control": 2}


def rows(judgements: Iterable[Judgement], not_run: Iterable[NotRun] = ()) -> list[Row]:
    """All rows: what is compared, then variants, then controls; by strategy, scenario and size."""
    cells: defaultdict[Cell, list[Judgement]] = defaultdict(list)
    for judgement in judgements:
        cells[judgement.record.cell].append(judgement)
    made = [(cell, row(trials)) for cell, trials in cells.items()]
    made += [(one.cell, _missing(one)) for one in not_run if one.cell not in cells]
    return [row for _, row in sorted(made, key=lambda pair: (_KINDS.get(pair[1].kind, 0), pair[0]))]


def row(trials: Sequence[Judgement]) -> Row:
    """The row of one cell's trials (at least one)."""
    record, valid = trials[0].record, [trial for trial in trials if _is_valid(trial)]
    made = Row(
        strategy=record.strategy,
        scenario=record.scenario,
        timing=record.timing.profile,
        instances=record.instances,
        jobs=record.jobs,
        trials=len(trials),
        valid_trials=len(valid),
        status=_status(trials, valid),
        lease_s=record.timing.lease_s,
        period_s=record.period_s,
        kind=record.kind,
        note=_note(trials),
        fence_scope=record.fence_scope,
    )
    metrics = [applying(trial.metrics, record, valid=True) for trial in valid if trial.metrics]
    if metrics:
        _fill_counts(made, metrics)
        _fill_rates(made, metrics)
        _fill_faults(made, metrics)
        _fill_costs(made, metrics)
        made.broken_promises = sum(
            broken.count for trial in valid for broken in trial.verdict.broken
        )
    if record.kind == "control":
        _judge_control(made, trials[0])
    return made


def verdict(matrix: Sequence[Row]) -> tuple[Exit, list[str]]:
    """What the whole matrix says: its exit code, and one line for each row that is no pass.

    A row that is invalid or unknown (a control that looks healthy is) makes the whole invalid, and
    so does it that not one row was measured.
    """
    timings = timings_apart(row.cell for row in matrix)
    lines = [
        f"{row.strategy} {row.scenario} N={row.instances} M={row.jobs}"
        + (f" {timing}" if (timing := timings[row.cell]) else "")
        + f": {row.status}"
        + (f" ({row.note})" if row.note else "")
        for row in matrix
        if row.status not in ("ok", "declared")
    ]
    found = {row.status for row in matrix}
    if found & {"invalid", "unknown"} or found == {"not-run"}:
        return Exit.INVALID, lines
    return (Exit.BROKEN if "broken" in found else Exit.KEPT), lines


def to_csv(matrix: Sequence[Row]) -> str:
    """matrix.csv."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in matrix:
        writer.writerow([_csv_value(getattr(row, name)) for name in COLUMNS])
    return out.getvalue()


def to_json(matrix: Sequence[Row]) -> str:
    """The rows as a JSON array of objects; null where a column does not apply."""
    return msgspec.json.format(msgspec.json.encode(list(matrix)), indent=2).decode() + "\n"


def to_markdown(matrix: Sequence[Row]) -> str:
    """matrix.md: the columns a reader compares first, and what was not run."""
    headers, cells = to_cells(matrix)
    lines = ["| " + " | ".join(headers) + " |", "|" + " --- |" * len(headers)]
    lines += ["| " + " | ".join(row) + " |" for row in cells]
    called = names(row.cell for row in matrix)
    notes = [f"- {', '.join(called[row.cell])}: {row.note}" for row in matrix if row.note]
    return "\n".join([*lines, *(["", *notes] if notes else [])]) + "\n"


def to_cells(matrix: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """Headers and rows of words for a terminal or a page; `-` where a column does not apply."""
    timings = timings_apart(row.cell for row in matrix)
    shown = _SHOWN | {"timing": lambda row: timings[row.cell] or row.timing}
    return list(shown), [[show(row) for show in shown.values()] for row in matrix]


def _is_valid(trial: Judgement) -> bool:
    return trial.verdict.status in ("ok", "broken") and trial.metrics is not None


def _status(trials: Sequence[Judgement], valid: Sequence[Judgement]) -> RowStatus:
    if any(trial.verdict.status == "unknown" for trial in trials):
        return "unknown"
    if not valid:
        return "invalid"
    return "broken" if any(trial.verdict.status == "broken" for trial in valid) else "ok"


def _note(trials: Sequence[Judgement]) -> str:
    said = [trial.verdict.error for trial in trials if trial.verdict.error]
    said += [reason for trial in trials for reason in trial.verdict.reasons]
    return "; ".join(dict.fromkeys(said))


def _missing(one: NotRun) -> Row:
    cell = one.cell
    return Row(
        strategy=cell.strategy,
        scenario=cell.scenario,
        timing=cell.timing,
        instances=cell.instances,
        jobs=cell.jobs,
        lease_s=cell.lease_s,
        status="not-run",
        note=f"not run: {one.why}",
    )


def _fill_counts(row: Row, metrics: Sequence[Metrics]) -> None:
    def total(word: str) -> int:
        return sum(one.counts.get(word, 0) for one in metrics)

    row.fires = sum(one.fires for one in metrics)
    row.runs = sum(one.runs for one in metrics)
    row.duplicate_fires, row.overlap_fires = total("duplicate"), total("overlap")
    row.repeated_effects = sum(one.repeated_effects for one in metrics)
    row.stale_effects = _sum(one.stale_effects for one in metrics)
    row.foreign_releases = _sum(one.foreign_releases for one in metrics)
    row.interrupted_done_fires = _sum(one.interrupted_done_fires for one in metrics)
    row.missed_fires, row.late_fires = total("missed"), total("late")
    row.skipped_fires, row.failed_fires = total("skipped"), total("failed")
    row.interrupted_fires, row.recovered_fires = total("interrupted"), total("recovered")
    row.phantom_fires, row.early_fires = total("phantom"), total("early")
    row.pending_fires, row.unknown_fires = total("pending"), total("unknown")


def _fill_rates(row: Row, metrics: Sequence[Metrics]) -> None:
    faulted = any(one.exposed_fires is not None for one in metrics)
    if faulted:
        fires = row.exposed_fires = sum(one.exposed_fires or 0 for one in metrics)
        counts = [one.exposed for one in metrics]
    else:
        fires = sum(one.judged_fires for one in metrics)
        counts = [one.judged for one in metrics]
    for word in ("duplicate", "missed", "overlap"):
        hits = sum(one.get(word, 0) for one in counts)
        if bounds := wilson(hits, fires):
            setattr(row, f"{word}_rate", hits / fires)
            setattr(row, f"{word}_low", bounds[0])
            setattr(row, f"{word}_high", bounds[1])


def _fill_faults(row: Row, metrics: Sequence[Metrics]) -> None:
    faults = [fault for one in metrics for fault in one.faults]
    if not faults:
        return
    row.faults_hit = sum(fault.hit for fault in faults)
    row.affected_fires_per_fault = statistics.fmean(fault.affected_fires for fault in faults)
    failover = _known(fault.failover_s for fault in faults)
    recovery = _known(fault.recovery_s for fault in faults)
    row.failover_p50_s, row.failover_max_s = quantile(failover, 0.5), max(failover, default=None)
    row.recovery_p50_s, row.recovery_max_s = quantile(recovery, 0.5), max(recovery, default=None)
    row.failover_bound_s = max(_known(one.failover_bound_s for one in metrics), default=None)
    row.recovery_bound_s = max(_known(one.recovery_bound_s for one in metrics), default=None)
    row.failover_low_s, row.failover_high_s = spread(failover) or (None, None)
    row.detected_p50_s = quantile(_known(fault.detected_s for fault in faults), 0.5)
    row.owner_p50_s = quantile(_known(fault.owner_s for fault in faults), 0.5)
    if row.failover_p50_s is not None and row.lease_s:
        row.failover_p50_leases = row.failover_p50_s / row.lease_s


def _fill_costs(row: Row, metrics: Sequence[Metrics]) -> None:
    latency = [one.trigger_latency_ms for one in metrics]
    row.trigger_latency_p50_ms = _median(one.p50 for one in latency)
    row.trigger_latency_p95_ms = _median(one.p95 for one in latency)
    row.trigger_latency_p99_ms = _median(one.p99 for one in latency)
    row.trigger_latency_max_ms = max(_known(one.max for one in latency), default=None)
    low_high = spread(_known(one.p50 for one in latency)) or (None, None)
    row.trigger_latency_p50_low_ms, row.trigger_latency_p50_high_ms = low_high
    row.lag_p99_ms = max(_known(one.lag_p99_ms for one in metrics), default=None)
    row.rss_mb = max(_known(one.rss_mb for one in metrics), default=None)
    overhead = [one.overhead_ms for one in metrics]
    row.overhead_p50_ms = _median(one.p50 for one in overhead)
    row.overhead_p99_ms = _median(one.p99 for one in overhead)
    low_high = spread(_known(one.p50 for one in overhead)) or (None, None)
    row.overhead_p50_low_ms, row.overhead_p50_high_ms = low_high
    row.fleet_overhead_ms_per_fire = _median(one.fleet_overhead_ms_per_fire for one in metrics)
    row.attempts_per_fire = _median(one.attempts_per_fire for one in metrics)
    row.ops_per_fire = _median(one.ops_per_fire for one in metrics)
    row.idle_ops_per_s = _median(one.idle_ops_per_s for one in metrics)
    row.cpu_ms_per_fire = _median(one.cpu_ms_per_fire for one in metrics)


def _judge_control(row: Row, trial: Judgement) -> None:
    """A control must break where it says so: looking healthy there makes the matrix invalid."""
    if row.status not in ("ok", "broken"):
        return
    breaks = [one for one in trial.record.breaks if one.scenario == row.scenario]
    healthy = [one for one in breaks if (getattr(row, one.column) or 0) < one.at_least]
    if healthy:
        row.status = "invalid"
        wanted = healthy[0]
        row.note = (
            f"the control looks healthy: {wanted.column} is {getattr(row, wanted.column)}, "
            f"expected at least {wanted.at_least:g} ({wanted.why})"
        )
    elif breaks or _weak(row):
        row.status = "declared"


def _weak(row: Row) -> bool:
    seen = (row.duplicate_fires, row.overlap_fires, row.missed_fires, row.interrupted_fires)
    return any(seen)


def _sum(counts: Iterable[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _median(values: Iterable[float | None]) -> float | None:
    known = _known(values)
    return statistics.median(known) if known else None


def _csv_value(value: Any) -> Any:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else value


def _figure(value: float | None, form: str = ".3g") -> str:
    return "-" if value is None else format(value, form)


def _rate(row: Row, word: str) -> str:
    fires, rate = getattr(row, f"{word}_fires"), getattr(row, f"{word}_rate")
    if fires is None or rate is None:
        return "-"
    low, high = getattr(row, f"{word}_low"), getattr(row, f"{word}_high")
    return f"{fires} ({rate:.1%}, {low:.1%} to {high:.1%})"


def _bounded(row: Row, word: str) -> str:
    p50, most = getattr(row, f"{word}_p50_s"), getattr(row, f"{word}_max_s")
    if p50 is None:
        return "-"
    bound = getattr(row, f"{word}_bound_s")
    return f"{p50:.2f} / {most:.2f}" + ("" if bound is None else f" (<= {bound:.2f})")


_SHOWN: dict[str, Callable[[Row], str]] = {
    "strategy": lambda row: row.strategy,
    "scenario": lambda row: row.scenario,
    "timing": lambda row: row.timing,
    "N": lambda row: str(row.instances),
    "M": lambda row: str(row.jobs),
    "trials": lambda row: f"{row.valid_trials}/{row.trials}",
    "status": lambda row: row.status,
    "fires": lambda row: _figure(row.fires, "d"),
    "duplicates (rate, 95 %)": lambda row: _rate(row, "duplicate"),
    "overlaps": lambda row: _figure(row.overlap_fires, "d"),
    "missed (rate, 95 %)": lambda row: _rate(row, "missed"),
    "interrupted": lambda row: _figure(row.interrupted_fires, "d"),
    "stale effects": lambda row: _figure(row.stale_effects, "d"),
    "failover p50 / max s": lambda row: _bounded(row, "failover"),
    "recovery p50 / max s": lambda row: _bounded(row, "recovery"),
    "overhead p50 ms": lambda row: _figure(row.overhead_p50_ms),
    "ops per fire": lambda row: _figure(row.ops_per_fire),
    "latency p50 / p99 ms": lambda row: (
        f"{_figure(row.trigger_latency_p50_ms)} / {_figure(row.trigger_latency_p99_ms)}"
    ),
}
