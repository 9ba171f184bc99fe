"""The scheduler's steps on a real PostgreSQL: each means what the port says, also under races."""

import asyncio
import random
import socket
import uuid
from collections.abc import AsyncIterator

import psycopg
import pytest

from bench.events import RunEnded, RunStarted
from bench.simulation import SimulatedMember
from strategies.errors import ServiceLost
from strategies.interface import Design
from strategies.model import Every, Fire, Job, Timing
from strategies.notes import Event
from strategies.quartz.designs import DESIGNS
from strategies.quartz.port import Begin, Grant, Ticket
from strategies.quartz.postgres import PostgresTriggers

pytestmark = pytest.mark.servers

QUARTZ, SKIP_LOCKED, _ = DESIGNS


@pytest.fixture
def namespace() -> str:
    return f"quartz-{uuid.uuid4().hex[:12]}"


@pytest.fixture(params=["cluster-lock", "skip-locked"])
async def store(
    request: pytest.FixtureRequest, postgres_url: str, namespace: str
) -> AsyncIterator[PostgresTriggers]:
    made = a_store(postgres_url, namespace, skip_locked=request.param == "skip-locked")
    await made.prepare()
    yield made
    await made.close()
    await made.clean_up()


def a_store(
    url: str, namespace: str, *, skip_locked: bool = True, call_s: float = 2.0
) -> PostgresTriggers:
    return PostgresTriggers(url, namespace, skip_locked=skip_locked, call_s=call_s, connect_s=5.0)


def forbid(grant: Grant, next_due_ms: int | None) -> Begin:
    return Begin(grant.ticket, grant.due_ms, next_due_ms, blocks=True)


async def test_acquire_gives_each_due_trigger_once_earliest_first(store: PostgresTriggers) -> None:
    await store.schedule([("a", 300), ("b", 100), ("c", 200), ("later", 999)])
    for name in ("x", "y"):
        await store.register(name, 0)
    first = await store.acquire("x", 500, 2)
    second = await store.acquire("y", 500, 5)
    assert {g.ticket.job for g in first} == {"b", "c"}
    assert second == [Grant(Ticket("a", 1), 300, begun=False)]


async def test_schedule_changes_nothing_that_exists(store: PostgresTriggers) -> None:
    await store.register("x", 0)
    await store.schedule([("a", 100)])
    await store.schedule([("a", 50), ("b", 70)])
    assert {g.fire for g in await store.acquire("x", 500, 5)} == {Fire("a", 100), Fire("b", 70)}


async def test_who_is_not_registered_is_given_nothing(store: PostgresTriggers) -> None:
    await store.schedule([("a", 100)])
    assert await store.acquire("nobody", 500, 5) == []


async def test_a_blocked_trigger_waits_for_completion(store: PostgresTriggers) -> None:
    await store.register("x", 0)
    await store.schedule([("a", 100)])
    [grant] = await store.acquire("x", 500, 5)
    assert await store.begin("x", [forbid(grant, 200)]) == {grant.ticket}
    assert await store.acquire("x", 500, 5) == []
    assert await store.complete("x", [grant.ticket]) == {grant.ticket}
    assert await store.acquire("x", 500, 5) == [Grant(Ticket("a", 2), 200, begun=False)]


async def test_a_trigger_that_allows_overlap_is_not_blocked(store: PostgresTriggers) -> None:
    await store.register("x", 0)
    await store.schedule([("a", 100)])
    [grant] = await store.acquire("x", 500, 5)
    await store.begin("x", [Begin(grant.ticket, 100, 200, blocks=False)])
    assert await store.acquire("x", 500, 5) == [Grant(Ticket("a", 2), 200, begun=False)]


async def test_after_its_last_fire_a_trigger_never_waits_again(store: PostgresTriggers) -> None:
    await store.register("x", 0)
    await store.schedule([("a", 100)])
    [grant] = await store.acquire("x", 500, 5)
    await store.begin("x", [forbid(grant, None)])
    await store.complete("x", [grant.ticket])
    assert await store.acquire("x", 10**15, 5) == []


