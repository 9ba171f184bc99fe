"""What a person asks to be broken: the fault as a value, and whom it strikes at this moment.

What a request names is resolved when it strikes, as in a scenario (bench.targets).
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from bench.errors import BadArguments
from bench.fleet import Instance
from bench.live.control import Refused
from bench.live.protocol import Strike
from bench.services import Service
from bench.targets import Aimed, Targets
from bench.workload import Workload
from chaos.clock import StepClock
from chaos.faults import Fault
from chaos.links.faults import Delay, Drop, HalfOpen, Partition, Reset
from chaos.processes import Kill, Pause
from chaos.services import KillService, PauseService, RestartService
from strategies.catalogue import nearest
from strategies.interface import Stress

PATIENCE_S = 3.0  # for somebody to hold what is asked for; a person waits at the other end
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


def made(asked: Strike) -> Fault[Any]:
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


@dataclass(frozen=True)
class Victims:
    """Finds the victims of what is asked for. `struck`: who is under a fault, of which number."""

    targets: Targets
    struck: Mapping[str, int]

    async def of(self, asked: Strike, fault: Fault[Any]) -> list[Aimed]:
        """Whoever the request is aimed at now.

        Raises Refused or BadArguments with the one line that says why there is nobody.
        """
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
                raise Refused(f"{len(targets.alive)} living instances have no {asked.target}")
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
        return {
            run.job for run in self.targets.live.open_runs.values() if run.instance in self.struck
        }

    def _instance(self, name: str) -> Instance:
        known = self.targets.fleet.instances
        found = [one for one in known.values() if name in (one.name, host_of(one))]
        if not found:
            names = [*ROLES, *GROUPS, *dict.fromkeys(host_of(one) for one in known.values())]
            raise BadArguments(f"unknown target {name!r}: {nearest(name, names)}")
        if found[-1].ended.is_set():
            back = self.struck.get(found[-1].name)
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


def host_of(instance: Instance) -> str:
    """The host of an instance, by its name."""
    return instance.name.rpartition("-")[0]
