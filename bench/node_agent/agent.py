"""One node: registers, stays alive, follows its pods, and ends in order on SIGTERM."""

import asyncio
import os
import random
import signal
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import msgspec

from bench.config import InstanceConfig, Work
from bench.events import InstanceReady, InstanceStarted, InstanceStopped
from bench.kubernetes_binaries import cached
from bench.node_agent.node import Heartbeat, Node
from bench.node_agent.pods import PodLife
from bench.node_agent.process import NodeProcesses
from bench.recorder import Recorder, host_clock
from bench.services.kubernetes.observer import JOB_NAME, fire_of
from strategies.kubernetes.api import KubernetesApi
from strategies.kubernetes.follow import Change, Follower
from strategies.kubernetes.objects import Pod

STOP_GRACE_S = 1.0  # what a node that shuts down leaves its pods
STOP_S = 3.0  # and itself, in all
LONGEST_CALL_S = 10.0


class Agent:
    """Everything that one node holds while it runs."""

    def __init__(self, config: InstanceConfig, recorder: Recorder, api: KubernetesApi) -> None:
        heartbeat = Heartbeat.of(config.timing)
        trial = config.namespace.replace("_", "-")
        clock = host_clock(config.offset_s + config.skew_s)
        self._config, self._recorder, self._api, self._clock = config, recorder, api, clock
        self._node = Node(api, config.name, trial, heartbeat, clock)
        self._processes = NodeProcesses(cached().pod)
        self._rng = random.Random(f"{config.seed}/{config.name}")
        self._pods: dict[str, PodLife] = {}
        self._lives: dict[str, asyncio.Task[None]] = {}

    async def serve(self, stopping: asyncio.Event) -> None:
        """Be a node until `stopping` is set."""
        await self._node.register()
        query = {"fieldSelector": f"spec.nodeName={self._config.name}"}
        follower = Follower(self._api, "/api/v1/pods", query, self._rng)
        duties = [
            asyncio.create_task(self._node.stay_alive()),
            asyncio.create_task(self._follow(follower)),
            asyncio.create_task(stopping.wait()),
        ]
        self._recorder.record(InstanceReady())
        try:
            done, _ = await asyncio.wait(duties, return_when=asyncio.FIRST_COMPLETED)
            for duty in done:
                duty.result()
        finally:
            for duty in duties:
                duty.cancel()
            await asyncio.gather(*duties, return_exceptions=True)
            await self._go_down()

    async def _follow(self, follower: Follower) -> None:
        async for change in follower.changes():
            self._take(change)

    def _take(self, change: Change) -> None:
        """Begin, update or end a pod's life as the API server tells it."""
        pod = msgspec.json.decode(change.raw, type=Pod)
        uid = pod.metadata.uid
        life = self._pods.get(uid)
        if change.what == "gone":
            if life is not None:
                life.vanish()
        elif life is not None:
            life.follow(pod)
        else:
            self._begin(uid, pod)

    def _begin(self, uid: str, pod: Pod) -> None:
        added = self._told_by_node(pod)
        life = PodLife(self._api, pod, self._processes, added, self._clock)
        if pod.metadata.deletion_timestamp is not None:
            life.follow(pod)
        self._pods[uid] = life
        task = self._lives[uid] = asyncio.create_task(life.run())
        task.add_done_callback(lambda done: self._forget(uid, done))

    def _forget(self, uid: str, done: asyncio.Task[None]) -> None:
        self._pods.pop(uid, None)
        self._lives.pop(uid, None)
        if not done.cancelled() and (error := done.exception()):
            self._recorder.record(InstanceStopped(error=f"a pod's life: {error!r}"))

    def _told_by_node(self, pod: Pod) -> Mapping[str, str]:
        """What a run must know of the trial: where to report, and what it is to do."""
        return {
            "COORDBENCH_NODE": self._config.name,
            "COORDBENCH_HISTORY": self._config.events,
            "COORDBENCH_LEDGER": self._config.ledger,
            "COORDBENCH_CLOCK_OFFSET_S": repr(self._config.offset_s),
            **told_of(pod, self._config.work, self._config.seed),
        }

    async def _go_down(self) -> None:
        """An orderly end: pods stop and are said to have failed, then the node is taken off."""
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                lives = list(self._lives.values())
                stops = (pod.stop("Terminated", STOP_GRACE_S) for pod in self._pods.values())
                await asyncio.gather(*stops)
                if lives:
                    await asyncio.wait(lives, timeout=STOP_GRACE_S)
                await self._node.leave()
        for life in list(self._lives.values()):
            life.cancel()
        await asyncio.gather(*self._lives.values(), return_exceptions=True)
        self._processes.close()


def told_of(pod: Pod, work: Mapping[str, Work], seed: int) -> Mapping[str, str]:
    """How long a pod's run is to last, and whether it fails, as its job's work says."""
    container = pod.spec.containers[0]
    job = next((one.value or "" for one in container.env if one.name == "COORDBENCH_JOB"), "")
    asked = work.get(job, Work())
    luck = random.Random(f"{seed}/{pod.metadata.name}")
    seconds = asked.duration_s * (1 + luck.uniform(-1, 1) * asked.spread)
    return {
        "COORDBENCH_RUN_S": repr(seconds),
        "COORDBENCH_FAIL": "1" if failing(asked, pod, luck.random()) else "",
    }


def failing(work: Work, pod: Pod, drawn: float) -> bool:
    """Whether the pod's run fails; `drawn` from [0, 1). A job that flaps goes by its due times."""
    _, due_ms = fire_of(pod.metadata.labels.get(JOB_NAME, ""))
    return drawn < work.failure_rate or (due_ms is not None and work.fails_at(due_ms))


async def be_a_node(config: InstanceConfig) -> None:
    """Run one node until SIGTERM, and record it as an instance of the trial."""
    clock = host_clock(config.offset_s)
    recorder = Recorder(Path(config.events), config.name, clock)
    recorder.record(InstanceStarted(pid=os.getpid()))
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    call_s = min(LONGEST_CALL_S, Heartbeat.of(config.timing).duration_s / 2)
    error = ""
    async with AsyncExitStack() as stack:
        url = config.endpoints["kubernetes"]
        api = await stack.enter_async_context(
            KubernetesApi(url, timeout_s=call_s, counts=recorder.counts)
        )
        flushing = asyncio.create_task(recorder.flush_forever())
        try:
            await Agent(config, recorder, api).serve(stopping)
        except Exception as failure:
            error = f"{type(failure).__name__}: {failure}"
            raise
        finally:
            flushing.cancel()
            recorder.flush()
            recorder.record(InstanceStopped(error=error))
