"""Rules for what designs carry: rows 5, 6 and 16 of the claims."""

import math
from collections.abc import Sequence

from bench.claims.cost import LEADERS, LOCKS
from bench.claims.model import Finding, Verdict, not_measured
from bench.claims.words import RUN, also_beyond, cells
from bench.evidence import Evidence, Figure, bench_command, carried, cell_words, fires_per_s
from bench.matrix import Row

BROKERLESS = (*LOCKS, *LEADERS, "quartz", "quartz-skip-locked", "postgres-lock")
DAY_S = 86_400
UNLIMITED = "sizes beyond M={}: up to there it is not contradicted, and none can confirm it"
MANY_PER_DAY, SOME_PER_DAY = 10_000_000, 100_000

INSTANCES = {
    "redis-lock": (5, 20),
    "zookeeper-election": (50, None),
    "quartz": (10, 100),
    "redis-queue": (10, 1000),
    "cronjob": (5, 50),
}
JOBS = {
    "redis-lock": 10,
    "zookeeper-election": None,
    "quartz": 100,
    "redis-queue": None,
    "cronjob": 50,
}


def sweet_spots(evidence: Evidence) -> list[Finding]:
    """Row 5: both ends of the guides' range, each by the sizes that are outside of it there."""
    return [
        end
        for name, (low, high) in INSTANCES.items()
        for end in (_lower_end(evidence, name, low, high), _upper_end(evidence, name, low, high))
    ]


def _fleets(evidence: Evidence, name: str) -> list[Row]:
    return [row for row in evidence.rows_of(name) if row.instances > 1]  # one needs no design


def _lower_end(evidence: Evidence, name: str, low: int, high: int | None) -> Finding:
    """Smaller fleets: carried, they contradict it."""
    rows = _fleets(evidence, name)
    below = [row for row in rows if row.instances < low]
    inside = [row for row in rows if low <= row.instances <= (high or math.inf) and carried(row)]
    part, command = f"{name}: from {low} instances", bench_command(name, instances=low - 1)
    if not below:
        return not_measured(part, command, "no smaller fleet was measured")
    return _end(evidence, part, below, inside, command, f"fleets of N={low} and more")


def _upper_end(evidence: Evidence, name: str, low: int, high: int | None) -> Finding:
    """Larger fleets: carried, they contradict it. Where there is no end, nothing can confirm it."""
    rows = [row for row in _fleets(evidence, name) if row.instances >= low]
    above = [row for row in rows if high and row.instances > high]
    inside = [row for row in rows if row not in above]
    part = f"{name}: to {high} instances" if high else f"{name}: without an upper end"
    command = bench_command(name, instances=min(2 * (high or low), 50))
    if not rows:
        why = f"no fleet of {low} instances or more" + also_beyond(evidence, [name])
        return not_measured(part, command, why)
    most = max(row.instances for row in rows)
    words = f"fleets beyond N={most}: up to there it is not contradicted"
    words += "" if high else ", and no size can confirm it"
    return _end(evidence, part, above, inside, command, words)


def _end(
    evidence: Evidence,
    part: str,
    outside: Sequence[Row],
    inside: Sequence[Row],
    command: str,
    otherwise: str,
) -> Finding:
    """One end of a range; `otherwise` is what its verdict depends on if it is neither."""
    rows = [*outside, *inside]
    verdict = spot([carried(row) for row in outside], [carried(row) for row in inside])
    judged = max(outside or inside, key=lambda row: row.instances)
    sizes = ", ".join(str(n) for n in sorted({row.instances for row in rows if carried(row)}))
    return Finding(
        part=part,
        verdict=verdict,
        finding=f"carried, at most 1 % late or wrong, at N = {sizes or 'no size'}; beyond "
        f"N={max(row.instances for row in rows)} nothing was measured"
        + also_beyond(evidence, [judged.strategy]),
        figure=evidence.figure(judged, "trigger_latency_p99_ms", "ms from due to start, p99"),
        on=otherwise if verdict == "depends" else "",
        command=command,
        evidence=cells(rows),
    )


def spot(outside: Sequence[bool], inside: Sequence[bool]) -> Verdict:
    """An end is contradicted by a size outside it that is carried, or one inside that is not.

    It is confirmed when sizes inside are carried and none outside is; else it depends.
    """
    if any(outside) or not all(inside):
        return "contradicted"
    return "confirmed" if outside and inside else "depends"


