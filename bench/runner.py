"""The bench: services started, trials run in lanes, results saved one by one, matrix made.

Steady trials of the strategies that are compared run alone, because figures of cost come from
them. All other trials run in lanes side by side: one lane per server, one trial per server at a
time, or all at once where a trial takes minutes (bench.lanes). What an earlier, interrupted bench
has saved is kept and not run again.
"""

import asyncio
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from bench.judge import Judgement
from bench.lanes import MOST_JOBS, MOST_NODES, whose
from bench.leftovers import Registration
from bench.plan import Plan
from bench.platforms import HasTiming
from bench.progress import Finding, Progress
from bench.results import Results
from bench.room import require_room, told_when_full
from bench.services import Service, ServiceUnavailable, provide
from bench.services.base import Slow
from bench.trial import conduct
from bench.watchdog import watched

REPEATS = 3  # how often an invalid trial is repeated

ServiceKey = tuple[str, str]  # service name, suffix (bench.lanes): "" or whose it is


@dataclass
class Bench:
    """One bench: what is to be run, where it is saved, who is told.

    Without `costs`, figures of cost are not wanted, and no trial needs to run alone for them.
    `abreast` is how many trials a server takes at once, where nobody reads its counters.
    """

    plans: Sequence[Plan]
    results: Results
    progress: Progress
    providers: Mapping[str, str] = field(default_factory=dict)
    costs: bool = True
    abreast: int = 1
    registration: Registration = field(default_factory=Registration)
    servers: dict[ServiceKey, Service] = field(default_factory=dict)
    not_run: dict[str, str] = field(default_factory=dict)  # service -> why
    _left: list[Plan] = field(default_factory=list)
    _reviving: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def run(self) -> None:
        """Run every trial that is not kept yet (or was kept as invalid).

        Raises NoRoom where the disk of what is temporary is full, ResultsNotKept for the results'.
        """
        with told_when_full(self.results.path):
            await self._run()

    async def _run(self) -> None:
        kept = {
            key for key, one in self.results.finished().items() if one.verdict.status != "invalid"
        }
        todo = [plan for plan in self.plans if (plan.record().cell, plan.k) not in kept]
        async with AsyncExitStack() as stack:
            stack.enter_context(self.registration)
            stack.enter_context(watched(self.registration))
            await self._start_services(stack, todo)
            self._left = [plan for plan in todo if not self.why_not(plan)]
            self.progress.begin(list(self._left), len(self.plans) - len(todo), self._left_s())
            stack.callback(self.progress.end)
            for plan in [plan for plan in self._left if self._alone(plan)]:
                await self._settle(plan)
            async with asyncio.TaskGroup() as lanes:
                for lane in self._lanes(self._left).values():
                    lanes.create_task(self._run_lane(lane))

    def why_not(self, plan: Plan) -> str | None:
        """Why a trial cannot be run here; None where it can."""
        reasons = [self.not_run[name] for name in plan.design.services if name in self.not_run]
        if why := plan.why_not:
            reasons.append(why)
        by_url = {key[0] for key, one in self.servers.items() if not one.owned}
        used = [name for name in plan.design.services if name in by_url]
        if any(planned.acts_on == "service" for planned in plan.scenario.faults):
            reasons += [
                f"{name} is used by URL, and only a server of its own is hurt" for name in used
            ]
        if plan.design.replica == "node":
            reasons += [
                f"{name} is used by URL, and its nodes are not ours to lose" for name in used
            ]
        return "; ".join(reasons) or None

    async def _start_services(self, stack: AsyncExitStack, plans: Iterable[Plan]) -> None:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="coordbench-")))
        self.registration.directory(folder)
        keys = {key for plan in plans for key in _service_keys(plan)}
        # A server used by URL is one server, whoever asks for one of his own.
        by_url = {name for name, _ in keys if self._by_url(name, folder)}
        keys = {(name, "" if name in by_url else suffix) for name, suffix in keys}
        await asyncio.gather(*(self._start(stack, key, folder) for key in sorted(keys)))

    def _by_url(self, name: str, folder: Path) -> bool:
        try:
            service = provide(
                name, folder, self.providers.get(name), registration=self.registration
            )
        except ServiceUnavailable:
            return False  # said when it is to be started
        return service.provider == "url"

    async def _start(self, stack: AsyncExitStack, key: ServiceKey, folder: Path) -> None:
        name, suffix = key
        directory = folder / f"{name}{suffix}"
        directory.mkdir()
        try:
            service = provide(
                name, directory, self.providers.get(name), registration=self.registration
            )
            called = f"{name} for the {suffix}" if suffix else name
            self.progress.step(f"{called}: starting ({service.provider})")
            if isinstance(service, Slow):
                service.tell = self.progress
            await service.start()
        except ServiceUnavailable as error:
            require_room(folder)  # a server on a full disk cannot say what is missing
            if name not in self.not_run:  # said once, though several servers of it were wanted
                self.progress.step(f"not run: {error}")
            self.not_run[name] = str(error)
            return
        stack.push_async_callback(service.stop)
        self.servers[key] = service

    def _lanes(self, plans: Iterable[Plan]) -> dict[str, list[Plan]]:
        lanes: defaultdict[str, list[Plan]] = defaultdict(list)
        for plan in plans:
            if not self._alone(plan):
                used = [self._server_key(key) for key in _service_keys(plan)]
                lanes[" ".join("-".join(key) for key in used)].append(plan)
        return lanes

    def _server_key(self, key: ServiceKey) -> ServiceKey:
        return key if key in self.servers else (key[0], "")

    async def _run_lane(self, plans: Sequence[Plan]) -> None:
        for crowd in crowds(plans, self.abreast):
            try:
                await self._retime(crowd)
            except ServiceUnavailable as error:  # it does not come back: its cells say why
                self.not_run |= dict.fromkeys(crowd[0].design.services, str(error))
                self.progress.step(str(error))
                return
            async with asyncio.TaskGroup() as trials:
                for plan in crowd:
                    trials.create_task(self._settle(plan))

    async def _retime(self, crowd: Sequence[Plan]) -> None:
        for service in self._services(crowd[0]).values():
            if isinstance(service, HasTiming):
                await service.retime(crowd[0].timing, len(crowd))

    async def _settle(self, plan: Plan) -> None:
        """Run a trial until it is valid or has been repeated often enough; the last is kept."""
        for attempt in range(1, REPEATS + 2):
            judgement = await self._attempt(plan, attempt)
            if judgement.verdict.status != "invalid":
                break
        self._left.remove(plan)
        self.progress.finished(plan, _finding(judgement), self._left_s())

    async def _attempt(self, plan: Plan, attempt: int) -> Judgement:
        self.progress.started(plan, attempt)
        services = self._services(plan)
        started = datetime.now().astimezone().isoformat(timespec="seconds")
        with tempfile.TemporaryDirectory(prefix="coordbench-") as folder:
            self.registration.directory(Path(folder))
            done = await conduct(
                plan,
                services,
                self.registration,
                Path(folder),
                lambda phase: self.progress.phase(plan, phase),
                attempt,
            )
            versions = {name: f"{one.version} ({one.provider})" for name, one in services.items()}
            record = plan.record(attempt, done.problems, versions, started)
            judgement = await asyncio.to_thread(self.results.keep, record, done.events, done.logs)
        await self._revive(services.values())
        return judgement

    def _services(self, plan: Plan) -> dict[str, Service]:
        return {key[0]: self.servers[self._server_key(key)] for key in _service_keys(plan)}

    async def _revive(self, services: Iterable[Service]) -> None:
        """A server that died during a trial is started again for the next one."""
        async with self._reviving:  # one trial at a time: others may share the server
            for service in services:
                if not await service.health():
                    self.progress.step(f"{service.name}: died during a trial, starting it again")
                    await service.restart()

    def _alone(self, plan: Plan) -> bool:
        return self.costs and plan.runs == "alone"

    def _left_s(self) -> float:
        alone_s = sum(plan.expected_s for plan in self._left if self._alone(plan))
        lanes = self._lanes(self._left).values()
        return alone_s + max((_takes_s(lane, self.abreast) for lane in lanes), default=0.0)


