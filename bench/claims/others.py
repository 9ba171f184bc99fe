"""Rules for schedulers, queues, leaders and their code: rows 12, 17, 18, 20, 21 of the claims."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from bench.claims.model import Finding, Verdict, not_measured
from bench.claims.words import experiment_words, of_share, of_values, run_only, values_of
from bench.evidence import Evidence, Figure

HELD = 0.5  # share of a run's time from which on a lock is held "throughout"
LINES = {  # design -> (least, most) lines as printed, "~" read as a fifth or so
    "redis-lock": (40, 60),
    "zookeeper-election": (80, 120),
    "quartz": (60, 100),
    "redis-queue": (100, 150),
    "cronjob": (20, 40),
}
BACKOFF_OTHER = (2.0, 2.0, 2.0)  # 60, 120, 240 s against 30, 60, 120 s


def trigger_lock(evidence: Evidence) -> list[Finding]:
    """Row 12: how much of a run's time the cluster lock was held."""
    part, found = "held while the job runs", evidence.experiment("trigger-lock")
    if found is None:
        return [not_measured(part, run_only("trigger-lock"))]
    locked, samples = int(found["locked"]), int(found["samples"])
    figure = of_share(locked, samples, experiment_words("trigger-lock"), "% of looks found it held")
    held = samples > 0 and locked / samples > HELD
    how = "" if held else ": it is taken per statement"
    return [
        Finding(
            part=part,
            verdict="confirmed" if held else "contradicted",
            finding=f"while jobs of {found['run_s']:g} s ran, {locked} of {samples} looks at the "
            f"lock row found it held{how}. Ours, after Quartz' own job store",
            figure=figure,
            command=run_only("trigger-lock"),
        )
    ]


