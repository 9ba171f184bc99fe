"""From a case and evidence to advice: a ranked list, and what would change it. Pure."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from bench.adviser.case import COSTS, SERVICES, TEAMS, Case
from bench.adviser.estimate import Estimate, estimate
from bench.adviser.facts import Known
from bench.adviser.migration import migration
from bench.adviser.point import Point
from bench.adviser.points import points
from bench.adviser.scaling import caveat
from bench.evidence import Evidence
from strategies.catalogue import designs
from strategies.interface import Design

FULL = 100.0


class Option(msgspec.Struct, frozen=True, kw_only=True):
    """One design in the ranking. `excluded` says why it cannot be used at all."""

    rank: int
    design: str
    summary: str
    score: float
    excluded: str = ""
    points: tuple[Point, ...]
    estimate: Estimate
    migration: tuple[str, ...]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One input varied: with `value` instead of `now`, `design` would be first."""

    question: str
    now: str
    value: str
    design: str


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a case. `missing` are the commands that would replace rules by figures.

    `caveat` is what must be said of the whole ranking, empty for nothing.
    """

    case: Case
    options: tuple[Option, ...]
    changes: tuple[Change, ...]
    unchanged: tuple[str, ...]
    missing: tuple[str, ...]
    sources: tuple[str, ...]
    caveat: str = ""

    @property
    def best(self) -> Option:
        """The first of the list."""
        return self.options[0]

    def option(self, design: str) -> Option:
        """The option called `design`."""
        return next(one for one in self.options if one.design == design)


def advise_on(case: Case, evidence: Evidence) -> Advice:
    """Rank all designs of the catalogue but the controls."""
    options = rank(case, evidence)
    changes = list(_changes(case, evidence, options[0].design))
    asked = dict.fromkeys(question for question, _ in variations(case))
    moved = {change.question for change in changes}
    missing = dict.fromkeys(
        point.missing for option in options[:3] for point in option.points if point.missing
    )
    return Advice(
        case=case,
        options=tuple(options),
        changes=tuple(changes),
        unchanged=tuple(question for question in asked if question not in moved),
        missing=tuple(missing),
        sources=evidence.sources,
        caveat=caveat(case, evidence),
    )


def rank(case: Case, evidence: Evidence) -> list[Option]:
    """All options, best first; those that cannot be used last; equals by name."""
    weighed = [_weighed(case, Known(one, evidence)) for one in candidates()]
    weighed.sort(key=lambda one: (bool(one.excluded), -one.score, one.design))
    return [msgspec.structs.replace(one, rank=number) for number, one in enumerate(weighed, 1)]


def candidates() -> list[Design]:
    """Every design but the controls."""
    return [one for one in designs().values() if one.kind != "control"]


def _weighed(case: Case, known: Known) -> Option:
    found = points(case, known)
    excluded = next((point.why for point in found if point.excludes), "")
    return Option(
        rank=0,
        design=known.name,
        summary=known.design.summary,
        score=_score(found),
        excluded=excluded,
        points=tuple(found),
        estimate=estimate(case, known),
        migration=migration(case, known.design),
    )


OTHERS: dict[str, tuple[Any, ...]] = {
    "longest_run": ("1s", "10m", "6h"),
    "failover": ("2s", "10s", "10m"),
    "duplicate_cost": COSTS,
    "missed_cost": COSTS,
    "team": TEAMS,
    "regions": (1, 3),
}
YES_NO = ("idempotent", "fenced", "spikes", "audit", "calendars", "dependencies", "isolation")


def variations(case: Case) -> Iterator[tuple[str, dict[str, Any]]]:
    """(question, other answers) that are tried, one at a time."""
    for factor in (0.1, 10):
        yield "instances", {"instances": max(1, round(case.instances * factor))}
        yield "jobs", {"jobs": max(1, round(case.jobs * factor)), **_fires(case, factor)}
    yield from (("period", {"period": one, "fires_per_day": None}) for one in ("1s", "1m", "24h"))
    for question, values in OTHERS.items():
        yield from ((question, {question: value}) for value in values)
    yield from ((question, {question: not getattr(case, question)}) for question in YES_NO)
    for name in SERVICES[:-1]:
        others = tuple(one for one in case.operated if one != name)
        yield "operated", {"operated": others if name in case.operated else (*others, name)}


def _fires(case: Case, factor: float) -> dict[str, Any]:
    return {} if case.fires_per_day is None else {"fires_per_day": case.fires_per_day * factor}


def _changes(case: Case, evidence: Evidence, best: str) -> Iterator[Change]:
    for question, other in variations(case):
        varied = msgspec.structs.replace(case, **other)
        first = min(_order(varied, Known(one, evidence)) for one in candidates())[-1]
        if first != best:
            now, value = (words(getattr(one, question)) for one in (case, varied))
            yield Change(question=question, now=now, value=value, design=first)


def _order(case: Case, known: Known) -> tuple[bool, float, str]:
    """What designs are sorted by: those that can be used, by points, equals by name."""
    found = points(case, known)
    return any(point.excludes for point in found), -_score(found), known.name


def _score(found: Sequence[Point]) -> float:
    return round(FULL + sum(point.points for point in found), 3)


def words(value: Any) -> str:
    """An answer as it is told: yes and no, a list, a number without zeros behind it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(value) or "nothing"
    return f"{value:.10g}" if isinstance(value, float) else str(value)
