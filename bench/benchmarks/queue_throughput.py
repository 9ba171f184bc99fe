"""How many fires a second the queue takes, beside bare Redis Streams in the same run.

    python -m bench.benchmarks.queue_throughput --url redis://:password@127.0.0.1:6379/0

The consumers are the strategy's own workers (receive, begin, run a job that does nothing,
acknowledge; job states included), one process each. `consumed` starts from a stream published
beforehand, `end to end` publishes meanwhile. `bare` is XADD in pipelines, and XREADGROUP with XACK,
in batches of the same size and as many processes: what the store itself allows this client.
The target, 20,000 fires/s consumed by 4 workers, is meant for two cores with nothing else to do.
"""

import argparse
import asyncio
import contextlib
import multiprocessing as mp
import random
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.synchronize import Event as Flag
from typing import Any

from redis.asyncio import Redis

from bench.instance import HostClock
from bench.recorder import epoch_offset
from strategies.model import Every, Fire, Job
from strategies.notes import Coordinated, Note
from strategies.queue.port import Publication
from strategies.queue.redis import RedisJobQueue
from strategies.queue.timing import QueueTiming
from strategies.queue.worker import Worker

BATCH = 250
TIMING = QueueTiming()
JOBS = [Job(name=f"job-{number}", schedule=Every(1000), overlap="allow") for number in range(100)]
TARGET = 20_000  # fires/s consumed


@dataclass
class Idler:
    """A member whose job does nothing; it stops once nothing comes and all is `published`."""

    name: str
    published: Flag
    clock: HostClock = field(default_factory=lambda: HostClock(epoch_offset(), 0.0))
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    runs: int = 0
    last_s: float = 0.0

    async def run(self, fire: Fire, fence: int | None) -> None:
        self.runs += 1

    def note(self, event: Note) -> None:
        if not isinstance(event, Coordinated):
            return
        if event.action == "ack":
            self.last_s = time.monotonic()
        elif event.action == "wait-poll" and self.published.is_set():
            self.stopping.set()


async def publish(url: str, namespace: str, fires: int) -> None:
    """Publish `fires` fires through the strategy's own script."""
    queue = RedisJobQueue(url, namespace, "publisher", TIMING)
    for start in range(0, fires, BATCH):
        await queue.publish(
            [
                Publication(JOBS[number % len(JOBS)], 1 + number)
                for number in range(start, min(start + BATCH, fires))
            ]
        )
    await queue.close()


async def consume(url: str, namespace: str, member: Idler) -> tuple[int, float]:
    """Run one worker; (runs, when its last acknowledgement returned)."""
    queue = RedisJobQueue(url, namespace, member.name, TIMING)
    worker = Worker(
        queue, member, JOBS, TIMING, random.Random(0), concurrency=2 * BATCH, batch=BATCH
    )
    await worker.run()
    await queue.close()
    return member.runs, member.last_s


async def publish_bare(url: str, namespace: str, fires: int) -> None:
    """XADD in pipelines."""
    async with Redis.from_url(url, protocol=2) as redis:
        for start in range(0, fires, BATCH):
            async with redis.pipeline(transaction=False) as pipeline:
                for number in range(start, min(start + BATCH, fires)):
                    pipeline.xadd(namespace, {"ticket": f"allow:0:0:{number}:job"})
                await pipeline.execute()


async def consume_bare(url: str, namespace: str, member: Idler) -> tuple[int, float]:
    """XREADGROUP and XACK."""
    runs, last_s = 0, 0.0
    async with Redis.from_url(url, protocol=2) as redis:
        while True:
            answer: Any = await redis.xreadgroup(
                "workers", member.name, {namespace: ">"}, BATCH, block=200
            )
            if not answer:
                return runs, last_s
            await redis.xack(namespace, "workers", *(key for key, _ in answer[0][1]))
            runs, last_s = runs + len(answer[0][1]), time.monotonic()


Consume = Callable[[str, str, Idler], Any]


def _worker(
    consume: Consume, url: str, namespace: str, name: str, ready: Any, published: Flag, out: Any
) -> None:
    ready.wait()
    out.put(asyncio.run(consume(url, namespace, Idler(name, published))))


