"""report.html: made from a results directory, in one file that needs no network."""

from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from bench.matrix import Row, verdict
from bench.report.contents import (
    Contents,
    colour_group,
    contents,
    scenario_summary,
    scenarios_of,
    state,
    summary_of,
    trial_page,
    trial_summary,
)
from bench.report.timeline import OUTCOME_WORDS, RUN_FLAGS, STATUS_WORDS
from bench.results import Results, ResultsNotKept

SCRIPTS = ("page.js", "plots.js", "timeline.js", "views.js")

# Signs beside the words, so that a status reads without colour.
SIGNS = {
    "ok": "\N{CHECK MARK}",
    "broken": "\N{BALLOT X}",
    "declared": "\N{CIRCLE WITH LEFT HALF BLACK}",
    "invalid": "!",
    "unknown": "?",
    "not-run": "\N{EN DASH}",
}


@dataclass(frozen=True)
class Column:
    """One column of the matrix on the page: a scenario at one timing and size."""

    scenario: str
    timing: str
    lease_s: float
    instances: int
    jobs: int

    @property
    def size(self) -> str:
        """The column without its scenario, in words."""
        lease = f" {self.lease_s:g} s" if self.timing == "equal" else ""
        return f"N={self.instances} M={self.jobs} {self.timing}{lease}"


@dataclass(frozen=True)
class Line:
    """One strategy with its cells, a place in the matrix's rows (or None) for each column."""

    strategy: str
    group: str
    summary: str
    cells: list[int | None]


def write_report(results: Results) -> Path:
    """Make report.html in a results directory; the path of the page.

    Raises ResultsNotKept when it cannot be written. The page before stays whole until then.
    """
    page = render(contents(results), made=datetime.now(UTC))
    path = results.path / "report.html"
    half = path.with_name(".report.html.half")
    try:
        half.write_text(page, encoding="utf-8", errors="replace")
        half.replace(path)
    except OSError as error:
        half.unlink(missing_ok=True)
        raise ResultsNotKept(
            f"{path}: could not be written ({error.strerror}); "
            f"once there is room: coordbench report {results.path}"
        ) from error
    return path


def render(what: Contents, made: datetime) -> str:
    """The page of these contents."""
    columns = _columns(what.matrix)
    summaries, parts = [], []
    for trial in what.trials:
        page, latencies = trial_page(trial, len(what.trials))
        summaries.append({**trial_summary(trial), "latencies": latencies})
        parts.append(as_script(page))
    data = {
        "rows": [_row(row) for row in what.matrix],
        "trials": summaries,
        "groups": {row.strategy: colour_group(row.strategy) for row in what.matrix},
        "outcomes": OUTCOME_WORDS,
        "statuses": STATUS_WORDS,
        "flags": RUN_FLAGS,
        "signs": SIGNS,
    }
    files = resources.files("bench.report")
    template = _environment().from_string((files / "page.html").read_text("utf-8"))
    return template.render(
        title=what.results.path.resolve().name,
        path=str(what.results.path),
        made=f"{made:%Y-%m-%d %H:%M} UTC",
        what=what,
        state=state(what),
        verdict=verdict(what.matrix),
        columns=columns,
        lines=_lines(what.matrix, columns),
        scenarios={name: scenario_summary(name) for name in scenarios_of(what.matrix)},
        groups=sorted({colour_group(row.strategy) for row in what.matrix}),
        sizes=list(dict.fromkeys(column.size for column in columns)),
        statuses=[word for word in SIGNS if any(row.status == word for row in what.matrix)],
        signs=SIGNS,
        asked=_asked(what.config),
        machine=_machine(what.environment),
        allowed={trial.row: trial.judgement.record.allowed for trial in what.trials},
        data=as_script(data),
        parts=parts,
        style=Markup((files / "page.css").read_text("utf-8")),  # noqa: S704 - our own file
        scripts=[Markup((files / name).read_text("utf-8")) for name in SCRIPTS],  # noqa: S704
    )


def as_script(value: Any) -> Markup:
    """A value as JSON that may stand in a script element, whatever its strings hold."""
    text = msgspec.json.encode(value).decode()
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 - no character of it can end the element


def _environment() -> Environment:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"percent": percent, "figure": figure}
    return environment


def percent(rate: float | None) -> str:
    """A rate as per cent, with as many digits as say something."""
    if rate is None:
        return "-"
    value = 100 * rate
    return f"{value:.0f}" if value in (0, 100) or value >= 10 else f"{value:.1f}"


def figure(value: float | None) -> str:
    """A number to three digits."""
    return "-" if value is None else f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def _columns(matrix: list[Row]) -> list[Column]:
    order = {name: place for place, name in enumerate(scenarios_of(matrix))}
    found = {_column(row) for row in matrix}
    return sorted(
        found,
        key=lambda one: (order[one.scenario], one.timing, one.lease_s, one.instances, one.jobs),
    )


def _column(row: Row) -> Column:
    return Column(row.scenario, row.timing, row.lease_s or 0.0, row.instances, row.jobs)


def _lines(matrix: list[Row], columns: list[Column]) -> list[Line]:
    cells: dict[tuple[str, Column], int] = {
        (row.strategy, _column(row)): place for place, row in enumerate(matrix)
    }
    lines = [
        Line(
            strategy=name,
            group=colour_group(name),
            summary=summary_of(name),
            cells=[cells.get((name, column)) for column in columns],
        )
        for name in dict.fromkeys(row.strategy for row in matrix)
    ]
    return sorted(lines, key=lambda line: (line.group in ("control", "other"), line.group))


def _row(row: Row) -> dict[str, Any]:
    known = {key: value for key, value in msgspec.to_builtins(row).items() if value is not None}
    timing = f"{row.timing}-{row.lease_s or 0:g}s"
    known["cell"] = f"{row.strategy}/{row.scenario}/{timing}-n{row.instances}-m{row.jobs}"
    return known


def _asked(config: dict[str, Any]) -> list[tuple[str, str]]:
    """What was asked for, in words, without what was left at nothing."""
    names = {
        "profile": "profile", "trials": "trials per cell", "sizes": "sizes (N x M)",
        "fault_sizes": "sizes under faults", "period_s": "period, s", "timing": "timing",
        "lease_s": "lease, s", "seed": "seed", "workload": "workload", "parts": "in parts",
    }  # fmt: skip
    return [(words, _said(config[key])) for key, words in names.items() if config.get(key)]


def _said(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_said(one) for one in value)
    if isinstance(value, dict) and value.keys() == {"instances", "jobs"}:
        return f"{value['instances']} x {value['jobs']}"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_said(one)}" for key, one in value.items() if one is not None)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _machine(environment: dict[str, Any]) -> list[tuple[str, str]]:
    return [(key, _said(value)) for key, value in environment.items() if key != "version" and value]
