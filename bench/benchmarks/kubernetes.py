"""Findings on the real controllers, each by one command (docs/kubernetes.md tells what came out).

    python -m bench.benchmarks.kubernetes cost 30        30 nodes at rest: memory, processors, start
    python -m bench.benchmarks.kubernetes memory 500     what the components hold, at their most
    python -m bench.benchmarks.kubernetes memory 500 unlimited   the same by Go's own rules
    python -m bench.benchmarks.kubernetes skew 100       due minute -> process start, 100 CronJobs
    python -m bench.benchmarks.kubernetes skew 100 200   the same, the controllers less limited
    python -m bench.benchmarks.kubernetes loss           a node dies mid-run, in its parts
    python -m bench.benchmarks.kubernetes loss-failed    the same with podReplacementPolicy: Failed
    python -m bench.benchmarks.kubernetes blocked        what Forbid does after a node's loss
    python -m bench.benchmarks.kubernetes policies       a run longer than its period, by policy
    python -m bench.benchmarks.kubernetes partition      a node is cut off and comes back
    python -m bench.benchmarks.kubernetes missed         200 missed schedules, by deadline
    python -m bench.benchmarks.kubernetes controllers    the controller manager dies over a minute
    python -m bench.benchmarks.kubernetes lease 20       lease-election: failover of 20 kills
    python -m bench.benchmarks.kubernetes lease 8 vendor     the same with client-go's 15/10/2 s
    python -m bench.benchmarks.kubernetes renewals 30    the times between two renewals of its Lease

One JSON line per measurement. The machine must have little else to do.
"""

import asyncio
import random
import secrets
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
import psutil

from bench.config import InstanceConfig, Work, write_config
from bench.events import Platform, RunEnded, RunStarted, decode
from bench.recorder import epoch_offset, host_clock
from bench.services.kubernetes import access
from bench.services.kubernetes.control_plane import ControlPlane
from bench.services.kubernetes.observer import observing
from strategies.cronjob.manifests import Concurrency, Settings
from strategies.cronjob.strategy import CronJobStrategy
from strategies.election.lease_designs import DESIGNS
from strategies.kubernetes.api import KubernetesApi
from strategies.kubernetes.follow import Follower
from strategies.model import Cron, Every, Job, Timing
from strategies.notes import Event, Granted, Skipped

EVERY_MINUTE = Cron("* * * * *")
[LEASE_ELECTION] = DESIGNS
READY_S = 20.0  # CronJobs and nodes are there by then
E = TypeVar("E", bound=Event)


