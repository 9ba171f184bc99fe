"""Drawings that several notebooks share. Each draws on the axes it is given and returns nothing.

Arguments are data frames and columns as `bench.results` gives them (docs/results.md).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.colors import LogNorm, Normalize
from matplotlib.transforms import blended_transform_factory

from bench.plots.style import FAMILIES, INK, MAPS, look

_WORDS = {  # what a run's words make of its bar, the first that applies
    "extra": ("#d55e00", "run a second time"),
    "stale-effect": ("#e6b84a", "its effect was stale"),
    "overlap": ("#cc79a7", "beside another run of the job"),
    "no end": ("white", "broke off"),
}


def intervals(axes: Any, table: Any, name: str, *, scale: float = 100.0) -> None:
    """A dot per strategy (the index) at `<name>_rate`, with its 95 % bounds as a line."""
    for place, (strategy, row) in enumerate(table.iterrows()):
        drawn = look(str(strategy))
        low, high = scale * row[f"{name}_low"], scale * row[f"{name}_high"]
        axes.plot([low, high], [place, place], color=drawn.colour, linewidth=2.2, alpha=0.55)
        axes.plot(scale * row[f"{name}_rate"], place, drawn.marker, color=drawn.colour)
    axes.set_yticks(range(len(table)), [str(strategy) for strategy in table.index])
    axes.set_ylim(len(table) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)


def ecdf(axes: Any, values: Sequence[float], strategy: str, **line: Any) -> None:
    """The share of values at or below x, a step for each, with a mark where it was measured."""
    known = np.sort(np.asarray([value for value in values if value == value], float))
    if not len(known):
        return
    drawn, share = look(strategy), np.arange(1, len(known) + 1) / len(known)
    style = {"color": drawn.colour, "linestyle": drawn.line, "linewidth": 1.6} | line
    axes.step([known[0], *known], [0, *share], where="post", **style)
    axes.plot(known, share, drawn.marker, color=style["color"], markersize=3.5)


def heatmap(axes: Any, table: Any, *, words: Any, kind: str = "cost", top: float = 0.0) -> None:
    """A cell per row and column of `table`, coloured by value, with `words` (same shape) in it.

    The scale is logarithmic over the values, or linear from 0 to `top` where that is given.
    """
    values = table.to_numpy(float)
    norm = Normalize(0, top, clip=True) if top else LogNorm(*_range(values))
    mesh = axes.imshow(values, cmap=MAPS[kind], norm=norm, aspect="auto")
    for (y, x), said in np.ndenumerate(np.asarray(words, object)):
        share = 0.0 if np.isnan(values[y, x]) else float(norm(values[y, x]))
        axes.text(x, y, said, ha="center", va="center", fontsize=8, color=_on(mesh.cmap, share))
    axes.set_xticks(range(table.shape[1]), [str(name) for name in table.columns])
    axes.set_yticks(range(table.shape[0]), [str(name) for name in table.index])
    axes.set_xticks(np.arange(-0.5, table.shape[1]), minor=True)
    axes.set_yticks(np.arange(-0.5, table.shape[0]), minor=True)
    axes.grid(visible=False)
    axes.grid(which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)


def end_labels(axes: Any, ends: Sequence[tuple[float, str, str]], *, apart: float = 0.055) -> None:
    """Names (y, words, colour) right of the axes, where their lines end, none on another.

    `apart` is the least distance between two, as a share of the axes' height.
    """
    to_axes = axes.transData + axes.transAxes.inverted()
    x_right = axes.get_xlim()[1]
    wanted = sorted((float(to_axes.transform((x_right, y))[1]), text, c) for y, text, c in ends)
    place = -1.0
    blended = blended_transform_factory(axes.transAxes, axes.transAxes)
    for y, text, colour in wanted:
        place = max(y, place + apart)
        axes.text(1.01, place, text, color=colour, transform=blended, va="center", fontsize=8)


def timeline(axes: Any, bars: Any, *, job: str | None = None, window: Any = None) -> None:
    """One trial as `timeline()` of the results gives it: a lane per instance, faults as bands.

    `job` keeps the runs of one job; `window` is (from, to) in seconds since the load began.
    """
    members = (bars["kind"] == "run") | (bars["words"] == "instance ready")
    lanes = sorted(bars.loc[members, "instance"].unique(), key=_natural)
    begin, end = window or (bars["begin_s"].min(), bars["begin_s"].max())
    chosen = bars if job is None else bars[bars["job"].isin([job, "leader"])]
    _owned(axes, chosen[chosen["kind"] == "owned"], lanes, end)
    _runs(axes, chosen[chosen["kind"] == "run"], lanes, begin, end)
    _bands(axes, bars[bars["kind"] == "fault"], lanes, end)
    axes.set_yticks(range(len(lanes)), [lane.split("-")[0] for lane in lanes])
    axes.set(ylim=(len(lanes) - 0.4, -0.6), xlim=(begin, end), xlabel="seconds since load began")
    axes.grid(axis="y", visible=False)


def _runs(axes: Any, runs: Any, lanes: list[str], begin: float, end: float) -> None:
    said: set[str] = set()
    for one in runs.itertuples():
        if one.end_s < begin or one.begin_s > end:
            continue
        word = next((word for word in _WORDS if word in one.words), "")
        colour, meaning = _WORDS.get(word, ("#8fa3b0", "run"))
        axes.broken_barh(
            [(one.begin_s, one.end_s - one.begin_s)],
            (lanes.index(one.instance) - 0.3, 0.36),
            facecolors=colour,
            edgecolors=INK,
            linewidth=0.6,
            linestyle="--" if word == "no end" else "-",
            label=None if meaning in said else meaning,
            zorder=3,
        )
        said.add(meaning)


def _owned(axes: Any, spans: Any, lanes: list[str], end: float) -> None:
    """Ownership as a thin strip under the lane's runs."""
    first = True
    for one in spans.itertuples():
        if one.instance in lanes:
            until = end if one.end_s != one.end_s else one.end_s
            axes.broken_barh(
                [(one.begin_s, until - one.begin_s)],
                (lanes.index(one.instance) + 0.14, 0.14),
                facecolors=FAMILIES["election" if one.job == "leader" else "lock"],
                alpha=0.75,
                label="believes to own" if first else None,
                zorder=2,
            )
            first = False