async def test_steps_asked_twice_do_what_they_do_once(store: PostgresTriggers) -> None:
    """An answer that is lost is asked for again, perhaps after the trigger has moved on."""
    await store.register("x", 0)
    await store.schedule([("a", 100)])
    [first] = await store.acquire("x", 500, 5)
    begin = Begin(first.ticket, 100, 200, blocks=False)
    await store.begin("x", [begin])
    [second] = await store.acquire("x", 500, 5)
    assert await store.begin("x", [begin]) == {first.ticket}
    assert await store.begin("x", [forbid(second, 300)]) == {second.ticket}
    assert await store.complete("x", [second.ticket]) == {second.ticket}
    assert await store.complete("x", [second.ticket]) == set()
    assert [g.fire for g in await store.acquire("x", 500, 5)] == [Fire("a", 300)]


async def test_release_gives_back_only_what_is_not_begun(store: PostgresTriggers) -> None:
    await store.register("x", 0)
    await store.schedule([("a", 100), ("b", 100)])
    grants = {g.ticket.job: g for g in await store.acquire("x", 500, 5)}
    await store.begin("x", [forbid(grants["a"], 200)])
    await store.release("x")
    assert await store.held("x") == [Grant(grants["a"].ticket, 100, begun=True)]
    assert [g.fire for g in await store.acquire("x", 500, 5)] == [Fire("b", 100)]


async def test_recovery_releases_the_acquired_and_takes_over_the_begun(
    store: PostgresTriggers,
) -> None:
    await store.schedule([("begun", 100), ("acquired", 100)])
    await store.register("dead", 0)
    grants = {g.ticket.job: g for g in await store.acquire("dead", 500, 5)}
    await store.begin("dead", [forbid(grants["begun"], 200)])
    await store.register("x", 1000)

    assert await store.recover("x", 0, rerun=True) == [], "its check-in was not too old"
    assert await store.recover("x", 500, rerun=True) == [Grant(Ticket("begun", 2), 100, True)]
    assert await store.recover("x", 500, rerun=True) == []
    assert await store.held("x") == [Grant(Ticket("begun", 2), 100, True)]
    assert [g.fire for g in await store.acquire("x", 500, 5)] == [Fire("acquired", 100)]

    assert not await store.check_in("dead", 2000), "the dead one must learn of it"
    assert await store.complete("dead", [grants["begun"].ticket]) == set()
    assert await store.begin("dead", [forbid(grants["acquired"], 200)]) == set()
    await store.complete("x", [Ticket("begun", 2)])
    assert [g.fire for g in await store.acquire("x", 500, 5)] == [Fire("begun", 200)]


async def test_recovery_without_rerun_unblocks_the_job(store: PostgresTriggers) -> None:
    await store.schedule([("a", 100), ("last", 100)])
    await store.register("dead", 0)
    grants = {g.ticket.job: g for g in await store.acquire("dead", 500, 5)}
    await store.begin("dead", [forbid(grants["a"], 200), forbid(grants["last"], None)])
    await store.register("x", 1000)
    assert await store.recover("x", 500, rerun=False) == []
    assert [g.fire for g in await store.acquire("x", 10**15, 5)] == [Fire("a", 200)]


async def test_recovery_gives_each_of_a_jobs_open_fires_a_fence_of_its_own(
    store: PostgresTriggers,
) -> None:
    await store.schedule([("a", 100)])
    await store.register("dead", 0)
    for due_ms in (100, 200, 300):
        [grant] = await store.acquire("dead", due_ms, 5)
        if due_ms < 300:
            await store.begin("dead", [Begin(grant.ticket, due_ms, due_ms + 100, blocks=False)])
    await store.register("x", 1000)
    again = await store.recover("x", 500, rerun=True)
    assert sorted(again) == [Grant(Ticket("a", 4), 100, True), Grant(Ticket("a", 5), 200, True)]
    assert await store.acquire("x", 500, 5) == [Grant(Ticket("a", 6), 300, begun=False)]


