"""What a scenario is: a plan of load and faults, as a value.

Times are given in units that scale with what is measured: leases, the design's own failover bound
and the period, so that the same scenario serves a lease of 2 s and one of 30 s.
"""

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from bench.load import AS_IT_IS, Load
from chaos.faults import Fault
from strategies.catalogue import designs
from strategies.interface import Bounds, Design, Stress
from strategies.model import Timing

Target = Literal[
    "holder", "leader", "scheduler", "one", "minority", "majority", "all", "each", "service"
]
"""Resolved when the fault strikes (bench.targets). `each` is all, one after the other."""


HAVE = {"leader": "election", "scheduler": "queue"}  # the family that has such a target


@dataclass(frozen=True)
class OnceTakenOver:
    """The fault ends once another instance is mid-run of the job, within these bounds.

    A design that takes longer than the latest of them to fail over is given that time.
    """

    earliest_leases: float
    latest_leases: float

    def earliest_s(self, lease_s: float, period_s: float) -> float:
        """How long the fault lasts at least."""
        return self.earliest_leases * lease_s

    def latest_s(self, lease_s: float, period_s: float, failover_s: float = 0.0) -> float:
        """How long it lasts at most."""
        return max(self.latest_leases * lease_s, failover_s)


@dataclass(frozen=True)
class After:
    """The fault ends after a time of its own; who was killed or told to end is then replaced."""

    leases: float = 0.0
    periods: float = 0.0
    seconds: float = 0.0

    def earliest_s(self, lease_s: float, period_s: float) -> float:
        """How long the fault lasts."""
        return self.leases * lease_s + self.periods * period_s + self.seconds

    def latest_s(self, lease_s: float, period_s: float, failover_s: float = 0.0) -> float:
        """The same: it asks for nothing else to happen."""
        return self.earliest_s(lease_s, period_s)


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
class Migrate:
    """Half of the fleet is replaced by instances of another strategy, and later the other half.

    Each strategy knows only its own half: what a roll-out of a new scheduler looks like that
    forgot to stop the old one. Planned, recorded and judged like a fault of chaos.
    """

    kind: ClassVar[str] = "migrate"
    hint: ClassVar[Literal["line", "band"]] = "band"
    acts_on: ClassVar[Literal["fleet"]] = "fleet"

    def unavailable(self) -> str | None:
        """None: what the fleet moves to is a question of the design (`counterpart`)."""
        return None


FleetFault = ScaleOut | Migrate


def counterpart(design: Design) -> Design | None:
    """Which design a fleet of `design` migrates to: another one on the same service.

    A reference of another family where there is one, else any other that is no control.
    """
    others = [
        one
        for one in designs().values()
        if one.services == design.services and one.services and one.name != design.name
        and one.kind != "control" and not {"kubernetes"} & set(one.services)
    ]  # fmt: skip
    elsewhere = [one for one in others if one.family != design.family and one.kind == "reference"]
    return next(iter(elsewhere or others), None)


@dataclass(frozen=True)
class PlannedFault:
    """A fault (of chaos, scaled to the lease), aimed at a symbolic `target` when it strikes.

    It strikes `after_s` into the load, plus up to `jitter_s` by the seed, and then as soon as the
    target is in the state to be hit (for `holder`: mid-run).
    """

    fault: Callable[[float], Fault[Any] | FleetFault]
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

    @property
    def server(self) -> str:
        """Which manner of server it needs, of the trial's own; empty where any will do."""
        return getattr(self.fault(1.0), "server", "")

    def unavailable(self) -> str | None:
        """Why the fault cannot be had on this machine; None where it can."""
        return self.fault(1.0).unavailable()

    def why_not(self, design: Design) -> str | None:
        """Why `design` cannot be struck by it; None where it can."""
        fault = self.fault(1.0)
        uses = " and ".join(design.services) or "none"
        if fault.acts_on in ("link", "service") and not design.services:
            return f"{fault.kind} needs a service, {design.name} uses none"
        if fault.acts_on == "clock" and design.replica == "node":
            return f"the clock of a node decides nothing in {design.name}"
        if fault.kind == "memory-squeeze" and design.replica == "node":
            return f"the runs of {design.name} hold no memory that could be squeezed"
        needed = HAVE.get(self.target)
        if needed and design.family != needed:
            return f"no {self.target} to aim at: {design.name} is no {needed}"
        on: tuple[str, ...] = getattr(fault, "on", ())  # faults that only some servers can suffer
        if on and not set(on) & set(design.services):
            return f"{fault.kind} needs {' or '.join(on)}, {design.name} uses {uses}"
        if isinstance(fault, Migrate) and counterpart(design) is None:
            return f"no other strategy on {uses} to migrate to"
        return fault.unavailable()


