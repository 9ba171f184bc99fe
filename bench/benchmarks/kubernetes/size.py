"""Findings that grow with the number of nodes and CronJobs: what is held and used, and how late."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import psutil

from bench.benchmarks.kubernetes.figures import quantiles, say
from bench.benchmarks.kubernetes.scene import cron_jobs, cron_scene
from bench.events import RunStarted
from bench.recorder import epoch_offset, host_clock
from bench.services.kubernetes.control_plane import ControlPlane
from strategies.cronjob.manifests import Settings
from strategies.model import Cron

READY_S = 20.0  # CronJobs and nodes are there by then


async def cost(plane: ControlPlane, count: str = "30") -> None:
    """What a control plane and its nodes hold and use while nothing is due."""
    async with cron_scene(plane, cron_jobs(0), 0.1, Settings(), int(count)) as scene:
        await asyncio.sleep(10)  # the start is over
        agents = [psutil.Process(process.pid) for process in scene.processes.values()]
        servers = [psutil.Process(pid) for pid in plane.pids]
        before_s, began_s = _cpu_s(agents + servers), scene.clock()
        await asyncio.sleep(20)
        used = (_cpu_s(agents + servers) - before_s) / (scene.clock() - began_s)
        largest_mb = max(agent.memory_info().rss for agent in agents) / 2**20
        say(
            finding="cost", ready_s=round(plane.ready_s, 2), agents=len(agents),
            agent_mb=round(largest_mb, 1), cores=round(used, 2), **_memory(plane),
        )  # fmt: skip


async def skew(plane: ControlPlane, count: str = "10", qps: str = "") -> None:
    """From the due minute to the start of the pod's process, over one fire of each CronJob.

    `qps` gives the controllers another limit of requests a second than upstream's 20.
    """
    if qps:
        await _limit_controllers(plane, int(qps))
    due = (host_clock(epoch_offset())() + READY_S) // 60 * 60 + 60
    at = datetime.fromtimestamp(due, UTC)
    jobs = cron_jobs(int(count), schedule=Cron(f"{at.minute} {at.hour} * * *"))
    async with cron_scene(plane, jobs, 0.1, Settings(toleration_s=0)) as scene:

        def started() -> list[float]:
            return [run.t - due for run in scene.history(RunStarted)]

        await scene.until(lambda: len(started()) >= int(count), due + 180 - scene.clock())
        say(
            finding="skew", jobs=int(count), qps=int(qps or 20), started=len(started()),
            **quantiles(started()), **_memory(plane),
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
    say(
        finding="memory", jobs=int(count), limits=limits, ready_s=round(plane.ready_s, 2),
        processor_s=round(used_s, 1), **{f"{name}_mb": round(mb) for name, mb in most.items()},
    )  # fmt: skip


def _cpu_s(processes: Sequence[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def _memory(plane: ControlPlane) -> dict[str, int]:
    """Resident sizes added up, and the same with what the four share counted once."""
    shares = [psutil.Process(pid).memory_full_info().pss / 2**20 for pid in plane.pids]
    resident = sum(plane.resident_mb().values())
    return {"control_plane_mb": round(resident), "control_plane_pss_mb": round(sum(shares))}


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
