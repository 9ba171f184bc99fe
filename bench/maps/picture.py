"""A map as a picture and as a table: measured places, what theory says, and where it was made."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.maps.kinds import Kind
from bench.maps.survey import Point
from strategies.interface import Design

COLUMNS = ("x_s", "y_s", "trials", "bad", "share", "low", "high", "theory_from_s", "theory_to_s")
# Okabe and Ito's palette; the shapes say the same without colour.
NONE, SOME, ALL = ("o", "#0072B2"), ("D", "#E69F00"), ("s", "#D55E00")
BAND = "#999999"


def table(kind: Kind, design: Design, points: Sequence[Point]) -> str:
    """The map as CSV, one line per place; times in seconds, shares with their 95 % bounds."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(COLUMNS)
    for one in points:
        shares = (one.share, *one.interval, *kind.theory(design, one.y))
        counts = (f"{one.x:g}", f"{one.y:g}", one.trials, one.bad)
        lines.writerow([*counts, *(f"{share:.3f}" for share in shares)])
    return text.getvalue()


def draw(
    kind: Kind, design: Design, points: Sequence[Point], where: str, paths: Sequence[Path]
) -> None:
    """Draw the map into files, by their endings; `where` says on what and when it was measured."""
    from matplotlib.figure import Figure  # heavy: only where a picture is made

    figure = Figure(figsize=(7.2, 4.4), layout="constrained")
    axes = figure.subplots()
    _draw_theory(axes, kind, design, points)
    groups = (
        (NONE, "no trial", [one for one in points if not one.bad]),
        (SOME, "some trials", [one for one in points if 0 < one.bad < one.trials]),
        (ALL, "every trial", [one for one in points if one.bad == one.trials]),
    )
    for (marker, colour), word, some in groups:
        xs, ys = [one.x for one in some], [one.y for one in some]
        sizes = [18 + 14 * one.trials for one in some]
        axes.scatter(xs, ys, s=sizes, c=colour, marker=marker, label=word,
                     zorder=3, edgecolors="white", linewidths=0.6)  # fmt: skip
    axes.set_xlabel(kind.x_axis)
    axes.set_ylabel(kind.y_axis)
    axes.set_title(f"{kind.name}: {design.name}", loc="left", fontsize="medium")
    axes.set_title(where, loc="right", fontsize="x-small", color="#555555")
    axes.set_xlim(left=0)
    axes.grid(visible=True, alpha=0.25)
    figure.legend(
        loc="outside lower center",
        ncols=4,
        frameon=False,
        fontsize="small",
        title=f"{kind.word} in",
    )
    for path in paths:
        figure.savefig(path, dpi=144, metadata=_undated(path))


def _draw_theory(axes: Any, kind: Kind, design: Design, points: Sequence[Point]) -> None:
    rows = sorted({one.y for one in points})
    if not rows:
        return
    bounds = [kind.theory(design, y) for y in rows]
    ys = rows
    if len(rows) == 1:  # a band needs a height
        ys, bounds = [rows[0] * 0.95, rows[0] * 1.05], bounds * 2
    first, last = [one[0] for one in bounds], [one[1] for one in bounds]
    label = f"theory: {kind.theory_words}"
    if first == last:
        axes.plot(first, ys, color=BAND, linestyle="--", label=label, zorder=2)
    else:
        axes.fill_betweenx(ys, first, last, color=BAND, alpha=0.3, linewidth=0, label=label)


def _undated(path: Path) -> dict[str, Any]:
    """The same map is the same file: no date of drawing in it."""
    return {"Date": None} if path.suffix == ".svg" else {"Software": None}
