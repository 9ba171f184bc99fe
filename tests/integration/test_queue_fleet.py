"""The queue on a real Redis, several instances in one process, in real time."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from redis.asyncio import Redis

from bench.instance import HostClock
from bench.recorder import epoch_offset
from strategies.controls import publish_everywhere
from strategies.interface import Design
from strategies.model import Every, Fire, Job, Timing
from strategies.notes import Lost, Note, Skipped
from strategies.queue.designs import DESIGNS, bounds

pytestmark = pytest.mark.servers
(QUEUE,) = DESIGNS
TIMING = Timing(lease_s=1.0)


@dataclass
class Run:
    """One run: who, which fire, under which fence, from when till when, and how it ended."""

    instance: str
    fire: Fire
    fence: int | None
    began: float
    ended: float | None = None
    cancelled: bool = False


@dataclass
class Instance:
    """A member that records its runs in a list shared by the fleet."""

    name: str
    runs: list[Run]
    run_s: float
    clock: HostClock = field(default_factory=lambda: HostClock(epoch_offset(), 0.0))
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    notes: list[Note] = field(default_factory=list)

    async def run(self, fire: Fire, fence: int | None) -> None:
        run = Run(self.name, fire, fence, time.time())
        self.runs.append(run)
        try:
            await asyncio.sleep(self.run_s)
        except asyncio.CancelledError:
            run.cancelled = True
            raise
        finally:
            run.ended = time.time()

    def note(self, event: Note) -> None:
        self.notes.append(event)


@dataclass
class Fleet:
    instances: list[Instance]
    tasks: list[asyncio.Task[None]]
    runs: list[Run]

    async def first_run(self) -> Run:
        while not self.runs:
            await asyncio.sleep(0.01)
        return self.runs[0]

    async def done(self, count: int) -> None:
        """Waits until so many runs have ended well."""
        async with asyncio.timeout(20):
            while sum(run.ended is not None and not run.cancelled for run in self.runs) < count:
                await asyncio.sleep(0.02)


@asynccontextmanager
async def fleet(
    design: Design, url: str, jobs: list[Job], run_s: float = 0.1, size: int = 3
) -> AsyncIterator[Fleet]:
    """A running fleet, stopped at the end; its namespace is removed."""
    runs: list[Run] = []
    instances = [Instance(f"i{number}", runs, run_s) for number in range(size)]
    endpoints, namespace = {"redis": url}, f"fleet-{time.monotonic_ns()}"
    strategies = [
        design.make(endpoints, namespace, TIMING, random.Random(number)) for number in range(size)
    ]
    await strategies[0].prepare(jobs)
    tasks = [
        asyncio.create_task(strategy.participate(instance, jobs))
        for strategy, instance in zip(strategies, instances, strict=True)
    ]
    try:
        yield Fleet(instances, tasks, runs)
    finally:
        for instance in instances:
            instance.stopping.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        await strategies[0].clean_up()
    assert [error for error in results if isinstance(error, Exception)] == []


async def test_each_fire_runs_once_and_on_time(redis_url: str) -> None:
    jobs = [Job(name=f"job-{n}", schedule=Every(400, phase_ms=40 * n)) for n in range(10)]
    async with fleet(QUEUE, redis_url, jobs) as running:
        await running.done(40)
    counts = Counter(run.fire for run in running.runs)
    assert set(counts.values()) == {1}
    for name in (job.name for job in jobs):
        dues = sorted(fire.due_ms for fire in counts if fire.job == name)
        assert dues == list(range(dues[0], dues[-1] + 1, 400)), "none is left out"
    latency = sorted(run.began - run.fire.due_s for run in running.runs)
    assert latency[len(latency) // 2] < 0.1


async def test_a_dead_instances_fire_is_run_by_another_within_the_bound(redis_url: str) -> None:
    """The instance vanishes in the middle of its run: cancelled, it acknowledges nothing."""
    jobs = [Job(name="job", schedule=Every(600))]
    async with fleet(QUEUE, redis_url, jobs, run_s=0.3) as running:
        run = await running.first_run()
        died = time.time()
        running.tasks[int(run.instance[1])].cancel()
        await running.done(3)
    first, again = [one for one in running.runs if one.fire == run.fire]
    assert again.instance != first.instance
    assert (first.fence, again.fence) == (1, 2)
    recovery_s = bounds(TIMING).recovery_s
    assert recovery_s is not None
    assert again.began - died <= recovery_s


async def test_a_job_longer_than_the_lease_runs_alone(redis_url: str) -> None:
    jobs = [Job(name="job", schedule=Every(500))]
    async with fleet(QUEUE, redis_url, jobs, run_s=2.2) as running:
        await running.done(2)
    first, second = running.runs[:2]
    assert first.ended is not None
    assert second.began >= first.ended
    assert second.fire != first.fire
    skipped = [e for one in running.instances for e in one.notes if isinstance(e, Skipped)]
    assert {event.reason for event in skipped} == {"misfire"}


async def test_a_stalled_server_ends_the_run_before_another_may_begin(redis_url: str) -> None:
    """Longer than a lease without an answer: the run is cancelled, as lost, and done again."""
    jobs = [
        Job(name="job", schedule=Every(60_000, phase_ms=int(time.time() * 1000) % 60_000 + 700))
    ]
    async with fleet(QUEUE, redis_url, jobs, run_s=1.5) as running:
        first = await running.first_run()
        async with Redis.from_url(redis_url) as redis:
            await redis.client_pause(1200)
        await running.done(1)
    again = running.runs[1]
    assert first.cancelled
    assert first.ended is not None
    assert again.began >= first.ended
    lost = [e for one in running.instances for e in one.notes if isinstance(e, Lost)]
    assert [event.reason for event in lost] == ["not extended in time"]


async def test_an_instance_told_to_stop_returns_soon_and_leaves_the_rest_running(
    redis_url: str,
) -> None:
    jobs = [Job(name="job", schedule=Every(300))]
    async with fleet(QUEUE, redis_url, jobs) as running:
        await running.done(2)
        running.instances[0].stopping.set()
        async with asyncio.timeout(2):
            await running.tasks[0]
        await running.done(6)
    assert set(Counter(run.fire for run in running.runs).values()) == {1}


async def test_publish_everywhere_runs_a_fire_once_per_instance(redis_url: str) -> None:
    (control,) = publish_everywhere.DESIGNS
    jobs = [Job(name="job", schedule=Every(500))]
    async with fleet(control, redis_url, jobs) as running:
        await running.done(6)
    assert Counter(run.fire for run in running.runs).most_common(1)[0][1] == 3
