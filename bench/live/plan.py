"""What `coordbench up` was asked for, as the plan of a trial without an end and without faults."""

from dataclasses import fields
from pathlib import Path

import msgspec

from bench.errors import BadArguments
from bench.live.asked import STRESS
from bench.live.control import DEFAULT
from bench.plan import Plan
from bench.record import TrialRecord
from bench.scenario import Scenario
from bench.settings import MAX_INSTANCES, MAX_JOBS, known_design, within
from bench.workload import default_workload, load_workload, period_for
from strategies.interface import Allowed, Bounds, Design, Promise, Stress
from strategies.model import Timing
from strategies.schedule import SHORTEST_PERIOD_MS

NAME = "by-hand"
FOR_EVER_S = 30 * 86_400.0  # jobs need an end; nobody keeps a class for a month
IDLE_S = 0.2


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of one fleet that is up; stored as config.json beside its history.

    `stop_after_s` ends it by itself.
    """

    strategy: str
    instances: int = 5
    jobs: int = 10
    period_s: float = 1.0
    timing: str = "equal"
    lease_s: float = 2.0
    seed: int = 1
    workload: str | None = None
    fleet: str = DEFAULT
    stop_after_s: float | None = None


class ByHand(Scenario):
    """People break things, whenever they like."""

    @property
    def through_links(self) -> bool:
        """Any link may be broken at any time."""
        return True

    def load_s(
        self, timing: Timing, bounds: Bounds, period_s: float, instances: int = 3, run_s: float = 0
    ) -> float:
        """Until somebody ends it."""
        return FOR_EVER_S


class LivePlan(Plan):
    """The plan of a fleet that is up."""

    @property
    def idle_s(self) -> float:
        """Nobody measures costs here."""
        return IDLE_S

    @property
    def command(self) -> str:
        """The command that starts such a fleet again; what people did to it is not repeated."""
        return (
            f"coordbench up --strategy {self.design.name} -n {self.instances} "
            f"-m {len(self.workload.jobs)} --period {self.workload.period_s:g} "
            f"--timing {self.timing.profile} --lease {self.timing.lease_s:g}"
        )


def plan_of(asked: Asked) -> LivePlan:
    """The plan that follows from the settings; raises BadArguments naming the first bad value."""
    design = known_design(asked.strategy)
    within("N (instances)", asked.instances, 1, MAX_INSTANCES)
    within("M (jobs)", asked.jobs, 1, MAX_JOBS)
    within("the period", asked.period_s, SHORTEST_PERIOD_MS / 1000, 86_400, "s")
    within("the lease", asked.lease_s, 0.5, 3600, "s")
    if asked.timing not in ("equal", "vendor", "guide"):
        raise BadArguments(f"timing {asked.timing!r}: expected equal, vendor or guide")
    if asked.workload:
        workload = load_workload(Path(asked.workload))
    else:
        period_s = period_for(asked.instances, asked.jobs, asked.period_s)
        workload = default_workload(asked.jobs, period_s)
    plan = LivePlan(
        design=design,
        scenario=ByHand(NAME, "steady", "A fleet kept up for people to break by hand."),
        instances=asked.instances,
        workload=workload,
        timing=msgspec.convert({"profile": asked.timing, "lease_s": asked.lease_s}, Timing),
        k=1,
        seed=asked.seed,
    )
    if "kubernetes" in design.services:
        raise BadArguments(
            f"{design.name} cannot be kept up by hand yet: its links and nodes are the cluster's; "
            f"try coordbench trial {design.name} crash"
        )
    return plan


def judged_by(record: TrialRecord, design: Design, kinds: set[str]) -> TrialRecord:
    """The record by which a session is judged in which faults of these kinds were injected.

    What several stresses allow, each by itself, is allowed under all of them together.
    """
    stresses = sorted({STRESS[kind] for kind in kinds})
    if not stresses:
        return msgspec.structs.replace(record, faults=None)
    return msgspec.structs.replace(
        record,
        faults=None,
        stress=stresses[0] if len(stresses) == 1 else NAME,
        allowed=_together(design.promise, stresses),
    )


def _together(promise: Promise, stresses: list[Stress]) -> Allowed:
    each = [promise.allowed(stress) for stress in stresses]
    return Allowed(**{one.name: any(getattr(a, one.name) for a in each) for one in fields(Allowed)})
