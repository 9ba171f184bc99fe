"""One trial: a fleet of real processes on real services, under one scenario, recorded whole.

1. Services are healthy; `prepare`. 2. Helpers (ledger, probe) and the fleet start. 3. An idle
phase, then load. 4. Faults strike and heal. 5. A quiet phase lets late runs end. 6. The fleet is
told to stop; the namespace is removed. What is left is a directory of event files to be judged.
"""

import asyncio
import random
import secrets
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bench import grain
from bench.aim import Aim
from bench.config import InstanceConfig, write_config
from bench.due import what_was_due
from bench.errors import BenchError, TrialError, told
from bench.events import Counters, Died, Phase
from bench.fleet import Fleet, Instance, last_words
from bench.ledger_and_probe import ledger_and_probe
from bench.leftovers import Registration, private_directory
from bench.links import relayed
from bench.live_history import LiveHistory
from bench.machine import MACHINE, spent
from bench.plan import Plan
from bench.platforms import instance_endpoints, observed, planner_endpoints
from bench.recorder import Recorder, epoch_offset, host_clock
from bench.room import full, require_room
from bench.scenario import Migrate, counterpart
from bench.services import NoAnswer, Service, ServiceUnavailable
from bench.services.manners import own
from bench.targets import Targets
from bench.until_signalled import heed_cancellation
from chaos.links.client import Relay, RelayedLink
from strategies.catalogue import source
from strategies.errors import StrategyError
from strategies.interface import Strategy
from strategies.model import Job

QUIESCE_S = 0.3  # before the load: reading the servers' counters must not reach into it
STOP_S = 5.0


@dataclass
class Conduct:
    """A conducted trial: where its events and logs lie, still unjudged."""

    plan: Plan
    events: Path
    logs: Path
    problems: list[str] = field(default_factory=list)


async def conduct(
    plan: Plan,
    services: Mapping[str, Service],
    registration: Registration,
    directory: Path,
    say: Callable[[str], None] = lambda text: None,
    attempt: int = 1,
) -> Conduct:
    """Run one trial, for the `attempt`th time, into `directory`/events and `directory`/logs.

    Raises OSError where that is, or has become, a full disk: such a trial proves nothing.
    """
    events, logs = directory / "events", directory / "logs"
    for folder in (events, logs):
        folder.mkdir(parents=True)
    done = Conduct(plan, events, logs)
    with private_directory(registration) as private:
        trial = Trial(plan, services, registration, done, private, say, attempt)
        with closing(trial):
            try:
                async with AsyncExitStack() as stack:
                    await trial.run(stack)
            except (BenchError, StrategyError, NoAnswer, ServiceUnavailable, OSError) as error:
                if full(error):
                    raise
                # Whatever stopped it, what was recorded so far is kept and judged invalid.
                done.problems.append(told(error))
            trial.end()
            require_room(directory)
    return done


