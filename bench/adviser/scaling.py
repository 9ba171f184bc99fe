"""Rules for the size of a case: operations, a leader's runs, pods, and how late runs start."""

import math

from bench.adviser.case import Case
from bench.adviser.facts import Known, beyond
from bench.adviser.load import Demand, demand, latency
from bench.adviser.point import Point
from bench.evidence import Figure
from strategies.catalogue import designs

# Kubernetes' scalability objectives hold up to 20 changes of pods a second; a run makes two.
PODS_PER_S = 10.0


def scale(case: Case, known: Known) -> list[Point]:
    """Operations a second at the case's peak, against the most that was measured."""
    wanted, like = demand(known, case), ""
    if wanted is None:
        wanted, like = _like_its_family(case, known)
    if wanted is None:
        said = "its operations were never counted, nor those of its family"
        return [Point(topic="scale", points=-10.0, why=said, rule="not measured",
                      missing=known.command_at(case, "steady"), extrapolated=True)]  # fmt: skip
    figure = Figure(value=wanted.seen_per_s, unit="operations/s seen", cell=wanted.cell)
    said = (
        f"{wanted.peak_per_s:.3g} operations/s at the peak, {wanted.seen_per_s:.3g} were seen{like}"
    )
    less = 0.0 if wanted.ratio <= 1 else min(40.0, 4 * math.log2(wanted.ratio))
    return [
        Point(topic="scale", points=-less, why=said, figure=figure,
              extrapolated=wanted.extrapolated or bool(like), rule="as its family" if like else "",
              missing=known.command_at(case, "steady") if wanted.extrapolated or like else "")
    ]  # fmt: skip


def _like_its_family(case: Case, known: Known) -> tuple[Demand | None, str]:
    """The costliest measured design of the same family, for one that was not measured."""
    others = [one for one in designs().values() if one.family == known.design.family]
    found = [
        (wanted, f" (taken from {one.name}: not measured)")
        for one in others
        if one.kind != "control" and (wanted := demand(Known(one, known.evidence), case))
    ]
    return max(found, key=lambda one: one[0].ratio, default=(None, ""))


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
    """A pod per fire, against what a cluster is made for."""
    if known.design.family != "cronjob" or case.peak_per_s <= PODS_PER_S:
        return []
    less = min(60.0, 10 + 8 * math.log2(case.peak_per_s / PODS_PER_S))
    said = f"{case.peak_per_s:.3g} pods/s at the peak; a cluster is made for {PODS_PER_S:g}"
    return [Point(topic="scale", points=-less, why=said, rule="pods per second")]


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
