"""What a design costs its service and its instances at the size of a case, from measured cells.

Operations a second = operations per fire beyond the idle ones x fires a second + idle operations.
Both are taken from the measured cell nearest to N and M. Where the case is larger than what was
measured, losers' attempts (lock family) and idle polls (all) are taken to grow with N, and the
result is called extrapolated. Idle operations are renewals and polls, so many per lease: they are
taken to shrink with the lease that the case's tolerable failover allows, up to 30 s.
"""

from dataclasses import dataclass

from bench.adviser.case import Case
from bench.adviser.facts import Known
from bench.evidence import Figure, cell_words, fires_per_s, marginal_ops
from bench.matrix import Row

LONGEST_LEASE_S = 30.0  # longer ones are not what people run
POLLS_PER_LEASE, PATIENCE_LEASES = 10, 5.0  # of a lock's waiting losers
MEASURED_RUN_S = 0.4  # of the bench's jobs


@dataclass(frozen=True)
class Demand:
    """Operations a second of one design at one case, and how far that is from what was seen."""

    mean_per_s: float
    peak_per_s: float
    idle_per_s: float
    cpu_cores: float | None
    extrapolated: bool
    cell: str
    waiting: float = 1.0


def demand(known: Known, case: Case) -> Demand | None:
    """None where no steady cell of the design has operations counted."""
    rows = [row for row in known.evidence.rows_of(known.name) if row.ops_per_fire is not None]
    if not rows:
        return None
    row = known.evidence.nearest(known.name, instances=case.instances, jobs=case.jobs)
    if row is None or row.ops_per_fire is None:
        row = rows[-1]
    most_n = max(one.instances for one in rows)
    grown = max(1.0, case.instances / row.instances)
    per_fire = (marginal_ops(row) or 0.0) * (grown if known.design.family == "lock" else 1.0)
    waited = waiting(known, case, row)
    per_fire *= waited
    idle = (row.idle_ops_per_s or 0.0) * grown * (row.lease_s or 1.0) / lease_for(known, case)
    cpu = row.cpu_ms_per_fire
    return Demand(
        mean_per_s=per_fire * case.fires_per_s + idle,
        peak_per_s=per_fire * case.peak_per_s + idle,
        idle_per_s=idle,
        cpu_cores=None if cpu is None else cpu * case.fires_per_s / 1000,
        extrapolated=case.instances > most_n
        or case.peak_per_s > max(fires_per_s(one) for one in rows),
        cell=cell_words(row),
        waiting=waited,
    )


def waiting(known: Known, case: Case, row: Row) -> float:
    """How many times the measured operations a lock's waiting losers make per fire.

    They ask every tenth of a lease while the run lasts, five leases at most; the bench's runs last
    0.4 s, and the case's longest run is taken for all of its runs.
    """
    if known.design.family != "lock" or not known.design.promise.recovers:
        return 1.0
    measured = MEASURED_RUN_S / (row.lease_s or 2.0)
    leases = min(case.run_s / lease_for(known, case), PATIENCE_LEASES)
    return (1 + POLLS_PER_LEASE * leases) / (1 + POLLS_PER_LEASE * measured)


def lease_for(known: Known, case: Case) -> float:
    """The longest lease that the case allows: its tolerable failover in the design's leases."""
    tuned = known.failover("equal")
    if tuned is None:
        return 2.0
    row, figure = tuned
    leases = (row.failover_max_s or figure.value) / (row.lease_s or 1.0)
    return min(LONGEST_LEASE_S, max(1.0, case.failover_s / leases))


def seen(row: Row) -> float:
    """Operations a second that a cell showed."""
    return (row.ops_per_fire or 0.0) * fires_per_s(row)


def latency(known: Known, case: Case) -> tuple[Row | None, Figure | None]:
    """From due time to start, p99, in the nearest steady cell."""
    row = known.evidence.nearest(known.name, instances=case.instances, jobs=case.jobs)
    return row, known.evidence.figure(row, "trigger_latency_p99_ms", "ms p99 from due to start")
