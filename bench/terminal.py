"""The matrix in a terminal of 80 columns: what goes wrong, and what it costs."""

import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from rich.console import Console
from rich.text import Text

from bench.matrix import Row
from bench.naming import names, timings_apart
from bench.record import Cell

STYLE = {
    "ok": "green",
    "declared": "yellow",
    "broken": "bold red",
    "invalid": "magenta",
    "unknown": "magenta",
    "not-run": "dim",
}
WIDTH = 80
LABEL = 18  # columns for "  scenario NxM", more where a name is longer and there is room

LEGEND = """\
dup, over, miss: fires run twice, overlapping another run, missed; intr: broken
off and not run again, perhaps done; stale: effects a fence would have stopped.
failover, recovery: seconds from the fault, median/max. declared: a control that
broke."""
COSTS_LEGEND = """\
From steady trials, run alone, per fire. winner, fleet: ms in coordination calls
(winner: p50/p99); tries: attempts of all instances; ops: as the server counts;
latency: start after due time, p50/p99 ms; CPU: ms of all instances."""

Column = tuple[str, int, Callable[[Row], str]]


def print_rows(console: Console, matrix: Sequence[Row]) -> None:
    """Print what goes wrong, what it costs, and why a row is no pass."""
    timings = timings_apart(row.cell for row in matrix)
    _print(console, matrix, FAILURES, timings)
    console.print(LEGEND + "\n", style="dim")
    costs = [row for row in matrix if row.overhead_p50_ms is not None and row.scenario == "steady"]
    if compared := [row for row in costs if row.status == "ok"]:
        _print(console, compared, COSTS, timings)
        console.print(COSTS_LEGEND + "\n", style="dim")
    called = names(row.cell for row in matrix)
    say(console, (f"{' '.join(called[row.cell])}: {row.note}" for row in matrix if row.note))


def say(console: Console, lines: Iterable[str]) -> None:
    """Print lines as they are, fitted to WIDTH."""
    for line in fitted(lines):
        console.print(line, markup=False, soft_wrap=True)


def fitted(lines: Iterable[str]) -> list[str]:
    """Lines in as many as WIDTH asks for; a long path or name stays in one piece."""
    return [
        part
        for line in lines
        for part in textwrap.wrap(
            line, WIDTH, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
        )
        or [""]
    ]


def _print(
    console: Console,
    matrix: Sequence[Row],
    columns: Sequence[Column],
    timings: Mapping[Cell, str],
) -> None:
    room = WIDTH - sum(width for _, width, _ in columns)
    label = max([LABEL, *(len(name) for row in matrix if len(name := _label(row)) <= room)])
    head = " " * label + "".join(f"{name:>{width}}" for name, width, _ in columns)
    console.print(Text(head, style="bold"), soft_wrap=True)
    for line in _lines(matrix, columns, label, timings):
        console.print(line, soft_wrap=True)


def _label(row: Row) -> str:
    return f"  {row.scenario:<9} {_size(row)}"


def _size(row: Row) -> str:
    return f"{row.instances}x{row.jobs}"


def _lines(
    matrix: Sequence[Row], columns: Sequence[Column], label: int, timings: Mapping[Cell, str]
) -> Iterator[Text]:
    strategy, kind = "", ""
    for row in matrix:
        if row.kind == "control" != kind:
            yield Text("\ncontrols: known to be wrong, each must break", style="bold")
        kind = row.kind
        if row.strategy != strategy:
            strategy = row.strategy
            yield Text(strategy)
        *above, beside = _labels(row, label, timings[row.cell])
        yield from map(Text, above)
        line = Text(beside.ljust(label))
        for name, width, show in columns:
            style = STYLE[row.status] if name == "status" else ""
            line.append(f"{show(row):>{width}}", style=style)
        yield line


def _labels(row: Row, label: int, timing: str) -> list[str]:
    """What is said above and beside a row's figures: in one line, where that fits."""
    if not timing and len(_label(row)) <= label:
        return [_label(row)]
    above = f"  {row.scenario}, {timing}" if timing else f"  {row.scenario}"
    return [above, _size(row).ljust(label - 12).rjust(label)]


def _count(name: str) -> Callable[[Row], str]:
    def show(row: Row) -> str:
        value = getattr(row, name)
        return "-" if value is None else str(value)

    return show


def _pair(first: str, second: str) -> Callable[[Row], str]:
    def show(row: Row) -> str:
        one = getattr(row, first)
        return "-" if one is None else f"{_number(one)}/{_number(getattr(row, second))}"

    return show


def _figure(name: str) -> Callable[[Row], str]:
    return lambda row: _number(getattr(row, name))


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


FAILURES: Sequence[Column] = (
    ("status", 9, lambda row: row.status),
    ("fires", 6, _count("fires")),
    ("dup", 5, _count("duplicate_fires")),
    ("over", 5, _count("overlap_fires")),
    ("miss", 5, _count("missed_fires")),
    ("intr", 5, _count("interrupted_fires")),
    ("stale", 6, _count("stale_effects")),
    ("failover", 10, _pair("failover_p50_s", "failover_max_s")),
    ("recovery", 10, _pair("recovery_p50_s", "recovery_max_s")),
)
COSTS: Sequence[Column] = (
    ("winner ms", 12, _pair("overhead_p50_ms", "overhead_p99_ms")),
    ("fleet", 7, _figure("fleet_overhead_ms_per_fire")),
    ("tries", 7, _figure("attempts_per_fire")),
    ("ops", 7, _figure("ops_per_fire")),
    ("idle/s", 8, _figure("idle_ops_per_s")),
    ("latency ms", 12, _pair("trigger_latency_p50_ms", "trigger_latency_p99_ms")),
    ("CPU ms", 8, _figure("cpu_ms_per_fire")),
)
