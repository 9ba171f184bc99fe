"""Measured cells as evidence: a figure with its interval, where it is from, and how to get it.

The claims and the adviser argue from result sets. This module finds the cell that an argument
needs, says in words which one it is, and names the command that measures one that is missing.
"""

import functools
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from bench.errors import InvalidResults
from bench.machine import SATURATED
from bench.matrix import Row
from bench.metrics import Metrics
from bench.record import Cell
from bench.stats import spread

REPOSITORY = Path(__file__).resolve().parent.parent
WRONG = 0.01  # share of late, missed and doubled fires up to which a size counts as carried
MEASURED = ("ok", "broken", "declared")  # a row of another status holds no figures to argue from
EXPERIMENTS = "experiments"  # beside the trials of `coordbench claims --run`

# Columns with an interval in the row itself: (least, greatest).
_BOUNDS = {
    "duplicate_rate": ("duplicate_low", "duplicate_high"),
    "missed_rate": ("missed_low", "missed_high"),
    "overlap_rate": ("overlap_low", "overlap_high"),
    "failover_p50_s": ("failover_low_s", "failover_high_s"),
    "overhead_p50_ms": ("overhead_p50_low_ms", "overhead_p50_high_ms"),
    "trigger_latency_p50_ms": ("trigger_latency_p50_low_ms", "trigger_latency_p50_high_ms"),
}
_QUANTILES = {"trigger_latency": "trigger_latency_ms", "overhead": "overhead_ms"}


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One measured value, its 95 % or min-max interval (None where one trial gives none)."""

    value: float
    low: float | None = None
    high: float | None = None
    unit: str = ""
    cell: str = ""

    def __str__(self) -> str:
        value = f"{self.value:.3g}"
        if self.low is not None and self.high is not None and (self.low, self.high) != (
            self.value, self.value,
        ):  # fmt: skip
            value += f" ({self.low:.3g} to {self.high:.3g})"
        return f"{value} {self.unit}".rstrip()


@dataclass(frozen=True)
class Evidence:
    """Rows of one or more result sets, the figures of their trials, and small experiments."""

    rows: Sequence[Row] = ()
    metrics: Mapping[Cell, Sequence[Metrics]] = field(default_factory=dict)
    experiments: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    sources: tuple[str, ...] = ()

    def rows_of(
        self, strategy: str, scenario: str = "steady", timing: str | None = "equal"
    ) -> list[Row]:
        """The measured rows of a strategy, smallest first; `timing` None for all profiles."""
        found = self._by_name.get((strategy, scenario), [])
        return [row for row in found if timing in (None, row.timing)]

    def beyond_machine(self, strategies: Sequence[str], scenario: str = "steady") -> list[Row]:
        """The cells that this machine could not hold, smallest first: no figures, but a reason."""
        return [
            row
            for row in sorted(self.rows, key=lambda row: (row.instances, row.jobs))
            if row.strategy in strategies and row.scenario == scenario and saturated(row)
        ]

    @functools.cached_property
    def most_carried(self) -> Row | None:
        """The steady cell with the most fires a second that came once and on time."""
        found = [
            row for row in self.rows
            if row.scenario == "steady" and row.kind != "control"
            and row.status in MEASURED and row.fires and carried(row)
        ]  # fmt: skip
        return max(found, key=fires_per_s, default=None)

    def nearest(
        self,
        strategy: str,
        scenario: str = "steady",
        *,
        instances: int = 3,
        jobs: int = 10,
        timing: str = "equal",
    ) -> Row | None:
        """The measured row closest to N and M (as ratios), None where there is none."""
        found = self.rows_of(strategy, scenario, timing)
        return min(found, key=lambda row: distance(row, instances, jobs), default=None)

    def figure(self, row: Row | None, column: str, unit: str = "") -> Figure | None:
        """One column of a row with its interval; None where it does not apply."""
        value = None if row is None else getattr(row, column)
        if row is None or value is None:
            return None
        low, high = self._interval(row, column)
        return Figure(value=float(value), low=low, high=high, unit=unit, cell=cell_words(row))

    def experiment(self, name: str) -> Mapping[str, Any] | None:
        """What a small experiment of `coordbench claims --run` found; None if it has not run."""
        return self.experiments.get(name)

    @functools.cached_property
    def _by_name(self) -> Mapping[tuple[str, str], list[Row]]:
        found: defaultdict[tuple[str, str], list[Row]] = defaultdict(list)
        for row in sorted(self.rows, key=lambda row: (row.timing, row.instances, row.jobs)):
            if row.status in MEASURED and row.fires:
                found[row.strategy, row.scenario].append(row)
        return found

    def _interval(self, row: Row, column: str) -> tuple[float | None, float | None]:
        if column in _BOUNDS:
            low, high = _BOUNDS[column]
            return getattr(row, low), getattr(row, high)
        values = [_trial_value(one, column) for one in self.metrics.get(row.cell, ())]
        return spread([value for value in values if value is not None]) or (None, None)


def read_evidence(paths: Iterable[Path]) -> Evidence:
    """The evidence of result sets; of a cell that several have, the first counts.

    Raises InvalidResults for a directory that is none, naming the command that makes one.
    """
    from bench.results import Results

    rows: dict[Cell, Row] = {}
    metrics: defaultdict[Cell, list[Metrics]] = defaultdict(list)
    experiments: dict[str, Mapping[str, Any]] = {}
    sources = []
    for path in paths:
        results = Results.reading(path)
        judged = results.judgements()
        made = results.rows() if judged else _written_rows(path)
        fresh = {row.cell for row in made} - rows.keys()
        rows |= {row.cell: row for row in made if row.cell in fresh}
        for one in judged:
            if one.metrics and one.record.cell in fresh and one.verdict.status in ("ok", "broken"):
                metrics[one.record.cell].append(one.metrics)
        for file in sorted((path / EXPERIMENTS).glob("*.json")):
            experiments.setdefault(file.stem, _read(file))
        sources.append(_shown(path))
    return Evidence(list(rows.values()), dict(metrics), experiments, tuple(sources))


def cell_words(row: Row) -> str:
    """A cell in a few words, as evidence is cited."""
    lease = f"L={row.lease_s:g}s" if row.timing == "equal" and row.lease_s else row.timing
    return f"{row.strategy} {row.scenario} N={row.instances} M={row.jobs} {lease}"


def distance(row: Row, instances: int, jobs: int) -> float:
    """How far a row's size is from N and M, as ratios; 0 for the same."""
    return abs(math.log(row.instances / instances)) + abs(math.log(row.jobs / jobs))