async def test_who_was_declared_dead_declares_nobody_dead(store: PostgresTriggers) -> None:
    await store.register("other", 0)
    assert await store.recover("dead", 500, rerun=True) == []
    assert await store.check_in("other", 1000)


async def test_leaving_with_fired_rows_leaves_them_to_recovery(store: PostgresTriggers) -> None:
    await store.schedule([("a", 100)])
    await store.register("x", 0)
    await store.acquire("x", 500, 5)
    await store.leave("x")
    assert await store.check_in("x", 1), "it left although others then cannot recover its row"
    await store.release("x")
    await store.leave("x")
    assert not await store.check_in("x", 2)


async def test_racing_instances_are_never_given_the_same_trigger(
    store: PostgresTriggers, postgres_url: str, namespace: str
) -> None:
    jobs = [f"j{n}" for n in range(60)]
    await store.schedule([(job, 100) for job in jobs])
    skip_locked = store._skip_locked
    racers = [a_store(postgres_url, namespace, skip_locked=skip_locked) for _ in range(4)]
    taken: list[str] = []

    async def race(name: str, racer: PostgresTriggers) -> None:
        await racer.register(name, 0)
        empty = 0
        while empty < 3:
            grants = await racer.acquire(name, 500, 7)
            empty = 0 if grants else empty + 1
            taken.extend(grant.ticket.job for grant in grants)
        await racer.close()

    await asyncio.gather(*(race(f"r{n}", racer) for n, racer in enumerate(racers)))
    assert sorted(taken) == sorted(jobs)


async def test_a_recovery_that_races_with_the_dead_ones_acquisitions_leaves_no_orphan(
    store: PostgresTriggers, postgres_url: str, namespace: str
) -> None:
    """Quartz issues 635 and 1516: who is being declared dead is still acquiring."""
    await store.schedule([(f"j{n}", 100) for n in range(200)])
    waking = a_store(postgres_url, namespace, skip_locked=store._skip_locked)
    await store.register("x", 1000)
    for _ in range(20):
        await store.register("waking", 0)

        async def acquiring() -> None:
            for _ in range(4):
                await waking.acquire("waking", 500, 2)

        await asyncio.gather(acquiring(), store.recover("x", 500, rerun=True))
        assert not await waking.held("waking")
    await waking.close()


async def test_a_server_that_cannot_be_reached_is_a_lost_service(namespace: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"postgresql://someone:secret@127.0.0.1:{taken.getsockname()[1]}/postgres"
        store = a_store(url, namespace)
        with pytest.raises(ServiceLost) as lost:
            await store.check_in("x", 0)
    assert "secret" not in str(lost.value)


async def test_a_call_that_hangs_is_given_up_and_the_next_one_works(
    postgres_url: str, namespace: str
) -> None:
    store = a_store(postgres_url, namespace, call_s=0.3)
    await store.prepare()
    await store.schedule([("a", 100)])
    async with await psycopg.AsyncConnection.connect(postgres_url) as other:
        await other.execute(f'LOCK TABLE "{namespace}".trigger')  # type: ignore[arg-type]
        began_s = asyncio.get_running_loop().time()
        with pytest.raises(ServiceLost):
            await store.schedule([("b", 100)])
        assert asyncio.get_running_loop().time() - began_s < 1.0
        await other.rollback()
    await store.schedule([("b", 100)])
    await store.close()
    await store.clean_up()


async def test_a_connection_that_is_cut_is_replaced(
    store: PostgresTriggers, postgres_url: str
) -> None:
    await store.register("x", 0)
    async with await psycopg.AsyncConnection.connect(postgres_url) as other:
        await other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
            " AND backend_type = 'client backend'"
        )
    with pytest.raises(ServiceLost):
        await store.check_in("x", 1)
    assert await store.check_in("x", 2)


