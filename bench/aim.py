"""Striking and healing a scenario's faults: targets resolved at the moment, proof in the history.

A target is symbolic (`holder`) until the fault strikes. For a holder that moment is the middle of
a run: the run's start has been read from the victim's own history, its end has not. Whether it
still held when the signal arrived is judged afterwards from the whole history; a trial whose fault
missed is invalid and repeated.
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass

from bench.events import FaultBegan, FaultHealed, RunStarted
from bench.fleet import Fleet, Instance
from bench.live_history import LiveHistory
from bench.recorder import Recorder
from bench.scenarios import Healing, PlannedFault
from bench.workload import Workload
from chaos.faults import FAULTS, Fault, injected

MID_RUN = 0.4  # of a run's length: late enough to be inside, early enough to stay there
HOLDER_PATIENCE_S = 30.0


@dataclass
class Aim:
    """Everything a fault needs to find its victim and to prove what it did."""

    fleet: Fleet
    live: LiveHistory
    recorder: Recorder
    workload: Workload
    lease_s: float
    rng: random.Random
    clock: Callable[[], float]

    async def strike(self, planned: PlannedFault, number: int) -> None:
        """Inject one planned fault, and heal it as planned; leaves nothing injected behind."""
        fault = FAULTS[planned.kind]
        run = await self._mid_run()
        if run is None:
            return  # nothing to hit: the trial will be judged invalid for want of a hit
        victim = self.fleet.instances[run.instance]
        if planned.healing is None:
            await self._inject_for_good(fault, victim, run, number, planned.target)
            return
        asked_s = self.clock()
        async with injected(fault, victim):
            self._began(fault, victim, run, number, planned.target, asked_s)
            await self._until_healing(planned.healing, run)
            asked_s = self.clock()
        self.recorder.record(FaultHealed(id=number, instance=victim.name, asked_s=asked_s))

    async def _mid_run(self) -> RunStarted | None:
        """A run that is now in its middle, on a job drawn by the seed; None if there is none."""
        job = self.rng.choice(self.workload.jobs).name
        middle_s = MID_RUN * self.workload.work[job].duration_s
        seen: set[str] = set()

        def fresh() -> RunStarted | None:
            run = self.live.open_run(job)
            return run if run and run.run not in seen else None

        deadline_s = self.clock() + HOLDER_PATIENCE_S
        while self.clock() < deadline_s:
            if not await self.live.until(lambda: fresh() is not None, HOLDER_PATIENCE_S):
                return None
            run = fresh()
            assert run is not None
            seen.add(run.run)
            await asyncio.sleep(run.t + middle_s - self.clock())
            self.live.read()
            late = self.clock() - run.t > 2 * middle_s
            if run.run in self.live.open_runs and not late:
                return run
        return None

    async def _inject_for_good(
        self, fault: Fault, victim: Instance, run: RunStarted, number: int, target: str
    ) -> None:
        asked_s = self.clock()
        await fault.inject(victim)
        self._began(fault, victim, run, number, target, asked_s)
        self.live.read()
        self.live.forget(victim.name)

    def _began(
        self,
        fault: Fault,
        victim: Instance,
        run: RunStarted,
        number: int,
        target: str,
        asked_s: float,
    ) -> None:
        self.recorder.record(
            FaultBegan(
                fault=fault.kind,
                id=number,
                target=target,
                instance=victim.name,
                job=run.job,
                run=run.run,
                asked_s=asked_s,
            )
        )

    async def _until_healing(self, healing: Healing, run: RunStarted) -> None:
        began_s = self.clock()
        await asyncio.sleep(healing.earliest_leases * self.lease_s)
        middle_s = MID_RUN * self.workload.work[run.job].duration_s

        def another_mid_run() -> bool:
            other = self.live.open_run(run.job, not_on=run.instance)
            return other is not None and self.clock() - other.t >= middle_s / 2

        left_s = began_s + healing.latest_leases * self.lease_s - self.clock()
        await self.live.until(another_mid_run, left_s)
