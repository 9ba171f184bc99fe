"""What a rule gives: points for or against a design, with the reason and what it is tied to."""

from collections.abc import Callable

import msgspec

from bench.adviser.case import Case
from bench.adviser.facts import Known
from bench.evidence import Figure


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One reason. `figure` is what was measured, `rule` the stated rule otherwise.

    `missing` is the command that would measure what no cell covers.
    """

    topic: str
    points: float
    why: str
    figure: Figure | None = None
    rule: str = ""
    missing: str = ""
    extrapolated: bool = False
    excludes: bool = False


Rule = Callable[[Case, Known], list[Point]]
