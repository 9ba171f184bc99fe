"""A result set small enough for the repository: one or more benches, without the processes' logs.

Histories are kept, so that every published number can be judged again from its events.
"""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.errors import BadArguments, InvalidResults
from bench.evidence import EXPERIMENTS
from bench.matrix import NotRun
from bench.results import Results

KEPT = ("trial.json", "history.parquet", "verdict.json", "metrics.json")


def publish(sources: Sequence[Path], target: Path) -> Results:
    """Copy the trials of `sources` to the new directory `target`, and make their one matrix.

    A trial that several have is taken from the last of them. Raises BadArguments where `target` is
    there already or the sources are of different machines, InvalidResults for an empty source.
    """
    opened = [Results.reading(source) for source in sources]
    for one in opened:
        if not one.trial_places():
            raise InvalidResults(f"{one.path}: no trial has ended there: nothing to publish")
    _one_machine(opened)
    if target.exists():
        raise BadArguments(f"{target}: is there already; name a new directory, or remove it")
    for one in opened:
        for place in one.trial_places():
            _copy(place, target / place.relative_to(one.path))
        _copy_experiments(one.path / EXPERIMENTS, target / EXPERIMENTS)
    environment = {**opened[-1].environment, "sources": [one.path.resolve().name for one in opened]}
    return Results.adopt(target, _config(opened), environment, _not_run(opened))


def _copy(place: Path, to: Path) -> None:
    to.mkdir(parents=True, exist_ok=True)
    for name in KEPT:
        if (place / name).exists():
            shutil.copyfile(place / name, to / name)


def _copy_experiments(source: Path, to: Path) -> None:
    """What `coordbench claims --run` found beside its trials."""
    for file in sorted(source.glob("*.json")):
        to.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, to / file.name)


def _one_machine(opened: Sequence[Results]) -> None:
    first = opened[0].environment.get("machine")
    for one in opened[1:]:
        if one.environment.get("machine") != first:
            raise BadArguments(
                f"{one.path}: measured on another machine than {opened[0].path}; "
                "a published set is of one machine"
            )


def _config(opened: Sequence[Results]) -> dict[str, Any]:
    """The settings of all as one bench in parts (docs/profiles.md)."""
    if len(opened) == 1:
        return opened[0].config
    return {"profile": "published", "parts": [part for one in opened for part in _parts(one)]}


def _parts(one: Results) -> list[Mapping[str, Any]]:
    own = {key: value for key, value in one.config.items() if key not in ("version", "parts")}
    return [{**own, **part} for part in one.config.get("parts") or [{}]]


def _not_run(opened: Sequence[Results]) -> list[NotRun]:
    """What could not be run, by the last word on each cell."""
    return list({one.cell: one for results in opened for one in results.not_run()}.values())


def size_mb(path: Path) -> float:
    """The bytes of all files below, in megabytes."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) / 1e6
