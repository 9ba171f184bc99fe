"""The command `coordbench map`: survey, then CSV and picture."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console

from bench.commands import clean_up, progress_on
from bench.environment import environment
from bench.errors import BadArguments, Exit, InvalidResults
from bench.maps import picture
from bench.maps.kinds import kind
from bench.maps.survey import INSTANCES, Survey
from bench.results import Results
from bench.settings import known_design
from bench.until_signalled import run_until_signalled

SHORTEST_LEASE_S, SHORTEST_S, LONGEST_S = 0.5, 0.1, 60.0


class Asked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """config.json of a map: all that decides which trials are run."""

    map: str
    strategy: str
    rows: tuple[float, ...]
    points: int
    trials: int
    seed: int


def run_map(
    name: str,
    strategy: str,
    rows: Sequence[float],
    points: int,
    trials: int,
    seed: int,
    out: Path,
    resume: Path | None,
    copy_to: Path | None,
) -> int:
    """Make a map, or go on with one; the exit code. `copy_to` is the picture's further name."""
    console = Console(highlight=False)
    clean_up(console)
    if resume:
        results = Results.open(resume)
        asked = _asked_of(results)
    else:
        chosen = tuple(rows) or kind(name).rows(known_design(strategy))
        asked = _checked(
            Asked(map=name, strategy=strategy, rows=chosen, points=points, trials=trials, seed=seed)
        )
        results = Results.create(
            out,
            f"map-{name}-{strategy}",
            now=datetime.now(),
            config=msgspec.to_builtins(asked),
            environment=environment({}),
        )
    survey = _survey(asked, results)
    try:
        run_until_signalled(survey.run(progress_on(console)))
    except KeyboardInterrupt:
        _finish(survey, console, None)
        console.print(f"interrupted: coordbench map --resume {results.path}", soft_wrap=True)
        raise
    return _finish(survey, console, copy_to)


def _checked(asked: Asked) -> Asked:
    shortest_s = SHORTEST_LEASE_S if kind(asked.map).rows_are_leases else SHORTEST_S
    known_design(asked.strategy)
    for what, value, low, high in (
        ("--points", asked.points, 2, 50),
        ("--trials", asked.trials, 1, 100),
        *(("--rows", row, shortest_s, LONGEST_S) for row in asked.rows),
    ):
        if not low <= value <= high:
            raise BadArguments(f"{what} is {value:g}: expected {low:g} to {high:g}")
    return asked


def _asked_of(results: Results) -> Asked:
    config = {key: value for key, value in results.config.items() if key != "version"}
    try:
        return _checked(msgspec.convert(config, Asked))
    except msgspec.ValidationError as error:
        raise InvalidResults(f"{results.path}/config.json: not of a map: {error}") from error


def _survey(asked: Asked, results: Results) -> Survey:
    return Survey(
        kind=kind(asked.map),
        design=known_design(asked.strategy),
        rows=asked.rows,
        points=asked.points,
        trials=asked.trials,
        seed=asked.seed,
        results=results,
    )


def _finish(survey: Survey, console: Console, copy_to: Path | None) -> int:
    points, where = survey.measured(), survey.results.path
    (where / "map.csv").write_text(picture.table(survey.kind, survey.design, points))
    pictures = [where / "map.png", where / "map.svg"]
    if copy_to:
        pictures.append(copy_to)
        copy_to.with_suffix(".csv").write_text((where / "map.csv").read_text())
    picture.draw(survey.kind, survey.design, points, _below(survey.results), pictures)
    for y in survey.rows:
        console.print(_row(survey, y), soft_wrap=True)
    for path in (where / "map.csv", *pictures):
        console.print(f"{path}", soft_wrap=True)
    return Exit.KEPT if {point.y for point in points} == set(survey.rows) else Exit.INVALID


def _row(survey: Survey, y: float) -> str:
    """One row in words: where it went bad first, and from where on always."""
    row = [point for point in survey.measured() if point.y == y]
    first = next((point for point in row if point.bad), None)
    good = [point.x for point in row if not point.bad and (not first or point.x < first.x)]
    trials = sum(point.trials for point in row)
    theory = survey.kind.theory(survey.design, y)
    begins = f"from {first.x:g} s" if first else "nowhere"
    beside = f" (not at {good[-1]:g} s)" if good else ""
    return (
        f"{y:g} s: {survey.kind.word} {begins}{beside}; "
        f"theory {theory[0]:.2f} to {theory[1]:.2f} s; {trials} trials"
    )


def _below(results: Results) -> str:
    """Where and when, for the picture's margin."""
    found: dict[str, Any] = results.environment
    machine = found.get("machine", {})
    days = sorted(one.record.started[:10] for one in results.judgements())
    versions = next((one.record.versions for one in results.judgements()), {})
    servers = ", ".join(f"{name} {version}" for name, version in versions.items())
    return (
        f"{days[-1] if days else ''}, N = {INSTANCES}, {machine.get('cores')} cores "
        f"({machine.get('processor')}), {servers}"
    )
