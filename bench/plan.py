"""What one trial is to be: strategy, scenario, size, timing and seed, and what follows from them.

How long each phase lasts, beside which other trials it may run, why it cannot be run here, and the
command that repeats it: all of it known before anything has started, and without starting it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench import grain
from bench.lanes import Run, counts_costs, how_it_runs
from bench.links import LinkKind, unavailable
from bench.record import TrialRecord
from bench.scenario import Scenario, lease_of
from bench.services.manners import START_S, missing
from bench.workload import Workload
from strategies.catalogue import address
from strategies.interface import Bounds, Design
from strategies.model import Timing

SETTLE_S = 0.6  # from the fork of the last instance to the idle phase: time to connect
FORK_S = 0.06  # more of it per instance
IDLE_S = 1.2
IDLE_LEASES = 2.0  # of a steady trial: several rounds of every renewal and poll are counted
LONGEST_IDLE_S = 10.0


@dataclass(frozen=True)
class Plan:
    """What one trial is to be: one strategy x one scenario x one (N, M, timing, seed)."""

    design: Design
    scenario: Scenario
    instances: int
    workload: Workload
    timing: Timing
    k: int
    seed: int
    links: LinkKind = "relay"

    @property
    def bounds(self) -> Bounds:
        """The design's own time bounds under this timing."""
        return self.design.bounds(self.timing)

    @property
    def lease_s(self) -> float:
        """The lease in force."""
        return lease_of(self.timing, self.bounds)

    @property
    def load_s(self) -> float:
        """How long jobs fire."""
        period_s, run_s = self.workload.period_s, self.workload.longest_run_s
        if self.design.grain_s:
            run_s = min(run_s, grain.LONGEST_RUN_PERIODS * period_s)
        asked_s = self.scenario.load_s(self.timing, self.bounds, period_s, self.instances, run_s)
        return grain.load_s(asked_s, period_s) if self.design.grain_s else asked_s

    @property
    def idle_s(self) -> float:
        """How long the fleet is watched without load; longer where figures of cost come from."""
        faulted = bool(self.scenario.faults)
        if not counts_costs(self.design.kind, self.design.replica, faulted=faulted):
            return IDLE_S
        return min(max(IDLE_S, IDLE_LEASES * self.lease_s), LONGEST_IDLE_S)

    @property
    def quiet_s(self) -> float:
        """The least time after the last due fire in which runs may still begin and end.

        Half a period is when a fire that has not run is no longer late but missed.
        """
        return max(1.0, self.workload.longest_run_s + 0.6, self.workload.period_s / 2 + 0.5)

    @property
    def set_up_s(self) -> float:
        """From the beginning until the fleet can be expected to be there, at the first attempt."""
        if self.design.grain_s:
            return grain.set_up_s(self.instances, len(self.workload.jobs))
        return SETTLE_S + FORK_S * self.instances

    @property
    def expected_s(self) -> float:
        """How long the trial takes, to be told beforehand; a wait for a tick is a whole one."""
        start_s = 1.2 + self.set_up_s + self.design.grain_s + self.idle_s
        if self.scenario.server:
            start_s += sum(START_S.get(name, 0.0) for name in self.design.services)
        return start_s + self.load_s + self.quiet_s + 0.8

    @property
    def runs(self) -> Run:
        """Beside which other trials it may run."""
        hurts = any(planned.acts_on == "service" for planned in self.scenario.faults)
        return how_it_runs(self.design, self.scenario.name, hurts_service=hurts)

    @property
    def why_not(self) -> str | None:
        """Why this trial cannot be run: a fault that this machine or this design lacks."""
        reasons = [
            grain.misfit(self.workload.jobs, self.design.grain_s),
            *(planned.why_not(self.design) for planned in self.scenario.faults),
        ]
        why = next((why for why in reasons if why), None)
        if why is None and (manner := self.scenario.server):
            lacking = (missing(name, manner) for name in self.design.services)
            return next((one for one in lacking if one), None)
        if why is None and self.scenario.through_links:
            cannot = unavailable(self.links, self.design.services)
            return cannot and f"links by {self.links}: {cannot}"
        return why

    def record(
        self,
        attempts: int = 1,
        problems: Sequence[str] = (),
        versions: Mapping[str, str] | None = None,
        started: str = "",
    ) -> TrialRecord:
        """What is kept of the plan beside its history."""
        return TrialRecord.of(
            self.design,
            self.scenario,
            self.timing,
            instances=self.instances,
            jobs=len(self.workload.jobs),
            period_s=self.workload.period_s,
            k=self.k,
            seed=self.seed,
            attempts=attempts,
            problems=problems,
            versions=versions,
            started=started,
            command=self.command,
        )

    @property
    def command(self) -> str:
        """The command that runs this trial again (the same plan; outcomes may differ)."""
        scenario = self.scenario.file or self.scenario.name
        return (
            f"coordbench trial {address(self.design.name)} {scenario} -n {self.instances} "
            f"-m {len(self.workload.jobs)} --period {self.workload.period_s:g} "
            f"--timing {self.timing.profile} --lease {self.timing.lease_s:g} "
            f"--trial-seed {self.seed}"
            + ("" if self.links == "relay" else f" --links {self.links}")
        )

    @property
    def name(self) -> str:
        """The trial in a few words, as progress shows it."""
        size = f"N={self.instances} M={len(self.workload.jobs)}"
        return f"{self.design.name} {self.scenario.name} {size} #{self.k}"
