"""Which rule judges which claim, and all claims judged on the given evidence."""

from collections.abc import Callable, Mapping

from bench.claims import capacity, cost, faults, locks, others
from bench.claims.model import Finding, Judged, later, stated
from bench.evidence import Evidence

Rule = Callable[[Evidence], list[Finding]]

RULES: Mapping[int, Rule] = {
    1: cost.attempts,
    2: cost.negligible,
    3: cost.overhead,
    4: faults.failover,
    5: capacity.sweet_spots,
    6: capacity.job_counts,
    7: faults.delivery,
    8: faults.features,
    9: locks.locks,
    10: locks.unconditional,
    11: locks.watchdog,
    12: others.trigger_lock,
    13: locks.lock_latency,
    14: faults.cap,
    15: faults.pick_two,
    16: capacity.brokers,
    17: others.drain,
    18: others.lines_of_code,
    19: locks.deployment,
    20: others.heartbeat,
    21: others.backoff,
}


def judge_claims(evidence: Evidence) -> list[Judged]:
    """Every claim, judged by its rule; those that wait for something, with what they wait for."""
    judged = [Judged(stated=one, findings=tuple(RULES[one.number](evidence))) for one in stated()]
    for one in later():
        found = Finding(part="as stated", verdict=one.verdict, finding=one.why)
        judged.append(Judged(stated=one, findings=(found,)))
    return judged
