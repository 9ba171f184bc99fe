"""What is known of one design: its description, its measured cells, and the stated rules."""

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from bench.adviser.case import Case
from bench.evidence import Evidence, Figure, bench_command, cell_words
from bench.matrix import Row
from strategies.interface import Design, Stress
from strategies.model import Timing

MOST_INSTANCES, MOST_JOBS = 50, 1000  # what a bench on one machine can be asked for
STRESSES: tuple[Stress, ...] = ("crash", "pause", "partition")  # scenarios of the same names


@functools.cache
def stated() -> Mapping[str, Any]:
    """stated.toml."""
    return tomllib.loads(files("bench.adviser").joinpath("stated.toml").read_text())


@dataclass(frozen=True)
class Known:
    """One design with the evidence about it."""

    design: Design
    evidence: Evidence

    @property
    def name(self) -> str:
        """The design's name."""
        return self.design.name

    @property
    def features(self) -> Mapping[str, Any]:
        """The family's stated features."""
        found: Mapping[str, Any] = stated()["features"][self.design.family]
        return found

    def worst(self, column: str) -> tuple[Row, Figure] | None:
        """The row under a fault with the highest rate of `duplicate` or `missed or undone`."""
        found = [
            (row, rate)
            for stress in STRESSES
            for row in self.evidence.rows_of(self.name, stress, None)
            if (rate := self.rate(row, column)) is not None
        ]
        return max(found, key=lambda one: one[1].value, default=None)

    def rate(self, row: Row, column: str) -> Figure | None:
        """A share of the exposed fires with its Wilson interval."""
        from bench.stats import wilson

        exposed = row.exposed_fires or 0
        if column == "duplicate":
            return self.evidence.figure(row, "duplicate_rate", "of exposed fires")
        undone = (row.interrupted_fires or 0) - (row.interrupted_done_fires or 0)
        hits = min((row.missed_fires or 0) + undone, exposed)
        bounds = wilson(hits, exposed)
        if bounds is None:
            return None
        return Figure(
            value=hits / exposed,
            low=bounds[0],
            high=bounds[1],
            unit="of exposed fires",
            cell=cell_words(row),
        )

    def failover(self, timing: str) -> tuple[Row, Figure] | None:
        """Failover under one timing: the smallest size's row, the greatest time as its high end."""
        rows = self.evidence.rows_of(self.name, "crash", timing)
        row = next((one for one in rows if one.failover_p50_s is not None), None)
        figure = self.evidence.figure(row, "failover_p50_s", "s")
        return None if row is None or figure is None else (row, figure)

    @property
    def bound_s(self) -> float | None:
        """The design's own bound on failover at a lease of 2 s."""
        return self.design.bounds(Timing()).failover_s

    def command(self, scenario: str, **more: Any) -> str:
        """The command that measures this design."""
        return bench_command(self.name, scenario, **more)

    def command_at(self, case: Case, scenario: str) -> str:
        """The command that measures this design at the case's size, as far as a machine goes."""
        size = {
            "instances": min(case.instances, MOST_INSTANCES),
            "jobs": min(case.jobs, MOST_JOBS),
        }
        return self.command(scenario, **size)


def beyond(case: Case, row: Row) -> bool:
    """Whether a case is larger than a cell, so that its figures are carried over by argument."""
    return case.instances > row.instances or case.jobs > row.jobs
