"""A results directory as tidy data frames, and as a short page for a notebook.

The columns are documented in docs/results.md. A frame without rows still has its columns.
"""

import os
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from bench.checks.outcomes import Outcome, judge_fires
from bench.checks.reading import columns as read_columns
from bench.failover import FaultMetrics
from bench.history import read_parquet
from bench.judge import Judgement
from bench.matrix import COLUMNS, Row
from bench.record import Cell, TrialRecord
from bench.report.contents import Contents, state

TRIAL = ("trial", *Cell.__struct_fields__, "k", "seed", "verdict")
RUN = (
    "job", "due_ms", "instance", "start_s", "end_s", "status", "delay_ms", "outcome", "duplicate",
    "overlap",
)  # fmt: skip
FAULT = (*FaultMetrics.__struct_fields__, "failover_bound_s", "recovery_bound_s")

_STATUS_WORDS = ("", "succeeded", "failed", "cancelled")
_COLOURS = {  # of a status; the word stands beside it
    "ok": "#007a57", "broken": "#c02942", "declared": "#8a6d00",
    "invalid": "#7b3294", "unknown": "#7b3294", "not-run": "#767676",
}  # fmt: skip


def matrix_frame(rows: Iterable[Row]) -> Any:
    """One row per cell, the columns of matrix.csv."""
    return pd.DataFrame([msgspec.structs.asdict(row) for row in rows], columns=list(COLUMNS))


def faults_frame(trials: Iterable[tuple[str, Judgement]]) -> Any:
    """One row per fault of the trials (path and judgement), valid or not: see `verdict`."""
    rows = [
        trial_columns(name, one)
        | msgspec.structs.asdict(fault)
        | {
            "failover_bound_s": one.metrics.failover_bound_s,
            "recovery_bound_s": one.metrics.recovery_bound_s,
        }
        for name, one in trials
        if one.metrics
        for fault in one.metrics.faults
    ]
    return pd.DataFrame(rows, columns=[*TRIAL, *FAULT])


def runs_frame(trials: Iterable[tuple[str, Path, Judgement]]) -> Any:
    """One row per run of the trials (path, place and judgement), valid or not: see `verdict`."""
    frames = [_runs_of(*one) for one in trials]
    empty = pd.DataFrame(columns=[*TRIAL, *RUN])
    return pd.concat(frames, ignore_index=True) if frames else empty


def trial_columns(name: str, one: Judgement) -> dict[str, Any]:
    """What every row of a trial says of it."""
    record = one.record
    return {
        "trial": name,
        **msgspec.structs.asdict(record.cell),
        "k": record.k,
        "seed": record.seed,
        "verdict": one.verdict.status,
    }


def as_html(what: Contents) -> str:
    """What this directory is, as a notebook shows it: origin, what is missing, status of cells."""
    said = "".join(f"<p><b>{escape(line)}</b></p>" for line in state(what, _from_here(what)))
    return (
        f"<h4>{escape(what.results.path.resolve().name)}</h4><p>{escape(origin(what))}</p>{said}"
        + _grid(what.matrix)
    )


def as_text(what: Contents) -> str:
    """The same without the grid, for a terminal."""
    lines = [f"{what.results.path.resolve().name}: {origin(what)}", *state(what, _from_here(what))]
    return "\n".join(lines)


def origin(what: Contents) -> str:
    """How much there is, and where it was measured."""
    valid = sum(one.judgement.verdict.status in ("ok", "broken") for one in what.trials)
    said = [f"{len(what.trials)} trials, {valid} of them valid, in {len(what.matrix)} cells"]
    machine = what.environment.get("machine") or {}
    if machine:
        said.append(
            f"measured on {machine.get('cores')} cores ({machine.get('processor')}), "
            f"{machine.get('system')} {machine.get('kernel')}"
        )
    if commit := (what.environment.get("git") or {}).get("commit"):
        said.append(f"commit {commit[:12]}")
    return "; ".join(said)


def _from_here(what: Contents) -> Path:
    """The directory as a notebook calls it: its outputs tell nobody where a repository lies."""
    return Path(os.path.relpath(what.results.path))


def _grid(matrix: Sequence[Row]) -> str:
    """Strategies x scenarios, the worst status of any timing and size in each cell."""
    scenarios = list(dict.fromkeys(row.scenario for row in matrix))
    strategies = list(dict.fromkeys(row.strategy for row in matrix))
    worst = ("unknown", "invalid", "broken", "not-run", "declared", "ok")
    found: dict[tuple[str, str], str] = {}
    for row in matrix:
        cell = row.strategy, row.scenario
        found[cell] = min(row.status, found.get(cell, row.status), key=worst.index)
    head = "".join(f"<th>{escape(name)}</th>" for name in ("", *scenarios))
    body = "".join(
        f"<tr><th>{escape(name)}</th>"
        + "".join(_cell(found.get((name, scenario))) for scenario in scenarios)
        + "</tr>"
        for name in strategies
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>" if matrix else ""


def _cell(status: str | None) -> str:
    return f'<td style="color:{_COLOURS[status]}">{status}</td>' if status else "<td></td>"


def _runs_of(name: str, place: Path, one: Judgement) -> Any:
    record: TrialRecord = one.record
    columns = read_columns(read_parquet(place / "history.parquet"))
    judged, runs = judge_fires(columns, record.bounds.failover_s or 0.0), columns.runs
    fire = judged.fires.find(runs.job, runs.due_ms)
    return pd.DataFrame(
        {
            **trial_columns(name, one),
            "job": np.array(columns.jobs.names, object)[runs.job],
            "due_ms": runs.due_ms,
            "instance": np.array(columns.instances, object)[runs.instance],
            "start_s": runs.start_s,
            "end_s": runs.end_s,
            "status": np.array(_STATUS_WORDS, object)[runs.status],
            "delay_ms": 1000 * (runs.start_s - runs.due_ms / 1000),
            "outcome": np.array([one.word for one in Outcome], object)[judged.outcome[fire]],
            "duplicate": judged.duplicate[fire],
            "overlap": judged.overlap[fire],
        }
    )
