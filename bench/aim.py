"""Striking and healing a scenario's faults, each with its proof in the history.

Every fault is recorded twice: when it is in force (`asked_s` says since when that was wanted), and
when it has healed. What it hit is judged afterwards from the whole history; a trial whose fault
missed is invalid and repeated.
"""

import asyncio
import itertools
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Protocol

from msgspec.structs import asdict

from bench.events import Counters, FaultBegan, FaultHealed, Platform
from bench.fleet import Instance
from bench.recorder import Recorder
from bench.scenario import After, Migrate, PlannedFault, ScaleOut
from bench.targets import Aimed, Targets
from chaos.faults import Fault, injected

ENDS_S, READY_S = 5.0, 10.0  # how long an instance may take to end when told, and to be ready


class Forks(Protocol):
    """How one more instance is started on a host."""

    async def __call__(self, host: str, *, name: str = "", migrated: bool = False) -> Instance:
        """Under a name of its own, or under `name`; of the other design where `migrated`."""


@dataclass
class Aim:
    """Everything a fault needs to strike, to heal, and to prove what it did.

    `problems` gathers why a fault cannot have had the effect it was planned for; `failover_s` is
    the design's own bound.
    """

    targets: Targets
    recorder: Recorder
    lease_s: float
    fork: Forks
    problems: list[str] = field(default_factory=list)
    failover_s: float = 0.0
    _ids: Iterator[int] = field(default_factory=itertools.count)

    async def strike(self, planned: PlannedFault) -> None:
        """Inject one planned fault, and heal it as planned; leaves nothing injected behind.

        Where the target is not found nothing is recorded, and the trial is invalid for want of it.
        """
        fault = planned.fault(self.lease_s)
        if isinstance(fault, ScaleOut | Migrate):
            await (self._scale if isinstance(fault, ScaleOut) else self._migrate)(planned)
            return
        aimed = await self.targets.resolve(planned.target)
        groups = [[one] for one in aimed] if planned.target == "each" else [aimed]
        for group in groups:
            await self._prepare(fault, group)
            if fault.heals and planned.healing:
                await self._for_a_while(fault, group, planned)
            else:
                await self._for_good(fault, group, planned)

    async def _prepare(self, fault: Fault[Any], group: Sequence[Aimed]) -> None:
        """What has to be done or looked at before a fault strikes; no part of the fault."""
        if fault.acts_on == "link":
            await self._traffic(fault, group)
        for one in group:
            if prepare := getattr(fault, "prepare", None):
                self.recorder.record(Platform(what="prepared", subject=one.victim.name))
                await prepare(one.victim)

    async def _for_a_while(
        self, fault: Fault[Any], group: Sequence[Aimed], planned: PlannedFault
    ) -> None:
        """Inject; heal when it is time."""
        numbers = []
        async with AsyncExitStack() as stack:
            for one in group:
                asked_s = self._now()
                await stack.enter_async_context(injected(fault, one.victim))
                numbers.append(self._began(fault, one, planned.target, asked_s))
            await self._until_healing(planned, group)
            if fault.acts_on == "link":
                await self._traffic(fault, group)
            asked_s = self._now()
        for number, one in zip(numbers, group, strict=True):
            if fault.kind == "relocate":
                await self._ended([one.instance])
                host = one.victim.name.rpartition("-")[0]
                await self._ready([await self.fork(host, name=one.victim.name)])
            self._healed(number, one.victim.name, asked_s)
            if fault.acts_on == "service":
                self.recorder.record(Platform(what="ready", subject=one.victim.name))

    async def _for_good(
        self, fault: Fault[Any], group: Sequence[Aimed], planned: PlannedFault
    ) -> None:
        """Inject what does not heal; whoever ends of it is replaced when that is planned."""
        numbers = []
        for one in group:
            asked_s = self._now()
            await fault.inject(one.victim)
            numbers.append(self._began(fault, one, planned.target, asked_s))
        self.targets.live.read()
        if fault.kind == "kill":
            for one in group:
                self.targets.live.forget(one.victim.name)
        if planned.healing is None:
            return
        await self._until_healing(planned, group)
        for number, one in zip(numbers, group, strict=True):
            asked_s = self._now()
            await self._replace(one.instance)
            self._healed(number, one.victim.name, asked_s)

    async def _replace(self, gone: Instance, *, migrated: bool = False) -> None:
        """Start a successor on the instance's host once it has ended; return when it is ready."""
        await self._ended([gone])
        await self._ready([await self.fork(gone.name.rpartition("-")[0], migrated=migrated)])

    async def _scale(self, planned: PlannedFault) -> None:
        """Double the fleet, wait, and have the older half end."""
        old = self.targets.alive
        asked_s = self._now()
        new = [await self.fork(f"i{len(old) + place}") for place in range(1, len(old) + 1)]
        number = self._began_on_fleet("scale-out", planned.target, asked_s)
        await self._ready(new)
        await self._until_healing(planned, [])
        asked_s = self._now()
        for one in old:
            one.end()
        await self._ended(old)
        self._healed(number, "", asked_s)

    async def _migrate(self, planned: PlannedFault) -> None:
        """Replace half of the fleet by the other strategy's instances, wait, and then the rest."""
        old = self.targets.alive
        first = old[: max(1, len(old) // 2)]
        asked_s = self._now()
        for one in first:
            one.end()
        number = self._began_on_fleet("migrate", planned.target, asked_s)
        for one in first:
            await self._replace(one, migrated=True)
        await self._until_healing(planned, [])
        asked_s = self._now()
        rest = old[len(first) :]
        for one in rest:
            one.end()
        for one in rest:
            await self._replace(one, migrated=True)
        self._healed(number, "", asked_s)

    def _began_on_fleet(self, kind: str, target: str, asked_s: float) -> int:
        number = next(self._ids)
        self.recorder.record(FaultBegan(fault=kind, id=number, target=target, asked_s=asked_s))
        return number

    async def _ready(self, new: Sequence[Instance]) -> None:
        names = {one.name for one in new}
        if not await self.targets.live.until(lambda: names <= self.targets.live.ready, READY_S):
            self.problems.append(f"not ready within {READY_S:g} s: {', '.join(sorted(names))}")

    async def _ended(self, old: Sequence[Instance]) -> None:
        try:
            async with asyncio.timeout(ENDS_S):
                for one in old:
                    await one.ended.wait()
        except TimeoutError:
            late = ", ".join(one.name for one in old if not one.ended.is_set())
            self.problems.append(f"did not end within {ENDS_S:g} s: {late}")

    async def _traffic(self, fault: Fault[Any], group: Sequence[Aimed]) -> None:
        """Record what the victims' links carry: a fault of an idle link proves nothing."""
        for one in group:
            if not one.instance.links:
                self.problems.append(f"{fault.kind}: {one.victim.name} has no link to a service")
            for link in one.instance.links:
                carried = await link.look()
                self.recorder.record(Counters(instance=link.name, counts=asdict(carried)))
                if not carried.outbound_bytes:
                    self.problems.append(f"{fault.kind} struck {link.name}, which carried nothing")

    def _began(self, fault: Fault[Any], one: Aimed, target: str, asked_s: float) -> int:
        number = next(self._ids)
        began = FaultBegan(
            fault=fault.kind, id=number, target=target, instance=one.victim.name, asked_s=asked_s
        )
        if one.run:
            began.job, began.run = one.run.job, one.run.run
        self.recorder.record(began)
        return number

    def _healed(self, number: int, name: str, asked_s: float) -> None:
        self.recorder.record(FaultHealed(id=number, instance=name, asked_s=asked_s))

    async def _until_healing(self, planned: PlannedFault, group: Sequence[Aimed]) -> None:
        assert planned.healing is not None
        times = (self.lease_s, self.targets.workload.period_s)
        began_s = self._now()
        await asyncio.sleep(planned.healing.earliest_s(*times))
        runs = [one.run for one in group if one.run]
        if isinstance(planned.healing, After) or not runs:
            return
        latest_s = began_s + planned.healing.latest_s(*times, self.failover_s)
        live, run = self.targets.live, runs[0]

        def another_mid_run() -> bool:
            other = live.open_run(run.job, not_on=run.instance)
            return other is not None and self._now() - other.t >= self.targets.middle_s(run.job) / 2

        await live.until(another_mid_run, latest_s - self._now())

    def _now(self) -> float:
        return self.targets.clock()
