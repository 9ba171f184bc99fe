"""Findings on lease-election: how long a failover takes, and how often the Lease is renewed."""

import asyncio
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from bench.benchmarks.kubernetes.figures import quantiles, say
from bench.benchmarks.kubernetes.scene import Scene
from bench.services.kubernetes import access
from bench.services.kubernetes.control_plane import ControlPlane
from strategies.election.lease_designs import DESIGNS
from strategies.kubernetes.api import KubernetesApi
from strategies.kubernetes.follow import Follower
from strategies.model import Every, Job, Timing
from strategies.notes import Granted

[LEASE_ELECTION] = DESIGNS


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
    say(finding="lease", profile=profile, kills=len(took), bound_s=bound_s, **quantiles(took))


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
    say(finding="renewals", profile=profile, count=len(apart), **quantiles(apart))


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


async def _granted(scene: Scene, terms: int) -> None:
    await scene.until(lambda: len(scene.history(Granted)) >= terms, 40)