def _finding(judgement: Judgement) -> Finding:
    verdict, metrics = judgement.verdict, judgement.metrics
    status = verdict.status
    if judgement.record.kind == "control" and status == "ok":
        status_word = "declared" if verdict.fires else "ok"
    else:
        status_word = status
    reasons = [*verdict.reasons, *(f"{one.promise}: {one.count}" for one in verdict.broken)]
    if verdict.error:
        reasons.append(verdict.error)
    rates = "no figures"
    if metrics:
        duplicates, missed = metrics.counts.get("duplicate", 0), metrics.counts.get("missed", 0)
        rates = f"dup {duplicates} miss {missed} of {metrics.fires}"
    return Finding(status_word, rates, tuple(reasons))


def crowds(lane: Sequence[Plan], abreast: int = 1) -> list[list[Plan]]:
    """The trials of a lane, in groups of up to `abreast` that run at once; most are of one.

    A group has one timing. On a platform it may be larger: as many nodes and jobs as that takes.
    """
    groups: list[list[Plan]] = []
    unfilled: list[list[Plan]] = []  # of a thousand trials that run singly none is looked at again
    for plan in lane:
        group = next((one for one in unfilled if _has_room(one, plan, abreast)), None)
        if group is None:
            group = []
            groups.append(group)
            unfilled.append(group)
        group.append(plan)
        if plan.runs != "at-once" and len(group) >= abreast:
            unfilled.remove(group)
    return groups


def _has_room(group: Sequence[Plan], plan: Plan, abreast: int) -> bool:
    together = [*group, plan]
    if any(one.timing != plan.timing for one in group):
        return False
    if any(one.runs != "at-once" for one in together):
        return len(together) <= abreast
    nodes = sum(one.instances for one in together)
    jobs = sum(len(one.workload.jobs) for one in together)
    return nodes <= MOST_NODES and jobs <= MOST_JOBS


def _takes_s(lane: Sequence[Plan], abreast: int) -> float:
    return sum(max(plan.expected_s for plan in crowd) for crowd in crowds(lane, abreast))


def _service_keys(plan: Plan) -> list[ServiceKey]:
    return [(name, whose(plan.design)) for name in plan.design.services]
