"""Scenarios: named plans of load and faults, as short declarative values.

Times are given in units that scale with what is measured: leases, the design's own failover bound
and the period, so that the same scenario serves a lease of 2 s and one of 30 s.
"""

import random
from dataclasses import dataclass

from bench.errors import BadArguments
from strategies.catalogue import nearest
from strategies.interface import Bounds, Stress
from strategies.model import Timing


@dataclass(frozen=True)
class Healing:
    """When a fault ends: once another instance is mid-run of the job, within these bounds."""

    earliest_leases: float
    latest_leases: float


@dataclass(frozen=True)
class PlannedFault:
    """A fault of `kind` (chaos.faults), aimed at a symbolic `target` when it strikes.

    It strikes `after_s` into the load, plus up to `jitter_s` by the seed, and then as soon as the
    target is in the state to be hit (for `holder`: mid-run).
    """

    kind: str
    target: str
    after_s: float
    jitter_s: float
    healing: Healing | None = None


@dataclass(frozen=True)
class Scenario:
    """A plan. `stress` names what the strategies' promises are read for."""

    name: str
    stress: Stress
    summary: str
    faults: tuple[PlannedFault, ...] = ()

    def load_s(self, timing: Timing, bounds: Bounds, period_s: float) -> float:
        """How long jobs fire: enough to strike, to recover within the bound, and to run on."""
        steady_s = max(8.0, 2.5 * period_s)
        if not self.faults:
            return steady_s
        lease_s = lease_of(timing, bounds)
        last = self.faults[-1]
        down_s = last.healing.latest_leases * lease_s if last.healing else 0.0
        slowest_s = max(down_s, bounds.failover_s or 0.0, bounds.recovery_s or 0.0)
        return last.after_s + last.jitter_s + slowest_s + period_s + 2 * lease_s

    def strike_s(self, fault: PlannedFault, seed: int) -> float:
        """When `fault` strikes in this trial, in seconds of load."""
        number = self.faults.index(fault)
        return fault.after_s + random.Random(f"{seed}/fault/{number}").uniform(0, fault.jitter_s)


def lease_of(timing: Timing, bounds: Bounds) -> float:
    """The lease in force: L for `equal`; elsewhere as long as the design takes to fail over."""
    if timing.profile == "equal" or bounds.failover_s is None:
        return timing.lease_s
    return bounds.failover_s


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            "steady",
            "steady",
            "Nothing breaks: N instances, M jobs, and the figures of cost. "
            "A strategy that duplicates or misses a fire here is broken.",
        ),
        Scenario(
            "crash",
            "crash",
            "The instance in the middle of a job's run is killed (SIGKILL) and stays dead. "
            "Shows failover and recovery times, and what happens to the interrupted fire.",
            (PlannedFault("kill", "holder", after_s=2.0, jitter_s=1.0),),
        ),
        Scenario(
            "pause",
            "pause",
            "The instance in the middle of a job's run is stopped (SIGSTOP) past its lease, until "
            "another one runs the job, and then continues. The classic way to two runs at once.",
            (
                PlannedFault(
                    "pause", "holder", after_s=2.0, jitter_s=1.0, healing=Healing(1.5, 3.0)
                ),
            ),
        ),
    )
}


def scenario(name: str) -> Scenario:
    """The scenario called `name`; raises BadArguments with the nearest names."""
    if name not in SCENARIOS:
        raise BadArguments(f"unknown scenario {name!r}: {nearest(name, SCENARIOS)}")
    return SCENARIOS[name]
