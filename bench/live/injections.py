"""Faults by hand: injected on request, listed while they last, healed on time or on request.

Each victim's fault has a number of its own, which is its id in the history too. Two faults of one
kind of thing (processes, links, clock, server) on one victim would undo each other, so the second
is refused. What a request names is resolved when it strikes, as in a scenario (bench.targets); the
run that made a victim the holder is written down only if it was still open once the fault was in
force.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from bench.errors import BadArguments
from bench.events import FaultBegan, FaultHealed, Platform
from bench.fleet import Instance
from bench.live.control import Refused
from bench.live.protocol import Strike
from bench.live.words import lasting
from bench.recorder import Recorder
from bench.services import Service, ServiceUnavailable
from bench.targets import Aimed, Targets
from bench.workload import Workload
from chaos.clock import StepClock
from chaos.faults import Fault
from chaos.links.client import RelayLost
from chaos.links.faults import Delay, Drop, HalfOpen, Partition, Reset
from chaos.processes import Kill, Pause
from chaos.services import KillService, PauseService, RestartService
from strategies.catalogue import nearest
from strategies.interface import Stress

PATIENCE_S = 3.0  # for somebody to hold what is asked for; a person waits at the other end
READY_S = 10.0
ROLES = ("holder", "leader", "scheduler")
GROUPS = ("one", "minority", "majority", "all")

KINDS: Mapping[str, type[Any]] = {
    "kill": Kill,
    "pause": Pause,
    "partition": Partition,
    "delay": Delay,
    "drop": Drop,
    "reset": Reset,
    "half-open": HalfOpen,
    "clock": StepClock,
    "service-kill": KillService,
    "service-pause": PauseService,
    "service-restart": RestartService,
}

AT_ONCE = ("reset", "service-restart")  # over as soon as they can be, whatever is asked

STRESS: Mapping[str, Stress] = {
    "kill": "crash",
    "pause": "pause",
    "partition": "partition",
    "half-open": "partition",
    "delay": "slow-network",
    "drop": "slow-network",
    "reset": "slow-network",
    "clock": "clock",
    "service-kill": "service-lost",
    "service-pause": "service-lost",
    "service-restart": "service-lost",
}
"""What a strategy's promises are read for when such a fault was injected."""


@dataclass
class Injection:
    """One fault in force on one victim. `heals_at` is on the fleet's clock, None: when asked."""

    id: int
    asked: str
    fault: Fault[Any]
    victim: Instance | Service
    why: str
    since: float
    heals_at: float | None
    timer: asyncio.Task[None] | None = None
    healing: asyncio.Task[None] | None = None

    @property
    def kind(self) -> str:
        """The fault's name, as histories have it."""
        return self.fault.kind


