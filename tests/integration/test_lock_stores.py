"""What every store of locks must do: one suite for Redis, PostgreSQL and the memory stand-in."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import psycopg
import pytest
from redis.asyncio import Redis

from bench.services import provide
from strategies.controls.locks import WithoutOwnerCheck
from strategies.errors import ServiceLost
from strategies.interface import Endpoints
from strategies.lock.designs import on_postgres, on_redis, on_redis_keys
from strategies.lock.keys import KeyLocks
from strategies.lock.port import HELD, Behind, Grant, Kept, LockService, LockStore, Reply, Serves
from strategies.lock.redis import CONNECTIONS, RedisLink
from strategies.memory import MemoryLink, MemoryServer
from strategies.model import Every, Job

pytestmark = pytest.mark.servers

JOBS = [Job(name="job", schedule=Every(1000)), Job(name="other", schedule=Every(1000))]
CALL_S = 2.0
STORES: dict[str, Serves] = {"redis": on_redis, "postgres": on_postgres, "memory": on_redis}


def endpoints(request: pytest.FixtureRequest, name: str) -> Endpoints:
    if name == "memory":
        server = MemoryServer(time.monotonic, random.Random(0), (0.0, 0.001))
        return {"redis": MemoryLink(server)}
    return {name: request.getfixturevalue(f"{name}_url")}


@pytest.fixture(params=STORES)
async def service(request: pytest.FixtureRequest) -> AsyncIterator[LockService]:
    name: str = request.param
    made = STORES[name](endpoints(request, name), "test_lock", CALL_S)
    await made.set_up(JOBS)
    yield made
    await made.tear_down()


@pytest.fixture
async def store(service: LockService) -> AsyncIterator[LockStore]:
    async with service.connect() as connected:
        yield connected


async def when_expired(store: LockStore, token: str, fire_ms: int, settled_ms: int = 0) -> Grant:
    """The grant that follows once the lock has expired."""
    while True:
        reply = await store.acquire("job", token, 5, fire_ms, settled_ms)
        if isinstance(reply, Grant):
            return reply
        assert reply == HELD
        await asyncio.sleep(0.01)


async def test_a_lock_is_granted_to_one_and_free_again_after_its_release(store: LockStore) -> None:
    assert await store.acquire("job", "a", 5, 1000, 0) == Grant(1)
    assert await store.acquire("job", "b", 5, 1000, 0) == HELD
    assert await store.release("job", "a", 1000, 0) is Kept.OURS
    assert await store.acquire("job", "b", 5, 2000, 1000) == Grant(2)


async def test_locks_of_different_jobs_are_independent(store: LockStore) -> None:
    assert await store.acquire("job", "a", 5, 1000, 0) == Grant(1)
    assert await store.acquire("other", "b", 5, 1000, 0) == Grant(1)


async def test_a_fire_that_is_settled_is_not_granted_again(store: LockStore) -> None:
    await store.acquire("job", "a", 5, 2000, 0)
    await store.release("job", "a", 2000, 0)
    assert await store.acquire("job", "b", 5, 2000, 0) == Behind(2000, 2000)
    assert await store.acquire("job", "b", 5, 1000, 0) == Behind(2000, 2000)


async def test_an_interrupted_fire_goes_first(store: LockStore) -> None:
    await store.acquire("job", "a", 0.05, 1000, 0)
    assert await when_expired(store, "b", 1000) == Grant(2)
    assert await store.release("job", "b", 0, 0) is Kept.OURS  # given back without an end
    assert await store.acquire("job", "c", 5, 2000, 0) == Behind(0, 1000)
    assert await store.acquire("job", "c", 5, 1000, 0) == Grant(3)


async def test_who_lost_the_lock_can_neither_renew_nor_release_it(store: LockStore) -> None:
    await store.acquire("job", "a", 0.05, 1000, 0)
    await when_expired(store, "b", 1000)
    assert await store.renew("job", "a", 5) is Kept.REFUSED
    assert await store.release("job", "a", 1000, 0) is Kept.REFUSED
    assert await store.acquire("job", "c", 5, 1000, 0) == HELD
    assert await store.release("job", "b", 1000, 0) is Kept.OURS


async def test_a_renewed_lock_outlives_its_first_lease(store: LockStore) -> None:
    await store.acquire("job", "a", 0.2, 1000, 0)
    await store.acquire("other", "clock", 0.2, 1000, 0)
    assert await store.renew("job", "a", 5) is Kept.OURS
    while await store.acquire("other", "b", 5, 1000, 0) == HELD:
        await asyncio.sleep(0.01)
    assert await store.acquire("job", "b", 5, 1000, 0) == HELD


async def test_an_expired_lock_is_not_renewed_but_its_fire_can_still_be_settled(
    store: LockStore,
) -> None:
    await store.acquire("job", "a", 0.05, 1000, 0)
    while await store.renew("job", "a", 0.05) is Kept.OURS:
        await asyncio.sleep(0.1)
    assert await store.release("job", "a", 1000, 0) is Kept.OURS
    assert await store.acquire("job", "b", 5, 1000, 0) == Behind(1000, 1000)


async def test_a_store_that_forgot_believes_the_asker(store: LockStore) -> None:
    assert await store.acquire("job", "a", 5, 9000, 8000) == Grant(1)


async def test_a_counter_guarded_by_the_lock_adds_up(service: LockService) -> None:
    """Read, wait, write under the lock: any two owners at once would lose an increment."""
    counter = 0
    rng = random.Random(1)

    async def add(store: LockStore, me: str, times: int) -> None:
        nonlocal counter
        while times:
            if isinstance(await store.acquire("job", f"{me}:{times}", 5, 1, 0), Grant):
                read = counter
                await asyncio.sleep(rng.uniform(0, 0.002))
                counter = read + 1
                assert await store.release("job", f"{me}:{times}", 0, 0) is Kept.OURS
                times -= 1
            await asyncio.sleep(rng.uniform(0, 0.002))

    async with AsyncExitStack() as stack:
        stores = [await stack.enter_async_context(service.connect()) for _ in range(4)]
        await asyncio.gather(*(add(store, f"i{n}", 10) for n, store in enumerate(stores)))
    assert counter == 40


async def test_clean_up_forgets_the_namespace_and_no_other(
    request: pytest.FixtureRequest, redis_url: str, postgres_url: str
) -> None:
    for name in ("redis", "postgres"):
        urls = {"redis": redis_url, "postgres": postgres_url}
        one, two = (STORES[name](urls, ns, CALL_S) for ns in ("test_lock_1", "test_lock_[1]*"))
        for service in (one, two):
            await service.set_up(JOBS)
            async with service.connect() as store:
                assert await store.acquire("job", "a", 60, 1000, 0) == Grant(1)
        await two.tear_down()
        async with one.connect() as store:
            assert await store.acquire("job", "b", 60, 1000, 0) == HELD
        await one.tear_down()
    async with Redis.from_url(redis_url) as client:
        assert not await client.keys("test_lock*")
    async with await psycopg.AsyncConnection.connect(postgres_url) as connection:
        left = await connection.execute(
            "select 1 from information_schema.schemata where schema_name like 'test_lock%'"
        )
        assert await left.fetchone() is None


@pytest.mark.parametrize(
    ("serves", "urls"),
    [
        (on_redis, {"redis": "redis://:secret@127.0.0.1:1/0"}),
        (on_postgres, {"postgres": "postgresql://u:secret@127.0.0.1:1/none"}),
    ],
    ids=["redis", "postgres"],
)
async def test_a_server_that_cannot_be_reached_is_lost_within_the_bound_and_keeps_its_secret(
    serves: Serves, urls: Endpoints
) -> None:
    service = serves(urls, "test_lock", 0.5)
    began_s = time.monotonic()
    async with service.connect() as store:
        with pytest.raises(ServiceLost) as lost:
            await store.acquire("job", "a", 5, 1000, 0)
        assert time.monotonic() - began_s < 1.5
    assert "secret" not in str(lost.value)
    with pytest.raises(ServiceLost) as lost:
        await service.set_up(JOBS)
    assert "secret" not in str(lost.value)


async def test_a_redis_that_forgot_its_scripts_is_told_them_again(redis_url: str) -> None:
    service = on_redis({"redis": redis_url}, "test_lock_forgot", CALL_S)
    async with Redis.from_url(redis_url) as client, service.connect() as store:
        await store.acquire("job", "a", 5, 1000, 0)
        await client.script_flush()
        assert await store.release("job", "a", 1000, 0) is Kept.OURS
        assert await store.acquire("job", "a", 5, 1000, 0) == Behind(1000, 1000)
    await service.tear_down()


async def test_a_connection_that_redis_closed_meanwhile_is_made_anew(redis_url: str) -> None:
    service = on_redis({"redis": redis_url}, "test_lock_closed", CALL_S)
    async with Redis.from_url(redis_url) as client, service.connect() as store:
        await store.acquire("job", "a", 5, 1000, 0)
        await client.client_kill_filter(_type="normal", skipme=True)
        assert await store.release("job", "a", 1000, 0) is Kept.OURS
    await service.tear_down()


async def test_the_answer_of_a_call_given_up_is_not_taken_for_the_next_ones(redis_url: str) -> None:
    link = RedisLink(redis_url, 0.2)
    async with Redis.from_url(redis_url) as client:
        assert await link.command("ECHO", "before") == b"before"
        await client.client_pause(500)
        with pytest.raises(ServiceLost):
            await link.command("ECHO", "given up")
        await client.ping()  # answered when the pause is over
        assert await link.command("ECHO", "next") == b"next"
    await link.close()


async def test_calls_at_once_have_a_connection_each_and_no_more_than_allowed(
    redis_url: str,
) -> None:
    link = RedisLink(redis_url, CALL_S)
    words = [str(number) for number in range(3 * CONNECTIONS)]
    answers = await asyncio.gather(*(link.command("ECHO", word) for word in words))
    assert [answer.decode() for answer in answers] == words
    clients = await link.command("CLIENT", "LIST")
    assert sum(b"cmd=echo" in line for line in clients.splitlines()) <= CONNECTIONS
    await link.close()


async def test_a_lock_is_to_be_had_soon_after_an_outage_of_the_database(tmp_path: Path) -> None:
    """However long the outage was: the client must not have slowed down its attempts."""
    server = provide("postgres", tmp_path)
    await server.start()
    try:
        service = on_postgres({"postgres": server.url}, "test_lock_outage", CALL_S)
        await service.set_up(JOBS)
        async with service.connect() as store:
            await store.acquire("job", "a", 5, 1000, 0)
            await server.kill()
            for _ in range(2):
                with pytest.raises(ServiceLost):
                    await store.acquire("other", "b", 5, 1000, 0)
            await server.restart()
            back_s = time.monotonic()
            assert await when_it_answers(store) == Grant(1)
            assert time.monotonic() - back_s < CALL_S / 2
            assert await store.release("job", "a", 1000, 0) is Kept.OURS
    finally:
        await server.stop()


async def when_it_answers(store: LockStore) -> Reply:
    """The reply to an attempt every tenth of a second, once there is one."""
    while True:
        try:
            return await store.acquire("other", "b", 5, 1000, 0)
        except ServiceLost:
            await asyncio.sleep(0.1)


async def test_who_asks_for_a_postgres_row_that_is_being_changed_does_not_wait_for_it(
    postgres_url: str,
) -> None:
    """Else all who ask for a fire at its due time would queue for its row, one behind another."""
    service = on_postgres({"postgres": postgres_url}, "test_lock_queue", CALL_S)
    await service.set_up(JOBS)
    async with (
        service.connect() as store,
        await psycopg.AsyncConnection.connect(postgres_url) as other,
    ):
        await other.execute("select 1 from test_lock_queue.job_lock where job = 'job' for update")
        assert await store.acquire("job", "a", 5, 1000, 0) == HELD
        await other.rollback()
        assert await store.acquire("job", "a", 5, 1000, 0) == Grant(1)
    await service.tear_down()


async def test_what_an_owner_says_to_postgres_does_not_wait_behind_a_hundred_askers(
    postgres_url: str,
) -> None:
    service = on_postgres({"postgres": postgres_url}, "test_lock_first", CALL_S)
    await service.set_up(JOBS)
    ended: list[str] = []

    async with service.connect() as store:
        assert await store.acquire("job", "a", 5, 1000, 0) == Grant(1)

        async def ask(number: int) -> None:
            assert await store.acquire("job", f"b{number}", 5, 1000, 0) == HELD
            ended.append("ask")

        async def renew() -> None:
            assert await store.renew("job", "a", 5) is Kept.OURS
            ended.append("renew")

        await asyncio.gather(*(ask(number) for number in range(100)), renew())
    assert ended.index("renew") < 50  # which it asked after
    await service.tear_down()


@pytest.mark.parametrize("name", ["redis", "memory"])
async def test_a_bare_lock_is_nothing_but_a_key_that_expires(
    request: pytest.FixtureRequest, name: str
) -> None:
    service = on_redis_keys(endpoints(request, name), "test_lock_bare", CALL_S, KeyLocks)
    async with service.connect() as store:
        assert await store.acquire("job", "a", 5, 1000, 0) == Grant(None)
        assert await store.acquire("job", "b", 5, 1000, 0) == HELD
        assert await store.release("job", "b", 1000, 0) is Kept.REFUSED
        assert await store.renew("job", "a", 5) is Kept.OURS
        assert await store.release("job", "a", 1000, 0.05) is Kept.OURS  # held a little longer
        assert await store.acquire("job", "b", 5, 1000, 0) == HELD
        assert await when_expired(store, "b", 1000) == Grant(None)  # and then runs it again
    await service.tear_down()


@pytest.mark.parametrize("name", ["redis", "memory"])
async def test_without_owner_check_the_store_proves_the_foreign_release(
    request: pytest.FixtureRequest, name: str
) -> None:
    service = on_redis_keys(
        endpoints(request, name), "test_lock_foreign", CALL_S, WithoutOwnerCheck
    )
    async with service.connect() as store:
        await store.acquire("job", "a", 0.05, 1000, 0)
        await when_expired(store, "b", 1000)
        assert await store.renew("job", "a", 5) is Kept.FOREIGN
        assert await store.release("job", "a", 1000, 0) is Kept.FOREIGN
        assert await store.release("job", "b", 1000, 0) is Kept.REFUSED
    await service.tear_down()
