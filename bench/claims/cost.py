"""Rules for what coordination costs: rows 1, 2 and 3 of the claims.

A rule is a pure function from evidence to findings. What would flip each verdict is in its tests.
"""

from collections.abc import Mapping, Sequence

from bench.claims.model import Finding, Verdict, not_measured
from bench.claims.words import CONSTANT, LINEAR, also_beyond, cells, judge_band, slope
from bench.evidence import Evidence, Figure, bench_command, cell_words, marginal_ops
from bench.matrix import Row

LOCKS = ("redis-lock-bare", "redis-lock")
LEADERS = ("zookeeper-election", "etcd-election", "lease-election")
NEGLIGIBLE = 0.001  # of the time between two fires

# Row 3: a design of each kind, and how the guides call its overhead.
ONE_SIZE = "one size only; another is needed"
OVERHEAD = {
    "redis-lock": "High",
    "zookeeper-election": "None",
    "quartz": "Medium",
    "redis-queue": "Low",
    "cronjob": "None",
}
ORDER = ("None", "Low", "Medium", "High")
NONE_MS = 0.5  # less than this is called none


def attempts(evidence: Evidence) -> list[Finding]:
    """Row 1: how attempts grow, and the arithmetic of the guides' example."""
    found = [_grows(evidence, name, along) for along in ("instances", "jobs") for name in LOCKS]
    return [*found, *(_constant(evidence, name) for name in LEADERS), _arithmetic(evidence)]


def _grows(evidence: Evidence, name: str, along: str) -> Finding:
    """A lock's attempts: per fire they grow with N, and not with M, which makes M fires a tick."""
    letter, band = ("N", LINEAR) if along == "instances" else ("M", (-0.2, 0.2))
    rows = evidence.rows_of(name)
    grown = slope(rows, lambda row: row.attempts_per_fire, along)
    part = f"{name}: attempts per tick linear in {letter}"
    if grown is None:
        n, m = (10, None) if along == "instances" else (None, 100)
        why = ONE_SIZE + also_beyond(evidence, [name])
        return not_measured(part, bench_command(name, instances=n, jobs=m), why)
    polls = ": the waiting losers poll" if name == "redis-lock" and along == "instances" else ""
    return Finding(
        part=part,
        verdict=judge_band(grown, band),
        finding=f"attempts per fire grow as {letter}^{abs(grown.value):.2f}{polls}"
        + also_beyond(evidence, [name]),
        figure=grown,
        on="whether losers ask once or poll",
        command=bench_command(name),
        evidence=cells(rows),
    )


def _constant(evidence: Evidence, name: str) -> Finding:
    """A leader's operations for a fire, beyond those that its fleet makes without any."""
    part, rows = f"{name}: operations per fire constant in N", evidence.rows_of(name)
    grown = slope(rows, marginal_ops, "instances")
    if grown is None:
        why = ONE_SIZE + also_beyond(evidence, [name])
        return not_measured(part, bench_command(name, instances=10), why)
    most = max(rows, key=lambda row: row.instances)
    return Finding(
        part=part,
        verdict=judge_band(grown, CONSTANT),
        finding=f"{marginal_ops(most) or 0:.1f} operations per fire at N={most.instances}; they "
        f"grow as N^{grown.value:.2f}. Idle ones, {most.idle_ops_per_s or 0:.0f}/s, come on top",
        figure=grown,
        on="whether the idle fleet's renewals count",
        command=bench_command(name),
        evidence=cells(rows),
    )


def _arithmetic(evidence: Evidence) -> Finding:
    """100 instances x 50 jobs are 5,000 attempts a trigger; 25,000 are milliseconds."""
    row = evidence.nearest("redis-lock-bare", instances=100, jobs=50)
    spent = evidence.figure(row, "fleet_overhead_ms_per_fire", "ms per fire, whole fleet")
    said = "100 x 50 = 5,000 attempts a trigger; x 5 ms = 25,000 ms of waiting, no count per hour"
    if row is not None and spent is not None and row.attempts_per_fire:
        said += f"; an attempt took {spent.value / row.attempts_per_fire:.2f} ms, not 5"
    return Finding(
        part="the example's arithmetic",
        verdict="contradicted",
        finding=said,
        figure=Figure(value=5000, unit="attempts per trigger", cell="arithmetic"),
        evidence=("arithmetic", *cells([row] if row else [])),
    )


def negligible(evidence: Evidence) -> list[Finding]:
    """Row 2: an hourly job at 5 instances, and per-second jobs."""
    return [_hourly(evidence), _per_second(evidence)]


def _hourly(evidence: Evidence) -> Finding:
    row = evidence.nearest("redis-lock", instances=5, jobs=10)
    spent = evidence.figure(row, "fleet_overhead_ms_per_fire", "ms per fire, whole fleet")
    part = "lock negligible at 5 instances, hourly"
    if spent is None:
        return not_measured(part, bench_command("redis-lock", instances=5))
    share = (spent.high or spent.value) / 1000 / 3600
    return Finding(
        part=part,
        verdict="confirmed" if share < NEGLIGIBLE else "contradicted",
        finding=f"for a fire the fleet spends {spent.value:.1f} ms, {share:.1e} of an hour",
        figure=spent,
        command=bench_command("redis-lock", instances=5),
    )


