"""Locks as guides print them, on a real Redis."""

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import uuid4

from redis.asyncio import Redis

from bench.claims.listings.listing import Listing, Seen

Work = Callable[[int], Awaitable[None]]

COMPARE_AND_DELETE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""
FIRES = 20


async def run_if_free(redis: Redis, key: str, fire: int, work: Work) -> None:
    """Take the lock, run, give it back. Nothing says afterwards that the fire is done."""
    owner = uuid4().hex
    if await redis.set(key, owner, nx=True, px=30_000):
        try:
            await work(fire)
        finally:
            await redis.eval(COMPARE_AND_DELETE, 1, key, owner)


async def wait_and_run(redis: Redis, key: str, fire: int, work: Work) -> None:
    """tryLock(10 s, 300 s): whoever waits gets the lock when the first has finished."""
    owner, asked = uuid4().hex, asyncio.get_running_loop().time()
    while not await redis.set(key, owner, nx=True, px=300_000):
        if asyncio.get_running_loop().time() - asked > 10:
            return
        await asyncio.sleep(0.01)
    try:
        await work(fire)
    finally:
        await redis.eval(COMPARE_AND_DELETE, 1, key, owner)


async def set_and_run(redis: Redis, key: str, fire: int, work: Work) -> None:
    """SET with an expiry: it answers OK to everybody."""
    if await redis.set(key, uuid4().hex, px=30_000):
        try:
            await work(fire)
        finally:
            await redis.delete(key)


async def lock_as_host(redis: Redis, key: str, fire: int, work: Work) -> None:
    """The owner is the host's name: two processes of one host are the same owner."""
    owner = socket.gethostname()
    if await redis.set(key, owner, nx=True, px=200):
        try:
            await work(fire)
        finally:
            await redis.eval(COMPARE_AND_DELETE, 1, key, owner)


async def lock_with_lease(
    redis: Redis, key: str, fire: int, work: Work, lease_ms: int | None, watchdog_ms: int = 200
) -> None:
    """lock(lease): the watchdog renews only a lock that was taken without a lease time."""
    owner, ttl_ms = uuid4().hex, lease_ms or watchdog_ms
    if not await redis.set(key, owner, nx=True, px=ttl_ms):
        return
    renewing = None if lease_ms else asyncio.create_task(_renew(redis, key, watchdog_ms))
    try:
        await work(fire)
    finally:
        if renewing:
            renewing.cancel()
        await redis.eval(COMPARE_AND_DELETE, 1, key, owner)


async def _renew(redis: Redis, key: str, ttl_ms: int) -> None:
    while True:
        await asyncio.sleep(ttl_ms / 3000)
        await redis.pexpire(key, ttl_ms)


@asynccontextmanager
async def replicas(url: str, count: int) -> AsyncIterator[list[Redis]]:
    """Connections of their own, and keys that are gone afterwards."""
    clients = [Redis.from_url(url) for _ in range(count)]
    try:
        for client in clients:
            await client.ping()  # what is measured is not the time to connect
        yield clients
    finally:
        await clients[0].flushdb()
        for client in clients:
            await client.aclose()


class Runs:
    """Counts runs per fire, and how many were open at once."""

    def __init__(self, length_s: float) -> None:
        self.length_s = length_s
        self.runs: Counter[int] = Counter()
        self.together: set[int] = set()
        self.begun = asyncio.Event()
        self._open: Counter[int] = Counter()

    async def work(self, fire: int) -> None:
        """One run of a fire."""
        await self._run(fire, asyncio.sleep(self.length_s))

    def until(self, over: asyncio.Event) -> Work:
        """Runs that last until they are told that it is over; they set `begun`."""

        async def work(fire: int) -> None:
            await self._run(fire, over.wait())

        return work

    async def _run(self, fire: int, length: Awaitable[object]) -> None:
        self.runs[fire] += 1
        self._open[fire] += 1
        if self._open[fire] > 1:
            self.together.add(fire)
        self.begun.set()
        try:
            await length
        finally:
            self._open[fire] -= 1

    @property
    def twice(self) -> int:
        """How many fires ran more than once."""
        return sum(1 for count in self.runs.values() if count > 1)


