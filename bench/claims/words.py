"""Small arithmetic and phrases that the rules share."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from math import log
from typing import Any

from bench.claims.model import Verdict
from bench.evidence import Evidence, Figure, beyond_words, cell_words
from bench.matrix import Row
from bench.stats import quantile, spread, wilson

RUN = "coordbench claims --run"  # measures what the rules need beside a published set
LINEAR = (0.8, 1.2)  # exponents that count as "linear"
CONSTANT = (-0.15, 0.15)  # and as "constant"


def run_only(name: str) -> str:
    """The command for one small experiment."""
    return f"{RUN} --only {name}"


def of_values(values: Sequence[float], unit: str, cell: str) -> Figure | None:
    """The median of some values, with their spread; None without any."""
    middle = quantile(values, 0.5)
    if middle is None:
        return None
    low, high = spread(values) or (None, None)
    return Figure(value=middle, low=low, high=high, unit=unit, cell=cell)


def of_share(hits: int, of: int, cell: str, unit: str = "%") -> Figure | None:
    """A rate in per cent with its 95 % Wilson bounds; None of nothing."""
    bounds = wilson(hits, of)
    if bounds is None:
        return None
    low, high = bounds
    return Figure(value=100 * hits / of, low=100 * low, high=100 * high, unit=unit, cell=cell)


def judge_band(figure: Figure, band: tuple[float, float]) -> Verdict:
    """Confirmed when the whole interval lies in the band, contradicted when none of it does."""
    low = figure.value if figure.low is None else figure.low
    high = figure.value if figure.high is None else figure.high
    if band[0] <= low and high <= band[1]:
        return "confirmed"
    if high < band[0] or low > band[1]:
        return "contradicted"
    return "depends"


def slope(rows: Sequence[Row], figure: Callable[[Row], float | None], along: str) -> Figure | None:
    """The exponent by which a figure grows with `instances` or `jobs`, between neighbours.

    Rows that differ in the other size are not compared. None with fewer than two sizes.
    """
    other = "jobs" if along == "instances" else "instances"
    found: list[float] = []
    for fixed in sorted({getattr(row, other) for row in rows}):
        line = sorted(
            (getattr(row, along), value)
            for row in rows
            if getattr(row, other) == fixed and (value := figure(row))
        )
        found += [log(b[1] / a[1]) / log(b[0] / a[0]) for a, b in pairwise(line)]
    if not found:
        return None
    sizes = sorted({int(getattr(row, along)) for row in rows})
    letter = "N" if along == "instances" else "M"
    words = f"{rows[0].strategy} {rows[0].scenario} {letter}={sizes[0]}-{sizes[-1]}"
    return of_values(found, "exponent", words)


def exposed(row: Row) -> int:
    """How many fires a row's rates are over."""
    return row.exposed_fires if row.exposed_fires is not None else (row.fires or 0)


def experiment_words(name: str) -> str:
    """How a small experiment is cited."""
    return f"experiment {name}"


def values_of(found: Mapping[str, Any] | None, *path: str) -> list[float]:
    """A list of numbers in an experiment's result; empty where it has none."""
    here: Any = found
    for word in path:
        here = None if here is None else here.get(word)
    return [float(value) for value in here or []]


def cells(rows: Sequence[Row]) -> tuple[str, ...]:
    """The cells of some rows, as evidence."""
    return tuple(cell_words(row) for row in rows)


def also_beyond(evidence: Evidence, names: Sequence[str]) -> str:
    """What to add to a finding where the machine could not hold some of its steady cells."""
    said = beyond_words(evidence.beyond_machine(names))
    return f"; {said}" if said else ""


def known(evidence: Evidence, names: Sequence[str], scenario: str) -> list[Row]:
    """The measured rows of some strategies in one scenario, all sizes."""
    return [row for name in names for row in evidence.rows_of(name, scenario)]
