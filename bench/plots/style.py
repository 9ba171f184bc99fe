"""The style: one colour, marker and line per strategy, everywhere.

Hues are of families and the same as in report.html; they stay apart for colour-blind eyes. Within a
family shades differ, and markers and lines say it again, so that a print in grey can be read.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import matplotlib as mpl
import pandas as pd
from matplotlib.colors import to_hex, to_rgb

from strategies.catalogue import designs

FAMILIES = {
    "lock": "#0072b2",
    "election": "#007a57",
    "quartz": "#a04881",
    "queue": "#955800",
    "cronjob": "#2a8fc4",
    "control": "#6c757b",
    "other": "#4a5560",
}
# Whose place in the family is kept, whatever comes to the catalogue later: looks must not change.
PLACES = {
    "lock": ("redis-lock", "redis-lock-hold", "redis-lock-bare", "postgres-lock"),
    "election": (
        "zookeeper-election", "etcd-election", "lease-election", "zookeeper-election-memory",
        "etcd-election-memory",
    ),
    "quartz": ("quartz", "quartz-skip-locked", "quartz-without-recovery"),
    "queue": ("redis-queue",),
}  # fmt: skip
INK, FAINT = "#222222", "#d9d9d9"
MAPS = {"cost": "cividis_r", "harm": "OrRd"}  # of heatmaps: both read in grey

_SHADES = (0.0, 0.42, -0.42, 0.65, -0.62)  # towards white, or (negative) towards black
_MARKERS = ("o", "s", "^", "D", "v")
_LINES = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (5, 1.5, 1.5, 1.5)), (0, (3, 3)))


@dataclass(frozen=True)
class Look:
    """How one strategy is drawn."""

    colour: str
    text: str  # of its name: never lighter than the family's hue, to be read on white
    marker: str
    line: object


def use() -> None:
    """Make matplotlib draw in this style, and pandas show tables whole, in this process."""
    pd.options.display.max_colwidth, pd.options.display.max_rows = None, 200
    mpl.rcParams.update(
        {
            "figure.figsize": (8.2, 4.0),
            "figure.dpi": 110,
            "figure.constrained_layout.use": True,
            "savefig.dpi": 110,
            "font.family": "DejaVu Sans",  # comes with matplotlib: the same on every machine
            "font.size": 9,
            "axes.titlesize": 10,
            "axes.titleweight": "bold",
            "axes.titlelocation": "left",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.edgecolor": INK,
            "axes.grid": True,
            "axes.axisbelow": True,
            "grid.color": FAINT,
            "grid.linewidth": 0.6,
            "legend.frameon": False,
            "svg.hashsalt": "coordbench",
        }
    )


def look(strategy: str) -> Look:
    """The look of a strategy: its family's hue, and by its place in the family the rest."""
    group, place = _place(strategy)
    turn = place // len(_SHADES)  # a sixth of a family has the first's shade, and another marker
    shade = _SHADES[place % len(_SHADES)]
    return Look(
        colour=_shaded(FAMILIES[group], shade),
        text=_shaded(FAMILIES[group], min(shade, 0.0)),
        marker=_MARKERS[(place + turn) % len(_MARKERS)],
        line=_LINES[(place + 2 * turn) % len(_LINES)],
    )


def in_order(strategies: Iterable[str]) -> list[str]:
    """Strategies by family as the catalogue has them, controls after all others."""
    known = list(designs())
    groups = list(FAMILIES)

    def place(name: str) -> tuple[int, int, str]:
        return groups.index(_place(name)[0]), known.index(name) if name in known else -1, name

    return sorted(set(strategies), key=place)


def _place(strategy: str) -> tuple[str, int]:
    """The group a strategy is drawn in, and its place there."""
    known = designs().get(strategy)
    if known is None:
        return "other", 0
    if known.kind == "control":
        return "control", 0
    group = known.family if known.family in FAMILIES else "other"
    kept = PLACES.get(group, ())
    family = [one.name for one in designs().values() if one.family == known.family]
    return group, [*kept, *(name for name in family if name not in kept)].index(strategy)


def _shaded(colour: str, shade: float) -> str:
    """The colour mixed with white, or with black where `shade` is negative."""
    target = 1.0 if shade > 0 else 0.0
    return to_hex([part + abs(shade) * (target - part) for part in to_rgb(colour)])
