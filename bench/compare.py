"""Two result sets side by side: whether a promise stopped holding, and which figures differ.

A figure is called different only where the intervals of both sides exist and do not overlap. Rates
have 95 % Wilson intervals. Times have a bootstrap over trials (or faults) from five up; below that
the least and the greatest stand for it, and as two or three values lie apart by chance too often
(two and two: one time in three; four and four: one in 35), fewer than FEWEST on a side are shown
but never called. Cells are compared where strategy, scenario, timing, lease, N and M are the same.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bench.checks.promises import TIMED
from bench.errors import Exit, InvalidResults
from bench.judge import Judgement
from bench.matrix import Row, row
from bench.record import Cell, TrialRecord
from bench.results import Results
from bench.terminal import fitted

FEWEST = 4  # values on each side before min-max ranges that lie apart are called a difference

Interval = tuple[float, float]
Trials = Mapping[Cell, Sequence[Judgement]]

# A promise, as verdicts name it, and the field of Allowed that would lift it.
_PROMISES = {
    "no duplicates": "duplicates",
    "no overlaps": "overlaps",
    "none missed": "missed",
    "none left interrupted": "interrupted",
}
_RATES = ("duplicate", "missed", "overlap")
# Figure, unit, columns of the matrix: value, low, high; and what its interval is taken over.
_TIMES: tuple[tuple[str, str, str, str, str, Literal["faults", "trials"]], ...] = (
    ("failover p50", "s", "failover_p50_s", "failover_low_s", "failover_high_s", "faults"),
    (
        "overhead p50", "ms", "overhead_p50_ms", "overhead_p50_low_ms", "overhead_p50_high_ms",
        "trials",
    ),
    (
        "latency p50", "ms", "trigger_latency_p50_ms", "trigger_latency_p50_low_ms",
        "trigger_latency_p50_high_ms", "trials",
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Side:
    """One figure of one cell in one result set. `values` is what its interval is taken over."""

    value: float
    interval: Interval
    values: int


@dataclass(frozen=True)
class Figure:
    """One figure in both sets."""

    name: str
    unit: str
    a: Side
    b: Side

    @property
    def called(self) -> str:
        """What may be said: "higher", "lower", "no difference shown", or "too few to tell"."""
        if self.unit != "%" and min(self.a.values, self.b.values) < FEWEST:
            return "too few to tell"
        if self.b.interval[0] > self.a.interval[1]:
            return "higher"
        if self.b.interval[1] < self.a.interval[0]:
            return "lower"
        return "no difference shown"


def compare(a: Path, b: Path) -> tuple[int, list[str]]:
    """Set `b` against `a`: exit code and lines to print.

    1: a promise that held in `a` is broken or given up in `b`. 2: a cell that could be judged in
    `a` cannot in `b`. Cells that only one set has are named, no more. Raises InvalidResults where
    there is nothing to compare.
    """
    sets = Results.reading(a), Results.reading(b)
    trials = _by_cell(sets[0]), _by_cell(sets[1])
    common = sorted(trials[0].keys() & trials[1].keys())
    if not common:
        raise InvalidResults(
            f"{a} and {b} have no cell in common (same strategy, scenario, timing, lease, N and M)"
        )
    lines = [f"A  {_said_of(sets[0], trials[0])}", f"B  {_said_of(sets[1], trials[1])}"]
    lines += [f"note: {line}" for line in _differently_made(*sets)]
    worst, verdicts = Exit.KEPT, list[str]()
    for cell in common:
        code, said = _promises(trials[0][cell], trials[1][cell])
        worst = max(worst, code, key=_severity)
        verdicts += [f"{_name(cell)}: {line}" for line in said]
        lines += ["", *_cell(cell, trials[0][cell], trials[1][cell], said)]
    lines += ["", *_only("A", trials[0].keys() - trials[1].keys())]
    lines += _only("B", trials[1].keys() - trials[0].keys())
    lines += [*verdicts, _conclusion(worst, len(common))]
    return worst, fitted(lines)


def promises_held(trials: Sequence[Judgement]) -> set[str] | None:
    """The promises that were made in a cell and kept by its valid trials; None without such."""
    valid = _valid(trials)
    if not valid:
        return None
    broken = {one.promise for trial in valid for one in trial.verdict.broken}
    return _made(valid[0].record) - broken


def figures(a: Row, b: Row) -> Iterator[Figure]:
    """The figures that both rows have."""
    for word in _RATES:
        sides = [_rate(one, word) for one in (a, b)]
        if sides[0] and sides[1]:
            yield Figure(f"{word} rate", "%", sides[0], sides[1])
    for name, unit, value, low, high, over in _TIMES:
        sides = [_time(one, value, low, high, over) for one in (a, b)]
        if sides[0] and sides[1]:
            yield Figure(name, unit, sides[0], sides[1])


def _by_cell(results: Results) -> Trials:
    cells: defaultdict[Cell, list[Judgement]] = defaultdict(list)
    for judgement in results.judgements():
        cells[judgement.record.cell].append(judgement)
    return cells


def _valid(trials: Sequence[Judgement]) -> list[Judgement]:
    return [trial for trial in trials if trial.verdict.status in ("ok", "broken")]


def _made(record: TrialRecord) -> set[str]:
    """The promises that a trial's design makes there, as verdicts name them."""
    made = {name for name, field in _PROMISES.items() if not getattr(record.allowed, field)}
    if made and record.stress == "steady":
        lateness = {"none late": "late", "none early": "early"}
        made |= {name for name, field in lateness.items() if not getattr(record.allowed, field)}
    if made and record.fence_scope is not None:
        made.add("fences grow")
    if record.stress in TIMED:
        bounds = {"failover": record.bounds.failover_s, "recovery": record.bounds.recovery_s}
        made |= {f"{name} in time" for name, bound in bounds.items() if bound is not None}
    return made


