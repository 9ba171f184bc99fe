"""Showing what a bench is doing: a live table on a terminal, one line per trial in a pipe.

waiting -> running (elapsed of expected seconds) -> done (its rates)
"""

import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from bench.plan import Plan

Cell = tuple[str, str, int, int]  # strategy, scenario, N, M


def cell_of(plan: Plan) -> Cell:
    """The matrix cell a trial belongs to."""
    return plan.design.name, plan.scenario.name, plan.instances, len(plan.workload.jobs)


@dataclass(frozen=True)
class Finding:
    """What progress says of a finished trial: its status, and its rates in a few words."""

    status: str
    rates: str
    reasons: tuple[str, ...] = ()


class Progress(Protocol):
    """What the runner tells about itself."""

    def step(self, text: str) -> None:
        """A step of the set-up, or something the user must know."""

    def passing(self, text: str) -> None:
        """How far a long step is; on a terminal the next such line replaces it."""

    def begin(self, plans: list[Plan], done: int, expected_s: float) -> None:
        """These trials will run; `done` more are there already; it should take `expected_s`."""

    def started(self, plan: Plan, attempt: int) -> None:
        """A trial starts, for the `attempt`th time."""

    def phase(self, plan: Plan, name: str) -> None:
        """A trial entered a phase."""

    def finished(self, plan: Plan, finding: Finding, left_s: float) -> None:
        """A trial ended; the bench should take `left_s` more."""

    def end(self) -> None:
        """Nothing more will be told."""


class LineProgress:
    """One line per event, for pipes and logs."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._count = 0
        self._total = 0

    def step(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def passing(self, text: str) -> None:
        self.step(text)

    def begin(self, plans: list[Plan], done: int, expected_s: float) -> None:
        self._count, self._total = 0, len(plans)
        kept = f" ({done} kept from before)" if done else ""
        self.step(f"{trials(len(plans))}{kept}, about {minutes(expected_s)}")

    def started(self, plan: Plan, attempt: int) -> None:
        pass

    def phase(self, plan: Plan, name: str) -> None:
        pass

    def finished(self, plan: Plan, finding: Finding, left_s: float) -> None:
        self._count += 1
        why = f" ({finding.reasons[0]})" if finding.reasons else ""
        self.step(
            f"[{self._count}/{self._total}] {plan.name}: {finding.status}, {finding.rates}{why}"
            f" - {minutes(left_s)} left"
        )

    def end(self) -> None:
        pass


@dataclass
class _CellState:
    planned: int = 0
    findings: list[Finding] = field(default_factory=list)
    running: dict[int, tuple[float, float, str]] = field(default_factory=dict)  # k -> since, of, in


class LiveProgress:
    """The table of cells, redrawn four times a second; finished steps scroll above it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._cells: defaultdict[Cell, _CellState] = defaultdict(_CellState)
        self._ends_s = 0.0
        self._trials = [0, 0]
        self._passing = ""
        self._live = Live(
            console=console, refresh_per_second=4, get_renderable=self._draw, transient=True
        )

    def step(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False)

    def passing(self, text: str) -> None:
        self._passing = text
        self._show()

    def begin(self, plans: list[Plan], done: int, expected_s: float) -> None:
        for plan in plans:
            self._cells[cell_of(plan)].planned += 1
        self._trials = [0, len(plans)]
        self._ends_s = time.monotonic() + expected_s
        kept = f" ({done} kept from before)" if done else ""
        self.step(f"{trials(len(plans))}{kept}, about {minutes(expected_s)}")
        self._passing = ""
        self._show()

    def started(self, plan: Plan, attempt: int) -> None:
        state = self._cells[cell_of(plan)]
        state.running[plan.k] = (time.monotonic(), plan.expected_s, "starting")

    def phase(self, plan: Plan, name: str) -> None:
        running = self._cells[cell_of(plan)].running
        if plan.k in running:
            running[plan.k] = (*running[plan.k][:2], name)

    def finished(self, plan: Plan, finding: Finding, left_s: float) -> None:
        state = self._cells[cell_of(plan)]
        state.running.pop(plan.k, None)
        state.findings.append(finding)
        self._trials[0] += 1
        self._ends_s = time.monotonic() + left_s
        if finding.status in ("broken", "invalid", "unknown"):
            self.step(f"{plan.name}: {finding.status} - {'; '.join(finding.reasons)}")

    def end(self) -> None:
        if self._live.is_started:
            self._live.stop()

    def _show(self) -> None:
        if not self._live.is_started:
            self._live.start()

    def _draw(self) -> RenderableType:
        if self._passing:
            return Text(self._passing)
        left_s = max(0.0, self._ends_s - time.monotonic())
        head = Text(f"{self._trials[0]} of {self._trials[1]} trials done, {minutes(left_s)} left")
        return Group(head, self._table())

    def _table(self) -> Table:
        scenarios = list(dict.fromkeys(cell[1] for cell in self._cells))
        rows = list(dict.fromkeys((cell[0], cell[2], cell[3]) for cell in self._cells))
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("strategy", no_wrap=True)
        for name in scenarios:
            table.add_column(name, no_wrap=True, min_width=14)
        for strategy, n, m in self._visible(rows):
            states = [self._cells.get((strategy, name, n, m)) for name in scenarios]
            label = f"{strategy} {n}x{m}"
            table.add_row(label, *(_cell_text(state) for state in states))
        return table

    def _visible(self, rows: list[tuple[str, int, int]]) -> list[tuple[str, int, int]]:
        room = max(5, self._console.height - 4)
        if len(rows) <= room:
            return rows
        running = [
            number
            for number, row in enumerate(rows)
            if any(s.running for c, s in self._cells.items() if (c[0], c[2], c[3]) == row)
        ]
        first = max(0, (min(running) if running else 0) - room // 3)
        first = min(first, len(rows) - room)
        return rows[first : first + room]


def _cell_text(state: _CellState | None) -> Text:
    if state is None:
        return Text("")
    if state.running:
        since_s, of_s, phase = next(iter(state.running.values()))
        return Text(f"{phase} {time.monotonic() - since_s:.0f}/{of_s:.0f} s", style="cyan")
    if not state.findings:
        return Text("waiting", style="dim")
    worst = max(state.findings, key=lambda finding: _SEVERITY.get(finding.status, 0))
    count = f" {len(state.findings)}/{state.planned}"
    return Text(worst.rates.partition(" of ")[0] + count, style=_STYLE.get(worst.status, ""))


_SEVERITY = {"ok": 0, "declared": 1, "broken": 2, "invalid": 3, "unknown": 4}
_STYLE = {"ok": "green", "declared": "yellow", "broken": "red", "invalid": "magenta"}


def trials(count: int) -> str:
    """'1 trial' or '30 trials'."""
    return "1 trial" if count == 1 else f"{count} trials"


def minutes(seconds: float) -> str:
    """'45 s', '6 min' or '2 h 05 min'."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    hours, rest = divmod(round(seconds / 60), 60)
    return f"{hours} h {rest:02} min"
