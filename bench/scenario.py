"""What a scenario is: a plan of load and faults, as a value.

Times are given in units that scale with what is measured: leases, the design's own failover bound
and the period, so that the same scenario serves a lease of 2 s and one of 30 s.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from bench.load import AS_IT_IS, Load
from chaos.faults import Fault
from strategies.interface import Bounds, Stress
from strategies.model import Timing

Target = Literal[
    "holder", "leader", "scheduler", "one", "minority", "majority", "all", "each", "service"
]
"""Resolved when the fault strikes (bench.targets). `each` is all, one after the other."""


@dataclass(frozen=True)
class OnceTakenOver:
    """The fault ends once another instance is mid-run of the job, within these bounds."""

    earliest_leases: float
    latest_leases: float

    def earliest_s(self, lease_s: float, period_s: float) -> float:
        """How long the fault lasts at least."""
        return self.earliest_leases * lease_s

    def latest_s(self, lease_s: float, period_s: float) -> float:
        """How long it lasts at most."""
        return self.latest_leases * lease_s


@dataclass(frozen=True)
class After:
    """The fault ends after a time of its own; who was killed or told to end is then replaced."""

    leases: float = 0.0
    periods: float = 0.0
    seconds: float = 0.0

    def earliest_s(self, lease_s: float, period_s: float) -> float:
        """How long the fault lasts."""
        return self.leases * lease_s + self.periods * period_s + self.seconds

    latest_s = earliest_s


Healing = OnceTakenOver | After


@dataclass(frozen=True)
class ScaleOut:
    """As many instances again as there are, and later as many of the old ones told to end.

    No fault of chaos, but planned, recorded and judged like one.
    """

    kind: ClassVar[str] = "scale-out"
    hint: ClassVar[Literal["line", "band"]] = "band"
    acts_on: ClassVar[Literal["fleet"]] = "fleet"

    def unavailable(self) -> str | None:
        """None: a fleet can always grow."""
        return None


@dataclass(frozen=True)
class PlannedFault:
    """A fault (of chaos, scaled to the lease), aimed at a symbolic `target` when it strikes.

    It strikes `after_s` into the load, plus up to `jitter_s` by the seed, and then as soon as the
    target is in the state to be hit (for `holder`: mid-run).
    """

    fault: Callable[[float], Fault[Any] | ScaleOut]
    target: Target
    after_s: float = 2.0
    jitter_s: float = 1.0
    healing: Healing | None = None

    def victims(self, instances: int) -> int:
        """How many times it strikes in a fleet of N."""
        counts = {
            "minority": (instances - 1) // 2,
            "majority": instances // 2 + 1,
            "all": instances,
            "each": instances,
        }
        return 1 if self.acts_on == "fleet" else counts.get(self.target, 1)

    @property
    def acts_on(self) -> str:
        """What kind of victim the fault takes."""
        return self.fault(1.0).acts_on

    def unavailable(self) -> str | None:
        """Why the fault cannot be had on this machine; None where it can."""
        return self.fault(1.0).unavailable()


@dataclass(frozen=True)
class Scenario:
    """A plan. `stress` names what the strategies' promises are read for.

    `file` is where it was read from, empty for those of the catalogue.
    """

    name: str
    stress: Stress
    summary: str
    faults: tuple[PlannedFault, ...] = ()
    load: Load = AS_IT_IS
    file: str = ""

    @property
    def through_links(self) -> bool:
        """Whether each instance must reach each service through a link of its own."""
        return any(planned.acts_on == "link" for planned in self.faults)

    def strikes(self, instances: int) -> int:
        """How many faults a trial with N instances must show."""
        return sum(planned.victims(instances) for planned in self.faults)

    def load_s(
        self, timing: Timing, bounds: Bounds, period_s: float, instances: int = 3, run_s: float = 0
    ) -> float:
        """How long jobs fire: enough to strike, to recover within the bound, and to run on."""
        steady_s = max(8.0, 2.5 * period_s, 5 * run_s)
        if not self.faults:
            return steady_s
        lease_s = lease_of(timing, bounds)
        last = self.faults[-1]
        down_s = last.healing.latest_s(lease_s, period_s) if last.healing else 0.0
        if last.target == "each":
            down_s = instances * (down_s + run_s + REPLACE_S)
        slowest_s = max(down_s, bounds.failover_s or 0.0, bounds.recovery_s or 0.0)
        return last.after_s + last.jitter_s + slowest_s + period_s + 2 * lease_s

    def strike_s(self, fault: PlannedFault, seed: int) -> float:
        """When `fault` strikes in this trial, in seconds of load."""
        number = self.faults.index(fault)
        return fault.after_s + random.Random(f"{seed}/fault/{number}").uniform(0, fault.jitter_s)


REPLACE_S = 0.6  # from the end of an instance until its successor is ready


def lease_of(timing: Timing, bounds: Bounds) -> float:
    """The lease in force: L for `equal`; elsewhere as long as the design takes to fail over."""
    if timing.profile == "equal" or bounds.failover_s is None:
        return timing.lease_s
    return bounds.failover_s
