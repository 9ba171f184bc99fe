"""What the queue's port promises, in memory and on a real Redis: one suite for both."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable

import pytest

from strategies.errors import ServiceLost
from strategies.memory import MemoryLink, MemoryServer
from strategies.model import Every, Fire, Job
from strategies.queue.memory import MemoryJobQueue
from strategies.queue.port import Message, Publication, Queue
from strategies.queue.redis import RedisJobQueue
from strategies.queue.timing import QueueTiming

TIMING = QueueTiming(visibility_s=2.0)
Connect = Callable[[str], Queue]


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.servers)])
async def connect(request: pytest.FixtureRequest) -> AsyncIterator[Connect]:
    """Opens the one queue of the test for a named consumer."""
    opened: list[Queue] = []
    if request.param == "memory":
        link = MemoryLink(MemoryServer(time.monotonic, random.Random(0), (0, 0)))
    else:
        url = request.getfixturevalue("redis_url")
    namespace = f"test-{request.node.name}"

    def opener(consumer: str) -> Queue:
        if request.param == "memory":
            opened.append(MemoryJobQueue(link, namespace, consumer, TIMING))
        else:
            opened.append(RedisJobQueue(url, namespace, consumer, TIMING))
        return opened[-1]

    await opener("setup").create()
    yield opener
    await opened[0].drop()
    for queue in opened:
        await queue.close()


def job(name: str = "a job: with signs", **policies: str) -> Job:
    return Job(name=name, schedule=Every(1000), **policies)  # type: ignore[arg-type]


async def publish(queue: Queue, one: Job, *dues: int) -> list[tuple[str, int | None, int | None]]:
    """Outcome, previous, replaced of each."""
    answers = await queue.publish([Publication(one, due) for due in dues])
    return [(answer.outcome, answer.previous_ms, answer.replaced_ms) for answer in answers]


async def begun(queue: Queue, limit: int = 10) -> list[Message]:
    """The messages that are there, begun."""
    messages = await queue.receive(limit, 0.05)
    if messages:
        assert all(await queue.extend(messages))
    return messages


async def test_creating_the_queue_again_is_harmless(connect: Connect) -> None:
    queue = connect("a")
    await publish(queue, job(), 1000)
    await queue.create()
    assert len(await begun(queue)) == 1


async def test_of_two_publishers_one_succeeds(connect: Connect) -> None:
    a, b = connect("a"), connect("b")
    assert await publish(a, job(), 1000) == [("published", None, None)]
    assert await publish(b, job(), 1000) == [("known", None, None)]
    assert await publish(b, job(), 500) == [("known", None, None)], "earlier than the mark"
    assert len(await begun(a)) == 1


async def test_a_publisher_whose_answer_was_lost_gets_it_again(connect: Connect) -> None:
    queue, one = connect("a"), job()
    await publish(queue, one, 1000, 2000)
    first = await publish(queue, one, 4000)
    assert first == [("waiting", 2000, 2000)]
    assert await publish(queue, one, 4000) == first
    assert await publish(connect("b"), one, 4000) == [("known", None, None)]


async def test_a_published_fire_stays_published_after_its_run(connect: Connect) -> None:
    a, b = connect("a"), connect("b")
    await publish(a, job(), 1000)
    await a.ack(await begun(a))
    assert await publish(b, job(), 1000) == [("known", None, None)]
    assert await b.last_published([job().name, "never"]) == {job().name: 1000}


async def test_a_job_has_one_unfinished_message_and_the_latest_fire_waits(connect: Connect) -> None:
    queue, one = connect("a"), job()
    await publish(queue, one, 1000, 2000, 3000)
    (message,) = await begun(queue)
    assert message.fire == Fire(one.name, 1000)
    assert await begun(queue) == []
    assert await queue.ack([message]) == [True]
    assert [found.fire.due_ms for found in await begun(queue)] == [3000]


async def test_run_all_keeps_every_waiting_fire_in_order(connect: Connect) -> None:
    queue, one = connect("a"), job(misfire="run-all")
    await publish(queue, one, 1000, 2000, 3000)
    order = []
    while messages := await begun(queue):
        order += [message.fire.due_ms for message in messages]
        await queue.ack(messages)
    assert order == [1000, 2000, 3000]


async def test_skip_drops_a_fire_only_while_a_run_is_open(connect: Connect) -> None:
    queue, one = connect("a"), job(misfire="skip")
    assert [answer[0] for answer in await publish(queue, one, 1000, 2000)] == [
        "published",
        "waiting",
    ]
    await begun(queue)
    assert await publish(queue, one, 3000) == [("skipped", 2000, None)]


async def test_under_allow_every_fire_is_a_message(connect: Connect) -> None:
    queue = connect("a")
    await publish(queue, job(overlap="allow"), 1000, 2000, 3000)
    assert [message.fire.due_ms for message in await begun(queue)] == [1000, 2000, 3000]


async def test_take_receives_and_begins_in_one_call(connect: Connect) -> None:
    queue, one = connect("a"), job(overlap="allow")
    await publish(queue, one, 1000, 2000)
    (message,) = await queue.take(1)
    assert await queue.states([message.fire, Fire(one.name, 2000)]) == ["RUNNING", "PENDING"]
    assert await queue.ack([message]) == [True]
    assert len(await queue.take(5)) == 1
    assert await queue.take(5) == []


async def test_each_message_is_given_to_one_consumer(connect: Connect) -> None:
    a, b = connect("a"), connect("b")
    await publish(a, job(overlap="allow"), *range(1, 21))
    given = [one.id for queue in (a, b) for one in await begun(queue, 10)]
    assert len(given) == len(set(given)) == 20


async def test_receive_returns_as_soon_as_something_is_published(connect: Connect) -> None:
    a, b = connect("a"), connect("b")
    waiting = asyncio.create_task(a.receive(1, 1.0))
    await asyncio.sleep(0)
    await publish(b, job(), 1000)
    assert len(await waiting) == 1


async def left_by_a_dead_worker(connect: Connect) -> tuple[Message, Queue]:
    """A message begun by a worker that was never heard of again, and another worker."""
    dead, alive = connect("dead"), connect("alive")
    await publish(dead, job(), 1000)
    (message,) = await begun(dead)
    return message, alive


async def claimed(queue: Queue) -> list[Message]:
    """Polls until something can be claimed, for at most twice the visibility."""
    async with asyncio.timeout(2 * TIMING.visibility_s):
        while not (messages := await queue.claim(10)):
            await asyncio.sleep(0.02)
    return messages


async def test_a_dead_workers_message_is_claimed_after_the_visibility(connect: Connect) -> None:
    message, alive = await left_by_a_dead_worker(connect)
    began = time.monotonic()
    assert await alive.claim(10) == []
    (again,) = await claimed(alive)
    assert time.monotonic() - began >= TIMING.visibility_s - 0.1
    assert again.fire == message.fire
    assert (message.fence, again.fence) == (1, 2)
    assert again.tried == 2


async def test_a_worker_that_wakes_up_late_can_neither_extend_nor_end_it(connect: Connect) -> None:
    """The paused worker: what was claimed by another is left alone."""
    message, alive = await left_by_a_dead_worker(connect)
    (again,) = await claimed(alive)
    late = connect("dead")
    assert await late.extend([message]) == [False]
    assert await late.ack([message]) == [False]
    assert not await late.retry(message, 0)
    assert not await late.bury(message, "failed")
    assert await alive.ack([again]) == [True]


async def test_a_worker_that_claimed_its_own_message_holds_the_new_delivery_only(
    connect: Connect,
) -> None:
    message, _ = await left_by_a_dead_worker(connect)
    same = connect("dead")
    (again,) = await claimed(same)
    assert await same.extend([message, again]) == [False, True]
    assert await same.ack([message, again]) == [False, True]


async def test_an_extended_message_is_not_claimed(connect: Connect) -> None:
    message, alive = await left_by_a_dead_worker(connect)
    owner, began = connect("dead"), time.monotonic()
    while time.monotonic() - began < 1.5 * TIMING.visibility_s:
        assert await owner.extend([message]) == [True]
        assert await alive.claim(10) == []
        await asyncio.sleep(TIMING.visibility_s / 8)


async def test_a_failed_fire_comes_back_after_its_back_off_and_gives_its_place_away(
    connect: Connect,
) -> None:
    queue, one = connect("a"), job(misfire="run-all")
    await publish(queue, one, 1000, 2000)
    (failed,) = await begun(queue)
    assert await queue.retry(failed, 0.05)
    assert await queue.states([failed.fire]) == ["FAILED"]
    (second,) = await begun(queue)
    assert second.fire.due_ms == 2000
    while not await queue.promote(10):
        await asyncio.sleep(0.01)
    assert await begun(queue) == [], "the job's place is taken"
    await publish(queue, one, 3000)
    await queue.ack([second])
    (again,) = await begun(queue)
    assert (again.fire, again.fence, again.tried) == (failed.fire, 2, 2)


async def test_a_waiting_retry_is_not_replaced_by_the_latest_fire(connect: Connect) -> None:
    queue, one = connect("a"), job()
    await publish(queue, one, 1000, 2000)
    (failed,) = await begun(queue)
    await queue.retry(failed, 0)
    (second,) = await begun(queue)
    await queue.promote(10)
    assert await publish(queue, one, 3000) == [("waiting", 2000, None)]
    await queue.ack([second])
    assert [found.fire.due_ms for found in await begun(queue)] == [1000]


async def test_a_dead_letter_is_listed_and_replayed_once(connect: Connect) -> None:
    """Its tries start anew, its deliveries count on: the fence never falls."""
    queue, one = connect("a"), job()
    await publish(queue, one, 1000)
    (message,) = await begun(queue)
    assert await queue.bury(message, "failed")
    assert await queue.states([message.fire]) == ["DEAD"]
    (letter,) = await queue.dead_letters()
    assert (letter.fire, letter.deliveries, letter.reason) == (message.fire, 1, "failed")
    assert await queue.replay(letter)
    assert not await queue.replay(letter)
    assert await queue.dead_letters() == []
    await queue.promote(10)
    (again,) = await begun(queue)
    assert (again.fence, again.tried) == (2, 1)
    await queue.ack([again])
    assert await queue.states([again.fire, Fire("never", 1)]) == ["COMPLETED", None]


@pytest.mark.servers
async def test_dropping_removes_this_namespace_and_nothing_else(redis_url: str) -> None:
    mine, other = (RedisJobQueue(redis_url, name, "a", TIMING) for name in ("o[n]e*", "one"))
    for queue in (mine, other):
        await queue.create()
        await publish(queue, job(), 1000, 2000)
    await mine.drop()
    assert await mine.last_published([job().name]) == {}
    assert len(await begun(other)) == 1
    await other.drop()
    left = [
        key async for key in other._client.scan_iter() if key.startswith((b"{o[n]e*}", b"{one}"))
    ]
    assert left == []
    await mine.close()
    await other.close()


@pytest.mark.servers
async def test_a_server_that_came_back_empty_gets_its_group_again(redis_url: str) -> None:
    queue = RedisJobQueue(redis_url, "emptied", "a", TIMING)
    await queue.create()
    await queue.drop()
    with pytest.raises(ServiceLost):
        await queue.receive(1, 0.05)
    await publish(queue, job(), 1000)
    assert len(await begun(queue)) == 1
    await queue.drop()
    await queue.close()


async def test_an_unreachable_server_is_a_lost_service_without_its_address() -> None:
    queue = RedisJobQueue("redis://:secret@127.0.0.1:1/0", "x", "a", TIMING)
    for call in (queue.create(), queue.receive(1, 0.1), queue.last_published(["a"])):
        with pytest.raises(ServiceLost) as lost:
            await call
        assert "secret" not in str(lost.value)
        assert "127" not in str(lost.value)
    await queue.close()


@pytest.mark.servers
async def test_a_call_that_hangs_is_given_up_and_its_late_answer_is_nobodys(redis_url: str) -> None:
    """The server stalls for longer than a call may take; later calls get their own answers."""
    queue, one = RedisJobQueue(redis_url, "stalled", "a", TIMING), job()
    await queue.create()
    await publish(queue, one, 1000)
    await queue._client.client_pause(400)
    began = time.monotonic()
    with pytest.raises(ServiceLost):
        await queue.states([Fire(one.name, 1000)])
    assert time.monotonic() - began < TIMING.call_s + 0.1
    while True:
        try:
            assert await queue.last_published([one.name]) == {one.name: 1000}
            break
        except ServiceLost:
            continue
    await queue.drop()
    await queue.close()