def fires_per_s(row: Row) -> float:
    """How many fires a cell had due per second."""
    return row.jobs / row.period_s if row.period_s else 0.0


def carried(row: Row) -> bool:
    """Whether a steady cell ran its fires once and on time, but for one in a hundred."""
    bad = (row.late_fires or 0) + (row.missed_fires or 0) + (row.duplicate_fires or 0)
    return bad <= WRONG * (row.fires or 1)


def saturated(row: Row) -> bool:
    """Whether a cell has no valid trial because the machine had no time left for it."""
    return row.status == "invalid" and SATURATED in row.note


def beyond_words(rows: Sequence[Row]) -> str:
    """Which cells are beyond this machine and why, in half a sentence; empty for none."""
    named = [
        f"{row.strategy} N={row.instances} M={row.jobs} is beyond this machine ({row.note})"
        for row in rows
    ]
    return "; ".join(named)


def marginal_ops(row: Row) -> float | None:
    """Operations per fire without those that the idle fleet makes anyway."""
    if row.ops_per_fire is None:
        return None
    rate = fires_per_s(row)
    idle = (row.idle_ops_per_s or 0.0) / rate if rate else 0.0
    return max(row.ops_per_fire - idle, 0.0)


def bench_command(
    strategies: str | Sequence[str],
    scenario: str = "steady",
    *,
    instances: int | None = None,
    jobs: int | None = None,
    timing: str = "equal",
) -> str:
    """The command that measures a cell."""
    names = strategies if isinstance(strategies, str) else ",".join(strategies)
    words = f"coordbench bench --strategies {names} --scenarios {scenario}"
    words += f" -n {instances}" if instances else ""
    words += f" -m {jobs}" if jobs else ""
    return words + (f" --timing {timing}" if timing != "equal" else "")


def _trial_value(metrics: Metrics, column: str) -> float | None:
    for prefix, attribute in _QUANTILES.items():
        if column.startswith(f"{prefix}_") and column.endswith("_ms"):
            word = column.removeprefix(f"{prefix}_").removesuffix("_ms")
            return getattr(getattr(metrics, attribute), word, None)
    return getattr(metrics, column, None)


def _written_rows(path: Path) -> list[Row]:
    """The rows of a set that was published without its trials."""
    file = path / "matrix.json"
    try:
        return msgspec.json.decode(file.read_bytes(), type=list[Row])
    except OSError:
        return []
    except msgspec.MsgspecError as error:
        raise InvalidResults(f"{file}: {error}") from error


def _shown(path: Path) -> str:
    """A directory as it is cited: from the repository's root, never by the machine's own paths."""
    whole = path.resolve()
    return str(whole.relative_to(REPOSITORY)) if whole.is_relative_to(REPOSITORY) else whole.name


def _read(file: Path) -> Mapping[str, Any]:
    try:
        found: dict[str, Any] = msgspec.json.decode(file.read_bytes(), type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise InvalidResults(f"{file}: {error}") from error
    return found
