"""The rules: what speaks for or against a design in a case, in points, each with its reason.

A design begins at 100. A rule takes points away (or excludes the design), and says why: with a
measured figure and its cell, or with the name of a stated rule. What points are worth is a choice,
made here in the open: see docs/adviser.md.
"""

import math
from collections.abc import Sequence

from bench.adviser.case import Case, Cost
from bench.adviser.facts import STRESSES, Known, beyond, stated
from bench.adviser.point import Point, Rule
from bench.adviser.scaling import one_process, pods, punctual, scale, through_one
from bench.code_lines import code_lines
from bench.evidence import Figure
from bench.matrix import Row
from strategies.interface import Design

WEIGHT: dict[Cost, float] = {"none": 0, "low": 8, "high": 25, "ruinous": 60}
BAD_SHARE = 0.10  # of exposed fires: from here on a fault goes as badly as it can
IDEMPOTENT, CHECKED = 0.2, 0.4  # what is left of the harm of a duplicate
NEW_SERVICE = {"small": 25.0, "medium": 12.0, "large": 5.0}
HARD_SERVICE = {"kubernetes": 1.5}
WORTH = {"audit": 15.0, "calendars": 12.0, "dependencies": 8.0, "isolation": 40.0}
LINES_PER_POINT = {"small": 150.0, "medium": 300.0, "large": 600.0}


def duplicates(case: Case, known: Known) -> list[Point]:
    """A fire that runs twice under a fault, weighed by its cost and by what stops its effect."""
    weight, design = WEIGHT[case.duplicate_cost], known.design
    left, how = _harm_left(case, known)
    worst = known.worst("duplicate")
    if design.fence_scope is None:
        said = "no fence: nothing can stop a late effect of a holder that was paused"
        figure = worst[1] if worst else None
        return [
            Point(
                topic="duplicates", points=-weight * left, why=said + how, figure=figure,
                rule="unfenced", missing="" if worst else known.command("pause"),
                extrapolated=worst is not None and beyond(case, worst[0]),
            )
        ]  # fmt: skip
    if worst is None:
        may = _may(design, "duplicates")
        said = "its promise allows duplicates under faults" if may else "its promise excludes them"
        return [
            Point(
                topic="duplicates", points=-weight * left * may, why=said + how,
                rule="promise", missing=known.command("crash,pause,partition"),
            )
        ]  # fmt: skip
    row, rate = worst
    risk = risk_of(rate, excluded=not _may(design, "duplicates"))
    said = f"worst of the faults is {row.scenario}: {rate.value:.1%} of exposed fires ran twice"
    return [
        Point(topic="duplicates", points=-weight * risk * left, why=said + how, figure=rate,
              extrapolated=beyond(case, row), missing=_larger(case, known, row))
    ]  # fmt: skip


def _harm_left(case: Case, known: Known) -> tuple[float, str]:
    if case.idempotent:
        return IDEMPOTENT, "; jobs are idempotent, which stops the second effect"
    if case.fenced and known.design.fence_scope:
        return CHECKED, "; what they write to checks the fence"
    return 1.0, ""


def missed(case: Case, known: Known) -> list[Point]:
    """A fire that is never finished."""
    weight = WEIGHT[case.missed_cost]
    worst = known.worst("undone")
    if worst is None:
        may = _may(known.design, "missed", "interrupted")
        said = "its promise allows fires to stay undone" if may else "its promise excludes that"
        return [
            Point(topic="missed", points=-weight * may, why=said, rule="promise",
                  missing=known.command("crash,pause,partition"))
        ]  # fmt: skip
    row, rate = worst
    risk = risk_of(rate, excluded=not _may(known.design, "missed", "interrupted"))
    said = f"worst of the faults is {row.scenario}: {rate.value:.1%} of exposed fires never done"
    return [
        Point(topic="missed", points=-weight * risk, why=said, figure=rate,
              extrapolated=beyond(case, row), missing=_larger(case, known, row))
    ]  # fmt: skip


def _larger(case: Case, known: Known, row: Row) -> str:
    """The command that measures faults at the case's own size, where a cell is smaller."""
    return known.command_at(case, ",".join(STRESSES)) if beyond(case, row) else ""


def risk_of(rate: Figure, *, excluded: bool) -> float:
    """0 to 1: the upper end of the interval, which is what the trials could not exclude.

    None where the design's promise excludes it and no trial showed it.
    """
    if excluded and rate.value == 0:
        return 0.0
    return min(1.0, (rate.value if rate.high is None else rate.high) / BAD_SHARE)


def _may(design: Design, *what: str) -> bool:
    """Whether the design's promise allows any of these under any of the faults."""
    allowed = [design.promise.allowed(stress) for stress in STRESSES]
    return any(getattr(one, word) for one in allowed for word in what)