def _promises(a: Sequence[Judgement], b: Sequence[Judgement]) -> tuple[Exit, list[str]]:
    """What became of the promises that held in `a`."""
    held, holds = promises_held(a), promises_held(b)
    if held is None:
        return Exit.KEPT, []
    if holds is None:
        return Exit.INVALID, ["could be judged in A, cannot in B (no valid trial)"]
    said = []
    for promise in sorted(held - holds):
        still = promise in _made(_valid(b)[0].record)
        said.append(f'"{promise}" held in A, {"is broken" if still else "is given up"} in B')
    if said:
        return Exit.BROKEN, said
    gained = (_made(_valid(a)[0].record) - held) & holds
    return Exit.KEPT, [f'"{promise}" was broken in A, holds in B' for promise in sorted(gained)]


def _severity(code: Exit) -> int:
    """A broken promise is said before what cannot be judged."""
    return (Exit.KEPT, Exit.INVALID, Exit.BROKEN).index(code)


def _cell(
    cell: Cell, a: Sequence[Judgement], b: Sequence[Judgement], said: Sequence[str]
) -> Iterator[str]:
    rows = row(a), row(b)
    yield _name(cell)
    counts = [f"{one.status}, {one.valid_trials} of {one.trials} valid" for one in rows]
    yield f"  {'trials':<15}A {counts[0]:<19} B {counts[1]}"
    for figure in figures(*rows):
        a_said, b_said = _side(figure.a, figure.unit), _side(figure.b, figure.unit)
        yield f"  {figure.name:<15}A {a_said:<19} B {b_said:<19} {figure.called}"
    for line in said:
        yield f"  promise: {line}"


def _side(side: Side, unit: str) -> str:
    scale = 100 if unit == "%" else 1
    low, high = (scale * end for end in side.interval)
    return f"{scale * side.value:.3g} ({low:.3g}-{high:.3g}) {unit}"


def _rate(one: Row, word: str) -> Side | None:
    value = getattr(one, f"{word}_rate")
    if value is None:
        return None
    low, high = getattr(one, f"{word}_low"), getattr(one, f"{word}_high")
    return Side(value, (low, high), one.exposed_fires or one.fires or 0)


def _time(one: Row, value: str, low: str, high: str, over: str) -> Side | None:
    known = getattr(one, value), getattr(one, low), getattr(one, high)
    if None in known:
        return None
    values = (one.faults_hit or 0) if over == "faults" else one.valid_trials
    return Side(known[0], (known[1], known[2]), values)


def _name(cell: Cell) -> str:
    lease = f" {cell.lease_s:g} s" if cell.timing == "equal" else ""
    return (
        f"{cell.strategy}, {cell.scenario}, {cell.timing}{lease}, N={cell.instances} M={cell.jobs}"
    )


def _said_of(results: Results, trials: Trials) -> str:
    count = sum(len(some) for some in trials.values())
    commit = _commit(results.environment)
    return f"{results.path}: {count} trials of {len(trials)} cells" + (
        f", commit {commit}" if commit else ""
    )


def _commit(environment: Mapping[str, Any]) -> str:
    git = environment.get("git") or {}
    dirty = " with changes" if git.get("dirty") else ""
    return f"{git['commit'][:12]}{dirty}" if git.get("commit") else ""


def _differently_made(a: Results, b: Results) -> Iterator[str]:
    """What else differs between the two sets, and so may be the cause."""
    for name in ("machine", "python", "packages", "services"):
        one, other = a.environment.get(name), b.environment.get(name)
        if one != other:
            yield f"{name}: A {_changes(one, other)}; B {_changes(other, one)}"
    for name in ("period_s", "workload", "seed"):
        one, other = a.config.get(name), b.config.get(name)
        if one != other and None not in (one, other):  # a set made of parts has no setting of it
            yield f"{name}: A {one}, B {other}"


def _changes(one: Any, other: Any) -> str:
    """What `one` says and `other` does not."""
    if not isinstance(one, dict) or not isinstance(other, dict):
        return str(one)
    own = [f"{key} {value}" for key, value in one.items() if other.get(key) != value]
    return ", ".join(own) or "nothing of it"


def _only(side: str, cells: Any) -> Iterator[str]:
    if cells:
        yield f"only in {side}: " + "; ".join(_name(cell) for cell in sorted(cells))


def _conclusion(code: Exit, common: int) -> str:
    words = {
        Exit.KEPT: "every promise that held in A holds in B",
        Exit.BROKEN: "a promise that held in A no longer holds in B",
        Exit.INVALID: "B cannot be judged everywhere that A could",
    }
    return f"{words[code]} ({common} cells compared)"