def _per_second(evidence: Evidence) -> Finding:
    part = "election wins at per-second jobs"
    pairs = [
        (lock, leader)
        for lock in evidence.rows_of("redis-lock")
        for name in LEADERS
        for leader in evidence.rows_of(name)
        if (lock.instances, lock.jobs) == (leader.instances, leader.jobs) and lock.instances > 1
        and lock.fleet_overhead_ms_per_fire and leader.fleet_overhead_ms_per_fire
    ]  # fmt: skip
    if not pairs:
        return not_measured(part, bench_command(["redis-lock", "etcd-election"]))
    ratios = [_cost(lock) / _cost(leader) for lock, leader in pairs]
    verdict = winner(ratios)
    most = max(pairs, key=lambda pair: pair[0].instances)
    figure = Figure(
        value=ratios[pairs.index(most)],
        low=min(ratios),
        high=max(ratios),
        unit="x (lock / leader, fleet ms per fire)",
        cell=f"{cell_words(most[0])} / {most[1].strategy}",
    )
    return Finding(
        part=part,
        verdict=verdict,
        finding=f"the lock's fleet spends {figure.value:.1f} times a leader's time per fire at "
        f"N={most[0].instances}; {min(ratios):.1f} to {max(ratios):.1f} over all sizes"
        + also_beyond(evidence, ["redis-lock", *LEADERS]),
        figure=figure,
        on="the size of the fleet and the leader's service",
        command=bench_command(["redis-lock", *LEADERS[:2]]),
        evidence=cells([row for pair in pairs for row in pair]),
    )


def winner(ratios: Sequence[float]) -> Verdict:
    """Of cost ratios over sizes: above 1 everywhere, below 1 everywhere, or mixed."""
    if min(ratios) > 1:
        return "confirmed"
    return "contradicted" if max(ratios) < 1 else "depends"


def _cost(row: Row) -> float:
    return row.fleet_overhead_ms_per_fire or 0.0


def overhead(evidence: Evidence) -> list[Finding]:
    """Row 3: each design's overhead against its word, and against the others' order.

    All at one size, the largest that every measured design has: fleets of different sizes cannot
    be compared.
    """
    costs = _at_one_size({name: evidence.rows_of(name) for name in OVERHEAD})
    measured = {
        name: _cost(row)
        for name, row in costs.items()
        if row is not None and row.fleet_overhead_ms_per_fire is not None
    }
    return [_overhead_of(evidence, name, costs[name], measured) for name in OVERHEAD]


def _at_one_size(rows: Mapping[str, Sequence[Row]]) -> dict[str, Row | None]:
    by_size = {
        name: {(row.instances, row.jobs): row for row in some if row.fleet_overhead_ms_per_fire}
        for name, some in rows.items()
    }
    several = [set(sizes) for sizes in by_size.values() if sizes]
    size = max(set.intersection(*several), default=None) if several else None
    return {
        name: sizes.get(size) if size else None if sizes else next(iter(rows[name]), None)
        for name, sizes in by_size.items()
    }


def _overhead_of(
    evidence: Evidence, name: str, row: Row | None, measured: dict[str, float]
) -> Finding:
    part = f"{name}: {OVERHEAD[name]}"
    figure = evidence.figure(row, "fleet_overhead_ms_per_fire", "ms per fire, whole fleet")
    if figure is None and name == "cronjob" and row is not None:
        return Finding(
            part=part,
            verdict="depends",
            finding="no call of the instances decides; the platform's own controllers work instead",
            figure=evidence.figure(row, "trigger_latency_p50_ms", "ms from due to start"),
            on="whether the platform's work counts",
            command=bench_command(name),
        )
    if figure is None:
        return not_measured(part, bench_command(name))
    return Finding(
        part=part,
        verdict=in_order(name, measured),
        finding=f"{figure.value:.1f} ms of coordination calls per fire over the fleet at "
        f"N={row.instances if row else 0} M={row.jobs if row else 0}; "
        "the order " + " < ".join(sorted(measured, key=lambda other: measured[other])),
        figure=figure,
        command=bench_command(name, instances=10, jobs=100),
    )


def in_order(name: str, measured: dict[str, float]) -> Verdict:
    """Whether a design's measured cost agrees with its word, beside the others' words.

    None must be under half a millisecond; else every design called lower must cost less, and
    every one called higher more.
    """
    word = OVERHEAD[name]
    if word == "None":
        return "confirmed" if measured[name] < NONE_MS else "contradicted"
    rank = ORDER.index(word)
    right = [
        (measured[other] < measured[name]) == (ORDER.index(OVERHEAD[other]) < rank)
        for other in measured
        if OVERHEAD[other] != word
    ]
    if not right:
        return "not measured"
    if all(right):
        return "confirmed"
    return "depends" if any(right) else "contradicted"
