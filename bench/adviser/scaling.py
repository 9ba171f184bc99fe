"""Rules for the size of a case: operations, a leader's runs, pods, and how late runs start."""

import math

from bench.adviser.case import Case
from bench.adviser.facts import MOST_JOBS, Known, beyond, stated
from bench.adviser.load import Demand, demand, latency, seen
from bench.adviser.point import Point
from bench.evidence import (
    Evidence,
    Figure,
    beyond_words,
    carried,
    cell_words,
    fires_per_s,
)
from strategies.catalogue import designs

PER_DOUBLING, MOST = 4.0, 100.0  # points; the most is beyond all use
BEYOND = 3.0  # times what anything measured carried: from here on the ranking is an argument


def scale(case: Case, known: Known) -> list[Point]:
    """Operations a second at the case's peak, against the most that was measured."""
    wanted, like = demand(known, case), ""
    if wanted is None:
        wanted, like = _like_its_family(case, known)
    full = beyond_words(known.evidence.beyond_machine([known.name]))
    if wanted is None:
        said = full or "its operations were never counted, nor those of its family"
        return [Point(topic="scale", points=-10.0, why=said, rule="not measured",
                      missing=known.command_at(case, "steady"), extrapolated=True)]  # fmt: skip
    most, cell = most_seen(known)
    figure = Figure(value=most, unit="operations/s seen", cell=cell or wanted.cell)
    said = f"{wanted.peak_per_s:.3g} operations/s at the peak{like}; {most:.3g} were seen here"
    said += f"; {full}" if full else ""
    less = _doublings(wanted.peak_per_s / most if most else math.inf)
    return [
        Point(topic="scale", points=-less, why=said, figure=figure,
              extrapolated=wanted.extrapolated or bool(like), rule="as its family" if like else "",
              missing=known.command_at(case, "steady") if wanted.extrapolated or like else "")
    ]  # fmt: skip


def _doublings(ratio: float) -> float:
    """Points for every doubling beyond what was seen; None up to there."""
    return 0.0 if ratio <= 1 else min(MOST, PER_DOUBLING * math.log2(ratio))


def most_seen(known: Known) -> tuple[float, str]:
    """The most operations a second that a server here gave to any design, and in which cell.

    One figure for all designs: to have been measured at larger sizes is no merit of a design.
    """
    rows = [
        row
        for one in designs().values()
        if one.kind != "control"
        for row in known.evidence.rows_of(one.name)
        if row.ops_per_fire is not None and carried(row)
    ]
    row = max(rows, key=seen, default=None)
    return (0.0, "") if row is None else (seen(row), cell_words(row))


def through_one(case: Case, known: Known) -> list[Point]:
    """Fires a second at the narrowest point, against the most that any cell carried on time.

    A leader or a cluster lock passes all fires one after another, and more instances do not help;
    without such a point the fires spread over the instances. One figure for all designs, again.
    """
    row, serial = known.evidence.most_carried, known.design.serial
    if row is None or known.design.family == "cronjob":  # pods() has a measured rate of its own
        return []
    rate = case.peak_per_s if serial else case.peak_per_s / case.instances
    carried_per_s = fires_per_s(row) if serial else fires_per_s(row) / row.instances
    if rate <= carried_per_s:
        return []
    where = f"through {serial}, however many instances" if serial else "for each instance"
    late = known.evidence.figure(row, "trigger_latency_p99_ms", "ms p99 late")
    said = f"{rate:.3g} fires/s {where}; {carried_per_s:.3g} were carried on time"
    said += f", {late.value:.0f} ms late (p99)" if late else ""
    alone = stated()["alone"].get(known.design.family) if serial else None
    said += f"; {alone['words']}" if alone else ""
    return [
        Point(topic="fires", points=-_doublings(rate / carried_per_s), why=said,
              figure=Figure(value=carried_per_s, unit="fires/s carried", cell=cell_words(row)),
              rule="serial point" if serial else "spread over instances", extrapolated=True,
              missing=known.command_at(case, "steady"))
    ]  # fmt: skip


def caveat(case: Case, evidence: Evidence) -> str:
    """What must be said of the whole ranking where nothing measured comes near; else empty."""
    row = evidence.most_carried
    if row is None or case.peak_per_s <= BEYOND * fires_per_s(row):
        return ""
    return (
        f"Nothing measured carries this: {case.peak_per_s:,.0f} fires/s are needed at the peak, "
        f"{fires_per_s(row):.3g} were carried on time at most ({cell_words(row)}): the ranking is "
        "argued beyond that, not measured."
    )


def _like_its_family(case: Case, known: Known) -> tuple[Demand | None, str]:
    """The costliest measured design of the same family, for one that was not measured."""
    others = [one for one in designs().values() if one.family == known.design.family]
    found = [
        (wanted, f" (taken from {one.name}: not measured)")
        for one in others
        if one.kind != "control" and (wanted := demand(Known(one, known.evidence), case))
    ]
    return max(found, key=lambda one: one[0].peak_per_s, default=(None, ""))


def one_process(case: Case, known: Known) -> list[Point]:
    """A leader runs every job itself."""
    at_once = case.peak_per_s * case.run_s
    if known.design.family != "election" or at_once <= 20:
        return []
    less = min(30.0, 5 * math.log2(at_once / 20))
    said = f"one instance runs everything: up to {at_once:.3g} runs at once"
    row = known.evidence.nearest(known.name, "burst", instances=case.instances, jobs=case.jobs)
    figure = known.evidence.figure(row, "trigger_latency_p99_ms", "ms p99 in a burst")
    missing = "" if row else known.command("burst", jobs=min(case.jobs, 300))
    return [
        Point(topic="scale", points=-less, why=said, figure=figure, rule="one leader",
              missing=missing, extrapolated=row is not None and beyond(case, row))
    ]  # fmt: skip


def pods(case: Case, known: Known) -> list[Point]:
    """Fires due at one minute, against how fast pods were seen to start; a tenth of it is none."""
    starts = stated()["pods"]
    slowest, fastest = starts["low"], starts["high"]
    share = case.peak_per_s / slowest  # of the minute that the starts take
    if known.design.family != "cronjob" or share <= 0.1:
        return []
    grain_s = known.design.grain_s
    due = case.peak_per_s * grain_s
    said = (
        f"{due:,.0f} fires due at one minute take {due / fastest:,.0f} to {due / slowest:,.0f} s "
        f"to start; {starts['note']}"
    )
    less = 30 * share if share <= 1 else 30 + 2 * _doublings(share)
    figure = Figure(value=(slowest + fastest) / 2, low=slowest, high=fastest,
                    unit="fires/s started", cell=starts["cell"])  # fmt: skip
    return [
        Point(topic="scale", points=-min(MOST, less), why=said, figure=figure,
              rule="pods per second", extrapolated=due > starts["most"],
              missing=known.command("burst", jobs=min(case.jobs, MOST_JOBS)))
    ]  # fmt: skip


def punctual(case: Case, known: Known) -> list[Point]:
    """How late runs start, where periods are short."""
    row, late = latency(known, case)
    if row is None or late is None or late.value / 1000 <= 0.1 * case.period_s:
        return []
    said = f"starts {late.value:.0f} ms late (p99) of a period of {case.period}"
    less = min(20.0, 100 * late.value / 1000 / case.period_s)
    return [
        Point(topic="latency", points=-less, why=said, figure=late, extrapolated=beyond(case, row))
    ]