def job_counts(evidence: Evidence) -> list[Finding]:
    """Row 6: how many jobs each design was seen to carry, and a leader under a burst."""
    return [*(_jobs_of(evidence, name, most) for name, most in JOBS.items()), _burst(evidence)]


def _jobs_of(evidence: Evidence, name: str, most: int | None) -> Finding:
    part = f"{name}: ~{most} jobs" if most else f"{name}: unlimited"
    rows = evidence.rows_of(name)
    command = bench_command(name, jobs=300)
    if not rows:
        return not_measured(part, command)
    largest = max(rows, key=lambda row: row.jobs)
    fine = [row for row in rows if carried(row)]
    best = max((row.jobs for row in fine), default=0)
    verdict = job_verdict(most, best, largest.jobs)
    untried = "more jobs than were tried" if most else UNLIMITED.format(best)
    return Finding(
        part=part,
        verdict=verdict,
        finding=f"M={best} jobs carried on time"
        + (f", of {largest.jobs} tried" if best < largest.jobs else ", the most that was tried")
        + also_beyond(evidence, [name]),
        figure=evidence.figure(largest, "trigger_latency_p99_ms", "ms from due to start, p99"),
        on=untried if verdict == "depends" else "",
        command=command,
        evidence=cells(rows),
    )


def job_verdict(most: int | None, best: int, tried: int) -> Verdict:
    """`most` as the guides say (None unlimited), `best` carried, `tried` the largest tried."""
    if most is None:
        return "contradicted" if best < tried else "depends"
    if best >= 2 * most:
        return "contradicted"
    if best == tried:
        return "depends"
    return "confirmed" if tried > most else "contradicted"  # fewer than stated, and too many


def _burst(evidence: Evidence) -> Finding:
    part = "a leader's bottleneck: hundreds of simultaneous jobs"
    rows = [row for name in LEADERS for row in evidence.rows_of(name, "burst") if row.jobs >= 200]
    if not rows:
        return not_measured(part, RUN)
    most = max(rows, key=lambda row: row.jobs)
    figure = evidence.figure(most, "trigger_latency_p99_ms", "ms from due to start, p99")
    return Finding(
        part=part,
        verdict="contradicted" if carried(most) else "confirmed",
        finding=f"{most.jobs} jobs due at once start within "
        f"{(most.trigger_latency_p99_ms or 0) / 1000:.2f} s (p99), {most.late_fires} late",
        figure=figure,
        command=bench_command(most.strategy, "burst", jobs=most.jobs),
        evidence=cells(rows),
    )


def brokers(evidence: Evidence) -> list[Finding]:
    """Row 16: what was carried without a broker, in fires per second."""
    return [
        _rate(evidence, MANY_PER_DAY, "10 M a day need Kafka"),
        _rate(evidence, SOME_PER_DAY, "above 100,000 a day a broker"),
    ]


def _rate(evidence: Evidence, per_day: int, part: str) -> Finding:
    wanted = per_day / DAY_S
    rows = [row for name in BROKERLESS for row in evidence.rows_of(name) if row.period_s]
    if not rows:
        return not_measured(part, bench_command(list(BROKERLESS[:3]), jobs=150))
    tried = [row for row in rows if fires_per_s(row) >= wanted]
    best = max((row for row in tried if carried(row)), key=fires_per_s, default=None)
    if best is None:
        most = max(rows, key=fires_per_s)
        why = f"{fires_per_s(most):.0f} fires/s is the most that was tried without a broker"
        command = bench_command("redis-lock", jobs=150)
        if not tried:
            return not_measured(part, command, why)
        return Finding(
            part=part, verdict="confirmed", finding=f"{why}, and it came late",
            figure=Figure(value=fires_per_s(most), unit="fires/s", cell=cell_words(most)),
            command=command, evidence=cells(tried),
        )  # fmt: skip
    return Finding(
        part=part,
        verdict="contradicted",
        finding=f"{best.strategy} carried {fires_per_s(best):.0f} fires/s on time on one machine; "
        f"{per_day:,} a day are {wanted:.1f}/s",
        figure=Figure(value=fires_per_s(best), unit="fires/s", cell=cell_words(best)),
        command=bench_command(best.strategy, instances=best.instances, jobs=best.jobs),
        evidence=cells([row for row in rows if fires_per_s(row) >= wanted and carried(row)]),
    )