@contextlib.contextmanager
def _workers(
    consume: Consume, url: str, namespace: str, count: int
) -> Iterator[tuple[Any, Flag, Any]]:
    context = mp.get_context("spawn")
    ready, published, out = context.Barrier(count + 1), context.Event(), context.Queue()
    processes = [
        context.Process(
            target=_worker, args=(consume, url, namespace, f"w{number}", ready, published, out)
        )
        for number in range(count)
    ]
    for process in processes:
        process.start()
    yield ready, published, out
    for process in processes:
        process.join(timeout=30)
        process.kill()


def consumed_rate(consume: Consume, url: str, namespace: str, count: int, fires: int) -> float:
    """Fires/s that `count` workers consume from a stream published beforehand."""
    with _workers(consume, url, namespace, count) as (ready, published, out):
        published.set()
        ready.wait(timeout=60)
        began = time.monotonic()
        results = [out.get(timeout=120) for _ in range(count)]
    return _rate(results, began, fires)


def end_to_end_rate(url: str, namespace: str, count: int, fires: int) -> float:
    """Fires/s from the first publication to the last acknowledgement, both at once."""
    with _workers(consume, url, namespace, count) as (ready, published, out):
        ready.wait(timeout=60)
        began = time.monotonic()
        asyncio.run(publish(url, namespace, fires))
        published.set()
        results = [out.get(timeout=120) for _ in range(count)]
    return _rate(results, began, fires)


def _rate(results: list[tuple[int, float]], began: float, fires: int) -> float:
    runs = sum(runs for runs, _ in results)
    if runs != fires:
        raise SystemExit(f"{runs} runs of {fires} fires: the figures would mean nothing")
    return fires / (max(last_s for _, last_s in results) - began)


@contextlib.contextmanager
def _queue(url: str) -> Iterator[str]:
    """A namespace with an empty queue, and nothing left of it afterwards."""
    namespace = f"benchmark-{secrets.token_hex(4)}"

    async def act(what: str) -> None:
        queue = RedisJobQueue(url, namespace, "setup", TIMING)
        await (queue.create() if what == "create" else queue.drop())
        await queue.close()

    asyncio.run(act("create"))
    try:
        yield namespace
    finally:
        asyncio.run(act("drop"))


@contextlib.contextmanager
def _stream(url: str) -> Iterator[str]:
    """A bare stream with a group, removed afterwards."""
    name = f"benchmark-{secrets.token_hex(4)}"

    async def act(what: str) -> None:
        async with Redis.from_url(url, protocol=2) as redis:
            if what == "create":
                await redis.xgroup_create(name, "workers", id="0", mkstream=True)
            else:
                await redis.delete(name)

    asyncio.run(act("create"))
    try:
        yield name
    finally:
        asyncio.run(act("drop"))


def _report(what: str, *figures: str) -> None:
    sys.stdout.write(f"{what:<16}" + "".join(f"{figure:>10}" for figure in figures) + "\n")


def main() -> None:
    """Measure and print; exit 1 when fewer fires than the target are consumed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--url", required=True, help="of the Redis server, password included")
    parser.add_argument("--fires", type=int, default=40_000)
    parser.add_argument("--workers", type=int, default=4)
    given = parser.parse_args()
    url, fires, workers = given.url, given.fires, given.workers

    with _stream(url) as stream:
        began = time.monotonic()
        asyncio.run(publish_bare(url, stream, fires))
        bare_published = fires / (time.monotonic() - began)
        bare_consumed = consumed_rate(consume_bare, url, stream, workers, fires)
    with _queue(url) as namespace:
        began = time.monotonic()
        asyncio.run(publish(url, namespace, fires))
        published = fires / (time.monotonic() - began)
        consumed = consumed_rate(consume, url, namespace, workers, fires)
    with _queue(url) as namespace:
        both = end_to_end_rate(url, namespace, workers, fires)

    _report("fires/s", "queue", "bare", "ratio")
    for what, queue, bare in (
        ("published by 1", published, bare_published),
        (f"consumed by {workers}", consumed, bare_consumed),
    ):
        _report(what, f"{queue:,.0f}", f"{bare:,.0f}", f"{queue / bare:.2f}")
    _report("end to end", f"{both:,.0f}")
    if consumed < TARGET:
        raise SystemExit(f"consumed {consumed:,.0f} fires/s: expected {TARGET:,} or more")


if __name__ == "__main__":
    main()
