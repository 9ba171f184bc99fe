"""The race for every fire on real servers, with several instances in one event loop."""

import asyncio
import importlib
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import psycopg
import pytest
from psycopg import sql
from redis.asyncio import Redis

from bench.instance import HostClock
from bench.recorder import epoch_offset
from strategies.errors import ServiceLost
from strategies.lock.designs import DESIGNS, on_postgres, on_redis
from strategies.lock.port import HELD, Behind, Grant
from strategies.model import Every, Fire, Job, Timing
from strategies.notes import Event, Granted, Lost

pytestmark = pytest.mark.servers

BY_NAME = {design.name: design for design in DESIGNS}
LEASE_S = 1.0
NAMESPACE = "test_race"


@dataclass
class Instance:
    """A member whose runs sleep, and that keeps what it was told."""

    name: str
    run_s: float = 0.1
    clock: HostClock = field(default_factory=lambda: HostClock(epoch_offset(), 0.0))
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    started: list[Fire] = field(default_factory=list)
    ended: list[Fire] = field(default_factory=list)
    notes: list[Event] = field(default_factory=list)

    def note(self, event: Event) -> None:
        self.notes.append(event)

    async def run(self, fire: Fire, fence: int | None) -> None:
        self.started.append(fire)
        await asyncio.sleep(self.run_s)
        self.ended.append(fire)


@asynccontextmanager
async def fleet(
    name: str, urls: dict[str, str], jobs: list[Job], *members: Instance
) -> AsyncIterator[dict[str, asyncio.Task[None]]]:
    """The instances take part for as long as the context lasts."""
    design = BY_NAME[name]
    for adapter in design.adapters:  # as the nursery does: importing takes longer than a period
        importlib.import_module(adapter)
    make = lambda: design.make(urls, NAMESPACE, Timing(lease_s=LEASE_S), random.Random(0))  # noqa: E731
    await make().prepare(jobs)
    tasks = {m.name: asyncio.create_task(make().participate(m, jobs)) for m in members}
    try:
        yield tasks
        for member in members:
            member.stopping.set()
        await asyncio.wait(tasks.values())
        for task in tasks.values():
            if not task.cancelled():
                task.result()
    finally:
        for task in tasks.values():
            task.cancel()
        await make().clean_up()


async def until(fact: Callable[[], bool], seconds: float = 20) -> None:
    """Wait for a fact."""
    async with asyncio.timeout(seconds):
        while not fact():
            await asyncio.sleep(0.01)


def jobs_of(count: int, fires: int, period_ms: int = 500) -> list[Job]:
    start_ms = int(time.time() * 1000) + 1500
    return [
        Job(
            name=f"job-{n}",
            schedule=Every(period_ms),
            start_ms=start_ms,
            end_ms=start_ms + fires * period_ms,
        )
        for n in range(count)
    ]


@pytest.fixture
def urls(redis_url: str, postgres_url: str) -> dict[str, str]:
    return {"redis": redis_url, "postgres": postgres_url}


@pytest.mark.parametrize("name", BY_NAME)
async def test_in_health_every_fire_runs_once(name: str, urls: dict[str, str]) -> None:
    members = [Instance(f"i{n}") for n in range(3)]
    async with fleet(name, urls, jobs_of(4, 4), *members):
        await until(lambda: sum(len(member.ended) for member in members) >= 16)
    counted = Counter(fire for member in members for fire in member.started)
    assert len(counted) == 16
    assert set(counted.values()) == {1}


@pytest.mark.parametrize("name", ["redis-lock", "postgres-lock"])
async def test_a_fire_whose_owner_died_is_run_by_another_within_the_bound(
    name: str, urls: dict[str, str]
) -> None:
    members = [Instance(f"i{n}", run_s=0.3) for n in range(2)]
    async with fleet(name, urls, jobs_of(1, 20), *members) as tasks:
        await until(lambda: any(member.started for member in members))
        dead, alive = sorted(members, key=lambda member: not member.started)
        (fire,) = dead.started
        died_s = time.monotonic()
        dead.run_s = 3600
        # Death without a word: the task is dropped, and nothing is given back.
        tasks[dead.name].cancel()
        await until(lambda: fire in alive.ended)
        recovery_s = BY_NAME[name].bounds(Timing(lease_s=LEASE_S)).recovery_s
        assert recovery_s is not None
        assert time.monotonic() - died_s <= recovery_s + alive.run_s
    fences = [e.fence for m in members for e in m.notes if isinstance(e, Granted)]
    assert len(fences) == len(set(fences))


@pytest.mark.parametrize("name", ["redis-lock", "postgres-lock"])
async def test_a_run_longer_than_the_lease_is_kept_by_renewals(
    name: str, urls: dict[str, str]
) -> None:
    members = [Instance(f"i{n}", run_s=2.5 * LEASE_S) for n in range(2)]
    async with fleet(name, urls, jobs_of(1, 1), *members):
        await until(lambda: any(member.ended for member in members))
    assert sum(len(member.started) for member in members) == 1
    assert not [e for m in members for e in m.notes if isinstance(e, Lost)]


@pytest.mark.parametrize("name", ["redis-lock", "postgres-lock"])
async def test_who_is_told_to_stop_ends_its_run_and_gives_the_lock_back(
    name: str, urls: dict[str, str]
) -> None:
    member = Instance("i1", run_s=0.5)
    async with fleet(name, urls, jobs_of(1, 20), member) as tasks:
        await until(lambda: bool(member.started))
        member.stopping.set()
        await tasks["i1"]
        assert member.ended == member.started
        assert len(member.started) == 1


async def test_a_postgres_row_that_stays_locked_is_lost_within_the_bound(postgres_url: str) -> None:
    """Somebody else's transaction holds the row: the call ends in time, and so does its backend."""
    job = Job(name="job", schedule=Every(1000))
    service = on_postgres({"postgres": postgres_url}, NAMESPACE, 0.3)
    await service.set_up([job])
    async with (
        service.connect() as store,
        await psycopg.AsyncConnection.connect(postgres_url) as other,
    ):
        assert isinstance(await store.acquire("job", "a", 5, 1000, 0), Grant)
        table = sql.Identifier(NAMESPACE, "job_lock")
        await other.execute(sql.SQL("select 1 from {} for update").format(table))
        began_s = time.monotonic()
        with pytest.raises(ServiceLost):
            await store.renew("job", "a", 5)
        assert time.monotonic() - began_s < 1
        await other.rollback()
        assert await store.acquire("job", "b", 5, 1000, 0) == HELD
    await service.tear_down()


async def test_a_redis_that_does_not_answer_is_lost_within_the_bound(redis_url: str) -> None:
    service = on_redis({"redis": redis_url}, NAMESPACE, 0.2)
    async with Redis.from_url(redis_url) as client, service.connect() as store:
        assert isinstance(await store.acquire("job", "a", 60, 1000, 0), Grant)
        await client.client_pause(600)
        began_s = time.monotonic()
        with pytest.raises(ServiceLost):
            await store.renew("job", "a", 60)
        assert time.monotonic() - began_s < 0.5
        await client.ping()  # answered when the pause is over
        # No late answer of the abandoned call is taken for the next one's.
        assert await store.acquire("job", "b", 60, 1000, 0) == HELD
        assert await store.acquire("job", "b", 60, 2000, 0) == Behind(0, 1000)
    await service.tear_down()