def failover(case: Case, known: Known) -> list[Point]:
    """How long jobs stand still after a kill, against what is tolerable."""
    default, tuned = known.failover("vendor"), known.failover("equal")
    wanted = case.failover_s
    if default and (default[0].failover_max_s or 0) <= wanted:
        said = (
            f"its defaults take {default[1].value:.1f} s after a kill; {wanted:g} s are tolerable"
        )
        return [
            Point(topic="failover", points=0, why=said, figure=default[1],
                  extrapolated=beyond(case, default[0]))
        ]  # fmt: skip
    if tuned is None:
        bound = known.bound_s
        said = "no bound" if bound is None else f"its own bound is {bound:.3g} s at a lease of 2 s"
        less = -30.0 if bound is None else -2.0 if bound <= wanted else _too_slow(bound, wanted)
        return [
            Point(topic="failover", points=less, why=said, rule="bound",
                  missing=known.command("crash"))
        ]  # fmt: skip
    row, figure = tuned
    most = row.failover_max_s or figure.value
    if most <= wanted:
        lease = wanted / (most / (row.lease_s or 1.0))
        said = f"at most {most:.1f} s at a lease of {row.lease_s:g} s; up to {lease:.3g} s would do"
        return [
            Point(topic="failover", points=-2.0, why=said, figure=figure,
                  extrapolated=beyond(case, row),
                  missing="" if default else known.command("crash", timing="vendor"))
        ]  # fmt: skip
    said = f"{most:.1f} s at a lease of {row.lease_s:g} s; only {wanted:g} s are tolerable"
    return [
        Point(topic="failover", points=_too_slow(most, wanted), why=said, figure=figure,
              extrapolated=beyond(case, row))
    ]  # fmt: skip


def _too_slow(seconds: float, wanted: float) -> float:
    """Points for a failover that takes longer than is tolerable, measured or by the bound."""
    return -min(30.0, 5 + 10 * math.log2(seconds / wanted))


def grain(case: Case, known: Known) -> list[Point]:
    """A platform that cannot start a job as often as asked (CronJob: every minute)."""
    if case.period_s >= known.design.grain_s:
        return []
    said = f"a period of {case.period} is shorter than its grain of {known.design.grain_s:g} s"
    return [Point(topic="period", points=-100, why=said, rule="grain", excludes=True)]


def services(case: Case, known: Known) -> list[Point]:
    """A server that the team would have to begin to operate."""
    found = []
    for name in known.design.services:
        if name in case.operated:
            said = f"{name} is operated already"
            found.append(Point(topic="operations", points=0, why=said, rule="operated"))
            continue
        less = NEW_SERVICE[case.team] * HARD_SERVICE.get(name, 1.0)
        servers = stated()["services"][name]["servers"]
        said = f"{name} is new for a {case.team} team: {servers} servers"
        found.append(Point(topic="operations", points=-less, why=said, rule="new service"))
    return found


def overlapping(case: Case, known: Known) -> list[Point]:
    """A design that lets a job run beside itself even where nothing breaks."""
    if not known.design.promise.allowed("steady").overlaps:
        return []
    share = min(1.0, case.run_s / case.period_s)
    left, how = _harm_left(case, known)
    less = 5.0 + WEIGHT[case.duplicate_cost] * share * left
    said = f"a job may run beside itself, as good as twice; a run fills {share:.0%} of its period"
    said += how
    return [Point(topic="overlaps", points=-less, why=said, rule="promise")]


def wishes(case: Case, known: Known) -> list[Point]:
    """Audit trail, calendars, dependencies, isolation: by stated rules."""
    found = []
    for word, worth in WORTH.items():
        if getattr(case, word):
            has = float(known.features[word])
            said = str(known.features["why"])
            found.append(
                Point(topic=word, points=-worth * (1 - has), why=said, rule=f"features: {word}")
            )
    return found


def spread_out(case: Case, known: Known) -> list[Point]:
    """Several regions: calls across them, and what survives without one."""
    if case.regions == 1:
        return []
    good = float(stated()["regions"][known.design.family])
    said = (
        f"{case.regions} regions: {'a queue or cluster in each' if good > 0.5 else 'calls cross'}"
    )
    return [Point(topic="regions", points=-12 * (1 - good), why=said, rule="regions")]


def tries_again(case: Case, known: Known) -> list[Point]:
    """A failed run that nobody tries again."""
    if WEIGHT[case.missed_cost] < WEIGHT["high"] or known.design.promise.retries:
        return []
    said = "a run that fails is not tried again"
    row = known.evidence.nearest(known.name, "failing-job")
    figure = known.evidence.figure(row, "failed_fires", "fires stayed failed")
    return [
        Point(topic="retries", points=-5, why=said, figure=figure, rule="promise",
              missing="" if row else known.command("failing-job"))
    ]  # fmt: skip


def promises(case: Case, known: Known) -> list[Point]:
    """A design that promises nothing even where nothing breaks."""
    if known.design.promise.under:
        return []
    said = "it promises nothing, not even while nothing breaks"
    return [Point(topic="promise", points=-20, why=said, rule="no promise")]


def code(case: Case, known: Known) -> list[Point]:
    """Lines to own."""
    lines = code_lines(known.name)
    said = f"{lines} lines of code in our version"
    figure = Figure(value=lines, unit="lines", cell=f"strategies, {known.name}")
    less = lines / LINES_PER_POINT[case.team]
    return [Point(topic="code", points=-less, why=said, figure=figure)]


RULES: Sequence[Rule] = (
    grain, duplicates, overlapping, missed, failover, services, scale, through_one,
    one_process, pods, punctual, wishes, spread_out, tries_again, promises, code,
)  # fmt: skip


def points(case: Case, known: Known) -> list[Point]:
    """Every rule's points for one design, those that weigh most first."""
    found = [point for rule in RULES for point in rule(case, known)]
    return sorted(found, key=lambda point: point.points)