def drain(evidence: Evidence) -> list[Finding]:
    """Row 17: the two rules of thumb against each other, and both measured."""
    asked, floor = 50, max(5, 1000 // 1000)
    arithmetic = Finding(
        part="the two rules agree",
        verdict="contradicted",
        finding=f"for 1,000 queued jobs one says {asked} workers, the other max(5, 1) = {floor}",
        figure=Figure(value=asked / floor, unit="x", cell="arithmetic"),
        evidence=("arithmetic",),
    )
    found, part = evidence.experiment("drain"), "what the difference is worth"
    if found is None:
        return [arithmetic, not_measured(part, run_only("drain"))]
    few, many = found["seconds"]["5"], found["seconds"]["50"]
    return [
        arithmetic,
        Finding(
            part=part,
            verdict=drain_verdict(few, many),
            finding=f"1,000 jobs of {1000 * found['run_s']:g} ms: {few:.1f} s with 5 workers, "
            f"{many:.1f} s with 50",
            figure=Figure(
                value=few / many, unit="x faster with 50", cell=experiment_words("drain")
            ),
            on="the length of a job: workers that wait scale, workers that compute do not",
            command=run_only("drain"),
        ),
    ]


def drain_verdict(few_s: float, many_s: float) -> Verdict:
    """Contradicted when the two rules lead to times that differ by half or more."""
    return "contradicted" if few_s > 1.5 * many_s else "confirmed"


def lines_of_code(evidence: Evidence) -> list[Finding]:
    """Row 18: counted from the strategies, and from the guides' shortest form."""
    from bench.claims.listings import LISTINGS
    from bench.code_lines import code_lines
    from strategies.catalogue import designs

    found = [
        _lines_of(name, code_lines(name)) if name in designs() else _not_there(name)
        for name in LINES
    ]
    shortest = min(listing.lines for listing in LISTINGS)
    said = f"the guides' forms run in {shortest} lines and more, and break as listed in the docs"
    found.append(
        Finding(
            part="what the lines leave out",
            verdict=left_out(shortest, [code_lines(name) for name in LINES if name in designs()]),
            finding=said,
            figure=Figure(value=shortest, unit="lines, shortest listing", cell="listings"),
            on="whether fences, renewal, recovery and memory are written or taken from a library",
            evidence=("listings",),
        )
    )
    stars = "stars are opinions, without a unit"
    found.append(Finding(part="stars of complexity", verdict="not measurable", finding=stars))
    return found


def _not_there(name: str) -> Finding:
    return not_measured(f"{name}: {LINES[name]} lines", "coordbench list", "not in this catalogue")


def _lines_of(name: str, counted: int) -> Finding:
    least, most = LINES[name]
    return Finding(
        part=f"{name}: {least}-{most} lines",
        verdict=lines_verdict(counted, least, most),
        finding=f"{counted} lines of code in its family's modules, scripts and statements included",
        figure=Figure(value=counted, unit="lines", cell=f"strategies, {name}"),
        command="coordbench claims",
    )


def lines_verdict(counted: int, least: int, most: int) -> Verdict:
    """Within the printed range, or not."""
    return "confirmed" if least <= counted <= most else "contradicted"


def left_out(shortest: int, wholes: Sequence[int]) -> Verdict:
    """Printed numbers that the guides' own form keeps and whole designs do not depend on the rest.

    `shortest` listing and `wholes`, the designs, in lines; the largest printed number decides.
    """
    most = max(high for _, high in LINES.values())
    if shortest > most:
        return "contradicted"
    return "depends" if any(lines > most for lines in wholes) else "confirmed"


def heartbeat(evidence: Evidence) -> list[Finding]:
    """Row 20: a lease of 15 s cannot be kept by a heartbeat of 30 s."""
    found = evidence.experiment("heartbeat")
    if found is None:
        return [not_measured("30 s under a lease of 15 s", run_only("heartbeat"))]
    return [_beats(one, found["lease_s"]) for one in found["heartbeats"]]


def _beats(one: Mapping[str, Any], lease_s: float) -> Finding:
    lapsed, beats, leases = int(one["lapsed"]), int(one["beats"]), one["every_s"] / lease_s
    slow = leases > 1
    part = f"a heartbeat every {leases:.2g} leases"
    return Finding(
        part=f"{part} ({30 if slow else 2} s under a lease of 15 s)",
        verdict="contradicted" if lapsed else "confirmed",
        finding=f"the leader had lost its lease at {lapsed} of {beats} heartbeats",
        figure=of_share(lapsed, beats, experiment_words("heartbeat"), "% of heartbeats too late"),
        on="the lease: a heartbeat of 30 s needs one of a minute or more",
        command=run_only("heartbeat"),
    )


def backoff(evidence: Evidence) -> list[Finding]:
    """Row 21: the measured gaps between tries, as multiples of the first."""
    found = evidence.experiment("backoff")
    gaps = values_of(found, "gaps_s")
    if found is None or not gaps:
        return [not_measured("30 s x 2^(attempt-1), at most 900 s", run_only("backoff"))]
    base, most = float(found["base_s"]), float(found["max_s"])
    wanted = [min(base * 2**number, most) for number in range(len(gaps))]
    ours = backoff_verdict(gaps, wanted)
    cell, scale = experiment_words("backoff"), 30 / base
    shown = ", ".join(f"{gap * scale:.0f}" for gap in gaps)
    figure = of_values(_ratios(gaps, wanted), "x the stated wait", cell)
    return [
        Finding(
            part="30 s x 2^(attempt-1), at most 900 s",
            verdict=ours,
            finding=f"waits scaled back from 1/{scale:g}: {shown} s",
            figure=figure,
            command=run_only("backoff"),
        ),
        Finding(
            part="1, 2, 4 minutes, three retries",
            verdict="contradicted" if ours == "confirmed" else "confirmed",
            finding="twice the other waits: given up after 420 s instead of 210 s",
            figure=Figure(value=median(BACKOFF_OTHER), unit="x the other rule", cell="arithmetic"),
            on="which of the guides one follows",
            command=run_only("backoff"),
        ),
    ]


def backoff_verdict(gaps: Sequence[float], wanted: Sequence[float]) -> Verdict:
    """Never early, and nearer to the rule than to the other one, which waits twice as long."""
    early = any(gap < 0.99 * want for gap, want in zip(gaps, wanted, strict=True))
    ratio = median(_ratios(gaps, wanted))
    return "confirmed" if not early and ratio < 1.5 else "contradicted"


def _ratios(gaps: Sequence[float], wanted: Sequence[float]) -> list[float]:
    return [gap / want for gap, want in zip(gaps, wanted, strict=True)]