class Trial:
    """The state shared by a trial's steps; bench.live takes one and lets people act in it."""

    def __init__(
        self,
        plan: Plan,
        services: Mapping[str, Service],
        registration: Registration,
        done: Conduct,
        private: Path,
        say: Callable[[str], None],
        attempt: int,
    ) -> None:
        self.plan = plan
        self.services = services
        self.registration = registration
        self.done = done
        self.private = private
        self.say = say
        self.offset_s = epoch_offset()
        self.clock = host_clock(self.offset_s)
        self.recorder = Recorder(done.events / "harness.jsonl", "", self.clock)
        self.live = LiveHistory(done.events)
        self.namespace = f"cb_{secrets.token_hex(5)}"
        self.rng = random.Random(f"{plan.seed}/aim")
        self.attempt = attempt
        self.relay: Relay | None = None
        self.start_s = 0.0
        self.jobs: list[Job] = []
        self.lives: dict[str, int] = {}  # how many processes have had a name
        faults = [planned.fault(1.0) for planned in plan.scenario.faults]
        migrates = any(isinstance(fault, Migrate) for fault in faults)
        self.migrates = counterpart(plan.design) if migrates else None

    async def run(self, stack: AsyncExitStack) -> None:
        """Go through the trial's steps."""
        if self.plan.scenario.server:
            await self._start_own(stack, self.plan.scenario.server)
        await self._check_health("before")
        await self._phase("healthy")
        await stack.enter_async_context(self._ledger_and_probe())
        if self.plan.scenario.through_links:
            log = self.done.logs / "relay.log"
            spaces = self.plan.links == "namespaces"
            relay = Relay(log, self.plan.seed, self._register_relay, namespaces=spaces)
            self.relay = await stack.enter_async_context(relay)
        if self.plan.design.grain_s:
            self._plan_load()  # the platform must know the load's bounds when it hears of the jobs
        strategy = self._strategy()
        await strategy.prepare(self.jobs or self.plan.workload.jobs)
        stack.push_async_callback(strategy.clean_up)
        if self.migrates:
            await self._prepare_counterpart(stack)
        await stack.enter_async_context(self._observed())
        fleet = await stack.enter_async_context(
            Fleet(self.plan.design, self.registration, self.done.logs)
        )
        fleet.on_end = self._ended
        if not self.jobs:
            self._plan_load()
        await self._start(fleet)
        await self._phase("idle")
        await self._sleep_until(self.start_s - QUIESCE_S)
        await self._phase("armed")
        await self._sleep_until(self.start_s)
        self._enter("load")
        await self._load(fleet, self.start_s)
        await self._quiet()
        await self._stop(fleet)
        await self._check_health("after")

    async def _start_own(self, stack: AsyncExitStack, manner: str) -> None:
        """Servers of this trial's own, because its fault needs them of one manner."""
        self.say(f"starting {' and '.join(self.plan.design.services)} ({manner})")
        servers = {}
        for name in self.plan.design.services:
            servers[name] = own(name, manner, self.done.logs / "servers", self.registration)
            stack.push_async_callback(servers[name].stop)  # also of one that starts half
            await servers[name].start()
        self.services = servers

    async def _prepare_counterpart(self, stack: AsyncExitStack) -> None:
        """What the fleet migrates to, under a namespace of its own: neither knows the other."""
        assert self.migrates
        plan = self.plan
        endpoints = planner_endpoints(self.migrates, self.services)
        other = self.migrates.make(endpoints, f"{self.namespace}m", plan.timing, self.rng)
        await other.prepare(plan.workload.jobs)
        stack.push_async_callback(other.clean_up)

    def _register_relay(self, pid: int) -> None:
        self.registration.process(pid, "chaos.links.relay")

    async def _check_health(self, when: str) -> None:
        for name in self.plan.design.services:
            if not await self.services[name].health():
                raise TrialError(f"{name} was not healthy {when} the trial")

    def end(self) -> None:
        """End the history with what should have happened in it."""
        self._header()

    def close(self) -> None:
        """Close the files of the history."""
        self.live.close()
        self.recorder.close()

    def _ledger_and_probe(self) -> AbstractAsyncContextManager[None]:
        return ledger_and_probe(
            self.registration, self.private / "ledger", self.done.events, self.done.logs,
            self.offset_s, self.plan.seed, self.done.problems,
        )  # fmt: skip

    def _plan_load(self) -> None:
        """Decide when the load begins, and bound the jobs by it."""
        # A repeated trial is given more time: the machine was too busy for the first.
        earliest_s = self.clock() + self.plan.set_up_s * self.attempt + self.plan.idle_s
        grain_s = self.plan.design.grain_s
        self.start_s = grain.start_s(earliest_s, grain_s) if grain_s else earliest_s
        start_ms = round(self.start_s * 1000)
        end_ms = start_ms + round(self.plan.load_s * 1000)
        self.jobs = self.plan.workload.within(start_ms, end_ms)

    async def _start(self, fleet: Fleet) -> None:
        """Fork the fleet with the load's bounds in its configuration, and wait for it."""
        n, start_s = self.plan.instances, self.start_s
        for number in range(1, n + 1):
            await self._fork(fleet, f"i{number}")
        if not await self.live.until(lambda: len(self.live.ready) == n, start_s - self.clock()):
            logs = sorted(self.done.logs.glob("i*.log"))
            self.done.problems.append(
                f"only {len(self.live.ready)} of {n} instances were ready before the load began "
                f"{last_words(logs)}".rstrip()
            )
        await self._sleep_until(start_s - self.plan.idle_s)

    async def _fork(
        self, fleet: Fleet, host: str, *, name: str = "", migrated: bool = False
    ) -> Instance:
        """Start an instance: with a name of its own, unless it takes over `name`."""
        design = (self.migrates if migrated else None) or self.plan.design
        life = self.lives.get(name, 0) + 1
        name = name or f"{host}-{secrets.token_hex(2)}"  # unique per process start, not per host
        self.lives[name] = life
        path = self.private / f"{name}.json"
        links = list[RelayedLink]()
        endpoints = instance_endpoints(design, self.services)
        if self.relay:
            endpoints, links = await relayed(self.relay, name, endpoints, self.plan.links)
        config = InstanceConfig(
            name=name,
            strategy=design.name,
            source=source(design.name),
            endpoints=endpoints,
            namespace=f"{self.namespace}m" if migrated else self.namespace,
            timing=self.plan.timing,
            seed=self.plan.seed,
            jobs=self.jobs,
            work=self.plan.workload.work,
            events=str(self.done.events / f"{name}.jsonl"),
            ledger=str(self.private / "ledger"),
            offset_s=self.offset_s,
            life=life,
        )
        write_config(config, path)
        return await fleet.start(name, path, links)

    async def _load(self, fleet: Fleet, start_s: float) -> None:
        end_s = start_s + self.plan.load_s
        striking = asyncio.create_task(self._strike_all(fleet, start_s))
        try:
            async for _ in self.live.follow():
                heed_cancellation()
                if self.clock() >= end_s and striking.done():
                    break
        finally:
            striking.cancel()
            await asyncio.gather(striking, return_exceptions=True)
        if error := striking.exception():
            raise error

    async def _strike_all(self, fleet: Fleet, start_s: float) -> None:
        plan = self.plan
        services = {name: self.services[name] for name in plan.design.services}
        targets = Targets(fleet, services, self.live, plan.workload, self.rng, self.clock)
        problems = self.done.problems
        fork = partial(self._fork, fleet)
        failover_s = plan.bounds.failover_s or 0.0
        aim = Aim(targets, self.recorder, plan.lease_s, fork, problems, failover_s)
        for fault in plan.scenario.faults:
            await self._sleep_until(start_s + plan.scenario.strike_s(fault, plan.seed))
            await aim.strike(fault)

    async def _quiet(self) -> None:
        await self._phase("quiet")
        await asyncio.sleep(self.plan.quiet_s)
        self.live.read()
        longest_s = 2 * self.plan.lease_s + self.plan.workload.longest_run_s
        await self.live.until(lambda: not self.live.open_runs, longest_s)

    async def _stop(self, fleet: Fleet) -> None:
        await self._phase("done")
        late = await fleet.stop(STOP_S)
        if late:
            self.done.problems.append(f"did not stop within {STOP_S} s of SIGTERM: {late}")

    def _header(self) -> None:
        """Write what should have happened; last, because it says when recording stopped."""
        self._tell_due(self.clock(), lambda job: (job.end_ms or 0) - 1)

    def _tell_due(self, until_s: float, last_ms: Callable[[Job], int]) -> None:
        for event in what_was_due(self.plan, self.jobs, until_s, last_ms):
            self.recorder.record(event)

    def _enter(self, name: str) -> None:
        heed_cancellation()
        self.recorder.record(Phase(name=name))
        self.say(name)

    async def _phase(self, name: str) -> None:
        """Mark the phase, with the services' own operation counts at its beginning.

        Counts that trials beside this one have their part in are left out.
        """
        self._enter(name)
        self.recorder.record(Counters(instance=MACHINE, counts=spent()))
        if self.plan.runs == "at-once":
            return
        for service in self.plan.design.services:
            counts = await self.services[service].counters()
            totals = {f"{key}_total": value for key, value in counts.items()}
            self.recorder.record(Counters(instance=service, counts=totals))

    def _ended(self, instance: Instance) -> None:
        self.recorder.record(Died(instance=instance.name, status=instance.status or 0))
        self.live.forget(instance.name)
        if instance.status and instance.status > 0:  # by itself: a signal has a negative status
            words = last_words([self.done.logs / f"{instance.name}.log"])
            words = words or f"{instance.name} ended with {instance.status} and said nothing"
            self.done.problems.append(f"an instance ended by an error: {words}")

    def _strategy(self) -> Strategy:
        plan = self.plan
        endpoints = planner_endpoints(plan.design, self.services)
        return plan.design.make(endpoints, self.namespace, plan.timing, self.rng)

    def _observed(self) -> AbstractAsyncContextManager[None]:
        rng, tell = random.Random(f"{self.plan.seed}/observer"), self.recorder.record
        design, namespace = self.plan.design, self.namespace
        return observed(design, self.services, namespace, tell, rng, self.jobs)

    async def _sleep_until(self, t: float) -> None:
        await asyncio.sleep(max(0.0, t - self.clock()))