@dataclass
class Injections:
    """All that is injected into one fleet now.

    `fork` starts a successor on a host; `tell` gets a line about each beginning and end.
    """

    targets: Targets
    recorder: Recorder
    fork: Callable[[str], Awaitable[Instance]]
    tell: Callable[[str], None]
    active: dict[int, Injection] = field(default_factory=dict)
    kinds: set[str] = field(default_factory=set)
    _ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def strike(self, asked: Strike) -> list[str]:
        """Inject what is asked for into whoever it is aimed at; one line per victim.

        Raises Refused or BadArguments with the one line that says why not.
        """
        fault = _made(asked)
        async with self._turn:
            aimed = await self._aimed(asked, fault)
            for one in aimed:
                self._refuse_overlap(fault, one.victim)
            return [await self._inject(asked, fault, one) for one in aimed]

    async def heal(self, ids: Sequence[int]) -> list[str]:
        """Heal the faults of these numbers, or all; one line each. Raises Refused for none."""
        if not self.active:
            raise Refused("nothing to heal: no fault is injected")
        for number in ids:
            if number not in self.active:
                there = ", ".join(str(one) for one in self.active)
                raise Refused(f"no fault #{number} is injected: there are {there}")
        chosen = [self.active[number] for number in ids] if ids else list(self.active.values())
        return list(await asyncio.gather(*(self._heal(one) for one in chosen)))

    async def heal_for_good(self) -> None:
        """Undo everything on the way out; who was killed is not started again."""
        for one in list(self.active.values()):
            if one.timer:
                one.timer.cancel()
            if one.healing:
                one.healing.cancel()
        for one in list(self.active.values()):
            asked_s = self._now()
            await self._undo(one.fault, one.victim)
            if one.kind != "kill":
                self._healed(one, asked_s)

    def on(self, name: str) -> list[Injection]:
        """What is injected into the victim of that name."""
        return [one for one in self.active.values() if one.victim.name == name]

    async def _aimed(self, asked: Strike, fault: Fault[Any]) -> list[Aimed]:
        targets = self.targets
        if fault.acts_on == "service":
            return [Aimed(self._service(asked.target))]
        if fault.acts_on == "link" and not targets.services:
            raise Refused("this strategy uses no service: there is no link to break")
        targets.live.read()
        if asked.target in ROLES:
            return await self._in_role(asked)
        if asked.target in GROUPS:
            chosen = await targets.resolve(asked.target)  # type: ignore[arg-type] # checked above
            if not chosen:
                alive = len(_alive(targets.fleet.instances))
                raise Refused(f"{alive} living instances have no {asked.target}")
            return chosen
        return [Aimed(self._instance(asked.target))]

    async def _in_role(self, asked: Strike) -> list[Aimed]:
        targets = self.targets
        if asked.target == "holder":
            workload = self._workload(asked.job)
            targets = replace(targets, workload=workload)
        try:
            async with asyncio.timeout(PATIENCE_S):
                chosen = await targets.resolve(asked.target)  # type: ignore[arg-type] # a role
        except TimeoutError:
            chosen = []
        if not chosen:
            raise Refused(self._nobody(asked))
        return chosen

    def _nobody(self, asked: Strike) -> str:
        of = f" of {asked.job}" if asked.job else ""
        waited = f"within {PATIENCE_S:g} s"
        if asked.target == "holder":
            return f"no holder{of} now: nobody was in the middle of a run {waited}; try again"
        hint = "name an instance, or use --target holder"
        return f"no {asked.target} now: nobody was seen to be one {waited}; {hint}"

    def _workload(self, job: str) -> Workload:
        """The jobs a holder may be sought of: the named one, or those of which a run is open."""
        workload = self.targets.workload
        names = {one.name for one in workload.jobs}
        if job and job not in names:
            raise BadArguments(f"unknown job {job!r}: {nearest(job, sorted(names))}")
        busy = {run.job for run in self.targets.live.open_runs.values()}
        wanted = {job} if job else (busy - self._hurt_jobs() or busy or names)
        return Workload([one for one in workload.jobs if one.name in wanted], workload.work)

    def _hurt_jobs(self) -> set[str]:
        """Jobs whose open run is on an instance that has been struck already."""
        hurt = {one.victim.name for one in self.active.values()}
        return {run.job for run in self.targets.live.open_runs.values() if run.instance in hurt}

    def _instance(self, name: str) -> Instance:
        known = self.targets.fleet.instances
        found = [one for one in known.values() if name in (one.name, _host(one))]
        if not found:
            names = [*ROLES, *GROUPS, *dict.fromkeys(_host(one) for one in known.values())]
            raise BadArguments(f"unknown target {name!r}: {nearest(name, names)}")
        if found[-1].ended.is_set():
            back = next((one.id for one in self.on(found[-1].name)), None)
            way = f": coordbench chaos heal {back} starts it again" if back else ""
            raise Refused(f"{found[-1].name} is not alive{way}")
        return found[-1]

    def _service(self, name: str) -> Service:
        services = self.targets.services
        if not services:
            raise Refused("this strategy uses no service")
        if name in ("", "service"):
            name = next(iter(services))
        if name not in services:
            raise BadArguments(f"unknown service {name!r}: {nearest(name, list(services))}")
        if not services[name].owned:
            raise Refused(f"{name} is used by URL, and only a server of the fleet's own is hurt")
        return services[name]

    def _refuse_overlap(self, fault: Fault[Any], victim: Instance | Service) -> None:
        for one in self.on(victim.name):
            paused = one.kind == "pause" and fault.acts_on == "clock"
            if one.fault.acts_on == fault.acts_on or paused:
                raise Refused(
                    f"{victim.name} is under #{one.id} ({one.kind}, "
                    f"{lasting(one.kind, one.heals_at, self._now())}): "
                    f"heal it first (coordbench chaos heal {one.id})"
                )

    async def _inject(self, asked: Strike, fault: Fault[Any], one: Aimed) -> str:
        asked_s = self._now()
        try:
            await fault.inject(one.victim)
        except (ProcessLookupError, RelayLost, ServiceUnavailable, TimeoutError) as error:
            await self._undo(fault, one.victim)
            raise Refused(
                f"{fault.kind} of {one.victim.name} failed: {error or type(error).__name__}"
            ) from error
        injection = self._began(asked, fault, one, asked_s)
        self.active[injection.id] = injection
        self.kinds.add(asked.fault)
        if injection.heals_at is not None:
            injection.timer = asyncio.create_task(self._later(injection))
        line = f"{self._said(injection)}: {self._until(injection)}"
        self.tell(line)
        return line

    async def _undo(self, fault: Fault[Any], victim: Instance | Service) -> None:
        with suppress(OSError, ServiceUnavailable, TimeoutError):
            await fault.heal(victim)

    def _began(self, asked: Strike, fault: Fault[Any], one: Aimed, asked_s: float) -> Injection:
        """Write the fault down, with the run that it broke into, if that was still open."""
        now_s = self._now()
        live = self.targets.live
        live.read()
        held = one.run is not None and one.run.run in live.open_runs
        target = asked.target if held or one.run is None else "one"
        began = FaultBegan(
            fault=fault.kind, id=next(self._ids), target=target,
            instance=one.victim.name, asked_s=asked_s,
        )  # fmt: skip
        why = asked.target if asked.target in (*ROLES, *GROUPS) else ""
        if one.run is not None:
            began.job, began.run = (one.run.job, one.run.run) if held else ("", "")
            why = f"holder of {one.run.job}" if held else f"{one.run.job} had just ended"
        self.recorder.record(began, now_s)
        if fault.kind == "kill":
            live.forget(one.victim.name)
        lasts_s = 0.0 if asked.fault in AT_ONCE else asked.for_s
        heals_at = None if lasts_s is None else now_s + lasts_s
        return Injection(began.id, asked.fault, fault, one.victim, why, now_s, heals_at)

    async def _later(self, one: Injection) -> None:
        assert one.heals_at is not None
        await asyncio.sleep(max(0.0, one.heals_at - self._now()))
        one.timer = None
        with suppress(Refused):  # it has been told
            await self._heal(one)

    async def _heal(self, one: Injection) -> str:
        """Heal once, whoever asks how often; what was said of it."""
        if one.timer:
            one.timer.cancel()
        if one.healing is None:
            one.healing = asyncio.create_task(self._end(one))
        await asyncio.shield(one.healing)
        return f"#{one.id} {one.kind} of {one.victim.name}: {_ended_word(one)}"

    async def _end(self, one: Injection) -> None:
        asked_s = self._now()
        try:
            if one.kind == "kill":
                await self._start_again(one)
            else:
                await one.fault.heal(one.victim)
        except (OSError, ServiceUnavailable, TimeoutError) as error:
            one.healing, one.heals_at = None, None
            said = f"{error}" or "no answer"
            line = f"#{one.id} {one.kind} of {one.victim.name} could not be healed: {said}"
            self.tell(line)
            raise Refused(line) from error
        self._healed(one, asked_s)
        if one.kind == "reset":
            return  # said when it struck
        self.tell(f"#{one.id} {one.kind} of {one.victim.name}: {_ended_word(one)}")

    async def _start_again(self, one: Injection) -> None:
        """A successor on the killed instance's host, once that is gone; back when it is ready."""
        assert isinstance(one.victim, Instance)
        await one.victim.ended.wait()
        new = await self.fork(_host(one.victim))
        live = self.targets.live
        if not await live.until(lambda: new.name in live.ready, READY_S):
            raise TimeoutError(f"{new.name} was not ready within {READY_S:g} s")

    def _healed(self, one: Injection, asked_s: float) -> None:
        self.recorder.record(FaultHealed(id=one.id, instance=one.victim.name, asked_s=asked_s))
        if one.fault.acts_on == "service":
            self.recorder.record(Platform(what="ready", subject=one.victim.name))
        self.active.pop(one.id, None)

    def _said(self, one: Injection) -> str:
        of = f" ({one.why})" if one.why else ""
        return f"#{one.id} {one.kind} of {one.victim.name}{of}"

    def _until(self, one: Injection) -> str:
        return lasting(one.kind, one.heals_at, self._now())

    def _now(self) -> float:
        return self.targets.clock()


def _made(asked: Strike) -> Fault[Any]:
    """The fault as a value; raises BadArguments for what cannot be one."""
    if asked.fault not in KINDS:
        raise BadArguments(f"unknown fault {asked.fault!r}: {nearest(asked.fault, list(KINDS))}")
    if asked.for_s is not None and asked.for_s <= 0:
        raise BadArguments(f"{asked.for_s:g} s is no length of a fault: expected more than 0")
    try:
        fault: Fault[Any] = KINDS[asked.fault](**asked.settings)
    except TypeError as error:
        raise BadArguments(f"fault {asked.fault}: {error}") from error
    if why := fault.unavailable():
        raise Refused(f"{asked.fault} cannot be had here: {why}")
    return fault


def _alive(instances: Mapping[str, Instance]) -> list[Instance]:
    return [one for one in instances.values() if not one.ended.is_set()]


def _host(instance: Instance) -> str:
    return instance.name.rpartition("-")[0]


def _ended_word(one: Injection) -> str:
    if one.kind == "kill":
        return "its host has a new instance, which is ready"
    return "answers again" if one.fault.acts_on == "service" else "healed"
