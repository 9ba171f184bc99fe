"""The node agent on the real control plane: pods live, fail, are deleted, and die with the node."""

import asyncio
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio

from bench.config import InstanceConfig, write_config
from bench.recorder import epoch_offset
from bench.services.kubernetes import access
from bench.services.kubernetes.control_plane import ControlPlane
from strategies.kubernetes.api import KubernetesApi
from strategies.kubernetes.errors import NotFound
from strategies.kubernetes.objects import Node, Pod
from strategies.model import Timing

pytestmark = pytest.mark.servers


@dataclass
class Bench:
    """A namespace, an admin's view of it, and the nodes that a test starts."""

    plane: ControlPlane
    api: KubernetesApi
    namespace: str
    folder: Path
    agents: dict[str, asyncio.subprocess.Process]

    async def start_node(self, host: str) -> str:
        name = f"{host}-{self.namespace}"
        config = InstanceConfig(
            name=name, strategy="cronjob", source="", namespace=self.namespace, seed=1,
            endpoints={"kubernetes": self.plane.url_for(access.NODE)}, timing=Timing(), jobs=[],
            work={}, events=str(self.folder / f"{name}.jsonl"), ledger="",
            offset_s=epoch_offset(),
        )  # fmt: skip
        path = self.folder / f"{name}.json"
        write_config(config, path)
        self.agents[name] = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench.node_agent", str(path), start_new_session=True
        )
        await until(lambda: self.is_ready(name))
        return name

    async def is_ready(self, name: str) -> bool:
        try:
            node = await self.api.get(f"/api/v1/nodes/{name}", Node)
        except NotFound:
            return False
        return {one.type: one.status for one in node.status.conditions}.get("Ready") == "True"

    async def run_pod(self, name: str, node: str, command: list[str], **spec: Any) -> None:
        container = {"name": "run", "image": "none", "command": command}
        body = {
            "metadata": {"name": name},
            "spec": {
                "containers": [container], "nodeName": node, "restartPolicy": "Never",
                "automountServiceAccountToken": False, **spec,
            },
        }  # fmt: skip
        await self.api.create(self.pods, body)

    @property
    def pods(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/pods"

    async def pod(self, name: str) -> Pod | None:
        try:
            return await self.api.get(f"{self.pods}/{name}", Pod)
        except NotFound:
            return None

    async def until_phase(self, name: str, phase: str) -> Pod:
        async def reached() -> Pod | None:
            pod = await self.pod(name)
            return pod if pod and pod.status.phase == phase else None

        return await until(reached)


async def until(fact: Callable[[], Awaitable[Any]], seconds: float = 20) -> Any:
    """What `fact` gives once it is true."""
    async with asyncio.timeout(seconds):
        while not (given := await fact()):
            await asyncio.sleep(0.02)
        return given


@pytest_asyncio.fixture
async def bench(control_plane: ControlPlane, tmp_path: Path) -> AsyncIterator[Bench]:
    async with bench_on(control_plane, tmp_path) as made:
        yield made


@asynccontextmanager
async def bench_on(control_plane: ControlPlane, folder: Path) -> AsyncIterator[Bench]:
    namespace = f"t{random.randrange(10**9):09}"
    async with KubernetesApi(control_plane.url_for(access.ADMIN), timeout_s=5) as api:
        await api.create("/api/v1/namespaces", {"metadata": {"name": namespace}})
        made = Bench(control_plane, api, namespace, folder, {})
        try:
            yield made
        finally:
            for agent in made.agents.values():
                if agent.returncode is None:
                    agent.send_signal(signal.SIGCONT)
                    agent.kill()
                await agent.wait()
            await api.delete(f"/api/v1/namespaces/{namespace}")
            await api.delete(made.pods, {"gracePeriodSeconds": 0})
            trial = {"labelSelector": f"coordbench.dev/trial={namespace}"}
            await api.delete("/api/v1/nodes", query=trial)


def process_of(marker: str) -> list[psutil.Process]:
    """The living processes with `marker` in their command line."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        words = process.info["cmdline"] or []
        if marker in words and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


async def test_a_pod_runs_as_a_local_process_and_succeeds(bench: Bench) -> None:
    node = await bench.start_node("n1")
    out = bench.folder / "out"
    await bench.run_pod("p", node, ["sh", "-c", f"echo done > {out}"])
    await bench.until_phase("p", "Succeeded")
    assert out.read_text() == "done\n"


async def test_an_exit_code_is_reported(bench: Bench) -> None:
    node = await bench.start_node("n1")
    await bench.run_pod("p", node, ["sh", "-c", "exit 3"])
    pod = await bench.until_phase("p", "Failed")
    terminated = pod.status.container_statuses[0].state.terminated
    assert terminated is not None
    assert terminated.exit_code == 3


async def test_a_command_that_does_not_exist_fails_like_a_shells(bench: Bench) -> None:
    node = await bench.start_node("n1")
    await bench.run_pod("p", node, ["no-such-command"])
    pod = await bench.until_phase("p", "Failed")
    terminated = pod.status.container_statuses[0].state.terminated
    assert terminated is not None
    assert terminated.exit_code == 127


async def test_a_deadline_ends_a_pod(bench: Bench) -> None:
    node = await bench.start_node("n1")
    await bench.run_pod("p", node, ["sleep", "600"], activeDeadlineSeconds=1)
    pod = await bench.until_phase("p", "Failed")
    assert pod.status.reason == "DeadlineExceeded"


async def test_a_deleted_pod_is_stopped_within_its_grace_and_forgotten(bench: Bench) -> None:
    """It ignores SIGTERM, so that the grace has to end before it does."""
    node = await bench.start_node("n1")
    marker = f"marker-{bench.namespace}"
    command = ["sh", "-c", "trap '' TERM; while :; do sleep 0.1; done", marker]
    await bench.run_pod("p", node, command, terminationGracePeriodSeconds=1)
    await bench.until_phase("p", "Running")
    await bench.api.delete(f"{bench.pods}/p")

    async def forgotten() -> bool:
        return await bench.pod("p") is None

    await until(forgotten)
    assert not process_of(marker)


async def test_a_killed_node_leaves_no_process_of_its_pods_nor_of_their_children(
    bench: Bench,
) -> None:
    """Else a lost node would show a double run that no real node can."""
    node = await bench.start_node("n1")
    marker = f"marker-{bench.namespace}"
    child = f"sh -c 'while :; do sleep 0.1; done' {marker}-child"
    await bench.run_pod("p", node, ["sh", "-c", f"{child} & {child} & wait", marker])

    async def all_there() -> bool:
        return len(process_of(marker)) == 1 and len(process_of(f"{marker}-child")) == 2

    await until(all_there)
    bench.agents[node].kill()

    async def none_there() -> bool:
        return not process_of(marker) and not process_of(f"{marker}-child")

    await until(none_there, seconds=5)


STRIKES: dict[str, Callable[[int], None]] = {
    "agent": lambda pid: os.kill(pid, signal.SIGKILL),
    "group": lambda pid: os.killpg(pid, signal.SIGKILL),
}


@pytest.mark.parametrize("struck", STRIKES)
async def test_nothing_outlives_a_killed_node_not_even_in_a_session_of_its_own(
    bench: Bench, struck: str
) -> None:
    """Grandchildren without their parents' session, group, environment, or a living parent.

    One more makes new ones of its kind all the time: also those made while it is being ended die.
    """
    node = await bench.start_node("n1")
    marker = f"marker-{bench.namespace}"
    daemon = f"setsid env -i sh -c 'while :; do sleep 0.1; done' {marker}-daemon"
    child = f"60{bench.namespace[1:]}"  # seconds to sleep, and a word to find it by
    maker = f"setsid sh -c 'while :; do setsid sleep {child} & sleep 0.02; done' {marker}-maker"
    command = f"({daemon} &) ; ({daemon} &) ; ({maker} &) ; sleep 600"
    await bench.run_pod("p", node, ["sh", "-c", command, marker])

    async def all_there() -> bool:
        return len(process_of(f"{marker}-daemon")) == 2 and len(process_of(child)) > 5

    await until(all_there)
    daemons = process_of(f"{marker}-daemon")
    assert {os.getsid(one.pid) for one in daemons} == {one.pid for one in daemons}
    STRIKES[struck](bench.agents[node].pid)
    words = (marker, f"{marker}-daemon", f"{marker}-maker", child)

    async def none_there() -> bool:
        return not any(process_of(word) for word in words)

    await until(none_there, seconds=5)
    await asyncio.sleep(0.2)  # whoever makes processes would have made some
    assert await none_there()


async def test_a_paused_node_is_given_up_goes_on_with_its_pod_and_then_gives_way(
    bench: Bench,
) -> None:
    """The agent alone is stopped, as if cut off: its pod's process runs on, as a real one does.

    A second node stays, because nothing is evicted while every node of the cluster is lost.
    """
    node = await bench.start_node("n1")
    await bench.start_node("n2")
    marker = f"marker-{bench.namespace}"
    forever = ["sh", "-c", "while :; do sleep 0.1; done", marker]
    await bench.run_pod("p", node, forever, terminationGracePeriodSeconds=1, tolerations=[
        {"key": f"node.kubernetes.io/{taint}", "operator": "Exists", "effect": "NoExecute",
         "tolerationSeconds": 0} for taint in ("not-ready", "unreachable")
    ])  # fmt: skip
    await bench.until_phase("p", "Running")
    bench.agents[node].send_signal(signal.SIGSTOP)

    async def evicted() -> bool:
        pod = await bench.pod("p")
        return pod is not None and pod.metadata.deletion_timestamp is not None

    await until(evicted)
    assert process_of(marker)
    bench.agents[node].send_signal(signal.SIGCONT)

    async def over() -> bool:
        return await bench.pod("p") is None and await bench.is_ready(node)

    await until(over)
    assert not process_of(marker)


@pytest.mark.slow
async def test_when_the_control_plane_restarts_no_pod_is_lost_and_none_runs_twice(
    tmp_path: Path,
) -> None:
    """Its watches break, and what they had seen is too old for the new server: listed again."""
    plane = ControlPlane(tmp_path / "logs", None)
    await plane.start()
    try:
        async with bench_on(plane, tmp_path) as bench:
            node = await bench.start_node("n1")
            out = bench.folder / "out"
            for name, seconds in (("before", 1), ("over", 6)):
                work = f"echo {name} >> {out}; sleep {seconds}; echo {name} ended >> {out}"
                await bench.run_pod(name, node, ["sh", "-c", work])
            await bench.until_phase("before", "Succeeded")
            await plane.restart()

            async def ready() -> bool:
                return await plane.health() and await bench.is_ready(node)

            await until(ready)
            await bench.run_pod("after", node, ["sh", "-c", f"echo after >> {out}"])
            await bench.until_phase("after", "Succeeded")
            await bench.until_phase("over", "Succeeded")
            told = Counter(out.read_text().splitlines())
            assert told == dict.fromkeys(
                ("before", "before ended", "over", "over ended", "after"), 1
            )
            history = (bench.folder / f"{node}.jsonl").read_text()
            assert '"no-answer"' in history
            assert '"watch-broke"' in history
    finally:
        await plane.stop()


async def test_a_node_that_comes_back_does_not_run_its_predecessors_pods_again(
    bench: Bench,
) -> None:
    """As after a reboot: the run is gone, and to make another one is the Job's business."""
    node = await bench.start_node("n1")
    out = bench.folder / "out"
    await bench.run_pod("p", node, ["sh", "-c", f"echo begun >> {out}; sleep 600"])
    await bench.until_phase("p", "Running")

    async def begun() -> bool:
        return out.exists()

    await until(begun)
    bench.agents[node].kill()
    await bench.agents[node].wait()
    assert await bench.start_node("n1") == node
    pod = await bench.until_phase("p", "Failed")
    terminated = pod.status.container_statuses[0].state.terminated
    assert terminated is not None
    assert terminated.exit_code == 137
    assert out.read_text() == "begun\n"


async def test_a_stopped_node_says_what_became_of_its_pods_and_goes(bench: Bench) -> None:
    node = await bench.start_node("n1")
    marker = f"marker-{bench.namespace}"
    daemon = f"setsid sh -c 'while :; do sleep 0.1; done' {marker}"
    await bench.run_pod("p", node, ["sh", "-c", f"({daemon} &) ; sleep 600"])
    await bench.until_phase("p", "Running")
    bench.agents[node].terminate()
    assert await bench.agents[node].wait() == 0
    assert not process_of(marker)
    with pytest.raises(NotFound):
        await bench.api.get(f"/api/v1/nodes/{node}", Node)
    pod = await bench.pod("p")
    assert pod is None or pod.status.reason == "Terminated"
    history = (bench.folder / f"{node}.jsonl").read_text()
    assert '"type":"instance-ready"' in history
    assert '"type":"instance-stopped"' in history


async def test_an_agent_is_small(bench: Bench) -> None:
    node = await bench.start_node("n1")
    for number in range(10):
        await bench.run_pod(f"p{number}", node, ["sleep", "600"])
    for number in range(10):
        await bench.until_phase(f"p{number}", "Running")
    resident_mb = psutil.Process(bench.agents[node].pid).memory_info().rss / 2**20
    assert resident_mb < 80