@dataclass(frozen=True)
class Scenario:
    """A plan. `stress` names what the strategies' promises are read for.

    `expect` says in a few words what its stress may bring about in a design that promises nothing
    against it. `file` is where it was read from, empty for those of the catalogue.
    """

    name: str
    stress: Stress
    summary: str
    faults: tuple[PlannedFault, ...] = ()
    load: Load = AS_IT_IS
    expect: str = ""
    file: str = ""

    @property
    def through_links(self) -> bool:
        """Whether each instance must reach each service through a link of its own."""
        return any(planned.acts_on == "link" for planned in self.faults)

    @property
    def server(self) -> str:
        """Which manner of server its faults need, of the trial's own; empty where any will do."""
        return next((planned.server for planned in self.faults if planned.server), "")

    def overlap(self, lease_s: float, period_s: float) -> str | None:
        """Which two of its faults would be in force at once, at this lease; None if none would."""
        for number, (first, second) in enumerate(itertools.pairwise(self.faults), 1):
            lasts_s = first.healing.latest_s(lease_s, period_s) if first.healing else 0.0
            until_s = first.after_s + first.jitter_s + lasts_s
            if second.after_s < until_s:
                return (
                    f"fault {number + 1} begins at {second.after_s:g} s, while fault {number} may "
                    f"last until {until_s:g} s: faults follow one another"
                )
        return None

    def strikes(self, instances: int) -> int:
        """How many faults a trial with N instances must show."""
        return sum(planned.victims(instances) for planned in self.faults)

    def load_s(
        self, timing: Timing, bounds: Bounds, period_s: float, instances: int = 3, run_s: float = 0
    ) -> float:
        """How long jobs fire: enough to strike, to recover within the bound, and to run on."""
        steady_s = max(8.0, 2.5 * period_s, 5 * run_s)
        if not self.faults:
            return steady_s + (TRIES_LEASES * timing.lease_s if self.load.failure_rate else 0.0)
        lease_s = lease_of(timing, bounds)
        last = self.faults[-1]
        failover_s = bounds.failover_s or 0.0
        down_s = last.healing.latest_s(lease_s, period_s, failover_s) if last.healing else 0.0
        if last.target == "each":
            down_s = instances * (down_s + run_s + REPLACE_S)
        slowest_s = max(down_s, failover_s, bounds.recovery_s or 0.0)
        return last.after_s + last.jitter_s + slowest_s + period_s + 2 * lease_s

    def strike_s(self, fault: PlannedFault, seed: int) -> float:
        """When `fault` strikes in this trial, in seconds of load."""
        number = self.faults.index(fault)
        return fault.after_s + random.Random(f"{seed}/fault/{number}").uniform(0, fault.jitter_s)


TRIES_LEASES = 6  # a queue's back-off doubles from half a lease: time to see all tries used up
REPLACE_S = 0.6  # from the end of an instance until its successor is ready


def lease_of(timing: Timing, bounds: Bounds) -> float:
    """The lease in force: L for `equal`; elsewhere as long as the design takes to fail over."""
    if timing.profile == "equal" or bounds.failover_s is None:
        return timing.lease_s
    return bounds.failover_s
