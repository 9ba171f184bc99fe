"""Rules for what designs carry: rows 5, 6 and 16 of the claims."""

from collections.abc import Sequence

from bench.claims.cost import LEADERS, LOCKS
from bench.claims.model import Finding, Verdict, not_measured
from bench.claims.words import RUN, cells
from bench.evidence import Evidence, Figure, bench_command, carried, cell_words, fires_per_s

BROKERLESS = (*LOCKS, *LEADERS, "quartz", "quartz-skip-locked", "postgres-lock")
DAY_S = 86_400
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
    """Row 5: whether the design carries fleets outside the guides' range."""
    return [_range_of(evidence, name, low, high) for name, (low, high) in INSTANCES.items()]


def _range_of(evidence: Evidence, name: str, low: int, high: int | None) -> Finding:
    part = f"{name}: {low} to {high} instances" if high else f"{name}: {low} instances and more"
    rows = [row for row in evidence.rows_of(name) if row.instances > 1]  # one needs no design
    outside = [row for row in rows if row.instances < low or (high and row.instances > high)]
    inside = [row for row in rows if row.instances >= low and not (high and row.instances > high)]
    n = (high or low) + 1 if not outside else low
    command = bench_command(name, instances=min(max(n, 10), 50))
    if not rows:
        return not_measured(part, command)
    verdict = spot(
        [carried(row) for row in outside], [carried(row) for row in inside], fallback="depends"
    )
    most = max(rows, key=lambda row: row.instances)
    sizes = ", ".join(str(n) for n in sorted({row.instances for row in rows if carried(row)}))
    return Finding(
        part=part,
        verdict=verdict,
        finding=f"carried, at most 1 % late or wrong, at N = {sizes or 'no size'}; "
        f"beyond N={most.instances} nothing was measured",
        figure=evidence.figure(most, "trigger_latency_p99_ms", "ms from due to start, p99"),
        on="nothing outside the range was measured" if verdict == "depends" else "",
        command=command,
        evidence=cells(rows),
    )


def spot(outside: Sequence[bool], inside: Sequence[bool], *, fallback: Verdict) -> Verdict:
    """A range is contradicted by a size outside it that is carried, or one inside that is not.

    It is confirmed when sizes inside are carried and a size outside is not.
    """
    if any(outside) or not all(inside):
        return "contradicted"
    return "confirmed" if outside and inside else fallback


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
    return Finding(
        part=part,
        verdict=job_verdict(most, best, largest.jobs),
        finding=f"M={best} jobs carried on time"
        + (f", of {largest.jobs} tried" if best < largest.jobs else ", the most that was tried"),
        figure=evidence.figure(largest, "trigger_latency_p99_ms", "ms from due to start, p99"),
        on="more jobs than were tried"
        if job_verdict(most, best, largest.jobs) == "depends"
        else "",
        command=command,
        evidence=cells(rows),
    )


def job_verdict(most: int | None, best: int, tried: int) -> Verdict:
    """`most` as the guides say (None unlimited), `best` carried, `tried` the largest tried."""
    if most is None:
        return "contradicted" if best < tried else "depends"
    if best >= 2 * most:
        return "contradicted"
    return "confirmed" if best < tried else "depends"


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
