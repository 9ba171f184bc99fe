"""Advice in a terminal of 80 columns or a pipe, and as JSON."""

import textwrap
from collections.abc import Iterator

import msgspec
from rich.console import Console

from bench.adviser.advice import Advice, Change, Option
from bench.adviser.case import Case
from bench.adviser.point import Point

WIDTH = 80
CLOSE = 3.0  # points: less than this is no difference to decide by
TOLD = 3  # options whose reasons are printed


def show(console: Console, advice: Advice) -> None:
    """Print the ranking, the reasons of the first, what would change it, and what it costs."""
    for line in lines(advice):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def to_json(advice: Advice) -> str:
    """Everything, as one JSON object."""
    return msgspec.json.format(msgspec.json.encode(advice), indent=2).decode() + "\n"


def lines(advice: Advice) -> Iterator[str]:
    """The whole text, line by line, none over 80 columns but commands."""
    yield from _wrapped(headline(advice))
    yield ""
    yield " #  design                     points  new servers  operations/s  lines"
    for option in advice.options:
        yield _row(option)
    if any(option.estimate.extrapolated for option in advice.options):
        yield "    * extrapolated beyond measured N or fires/s"
    for option in advice.options[:TOLD]:
        yield ""
        yield f"{option.rank}. {option.design}: {option.score:.1f} points"
        for point in option.points:
            yield from reason(point)
    yield ""
    yield from _changes(advice)
    yield ""
    yield from _best(advice.best)
    yield from _missing(advice)


def headline(advice: Advice) -> str:
    """The answer in one or two sentences."""
    best, case = advice.best, advice.case
    close = [
        one.design
        for one in advice.options[1:]
        if not one.excluded and best.score - one.score < CLOSE
    ]
    said = (
        f"{name_of(case)}: {best.design} ({best.score:.0f} points of 100), for {case.instances} "
        f"instances, {case.jobs} jobs, {case.fires_per_s:.3g} fires/s."
    )
    if close:
        said += f" Within {CLOSE:g} points, so as good: {', '.join(close)}."
    return " ".join([said, *([advice.caveat] if advice.caveat else []), *notes(case)])


def name_of(case: Case) -> str:
    """The case's name on one line."""
    return " ".join(case.name.split())


def notes(case: Case) -> list[str]:
    """What the ranking cannot say of a case: that it may need none, or one that is not here."""
    said = []
    if case.instances == 1:
        said.append("One instance needs no coordination as long as no deployment runs two of it.")
    if "broker" in case.operated:
        said.append("The broker changes nothing: no design here runs on a broker yet.")
    return said


def reason(point: Point) -> Iterator[str]:
    """One point with what it is tied to."""
    said = f"{signed(point.points):>6}  {point.topic}: {point.why} [{source(point)}]"
    yield from _wrapped(said, "  ", 10)


def signed(points: float) -> str:
    """Points with a sign, and without one for nothing."""
    return f"{points:+.1f}" if round(points, 1) else "0"


def source(point: Point) -> str:
    """The cell or the rule behind a point, and whether the case is beyond the cell."""
    cited = [] if point.figure is None else [f"{point.figure.cell}: {point.figure}"]
    cited += [f"rule: {point.rule}"] if point.rule else []
    cited += ["extrapolated"] if point.extrapolated else []
    return "; ".join(cited)


def change_words(change: Change) -> str:
    """'period 1s (not 1m): quartz'."""
    return f"{change.question} {change.value} (not {change.now}): {change.design}"


def _row(option: Option) -> str:
    estimate = option.estimate
    ops = estimate.operations_per_s
    said = "not measured" if ops is None else f"{ops:,.0f}" + ("*" if estimate.extrapolated else "")
    points = "excluded" if option.excluded else f"{option.score:.1f}"
    return (
        f"{option.rank:>2}  {option.design:<25} {points:>8} {estimate.new_servers:>12} "
        f"{said:>13} {estimate.lines_of_code:>6}"
    )


def _changes(advice: Advice) -> Iterator[str]:
    yield "What would change the answer:"
    for change in advice.changes:
        yield from _wrapped(change_words(change), "  ", 4)
    if not advice.changes:
        yield "  none of the inputs alone"
    if advice.unchanged:
        yield from _wrapped("not alone: " + ", ".join(advice.unchanged), "  ", 4)


def _best(option: Option) -> Iterator[str]:
    yield f"What {option.design} takes:"
    estimate = option.estimate
    if estimate.operations_per_s is not None:
        cores = "" if estimate.cpu_cores is None else f", {estimate.cpu_cores:.2g} cores"
        yield from _wrapped(
            f"{estimate.operations_per_s:,.3g} operations/s (peak "
            f"{estimate.peak_operations_per_s:,.3g}, idle {estimate.idle_operations_per_s:,.3g})"
            f"{cores}",
            "  ",
        )
    for word in estimate.assumptions:
        yield from _wrapped(f"assumed: {word}", "  ", 4)
    for number, step in enumerate(estimate.setup, 1):
        yield from _wrapped(f"set-up {number}: {step}", "  ", 4)
    for number, step in enumerate(option.migration, 1):
        yield from _wrapped(f"move {number}: {step}", "  ", 4)


def _missing(advice: Advice) -> Iterator[str]:
    if advice.missing:
        yield ""
        yield "Not measured, and how to measure it:"
    for command in advice.missing:
        yield f"  {command}"


def _wrapped(text: str, indent: str = "", hang: int = 0) -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=indent, subsequent_indent=" " * hang or indent,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
