"""Leaders as guides print them. The election is a lease in Redis, the least that can be one."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from redis.asyncio import Redis

from bench.claims.listings.listing import Listing, Seen
from bench.claims.listings.locks import replicas

LEASE_S = 0.2


class Leadership:
    """A lease in Redis, and a flag that says whether it was had when last asked."""

    def __init__(self, redis: Redis, name: str) -> None:
        self.redis = redis
        self.name = name
        self.leads = False

    async def ask(self) -> bool:
        """Take the lease if it is free, prolong it if it is ours."""
        ttl_ms = round(1000 * LEASE_S)
        self.leads = bool(await self.redis.set("leader", self.name, nx=True, px=ttl_ms))
        if not self.leads and await self.redis.get("leader") == self.name.encode():
            self.leads = bool(await self.redis.pexpire("leader", ttl_ms))
        return self.leads


async def act_if_leader(me: Leadership, stall: Awaitable[object], act: Callable[[], None]) -> None:
    """isLeader(), then act: what was true is not true any more after a pause in between."""
    if me.leads:
        await stall  # a collection, a slow query, a full disk
        act()


class NeverShutDown:
    """Starts its executor when elected, and forgets it when the leadership is lost."""

    def __init__(self, period_s: float, job: Callable[[], None]) -> None:
        self.period_s = period_s
        self.job = job
        self.tasks: list[asyncio.Task[None]] = []

    def on_elected(self) -> None:
        """A new executor; the old one of an earlier term still runs."""
        self.tasks.append(asyncio.create_task(self.every_period()))

    def on_lost(self) -> None:
        """Nothing: no shutdown()."""

    async def every_period(self) -> None:
        """The executor."""
        while True:
            await asyncio.sleep(self.period_s)
            self.job()


async def fixed_rate_from_zero(period_s: float, job: Callable[[], None]) -> None:
    """scheduleAtFixedRate(job, 0, period): the first run is at the election, due or not."""
    while True:
        job()
        await asyncio.sleep(period_s)


async def _stalled_leader(url: str) -> Seen:
    """A leads, and stalls between asking and acting until B has been elected and has acted."""
    rounds, late = 10, 0
    for _ in range(rounds):
        done: list[str] = []
        b_acted = asyncio.Event()
        async with replicas(url, 2) as (one, two):
            a, b = Leadership(one, "a"), Leadership(two, "b")
            await a.ask()
            stalled = asyncio.create_task(
                act_if_leader(a, b_acted.wait(), partial(done.append, "a"))
            )
            while not await b.ask():
                await asyncio.sleep(0.02)
            await act_if_leader(b, asyncio.sleep(0), partial(done.append, "b"))
            b_acted.set()
            await stalled
        late += done == ["b", "a"]
    return Seen(hits=late, of=rounds, what="leaders acted after their successor had")


async def _elected_twice(url: str) -> Seen:
    """Elected, lost, elected again: five periods later."""
    ran: list[float] = []
    loop = asyncio.get_running_loop()
    executor = NeverShutDown(0.1, lambda: ran.append(loop.time()))
    async with replicas(url, 2) as (one, two):
        me, other = Leadership(one, "a"), Leadership(two, "b")
        for leader in (me, other, me):
            while not await leader.ask():
                await asyncio.sleep(0.02)
            if leader is me:
                executor.on_elected()
            else:
                executor.on_lost()
        began = loop.time()
        await asyncio.sleep(0.55)
    for task in executor.tasks:
        task.cancel()
    periods = 5
    return Seen(
        hits=min(periods, max(0, sum(1 for t in ran if t > began) - periods)),
        of=periods,
        what="periods had a second run after the re-election",
    )


async def _five_elections(url: str) -> Seen:
    """An hourly job under five elections within a second."""
    ran: list[int] = []
    elections = 5
    async with replicas(url, 1) as (one,):
        for number in range(elections):
            await Leadership(one, f"i{number}").ask()
            task = asyncio.create_task(fixed_rate_from_zero(3600, partial(ran.append, number)))
            await asyncio.sleep(0.05)
            task.cancel()
            await one.delete("leader")
    return Seen(hits=len(ran), of=elections, what="elections ran the hourly job, which was not due")


LISTINGS = (
    Listing(
        key="is-leader-then-act",
        title="isLeader(), then act",
        says="only the leader acts",
        instead="act under the term's fence, checked by what the job writes to",
        service="redis",
        code=act_if_leader,
        scene=_stalled_leader,
        matrix="zookeeper-election-memory",
    ),
    Listing(
        key="executor-never-shut-down",
        title="A leader's executor that is never shut down",
        says="the leader runs the schedule",
        instead="tie the executor's life to the term",
        service="redis",
        code=NeverShutDown,
        scene=_elected_twice,
    ),
    Listing(
        key="fixed-rate-from-zero",
        title="scheduleAtFixedRate(0, period)",
        says="the job runs every period",
        instead="derive due times from the schedule, not from the election",
        service="redis",
        code=fixed_rate_from_zero,
        scene=_five_elections,
    ),
)