def _bands(axes: Any, faults: Any, lanes: list[str], end: float) -> None:
    for one in faults.itertuples():
        until = end if one.end_s != one.end_s or one.end_s <= one.begin_s else one.end_s
        place = lanes.index(one.instance) if one.instance in lanes else None
        low, high = (0.0, len(lanes)) if place is None else (place - 0.45, place + 0.45)
        axes.fill_between([one.begin_s, until], low, high, color="#d55e00", alpha=0.13, zorder=1)
        axes.axvline(one.begin_s, color="#d55e00", linewidth=1)
        axes.axvline(until, color="#d55e00", linewidth=1, linestyle="--")
        axes.text(
            one.begin_s,
            len(lanes) - 0.42,
            f" {one.words}",
            color="#a84300",
            va="bottom",
            fontsize=8,
        )


def _natural(name: str) -> tuple[int, str]:
    """Orders i2 before i10."""
    number = name.split("-")[0].lstrip("abcdefghijklmnopqrstuvwxyz")
    return int(number) if number.isdigit() else 0, name


def _range(values: Any) -> tuple[float, float]:
    known = values[values > 0]
    low, high = (known.min(), known.max()) if len(known) else (1.0, 10.0)
    return (low, high) if high > low else (low, low + 1)


def _on(colours: Any, share: float) -> str:
    """Ink or white, whichever reads on the colour at `share` of the map."""
    red, green, blue, _ = colours(share)
    return INK if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "white"
