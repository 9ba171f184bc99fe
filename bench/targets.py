"""Who a fault hits: symbolic targets, resolved at the moment it strikes.

`holder` is the instance in the middle of a job's run: the run's start has been read from its own
history, its end has not. Whether it still held when the fault was in force is judged afterwards
from the whole history.
"""

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bench.events import RunStarted
from bench.fleet import Fleet, Instance
from bench.live_history import LiveHistory
from bench.scenario import Target
from bench.services import Service
from bench.workload import Workload

INSIDE = (0.2, 0.7)  # the share of a run's length after which it is struck, drawn by the seed
TOO_LATE = 0.85  # past this share the run may have ended before the fault is in force
MID_RUN = 0.4  # of a run's length: late enough to be inside, early enough to stay there
PATIENCE_S = 30.0


@dataclass(frozen=True)
class Aimed:
    """One victim, and the run that makes it a holder."""

    victim: Instance | Service
    run: RunStarted | None = None

    @property
    def instance(self) -> Instance:
        """The victim, where it is one of the fleet."""
        assert isinstance(self.victim, Instance)
        return self.victim


@dataclass
class Targets:
    """Resolves targets of one trial."""

    fleet: Fleet
    services: Mapping[str, Service]
    live: LiveHistory
    workload: Workload
    rng: random.Random
    clock: Callable[[], float]

    async def resolve(self, target: Target) -> list[Aimed]:
        """The victims; none when the target is not there within half a minute."""
        match target:
            case "holder":
                run = await self._mid_run()
                return [Aimed(self.fleet.instances[run.instance], run)] if run else []
            case "leader":
                return await self._latest(self.live.leaders)
            case "scheduler":
                return await self._latest(self.live.publishers)
            case "service":
                return [Aimed(service) for service in self.services.values()]
        alive = self.alive
        n = len(alive)
        counts = {"one": 1, "minority": (n - 1) // 2, "majority": n // 2 + 1}
        if target in counts:
            alive = self.rng.sample(alive, counts[target])
        return [Aimed(one) for one in alive]

    @property
    def alive(self) -> list[Instance]:
        """The instances whose process runs."""
        return [one for one in self.fleet.instances.values() if not one.ended.is_set()]

    def middle_s(self, job: str) -> float:
        """From a run's start to its middle."""
        return MID_RUN * self.workload.work[job].duration_s

    async def _latest(self, since: Mapping[str, float]) -> list[Aimed]:
        if not await self.live.until(lambda: bool(since), PATIENCE_S):
            return []
        return [Aimed(self.fleet.instances[max(since, key=lambda name: since[name])])]

    async def _mid_run(self) -> RunStarted | None:
        """A run that is now in its middle, on a job drawn by the seed; None if there is none."""
        job = self.rng.choice(self.workload.jobs).name
        length_s = self.workload.work[job].duration_s
        # Where inside the run differs from trial to trial: the age of the lease does with it.
        inside_s = self.rng.uniform(*INSIDE) * length_s
        seen: set[str] = set()

        def fresh() -> RunStarted | None:
            run = self.live.open_run(job)
            return run if run and run.run not in seen else None

        deadline_s = self.clock() + PATIENCE_S
        while self.clock() < deadline_s:
            if not await self.live.until(lambda: fresh() is not None, PATIENCE_S):
                return None
            run = fresh()
            assert run is not None
            seen.add(run.run)
            await asyncio.sleep(run.t + inside_s - self.clock())
            self.live.read()
            late = self.clock() - run.t > TOO_LATE * length_s
            if run.run in self.live.open_runs and not late:
                return run
        return None
