"""Findings on CronJobs: what runs, and when, after a loss, a partition, an outage, a long run."""

import asyncio
import signal
from datetime import UTC, datetime
from typing import Any

from bench.benchmarks.kubernetes.figures import say
from bench.benchmarks.kubernetes.scene import Scene, cron_jobs, cron_scene
from bench.events import RunEnded, RunStarted
from bench.services.kubernetes import access
from bench.services.kubernetes.control_plane import ControlPlane
from strategies.cronjob.manifests import Concurrency, Settings
from strategies.kubernetes.api import KubernetesApi


async def loss(plane: ControlPlane, replacement: Any = "TerminatingOrFailed") -> None:
    """A node dies 3 s into a run of 20 s: detection, eviction, back-off, start of the next."""
    settings = Settings(toleration_s=0, pod_replacement=replacement)
    async with cron_scene(plane, cron_jobs(1), 20.0, settings) as scene:
        first, struck_s = await _kill_mid_run(scene)
        again = await scene.until(lambda: len(scene.history(RunStarted)) > 1, 40)
        lost = scene.times("node-not-ready", struck_s)
        evicted = scene.times("pod-deleted", struck_s)
        replaced = scene.times("pod-created", struck_s)
        runs = scene.history(RunStarted)
        say(
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
    async with cron_scene(plane, cron_jobs(3), 5.0, Settings(toleration_s=0)) as scene:
        victim, _ = await _kill_mid_run(scene)
        minute = await scene.until_minute(10)
        ran = {run.job for run in scene.history(RunStarted) if run.due_ms == round(minute * 1000)}
        hit = {run.job for run in scene.history(RunStarted) if run.instance == victim.instance}
        say(finding="blocked", jobs_on_lost_node=len(hit), of_these_ran_next=len(hit & ran))


async def policies(plane: ControlPlane) -> None:
    """A run of 90 s every 60 s, for four minutes, under each concurrency policy."""
    every: tuple[Concurrency, ...] = ("Forbid", "Allow", "Replace")
    await asyncio.gather(*(_long_runs(plane, policy) for policy in every))


async def _long_runs(plane: ControlPlane, policy: Concurrency) -> None:
    settings = Settings(toleration_s=0, concurrency=policy)
    async with cron_scene(plane, cron_jobs(1), 90.0, settings) as scene:
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
        say(finding="policies", policy=policy, runs=runs, skipped=skipped)


async def partition(plane: ControlPlane) -> None:
    """The agent alone is stopped: cut off from the control plane, its pod's process runs on."""
    async with cron_scene(plane, cron_jobs(1), 25.0, Settings(toleration_s=0)) as scene:
        await scene.until_minute()
        await scene.until(lambda: scene.history(RunStarted), 20)
        first = scene.history(RunStarted)[0]
        scene.processes[first.instance].send_signal(signal.SIGSTOP)
        await scene.until(lambda: len(scene.history(RunStarted)) > 1, 30)
        await scene.until(lambda: len(scene.history(RunEnded)) > 0, 30)
        scene.processes[first.instance].send_signal(signal.SIGCONT)
        await scene.until(lambda: len(scene.history(RunEnded)) > 1, 40)
        runs, ends = scene.history(RunStarted), scene.history(RunEnded)
        say(
            finding="partition", runs=len(runs), same_fire=runs[0].due_ms == runs[1].due_ms,
            both_open_s=round(ends[0].t - runs[1].t, 1), ends=[end.status for end in ends],
        )  # fmt: skip


async def missed(plane: ControlPlane) -> None:
    """The last schedule time is put 200 minutes back: what the next two minutes run, and say."""
    await asyncio.gather(*(_missed(plane, deadline_s) for deadline_s in (None, 10, 30)))


async def _missed(plane: ControlPlane, deadline_s: int | None) -> None:
    settings = Settings(toleration_s=0, starting_deadline_s=deadline_s)
    async with cron_scene(plane, cron_jobs(1), 0.2, settings) as scene:
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
        say(finding="missed", starting_deadline_s=deadline_s, warned=warned, runs=runs)


async def controllers(plane: ControlPlane) -> None:
    """The controller manager is killed 10 s before a minute and comes back 20 s after it."""
    async with cron_scene(plane, cron_jobs(5), 1.0, Settings(toleration_s=0)) as scene:
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
        say(finding="controllers", back_s=round(back_s, 2), started_s=sorted(late()))


async def _kill_mid_run(scene: Scene) -> tuple[RunStarted, float]:
    """Kill the node of the first run of the next minute, 3 s into it; when that was."""
    await scene.until_minute()
    await scene.until(lambda: scene.history(RunStarted), 20)
    first = scene.history(RunStarted)[0]
    await asyncio.sleep(first.t + 3 - scene.clock())
    scene.processes[first.instance].kill()
    return first, scene.clock()


def _since(from_s: float, times: list[float]) -> float | None:
    return round(times[0] - from_s, 2) if times else None