@dataclass
class Scene:
    """A control plane, some processes, and what is told of them, for one measurement."""

    plane: ControlPlane
    folder: Path
    jobs: Sequence[Job]
    duration_s: float
    timing: Timing = field(default_factory=Timing)
    namespace: str = field(default_factory=lambda: f"cb_{secrets.token_hex(4)}")
    offset_s: float = field(default_factory=epoch_offset)
    told: list[Platform] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    processes: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)

    def clock(self) -> float:
        """The scene's clock: host monotonic, reading as seconds since 1970."""
        return host_clock(self.offset_s)()

    def tell(self, event: Platform | Skipped) -> None:
        """Keep what the platform did, with its time."""
        event.t = self.clock()
        if isinstance(event, Skipped):
            self.skipped.append(event)
        else:
            self.told.append(event)

    def history(self, kind: type[E]) -> list[E]:
        """The events of one kind that the processes have written, in time order."""
        files = self.folder.glob("*.jsonl")
        lines = [line for path in files for line in path.read_bytes().splitlines()]
        found = [event for event in map(decode, lines) if isinstance(event, kind)]
        return sorted(found, key=lambda event: event.t)

    def times(self, what: str, after_s: float = 0.0) -> list[float]:
        """When the platform did `what`."""
        return [event.t for event in self.told if event.what == what and event.t > after_s]

    async def until(self, fact: Callable[[], Any], seconds: float) -> bool:
        """Wait until `fact` gives something true; False if it did not within `seconds`."""
        end_s = self.clock() + seconds
        while not fact() and self.clock() < end_s:
            await asyncio.sleep(0.02)
        return bool(fact())

    async def until_minute(self, plus_s: float = 0.0) -> float:
        """Sleep until `plus_s` after the next full minute; that minute in seconds."""
        minute = (self.clock() // 60 + 1) * 60
        await asyncio.sleep(minute + plus_s - self.clock())
        return minute

    async def start(self, module: str, name: str, strategy: str, source: str, role: str) -> None:
        """Start one instance: a node agent, or a member of the fleet."""
        config = InstanceConfig(
            name=name, strategy=strategy, source=source, namespace=self.namespace, seed=1,
            endpoints={"kubernetes": self.plane.url_for(role)}, timing=self.timing,
            jobs=list(self.jobs), work={job.name: Work(self.duration_s) for job in self.jobs},
            events=str(self.folder / f"{name}.jsonl"),
            ledger=str(self.folder / "ledger") if source else "",
            offset_s=self.offset_s,
        )  # fmt: skip
        write_config(config, self.folder / f"{name}.json")
        self.processes[name] = await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, str(self.folder / f"{name}.json"), start_new_session=True
        )

    async def start_nodes(self, count: int = 3) -> None:
        """Start node agents and wait until all are ready."""
        for number in range(count):
            name = f"i{number}-{secrets.token_hex(3)}"
            await self.start("bench.node_agent", name, "cronjob", "", access.NODE)
        await self.until(lambda: len(self.times("node-ready")) >= count, 30)

    def end(self) -> Iterator[Awaitable[int]]:
        """Kill what still runs."""
        for process in self.processes.values():
            if process.returncode is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            yield process.wait()


@asynccontextmanager
async def _cron_scene(
    plane: ControlPlane,
    jobs: Sequence[Job],
    duration_s: float,
    settings: Settings,
    nodes: int = 3,
) -> Any:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="coordbench-")))
        scene = Scene(plane, folder, jobs, duration_s)
        observer = plane.url_for(access.OBSERVER)
        look = observing(observer, scene.namespace, scene.tell, random.Random(0), jobs)
        await stack.enter_async_context(look)
        endpoints = {"kubernetes": plane.url_for(access.CRONJOB)}
        strategy = CronJobStrategy(
            endpoints, scene.namespace, scene.timing, random.Random(0), settings
        )
        await strategy.prepare(jobs)
        try:
            await scene.start_nodes(nodes)
            yield scene
        finally:
            await asyncio.gather(*scene.end())
            await strategy.clean_up()


def _jobs(count: int, **changes: Any) -> list[Job]:
    return [
        Job(**{"name": f"job-{n:03}", "schedule": EVERY_MINUTE, **changes}) for n in range(count)
    ]


async def cost(plane: ControlPlane, count: str = "30") -> None:
    """What a control plane and its nodes hold and use while nothing is due."""
    async with _cron_scene(plane, _jobs(0), 0.1, Settings(), int(count)) as scene:
        await asyncio.sleep(10)  # the start is over
        agents = [psutil.Process(process.pid) for process in scene.processes.values()]
        servers = [psutil.Process(pid) for pid in plane.pids]
        before_s, began_s = _cpu_s(agents + servers), scene.clock()
        await asyncio.sleep(20)
        used = (_cpu_s(agents + servers) - before_s) / (scene.clock() - began_s)
        largest_mb = max(agent.memory_info().rss for agent in agents) / 2**20
        _say(
            finding="cost", ready_s=round(plane.ready_s, 2), agents=len(agents),
            agent_mb=round(largest_mb, 1), cores=round(used, 2), **_memory(plane),
        )  # fmt: skip


