"""What the adviser is asked: one service's replicas, jobs, and what goes wrong costs.

A case is a TOML file (docs/adviser.md), flags, or answers to questions. Lengths are a number and
ms, s, m or h, as in workloads.
"""

import tomllib
from pathlib import Path
from typing import Any, Literal

import msgspec

from bench.errors import BadArguments
from bench.workload import seconds
from strategies.catalogue import designs, nearest

Cost = Literal["none", "low", "high", "ruinous"]
Team = Literal["small", "medium", "large"]
COSTS: tuple[Cost, ...] = ("none", "low", "high", "ruinous")
TEAMS: tuple[Team, ...] = ("small", "medium", "large")
SERVICES = ("redis", "postgres", "zookeeper", "etcd", "kubernetes", "broker")

DAY_S = 86_400
MOST_INSTANCES, MOST_JOBS = 100_000, 10_000_000
SPIKE = 10  # how many times the mean rate the peak is taken for, where there are spikes


class Case(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One case. `period`, `longest_run` and `failover` are lengths of time as written.

    `fires_per_day` where jobs have different periods; else all are taken to have the shortest.
    `fenced`: what the jobs write to can refuse an older fence. `today`: the design in use, if any.
    `guides` and `guides_say`: what the common guides choose for it, for worked examples.
    """

    name: str = "this case"
    instances: int
    jobs: int
    period: str
    longest_run: str = "1s"
    failover: str = "1m"
    fires_per_day: float | None = None
    duplicate_cost: Cost = "low"
    missed_cost: Cost = "low"
    idempotent: bool = False
    fenced: bool = False
    spikes: bool = False
    audit: bool = False
    calendars: bool = False
    dependencies: bool = False
    isolation: bool = False
    regions: int = 1
    operated: tuple[str, ...] = ()
    team: Team = "medium"
    today: str = ""
    guides: tuple[str, ...] = ()
    guides_say: str = ""

    @property
    def period_s(self) -> float:
        """The shortest period in seconds."""
        return seconds(self.period)

    @property
    def run_s(self) -> float:
        """The longest run in seconds."""
        return seconds(self.longest_run)

    @property
    def failover_s(self) -> float:
        """How long jobs may stand still after an instance died."""
        return seconds(self.failover)

    @property
    def fires_per_s(self) -> float:
        """Fires a second, on average."""
        if self.fires_per_day is not None:
            return self.fires_per_day / DAY_S
        return self.jobs / self.period_s

    @property
    def peak_per_s(self) -> float:
        """Fires a second at a peak."""
        return self.fires_per_s * (SPIKE if self.spikes else 1)


def load_case(path: Path) -> Case:
    """Read a case from a TOML file; raises BadArguments in one line."""
    try:
        return checked(tomllib.loads(path.read_text()))
    except OSError as error:
        raise BadArguments(f"case {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadArguments(f"case {path}: no text in UTF-8 ({error.reason})") from error
    except tomllib.TOMLDecodeError as error:
        raise BadArguments(f"case {path}: {error} (docs/adviser.md shows the form)") from error
    except BadArguments as error:
        raise BadArguments(f"case {path}: {error}") from error


def checked(given: dict[str, Any]) -> Case:
    """The case of some values; raises BadArguments naming the first that cannot be used."""
    fields = Case.__struct_fields__
    for name in given:
        if name not in fields:
            raise BadArguments(f"no question {name!r}: {nearest(name, fields)}")
    for name in ("instances", "jobs", "period"):
        if given.get(name) is None:
            raise BadArguments(f"{name} is not said: it is needed (docs/adviser.md shows the form)")
    try:
        case = msgspec.convert(given, Case)
    except msgspec.ValidationError as error:
        raise BadArguments(f"{error}") from error
    _check(case)
    return case


def _check(case: Case) -> None:
    _within("instances", case.instances, 1, MOST_INSTANCES)
    _within("jobs", case.jobs, 1, MOST_JOBS)
    _within("regions", case.regions, 1, 100)
    _within("the shortest period", case.period_s, 0.1, 366 * DAY_S, " s")
    _within("the longest run", case.run_s, 0.0, 366 * DAY_S, " s")
    _within("the tolerable failover", case.failover_s, 0.1, 366 * DAY_S, " s")
    if case.fires_per_day is not None:
        _within("fires per day", case.fires_per_day, 1e-3, 1e12)
        most = case.jobs / case.period_s * DAY_S
        if case.fires_per_day > 1.001 * most:
            raise BadArguments(
                f"fires per day are {case.fires_per_day:g}: {case.jobs} jobs every "
                f"{case.period} make {most:g} at most"
            )
    for name in case.operated:
        if name not in SERVICES:
            raise BadArguments(f"unknown service {name!r}: {nearest(name, SERVICES)}")
    for name in (*case.guides, *([case.today] if case.today else [])):
        if name not in designs():
            raise BadArguments(f"unknown strategy {name!r}: {nearest(name, designs())}")


def _within(what: str, value: float, low: float, high: float, unit: str = "") -> None:
    if not low <= value <= high:
        raise BadArguments(f"{what}: {value:g}{unit} given, expected {low:g} to {high:g}{unit}")
