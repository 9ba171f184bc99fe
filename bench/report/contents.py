"""What the page holds, as plain values: the matrix, its cells, their trials.

A trial that cannot be read, or whose history cannot, is named with the reason and left out of the
figures; it never makes the page fail.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from bench.checks.columns import Columns
from bench.checks.outcomes import Judged, judge_fires
from bench.checks.reading import columns as read_columns
from bench.errors import BenchError, InvalidResults
from bench.history import read_parquet
from bench.judge import Judgement, Verdict
from bench.matrix import NotRun, Row, rows
from bench.report.stories import STORIES, FireStory, remarkable, stories
from bench.report.thinning import share, thin
from bench.report.timeline import FaultBand, Timeline, timeline_of
from bench.results import Results
from bench.scenarios import SCENARIOS
from bench.settings import Settings, plans
from strategies.catalogue import designs
from strategies.errors import StrategyError

LATENCIES, FEWEST, PAGE_LATENCIES = 200, 40, 24_000  # points: of a trial, at least, of a page
PAGE_STORIES, FEWEST_STORIES = 2_400, 6  # of a page, and of a trial at least
LISTED = 200  # fires listed under one word of a verdict


@dataclass(frozen=True)
class KeptTrial:
    """A trial of the page: its place in the directory, its judgement, its row of the matrix."""

    place: Path
    judgement: Judgement
    row: int


@dataclass(frozen=True)
class Contents:
    """Everything the page shows, timelines apart (they are made one at a time)."""

    results: Results
    matrix: list[Row]
    trials: list[KeptTrial]
    unreadable: list[str]
    planned: int | None
    config: dict[str, Any]
    environment: dict[str, Any]


class TrialPage(msgspec.Struct, kw_only=True):
    """One trial as its part of the page has it; times in milliseconds from the timeline's origin.

    `runs` are columns: job, due, instance, start, length, status, fence (-1: none), outcome, flags.
    """

    instances: list[str] = []
    jobs: list[str] = []
    end_ms: int = 0
    origin_ms: float = 0
    runs: list[list[int]] = []
    owned: list[list[Any]] = []
    faults: list[dict[str, Any]] = []
    idle: list[list[int]] = []
    remarks: list[list[Any]] = []
    phases: list[list[Any]] = []
    thinned: str = ""
    stories: list[FireStory] = []
    remarkable: int = 0
    unreadable: str = ""


def contents(results: Results) -> Contents:
    """Read a results directory as far as it can be read."""
    kept, unreadable = results.readable()
    try:
        not_run: list[NotRun] = results.not_run()
    except InvalidResults as error:
        not_run, unreadable = [], [*unreadable, str(error)]
    matrix = rows([judgement for _, judgement in kept], not_run)
    where = {row.cell: place for place, row in enumerate(matrix)}
    trials = [KeptTrial(place, one, where[one.record.cell]) for place, one in kept]
    config = results.config
    return Contents(
        results=results,
        matrix=matrix,
        trials=sorted(trials, key=lambda trial: (trial.row, trial.judgement.record.k)),
        unreadable=unreadable,
        planned=_planned(config),
        config=config,
        environment=_or_nothing(results),
    )


def state(what: Contents, path: Path | None = None) -> list[str]:
    """What a reader must know before trusting the page: nothing there, or not everything.

    `path` is how the directory is called there.
    """
    path, said = path or what.results.path, []
    kept = len(what.trials)
    if not kept:
        said.append(f"No trial has ended yet. To go on: coordbench bench --resume {path}")
    elif what.planned is not None and kept < what.planned:
        missing = sum(row.status == "not-run" for row in what.matrix)
        cells = f"; {missing} cells cannot be run here, see below" if missing else ""
        said.append(
            f"Partial: {kept} of the {what.planned} trials asked for are there{cells}. "
            f"To go on: coordbench bench --resume {path}"
        )
    said += [f"Could not be read and is left out: {reason}" for reason in what.unreadable]
    return said


def trial_summary(trial: KeptTrial) -> dict[str, Any]:
    """What the page says of a trial before its timeline is opened."""
    record, verdict, metrics = (
        trial.judgement.record, trial.judgement.verdict, trial.judgement.metrics
    )  # fmt: skip
    return {
        "row": trial.row,
        "name": trial.place.name,
        "path": "/".join(trial.place.parts[-4:]),
        "record": msgspec.to_builtins(record),
        "verdict": _short(verdict),
        "metrics": msgspec.to_builtins(metrics),
    }


def trial_page(trial: KeptTrial, trials: int) -> tuple[TrialPage, list[float]]:
    """A trial's timeline and stories, drawn as densely as a page of `trials` allows.

    Beside it the trial's start latencies in ms, as quantiles from least to greatest.
    """
    record = trial.judgement.record
    try:
        table = read_parquet(trial.place / "history.parquet")
        columns = read_columns(table)
        judged = judge_fires(columns, record.bounds.failover_s or 0.0)
        whole = timeline_of(table, columns, judged)
    except BenchError as error:
        return TrialPage(unreadable=str(error)), []
    verdict = trial.judgement.verdict
    page = _page(whole, share(trials))
    most = max(FEWEST_STORIES, min(STORIES, PAGE_STORIES // trials))
    page.stories = stories(table, whole, verdict, most)
    page.remarkable = len(remarkable(verdict))
    points = max(FEWEST, min(LATENCIES, PAGE_LATENCIES // trials))
    return page, latencies_ms(columns, judged, points)


def latencies_ms(columns: Columns, judged: Judged, points: int) -> list[float]:
    """How long after the due time first runs began: at most `points` quantiles, in order."""
    ran = judged.fires.planned & (judged.attempts.runs > 0)
    first = judged.attempts.first[ran]
    delay_ms = 1000 * columns.runs.start_s[first] - judged.fires.due_ms[ran]
    if not len(delay_ms):
        return []
    shares = np.linspace(0, 1, min(points, len(delay_ms)))
    found: list[float] = np.quantile(delay_ms, shares).round(2).tolist()
    return found


def colour_group(strategy: str, kind: str = "") -> str:
    """The family that a strategy is drawn in; controls are one group, the unknown another."""
    known = _designs().get(strategy)
    if "control" in (kind, known.kind if known else ""):
        return "control"
    return known.family if known else "other"


def summary_of(strategy: str) -> str:
    """What a strategy is, in a line; empty for one that is not installed here."""
    known = _designs().get(strategy)
    return known.summary if known else ""


def scenario_summary(scenario: str) -> str:
    """What a scenario does, in a line; empty for an unknown one."""
    return SCENARIOS[scenario].summary if scenario in SCENARIOS else ""


def _planned(config: dict[str, Any]) -> int | None:
    """How many trials were asked for; None where that cannot be told here."""
    try:
        asked = {key: value for key, value in config.items() if key != "version"}
        return sum(1 for _ in plans(msgspec.convert(asked, Settings)))
    except (msgspec.ValidationError, BenchError, StrategyError, OSError):
        return None


def _or_nothing(results: Results) -> dict[str, Any]:
    try:
        return results.environment
    except InvalidResults:
        return {}


def _short(verdict: Verdict) -> dict[str, Any]:
    """The verdict with its lists of fires cut to LISTED, and their true lengths."""
    short: dict[str, Any] = msgspec.to_builtins(verdict)
    short["counts"] = {word: len(fires) for word, fires in verdict.fires.items()}
    short["fires"] = {word: fires[:LISTED] for word, fires in verdict.fires.items()}
    for broken in short["broken"]:
        broken["fires"] = broken["fires"][:LISTED]
    return short


def _page(whole: Timeline, room: int) -> TrialPage:
    drawn = thin(whole, room)
    some, runs = drawn.timeline, drawn.timeline.runs
    origin_ms = round(whole.origin_s * 1000)
    start = _ms(runs.start_s)
    columns = [
        runs.job, runs.due_ms - origin_ms, runs.instance, start, _ms(runs.end_s) - start,
        runs.status, runs.fence, runs.outcome, runs.flags,
    ]  # fmt: skip
    lane = {name: place for place, name in enumerate(some.instances)}
    return TrialPage(
        instances=list(some.instances),
        jobs=list(some.jobs),
        end_ms=round(1000 * some.end_s),
        origin_ms=origin_ms,
        runs=[column.tolist() for column in columns],
        owned=[
            [lane[one.instance], one.subject, _at(one.begin_s), _at(one.end_s), one.how, one.fence]
            for one in some.owned
        ],
        faults=[_fault(one, lane) for one in some.faults],
        idle=[[one.job, one.due_ms - origin_ms, one.outcome] for one in some.idle],
        remarks=[[lane[one.instance], _at(one.t_s), one.words] for one in some.remarks],
        phases=[[name, _at(t_s)] for name, t_s in some.phases],
        thinned=drawn.said,
    )


def _fault(one: FaultBand, lane: dict[str, int]) -> dict[str, Any]:
    return {
        "id": one.id,
        "kind": one.kind,
        "target": one.target,
        "job": one.job,
        "name": one.instance,
        "instance": lane.get(one.instance, -1),
        "begin": _at(one.begin_s),
        "heal": _at(one.heal_s),
    }


def _ms(seconds: Any) -> Any:
    return np.rint(1000 * seconds).astype(np.int64)


def _at(seconds: float | None) -> int | None:
    return None if seconds is None else round(1000 * seconds)


def _designs() -> Any:
    try:
        return designs()
    except StrategyError:  # somebody's broken plug-in takes no page away
        return {}


def scenarios_of(matrix: Sequence[Row]) -> list[str]:
    """The scenarios of a matrix: ours in their own order, then others by name."""
    found = {row.scenario for row in matrix}
    return [name for name in SCENARIOS if name in found] + sorted(found - set(SCENARIOS))
