"""An open results directory as notebooks use it: data frames, and a page that says what it is."""

import functools
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import InvalidResults
from bench.frames import as_html, as_text, faults_frame, matrix_frame, runs_frame
from bench.history import read_parquet
from bench.judge import Judgement, read_json
from bench.record import TrialRecord
from bench.report.contents import contents
from bench.report.timeline import frame, timeline
from bench.results import Results

REPOSITORY = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Loaded:
    """A results directory as data frames (docs/results.md). Each is read when first asked for."""

    results: Results

    @functools.cached_property
    def matrix(self) -> Any:
        """One row per cell, the columns of matrix.csv."""
        return matrix_frame(self.results.rows())

    @functools.cached_property
    def runs(self) -> Any:
        """One row per run, with its trial, its delay and what became of its fire."""
        return runs_frame(self._trials())

    @functools.cached_property
    def faults(self) -> Any:
        """One row per fault, with its trial and what followed."""
        return faults_frame((name, one) for name, _, one in self._trials())

    def timeline(self, trial: Any) -> Any:
        """What happened in one trial, one row per run, span of ownership, fault and mark.

        `trial` is its path under trials/ ("redis-lock/pause/equal-2s-n3-m10-k1"), or a row of
        `.runs`, `.faults` or `.matrix` (then of trial k=1). Raises InvalidResults for none.
        """
        place = self.results.path / "trials" / (trial if isinstance(trial, str) else _name(trial))
        if not place.is_dir():
            raise InvalidResults(f"{place}: no such trial; .faults.trial and .runs.trial name them")
        record = read_json(place / "trial.json", TrialRecord)
        table = read_parquet(place / "history.parquet")
        return frame(timeline(table, record.bounds.failover_s or 0.0))

    def _trials(self) -> Iterator[tuple[str, Path, Judgement]]:
        for place, judgement in self.results.kept():
            yield "/".join(place.parts[-3:]), place, judgement

    def _repr_html_(self) -> str:
        return as_html(contents(self.results))

    def __repr__(self) -> str:
        return as_text(contents(self.results))


def find(path: str | Path | None) -> Path:
    """The directory that is meant; see `bench.results.load`.

    A relative path that is not there is looked for from the repository's root, so that a notebook
    can say "results/latest".
    """
    asked = Path(path or os.environ.get("COORDBENCH_RESULTS") or "published")
    found = (asked if asked.exists() or asked.is_absolute() else REPOSITORY / asked).resolve()
    if found == REPOSITORY / "published":
        found = max(found.glob("*/config.json"), default=found / "newest/config.json").parent
    if not found.exists():
        raise InvalidResults(
            f"{asked}: not there; `make bench` makes results/latest, and `published` is the set "
            "that comes with the repository"
        )
    return found


def _name(row: Mapping[str, Any]) -> str:
    """The path under trials/ of the trial that a row of a data frame belongs to."""
    timing = f"{row['timing']}-{row['lease_s']:g}s"
    size = f"n{row['instances']}-m{row['jobs']}-k{row.get('k', 1)}"
    return f"{row['strategy']}/{row['scenario']}/{timing}-{size}"