def _cpu_s(processes: Sequence[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def _memory(plane: ControlPlane) -> dict[str, int]:
    """Resident sizes added up, and the same with what the four share counted once."""
    shares = [psutil.Process(pid).memory_full_info().pss / 2**20 for pid in plane.pids]
    resident = sum(plane.resident_mb().values())
    return {"control_plane_mb": round(resident), "control_plane_pss_mb": round(sum(shares))}


async def skew(plane: ControlPlane, count: str = "10", qps: str = "") -> None:
    """From the due minute to the start of the pod's process, over one fire of each CronJob.

    `qps` gives the controllers another limit of requests a second than upstream's 20.
    """
    if qps:
        await _limit_controllers(plane, int(qps))
    due = (host_clock(epoch_offset())() + READY_S) // 60 * 60 + 60
    at = datetime.fromtimestamp(due, UTC)
    jobs = _jobs(int(count), schedule=Cron(f"{at.minute} {at.hour} * * *"))
    async with _cron_scene(plane, jobs, 0.1, Settings(toleration_s=0)) as scene:

        def started() -> list[float]:
            return [run.t - due for run in scene.history(RunStarted)]

        await scene.until(lambda: len(started()) >= int(count), due + 180 - scene.clock())
        _say(
            finding="skew", jobs=int(count), qps=int(qps or 20), started=len(started()),
            **_quantiles(started()), **_memory(plane),
            **{
                f"{what}_max_s": round(max(scene.times(what), default=due) - due, 2)
                for what in ("job-created", "pod-created", "pod-bound")
            },
        )  # fmt: skip


async def memory(plane: ControlPlane, count: str = "100", limits: str = "ours") -> None:
    """What each component holds at its most while CronJobs are made, fire once, and end.

    `unlimited`: by the Go runtime's own rules, instead of bench.services.kubernetes.components'.
    """
    if limits == "unlimited":
        await plane.stop()
        plane.environment = lambda component: {}
        await plane.start()
    most: dict[str, float] = {}
    watching = asyncio.create_task(_watch_memory(plane, most))
    before_s = _cpu_s([psutil.Process(pid) for pid in plane.pids])
    await skew(plane, count)
    watching.cancel()
    used_s = _cpu_s([psutil.Process(pid) for pid in plane.pids]) - before_s
    _say(
        finding="memory", jobs=int(count), limits=limits, ready_s=round(plane.ready_s, 2),
        processor_s=round(used_s, 1), **{f"{name}_mb": round(mb) for name, mb in most.items()},
    )  # fmt: skip


async def _watch_memory(plane: ControlPlane, most: dict[str, float]) -> None:
    """Keep the highest resident size of each component, and of all at once."""
    while True:
        held = plane.resident_mb()
        for name, mb in (*held.items(), ("control_plane", sum(held.values()))):
            most[name] = max(mb, most.get(name, 0.0))
        await asyncio.sleep(0.5)


async def _limit_controllers(plane: ControlPlane, qps: int) -> None:
    usual = plane._command
    flags = [f"--kube-api-qps={qps}", f"--kube-api-burst={2 * qps}"]
    plane._command = (  # type: ignore[method-assign]
        lambda name: [*usual(name), *(flags if name == "controllers" else [])]
    )
    await plane.restart_controllers()


async def loss(plane: ControlPlane, replacement: Any = "TerminatingOrFailed") -> None:
    """A node dies 3 s into a run of 20 s: detection, eviction, back-off, start of the next."""
    settings = Settings(toleration_s=0, pod_replacement=replacement)
    async with _cron_scene(plane, _jobs(1), 20.0, settings) as scene:
        first, struck_s = await _kill_mid_run(scene)
        again = await scene.until(lambda: len(scene.history(RunStarted)) > 1, 40)
        lost = scene.times("node-not-ready", struck_s)
        evicted = scene.times("pod-deleted", struck_s)
        replaced = scene.times("pod-created", struck_s)
        runs = scene.history(RunStarted)
        _say(
            finding="loss", pod_replacement=replacement, replaced=again,
            detected_s=_since(struck_s, lost), evicted_s=_since(struck_s, evicted),
            created_s=_since(struck_s, replaced),
            run_s=round(runs[1].t - struck_s, 2) if again else None, first=first.instance,
        )  # fmt: skip


async def loss_failed(plane: ControlPlane) -> None:
    """`loss`, with a policy that waits for the lost pod to be reported as failed."""
    await loss(plane, "Failed")


async def blocked(plane: ControlPlane) -> None:
    """After a node's loss: whether Forbid runs the next fire while the Node is there."""
    async with _cron_scene(plane, _jobs(3), 5.0, Settings(toleration_s=0)) as scene:
        victim, _ = await _kill_mid_run(scene)
        minute = await scene.until_minute(10)
        ran = {run.job for run in scene.history(RunStarted) if run.due_ms == round(minute * 1000)}
        hit = {run.job for run in scene.history(RunStarted) if run.instance == victim.instance}
        _say(finding="blocked", jobs_on_lost_node=len(hit), of_these_ran_next=len(hit & ran))


async def policies(plane: ControlPlane) -> None:
    """A run of 90 s every 60 s, for four minutes, under each concurrency policy."""
    every: tuple[Concurrency, ...] = ("Forbid", "Allow", "Replace")
    await asyncio.gather(*(_long_runs(plane, policy) for policy in every))


async def _long_runs(plane: ControlPlane, policy: Concurrency) -> None:
    settings = Settings(toleration_s=0, concurrency=policy)
    async with _cron_scene(plane, _jobs(1), 90.0, settings) as scene:
        begin = await scene.until_minute()
        await asyncio.sleep(begin + 245 - scene.clock())
        ended = {run.run: run for run in scene.history(RunEnded)}
        runs = [
            {
                "due": round(run.due_ms / 1000 - begin),
                "start": round(run.t - begin, 1),
                "end": round(ended[run.run].t - begin, 1) if run.run in ended else None,
                "status": ended[run.run].status if run.run in ended else "open",
            }
            for run in scene.history(RunStarted)
        ]
        skipped = [(round(one.due_ms / 1000 - begin), one.reason) for one in scene.skipped]
        _say(finding="policies", policy=policy, runs=runs, skipped=skipped)


async def partition(plane: ControlPlane) -> None:
    """The agent alone is stopped: cut off from the control plane, its pod's process runs on."""
    async with _cron_scene(plane, _jobs(1), 25.0, Settings(toleration_s=0)) as scene:
        await scene.until_minute()
        await scene.until(lambda: scene.history(RunStarted), 20)
        first = scene.history(RunStarted)[0]
        scene.processes[first.instance].send_signal(signal.SIGSTOP)
        await scene.until(lambda: len(scene.history(RunStarted)) > 1, 30)
        await scene.until(lambda: len(scene.history(RunEnded)) > 0, 30)
        scene.processes[first.instance].send_signal(signal.SIGCONT)
        await scene.until(lambda: len(scene.history(RunEnded)) > 1, 40)
        runs, ends = scene.history(RunStarted), scene.history(RunEnded)
        _say(
            finding="partition", runs=len(runs), same_fire=runs[0].due_ms == runs[1].due_ms,
            both_open_s=round(ends[0].t - runs[1].t, 1), ends=[end.status for end in ends],
        )  # fmt: skip


async def missed(plane: ControlPlane) -> None:
    """The last schedule time is put 200 minutes back: what the next two minutes run, and say."""
    await asyncio.gather(*(_missed(plane, deadline_s) for deadline_s in (None, 10, 30)))


async def _missed(plane: ControlPlane, deadline_s: int | None) -> None:
    settings = Settings(toleration_s=0, starting_deadline_s=deadline_s)
    async with _cron_scene(plane, _jobs(1), 0.2, settings) as scene:
        minute = await scene.until_minute(3)
        place = scene.namespace.replace("_", "-")
        async with KubernetesApi(plane.url_for(access.ADMIN), timeout_s=5) as api:
            back = datetime.fromtimestamp(minute - 200 * 60, UTC).isoformat()
            path = f"/apis/batch/v1/namespaces/{place}/cronjobs/job-000"
            patch = {"status": {"lastScheduleTime": back.replace("+00:00", "Z")}}
            await api.merge(f"{path}/status", patch)
            since_s = scene.clock()
            await asyncio.sleep(minute + 2 * 60 + 5 - scene.clock())
            events = await api.get(f"/api/v1/namespaces/{place}/events", dict[str, Any])
        runs = [
            {"due": round(run.due_ms / 1000 - minute), "start": round(run.t - minute, 1)}
            for run in scene.history(RunStarted)
            if run.t > since_s
        ]
        reasons = {one["reason"] for one in events["items"]}
        warned = "TooManyMissedTimes" in reasons
        _say(finding="missed", starting_deadline_s=deadline_s, warned=warned, runs=runs)


async def controllers(plane: ControlPlane) -> None:
    """The controller manager is killed 10 s before a minute and comes back 20 s after it."""
    async with _cron_scene(plane, _jobs(5), 1.0, Settings(toleration_s=0)) as scene:
        if scene.clock() % 60 > 45:
            await scene.until_minute()
        await asyncio.sleep(50 - scene.clock() % 60)
        await plane._kill_one("controllers")
        minute = await scene.until_minute(20)
        await plane.restart_controllers()
        back_s = scene.clock() - minute

        def late() -> list[float]:
            due_ms = round(minute * 1000)
            runs = [run for run in scene.history(RunStarted) if run.due_ms == due_ms]
            return [round(run.t - minute, 2) for run in runs]

        await scene.until(lambda: len(late()) >= 5, 30)
        _say(finding="controllers", back_s=round(back_s, 2), started_s=sorted(late()))


async def lease(plane: ControlPlane, count: str = "20", profile: Any = "equal") -> None:
    """lease-election (`equal`: L = 2 s): from the leader's SIGKILL to the next leader's grant."""
    took: list[float] = []
    async with _election_scene(plane, Timing(profile), every_s=1) as scene:
        for number in range(int(count)):
            await _fill_up(scene)
            await _granted(scene, number + 1)
            await asyncio.sleep(2 + random.Random(number).random())
            leader = scene.history(Granted)[-1].instance
            scene.processes[leader].kill()
            struck_s = scene.clock()
            await scene.processes[leader].wait()
            await _granted(scene, number + 2)
            took.append(scene.history(Granted)[-1].t - struck_s)
    bound_s = LEASE_ELECTION.bounds(Timing(profile)).failover_s
    _say(finding="lease", profile=profile, kills=len(took), bound_s=bound_s, **_quantiles(took))


async def renewals(plane: ControlPlane, seconds: str = "30", profile: Any = "equal") -> None:
    """lease-election with nothing due: the times between two renewals, as the API tells them."""
    told: list[float] = []
    async with _election_scene(plane, Timing(profile), every_s=86_400) as scene:
        await _fill_up(scene)
        await _granted(scene, 1)
        place = scene.namespace.replace("_", "-")
        path = f"/apis/coordination.k8s.io/v1/namespaces/{place}/leases"

        async def follow() -> None:
            async for change in Follower(api, path, {}, random.Random(0)).changes():
                renewed = msgspec.json.decode(change.raw)["spec"]["renewTime"]
                told.append(datetime.fromisoformat(renewed).timestamp())

        async with KubernetesApi(plane.url_for(access.ADMIN), timeout_s=5) as api:
            following = asyncio.create_task(follow())
            await asyncio.sleep(float(seconds))
            following.cancel()
            [end] = await asyncio.gather(following, return_exceptions=True)
            if isinstance(end, Exception):
                raise end
    apart = [later - earlier for earlier, later in pairwise(told)]
    _say(finding="renewals", profile=profile, count=len(apart), **_quantiles(apart))


@asynccontextmanager
async def _election_scene(
    plane: ControlPlane, timing: Timing, every_s: int
) -> AsyncIterator[Scene]:
    """A ledger, and a Lease for one job; `_fill_up` starts the candidates."""
    with tempfile.TemporaryDirectory(prefix="coordbench-") as text:
        start_ms = round((time.time() + 3 * every_s) * 1000)
        jobs = [Job(name="j", schedule=Every(every_s * 1000), start_ms=start_ms)]
        scene = Scene(plane, Path(text), jobs, 0.2, timing)
        ledger = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench.ledger", str(scene.folder / "ledger"),
            str(scene.folder / "ledger.jsonl"), str(scene.offset_s),
        )  # fmt: skip
        await scene.until((scene.folder / "ledger").exists, 10)
        endpoints = {"kubernetes": plane.url_for(access.ELECTION_PLANNER)}
        strategy = LEASE_ELECTION.make(endpoints, scene.namespace, timing, random.Random(0))
        await strategy.prepare(jobs)
        try:
            yield scene
        finally:
            await asyncio.gather(*scene.end())
            ledger.terminate()
            await ledger.wait()
            await strategy.clean_up()


async def _fill_up(scene: Scene) -> None:
    """Start candidates until three are alive."""
    source = "strategies.election.lease_designs:DESIGNS"
    while len([one for one in scene.processes.values() if one.returncode is None]) < 3:
        name = f"m{len(scene.processes)}"
        await scene.start("bench.instance", name, LEASE_ELECTION.name, source, access.ELECTION)


async def _kill_mid_run(scene: Scene) -> tuple[RunStarted, float]:
    """Kill the node of the first run of the next minute, 3 s into it; when that was."""
    await scene.until_minute()
    await scene.until(lambda: scene.history(RunStarted), 20)
    first = scene.history(RunStarted)[0]
    await asyncio.sleep(first.t + 3 - scene.clock())
    scene.processes[first.instance].kill()
    return first, scene.clock()


async def _granted(scene: Scene, terms: int) -> None:
    await scene.until(lambda: len(scene.history(Granted)) >= terms, 40)


def _since(from_s: float, times: list[float]) -> float | None:
    return round(times[0] - from_s, 2) if times else None


def _quantiles(seconds: list[float]) -> dict[str, float]:
    if not seconds:
        return {}
    values = np.quantile(np.array(seconds), [0, 0.5, 0.95, 1])
    names = ("min_s", "p50_s", "p95_s", "max_s")
    return {name: round(float(value), 3) for name, value in zip(names, values, strict=True)}


def _say(**found: Any) -> None:
    sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
    sys.stdout.flush()


class _Lines:
    """Tells of the build on standard error, beside the measurements."""

    def step(self, text: str) -> None:
        sys.stderr.write(text + "\n")

    passing = step


FINDINGS: dict[str, Callable[..., Awaitable[None]]] = {
    "cost": cost, "memory": memory, "skew": skew, "loss": loss, "loss-failed": loss_failed,
    "blocked": blocked,
    "policies": policies, "partition": partition, "missed": missed, "controllers": controllers,
    "lease": lease, "renewals": renewals,
}  # fmt: skip


async def main(arguments: Sequence[str]) -> None:
    """Measure what the arguments name on a control plane of its own."""
    with tempfile.TemporaryDirectory(prefix="coordbench-logs-") as logs:
        plane = ControlPlane(Path(logs), None, tell=_Lines())
        await plane.start()
        try:
            await FINDINGS[arguments[0]](plane, *arguments[1:])
        finally:
            await plane.stop()


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in FINDINGS:
        sys.exit(f"expected one of: {', '.join(FINDINGS)}")
    asyncio.run(main(sys.argv[1:]))
