"""A queue's workers and its back-off, with the strategy's own code: rows 17 and 21."""

import asyncio
import random
from itertools import pairwise
from typing import Any

from bench.claims.experiments.experiment import Experiment, Servers
from bench.claims.experiments.member import Performer
from strategies.errors import JobFailed
from strategies.model import Every, Fire, Job
from strategies.queue.port import Publication
from strategies.queue.redis import RedisJobQueue
from strategies.queue.timing import QueueTiming
from strategies.queue.worker import Worker

JOBS, RUN_S, WORKERS = 1_000, 0.1, (5, 50)
HOURLY = Every(3_600_000)
# 30 s doubled to 900 s at most, a hundredth as long.
SCALED = QueueTiming(visibility_s=0.8, backoff_s=0.3, backoff_max_s=9.0)
RETRIES = 6


async def drain(servers: Servers) -> dict[str, Any]:
    """How long 1,000 queued jobs of 0.1 s take with 5 and with 50 workers."""
    url = await servers.url("redis")
    return {
        "jobs": JOBS,
        "run_s": RUN_S,
        "seconds": {str(workers): await _drained(url, workers) for workers in WORKERS},
    }


async def _drained(url: str, workers: int) -> float:
    timing, namespace = QueueTiming(), f"drain-{workers}"
    jobs = [Job(name=f"job-{number}", schedule=HOURLY) for number in range(JOBS)]
    left = JOBS
    members: list[Performer] = []

    async def job(fire: Fire) -> None:
        nonlocal left
        await asyncio.sleep(RUN_S)
        left -= 1
        if not left:
            for member in members:
                member.stopping.set()

    queues = [RedisJobQueue(url, namespace, f"w{n}", timing) for n in range(workers)]
    members += [Performer(f"w{n}", job) for n in range(workers)]
    await queues[0].create()
    await queues[0].publish([Publication(job, 1_000) for job in jobs])
    began_s = asyncio.get_running_loop().time()
    await asyncio.gather(
        *(
            Worker(queue, member, jobs, timing, random.Random(0), concurrency=1, batch=1).run()
            for queue, member in zip(queues, members, strict=True)
        )
    )
    took_s = asyncio.get_running_loop().time() - began_s
    await queues[0].drop()
    for queue in queues:
        await queue.close()
    return round(took_s, 3)


async def backoff(servers: Servers) -> dict[str, Any]:
    """The waits between the tries of a job that always fails, at a hundredth of the length."""
    url = await servers.url("redis")
    loop = asyncio.get_running_loop()
    tries_s: list[float] = []
    job = Job(name="fails", schedule=HOURLY, retries=RETRIES)

    async def fail(fire: Fire) -> None:
        tries_s.append(loop.time())
        if len(tries_s) > RETRIES:
            member.stopping.set()
        raise JobFailed(fire.id)

    member = Performer("w1", fail)
    queue = RedisJobQueue(url, "backoff", "w1", SCALED)
    await queue.create()
    await queue.publish([Publication(job, 1_000)])
    await Worker(queue, member, [job], SCALED, random.Random(0), concurrency=1, batch=1).run()
    await queue.drop()
    await queue.close()
    gaps = [round(b - a, 3) for a, b in pairwise(tries_s)]
    return {
        "base_s": SCALED.backoff_s,
        "max_s": SCALED.backoff_max_s,
        "gaps_s": gaps,
    }


EXPERIMENTS = (
    Experiment("drain", "1,000 queued jobs, 5 workers and 50", 26, drain),
    Experiment("backoff", "the waits between a failing job's tries", 20, backoff),
)