async def _late_replica(url: str) -> Seen:
    """The second replica's clock is late by more than the job takes."""
    runs = Runs(0.01)
    async with replicas(url, 2) as (first, second):
        for fire in range(FIRES):
            await run_if_free(first, "job", fire, runs.work)
            await run_if_free(second, "job", fire, runs.work)
    return Seen(hits=runs.twice, of=FIRES, what="fires ran again on the replica that came later")


async def _three_waiters(url: str) -> Seen:
    runs = Runs(0.02)
    async with replicas(url, 3) as clients:
        for fire in range(FIRES):
            await asyncio.gather(*(wait_and_run(one, "job", fire, runs.work) for one in clients))
    return Seen(hits=runs.twice, of=FIRES, what="fires ran once on each of the three replicas")


async def _everybody_sets(url: str) -> Seen:
    runs = Runs(0.02)
    async with replicas(url, 3) as clients:
        for fire in range(FIRES):
            await asyncio.gather(*(set_and_run(one, "job", fire, runs.work) for one in clients))
    return Seen(hits=len(runs.together), of=FIRES, what="fires ran on several replicas at once")


async def _same_host(url: str) -> Seen:
    """A overruns its lease, B takes over, A's release removes B's lock, C runs beside B."""
    rounds, beside = 5, 0
    for fire in range(rounds):
        a_ends, b_ends = asyncio.Event(), asyncio.Event()
        slow, quick = Runs(0), Runs(0.01)
        async with replicas(url, 3) as (a, b, c):
            first = asyncio.create_task(lock_as_host(a, "job", fire, slow.until(a_ends)))
            await slow.begun.wait()
            await asyncio.sleep(0.25)
            second = asyncio.create_task(lock_as_host(b, "job", fire, quick.until(b_ends)))
            await quick.begun.wait()
            a_ends.set()
            await first
            await lock_as_host(c, "job", fire, quick.work)
            b_ends.set()
            await second
        beside += bool(quick.together)
    return Seen(hits=beside, of=rounds, what="locks were released by another process of the host")


async def lease_scene(url: str, lease_ms: int | None, rounds: int = 10) -> Seen:
    """A job that is still running after 0.3 s, its lease (0.2 s) long over; a replica asks."""
    twice = 0
    for fire in range(rounds):
        runs, over = Runs(0.01), asyncio.Event()
        async with replicas(url, 2) as (first, second):
            one = asyncio.create_task(
                lock_with_lease(first, "job", fire, runs.until(over), lease_ms)
            )
            await runs.begun.wait()
            await asyncio.sleep(0.3)
            await lock_with_lease(second, "job", fire, runs.work, lease_ms)
            over.set()
            await one
        twice += bool(runs.together)
    return Seen(hits=twice, of=rounds, what="jobs ran on two replicas at once")


async def _explicit_lease(url: str) -> Seen:
    return await lease_scene(url, 200)


LISTINGS = (
    Listing(
        key="released-at-the-end",
        title="A lock per job, released at the end, nothing remembered",
        says="one replica runs the job",
        instead="remember the last fire beside the lock, or hold it until no replica can be late",
        service="redis",
        code=run_if_free,
        scene=_late_replica,
        matrix="redis-lock-bare",
    ),
    Listing(
        key="waiting-ten-seconds",
        title="Waiters: tryLock(10, 300)",
        says="a replica that cannot have the lock waits a little",
        instead="losers skip the fire; or ask, once they have the lock, whether it is done",
        service="redis",
        code=wait_and_run,
        scene=_three_waiters,
    ),
    Listing(
        key="set-without-nx",
        title="Set with expiry, unconditionally",
        says="atomic, with a TTL, so safe",
        instead="SET with NX",
        service="redis",
        code=set_and_run,
        scene=_everybody_sets,
        matrix="set-without-nx",
    ),
    Listing(
        key="owner-is-the-host",
        title="The owner's value is the bare host name",
        says="only the owner releases",
        instead="a value that is unique per attempt",
        service="redis",
        code=lock_as_host,
        scene=_same_host,
        matrix="lock-without-owner-check",
    ),
    Listing(
        key="explicit-lease",
        title='"With watchdog", on a lock that was given a lease time',
        says="the watchdog renews it while the job runs",
        instead="leave the lease out, or make it longer than any run, a paused one included",
        service="redis",
        code=lock_with_lease,
        scene=_explicit_lease,
    ),
)
