"""Queues as guides print them, on real Redis streams."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

from redis.asyncio import Redis

from bench.claims.listings.listing import Listing, Seen
from bench.claims.listings.locks import FIRES, replicas

Handle = Callable[[str], Awaitable[None]]


async def publish_when_due(redis: Redis, fire: str) -> None:
    """The schedule runs on every replica, and each message gets an id of its own."""
    await redis.xadd("jobs", {"id": uuid4().hex, "fire": fire})


async def ten_at_a_time(redis: Redis, me: str, visibility_ms: int, handle: Handle) -> int:
    """Receive ten messages under one visibility time-out, and run them one after another."""
    taken: Any = await redis.xreadgroup("workers", me, {"jobs": ">"}, count=10)
    if not taken:
        taken = [("jobs", (await redis.xautoclaim("jobs", "workers", me, visibility_ms))[1])]
    messages = [message for _, stream in taken for message in stream]
    for key, fields in messages:
        await handle(fields[b"fire"].decode())
        await redis.xack("jobs", "workers", key)
    return len(messages)


async def no_limit_of_receives(redis: Redis, me: str, visibility_ms: int, handle: Handle) -> None:
    """A dead-letter queue is declared, and nothing ever moves a message there."""
    await redis.xgroup_create("dead-letters", "operators", mkstream=True)
    while True:
        claimed: Any = await redis.xautoclaim("jobs", "workers", me, visibility_ms, count=1)
        for key, fields in claimed[1]:
            try:
                await handle(fields[b"fire"].decode())
            except ValueError:
                continue  # not acknowledged: it comes again
            await redis.xack("jobs", "workers", key)
        await asyncio.sleep(visibility_ms / 1000)


async def _three_publishers(url: str) -> Seen:
    async with replicas(url, 3) as clients:
        for fire in range(FIRES):
            await asyncio.gather(*(publish_when_due(one, str(fire)) for one in clients))
        messages: Any = await clients[0].xrange("jobs")
        count = Counter(fields[b"fire"] for _, fields in messages)
    twice = sum(1 for published in count.values() if published > 1)
    return Seen(hits=twice, of=FIRES, what="fires were published three times, and would run so")


async def _two_consumers(url: str) -> Seen:
    """Ten messages of 0.1 s each under 0.4 s, and a second consumer that looks for old ones."""
    ran: Counter[str] = Counter()

    async def handle(fire: str) -> None:
        ran[fire] += 1
        await asyncio.sleep(0.1)

    async with replicas(url, 2) as (one, two):
        await one.xgroup_create("jobs", "workers", mkstream=True)
        for fire in range(10):
            await publish_when_due(one, str(fire))
        first = asyncio.create_task(ten_at_a_time(one, "a", 400, handle))
        while not first.done():
            await asyncio.sleep(0.05)
            await ten_at_a_time(two, "b", 400, handle)
    twice = sum(1 for count in ran.values() if count > 1)
    return Seen(hits=twice, of=10, what="messages timed out while they queued behind the others")


async def _poison(url: str) -> Seen:
    """One message whose job always fails, for two seconds under a time-out of 0.1 s."""
    deliveries = 0

    async def handle(fire: str) -> None:
        nonlocal deliveries
        deliveries += 1
        raise ValueError(fire)

    async with replicas(url, 1) as (one,):
        await one.xgroup_create("jobs", "workers", mkstream=True)
        await publish_when_due(one, "poison")
        await one.xreadgroup("workers", "a", {"jobs": ">"})
        consuming = asyncio.create_task(no_limit_of_receives(one, "b", 100, handle))
        await asyncio.sleep(2)
        consuming.cancel()
        await asyncio.gather(consuming, return_exceptions=True)
        dead = int(await one.xlen("dead-letters"))
    return Seen(
        hits=deliveries - dead, of=deliveries, what="deliveries of one bad message ended nowhere"
    )


LISTINGS = (
    Listing(
        key="publish-everywhere",
        title="Publishers on every replica, with a random id",
        says="a queue delivers each message once",
        instead="the fire's id is the message's id, and the queue refuses the second",
        service="redis",
        code=publish_when_due,
        scene=_three_publishers,
        matrix="publish-everywhere",
    ),
    Listing(
        key="ten-under-one-time-out",
        title="Ten messages run one after another under one visibility time-out",
        says="batches are faster",
        instead="begin a message when its run begins, and extend what is running",
        service="redis",
        code=ten_at_a_time,
        scene=_two_consumers,
    ),
    Listing(
        key="no-limit-of-receives",
        title="A dead-letter queue without its binding, no maximum of receives",
        says="failed messages end in the dead-letter queue",
        instead="count deliveries, and move a message when its tries are used up",
        service="redis",
        code=no_limit_of_receives,
        scene=_poison,
    ),
)
