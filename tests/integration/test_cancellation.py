"""Who is told to end ends, whichever answer arrives at that moment: no client swallows it.

Before Python 3.12 asyncio.wait_for forgets a cancellation that comes together with its result, and
client libraries use it: a bench then went on after Ctrl-C, and a call outlived its bound.
"""

import asyncio
import gc
import itertools
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator
from typing import Any

import pytest

from bench.services.base import Probe
from bench.services.etcd import EtcdProbe
from bench.services.postgres import PostgresProbe
from bench.services.redis import RedisProbe
from bench.services.zookeeper import ZooKeeperProbe
from strategies.lock.designs import on_postgres, on_redis
from strategies.lock.port import LockService
from strategies.model import Every, Job
from strategies.queue.redis import RedisJobQueue
from strategies.queue.timing import QueueTiming

# The warnings are of clients that were cancelled while they closed their connections.
pytestmark = [pytest.mark.servers, pytest.mark.filterwarnings("ignore::ResourceWarning")]

PROBES: dict[str, Probe] = {
    "redis": RedisProbe(),
    "postgres": PostgresProbe(),
    "zookeeper": ZooKeeperProbe(),
    "etcd": EtcdProbe(),
}
JOBS = [Job(name="job", schedule=Every(1000))]


@pytest.fixture(autouse=True)
def what_is_left_is_collected_here() -> Iterator[None]:
    """Not during another test, to which a warning is an error."""
    yield
    gc.collect()


class CancelledAt:
    """`call`, cancelled at the moment when what it awaits for the `nth` time is there."""

    def __init__(self, call: Awaitable[Any], nth: int) -> None:
        self._call = call
        self.nth = nth
        self.cancelled = False

    def __await__(self) -> Generator[Any, Any, Any]:
        task = asyncio.current_task()
        assert task is not None

        def cancel(_: object) -> None:
            self.cancelled = True
            task.cancel()

        awaited = 0
        steps = self._call.__await__()
        answer: Any = None
        error: BaseException | None = None
        while True:
            try:
                future = steps.send(answer) if error is None else steps.throw(error)
            except StopIteration as end:
                return end.value
            awaited += 1
            if awaited == self.nth:
                if future is None:  # a bare yield: the next turn of the loop
                    asyncio.get_running_loop().call_soon(cancel, None)
                else:
                    future.add_done_callback(cancel)
            answer, error = None, None
            try:
                answer = yield future
            except BaseException as thrown:  # passed on to the call, as the task would
                error = thrown


async def cancelled_everywhere(call: Callable[[], Coroutine[Any, Any, Any]]) -> int:
    """Cancel `call` at each of its awaits in turn, until it ends before; how many it has."""
    for nth in itertools.count(1):
        if not await cancelled(CancelledAt(call(), nth)):
            return nth - 1
    raise AssertionError("unreachable")


async def cancelled(call: CancelledAt) -> bool:
    """Whether it was, as it then must say itself; False if it ended before."""

    async def whole() -> Any:
        return await call

    task = asyncio.create_task(whole())
    async with asyncio.timeout(10):
        await asyncio.wait({task})
    if call.cancelled:
        assert task.cancelled(), f"at await {call.nth}: {task}"
    else:
        task.result()
    return call.cancelled


@pytest.mark.parametrize("name", PROBES)
async def test_a_look_at_a_server_can_be_cancelled_at_any_moment(
    name: str, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue(f"{name}_url")
    assert await cancelled_everywhere(lambda: PROBES[name].version(url)) > 0
    assert await cancelled_everywhere(lambda: PROBES[name].counters(url)) > 0


@pytest.mark.parametrize("name", ["redis", "postgres"])
async def test_a_call_of_a_lock_can_be_cancelled_at_any_moment(
    name: str, request: pytest.FixtureRequest
) -> None:
    at = {name: request.getfixturevalue(f"{name}_url")}
    service: LockService = (on_redis if name == "redis" else on_postgres)(at, "test_cancel", 2.0)
    await service.set_up(JOBS)
    async with service.connect() as store:
        assert await cancelled_everywhere(lambda: store.acquire("job", "a", 5, 1000, 0)) > 0
        assert await cancelled_everywhere(lambda: store.renew("job", "a", 5)) > 0
        assert await cancelled_everywhere(lambda: store.release("job", "a", 1000, 0)) > 0
    await service.tear_down()


async def test_a_call_of_the_queue_can_be_cancelled_at_any_moment(redis_url: str) -> None:
    queue = RedisJobQueue(redis_url, "test-cancel", "me", QueueTiming(visibility_s=2.0))
    await queue.create()
    assert await cancelled_everywhere(lambda: queue.receive(1, 0.01)) > 0
    assert await cancelled_everywhere(lambda: queue.last_published(["job"])) > 0
    assert await cancelled_everywhere(lambda: queue.take(1)) > 0
    await queue.drop()
    await queue.close()