async def test_a_server_that_answers_nothing_costs_one_attempt(namespace: str) -> None:
    """A frozen server: the connection is accepted, and then there is silence."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://someone:secret@127.0.0.1:{silent.getsockname()[1]}/x"
        store = PostgresTriggers(url, namespace, skip_locked=True, call_s=0.2, connect_s=0.3)
        async with asyncio.timeout(2):
            with pytest.raises(ServiceLost):
                await store.check_in("x", 0)


def a_member(name: str, history: list[Event]) -> SimulatedMember:
    """A member on the real event loop: its clock starts at a fixed epoch and runs in real time."""
    return SimulatedMember(name, {}, history, lambda fire: 0.1)


@pytest.mark.parametrize("design", [QUARTZ, SKIP_LOCKED], ids=lambda design: design.name)
async def test_a_fleet_on_a_real_database_survives_the_death_of_an_instance(
    design: Design, postgres_url: str, namespace: str
) -> None:
    """Three instances; one is cancelled without a word, as a killed process ends."""
    timing = Timing(lease_s=0.9)
    jobs = [Job(name=f"j{n}", schedule=Every(300, 30 * n)) for n in range(6)]
    endpoints = {"postgres": postgres_url}
    history: list[Event] = []

    await design.make(endpoints, namespace, timing, random.Random(1)).prepare(jobs)
    members = [a_member(f"i{n}", history) for n in range(3)]
    tasks = [
        asyncio.create_task(
            design.make(endpoints, namespace, timing, random.Random(n)).participate(member, jobs)
        )
        for n, member in enumerate(members)
    ]
    victim = await _holder(history)
    at = int(victim[1:])
    members[at].dead = True
    tasks[at].cancel()
    interrupted = {
        Fire(e.job, e.due_ms)
        for e in history
        if isinstance(e, RunStarted) and e.instance == victim and not _ended(history, e.run)
    }
    assert interrupted
    async with asyncio.timeout(10):
        while not interrupted <= _succeeded(history):
            await asyncio.sleep(0.05)
    for member in members:
        member.stopping.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    starts = [e for e in history if isinstance(e, RunStarted)]
    first = {Fire(e.job, e.due_ms): e.instance for e in reversed(starts)}
    fires = [Fire(e.job, e.due_ms) for e in starts]
    twice = {fire for fire in fires if fires.count(fire) > 1}
    assert interrupted <= twice
    # A run that had ended, its completion still on the way, cannot be told from an interrupted one.
    assert {first[fire] for fire in twice} == {victim}
    await _assert_the_tables_are_at_rest(postgres_url, namespace)
    await design.make(endpoints, namespace, timing, random.Random(1)).clean_up()


async def _holder(history: list[Event]) -> str:
    async with asyncio.timeout(10):
        while sum(isinstance(e, RunEnded) for e in history) < 10 or not (
            open_runs := [
                e for e in history if isinstance(e, RunStarted) and not _ended(history, e.run)
            ]
        ):
            await asyncio.sleep(0.01)
    return open_runs[-1].instance


def _ended(history: list[Event], run: str) -> bool:
    return any(isinstance(e, RunEnded) and e.run == run for e in history)


def _succeeded(history: list[Event]) -> set[Fire]:
    return {
        Fire(e.job, e.due_ms)
        for e in history
        if isinstance(e, RunStarted) and _ended(history, e.run)
    }


async def _assert_the_tables_are_at_rest(url: str, namespace: str) -> None:
    """Everybody has left: nothing is fired, acquired or blocked."""
    async with await psycopg.AsyncConnection.connect(
        url, options=f'-c search_path="{namespace}"'
    ) as connection:
        for query in (
            "SELECT name FROM instance",
            "SELECT job FROM fired",
            "SELECT job FROM trigger WHERE state IN ('ACQUIRED', 'BLOCKED')",
        ):
            cursor = await connection.execute(query)
            assert await cursor.fetchall() == [], query
