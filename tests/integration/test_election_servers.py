"""The leader election on real servers: ZooKeeper through kazoo, etcd through its gateway."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import urlsplit

import pytest

from bench.instance import HostClock
from bench.recorder import epoch_offset
from strategies.election.designs import DESIGNS, backend
from strategies.election.gateway import Gateway
from strategies.election.ports import Backend
from strategies.election.timing import Service
from strategies.errors import ServiceLost
from strategies.interface import Strategy
from strategies.model import Every, Fire, Job, Timing
from strategies.notes import Coordinated, Event, Granted, Lost, Released, Skipped

pytestmark = pytest.mark.servers

SERVICES: tuple[Service, ...] = ("zookeeper", "etcd")
EQUAL = Timing(lease_s=2.0)
DESIGN = {design.name: design for design in DESIGNS}
T = TypeVar("T", bound=Event)


class Ran(Event):
    """A run, as these tests' member records it."""

    due_ms: int
    fence: int | None
    ended: str = ""


@dataclass
class Instance:
    """One member with its own relay; what happens to it is in `events`."""

    name: str
    relay: "Relay"
    events: list[Event]
    run_s: float = 0.2
    clock: HostClock = field(default_factory=lambda: HostClock(epoch_offset(), 0.0))
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    def note(self, event: Event) -> None:
        event.t, event.instance = time.time(), self.name
        self.events.append(event)

    async def run(self, fire: Fire, fence: int | None) -> None:
        ran = Ran(due_ms=fire.due_ms, fence=fence)
        self.note(ran)
        ran.ended = "cancelled"
        await asyncio.sleep(self.run_s)
        ran.ended = "succeeded"


class Relay:
    """A TCP relay to the server; while `open` is not set, nothing passes and nothing is reset."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname, parts.port)
        self._parts = parts
        self._tasks: set[asyncio.Task[None]] = set()
        self.open = asyncio.Event()
        self.open.set()

    @property
    def url(self) -> str:
        identity, at, _ = self._parts.netloc.rpartition("@")
        port = self._server.sockets[0].getsockname()[1]
        return self._parts._replace(netloc=f"{identity}{at}127.0.0.1:{port}").geturl()

    async def __aenter__(self) -> "Relay":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, far_writer))
                group.create_task(self._pump(far_reader, writer))
        except* (ConnectionError, EOFError):
            pass
        finally:
            writer.close()
            far_writer.close()
            self._tasks.discard(task)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            await self.open.wait()
            writer.write(data)
            await writer.drain()
        raise EOFError


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest) -> Service:
    chosen: Service = request.param
    return chosen


@pytest.fixture
def url(request: pytest.FixtureRequest, service: Service) -> str:
    found: str = request.getfixturevalue(f"{service}_url")
    return found


@pytest.fixture
def namespace(request: pytest.FixtureRequest) -> str:
    return f"election-{abs(hash(request.node.name)):x}-{time.time_ns():x}"


NewBackend = Callable[[], Backend]


@pytest.fixture
async def new(service: Service, url: str, namespace: str) -> AsyncIterator[NewBackend]:
    """Makes backends on one namespace, which is prepared, and closed and removed at the end."""
    made: list[Backend] = []

    def make() -> Backend:
        made.append(backend(service, url, namespace, EQUAL))
        return made[-1]

    await make().prepare(["a", "b/ü"])
    yield make
    await made[0].clean_up()
    for one in made:
        await one.close()


def of(events: list[Event], kind: type[T]) -> list[T]:
    return [event for event in events if isinstance(event, kind)]


async def until(fact: Callable[[], object], seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not fact():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def taking_part(
    service: Service, url: str, namespace: str, job: Job, run_s: float = 0.2
) -> AsyncIterator[list[Instance]]:
    """Three instances of the election, each behind its own relay, stopped at the end."""
    made = DESIGN[f"{service}-election"]

    def strategy(endpoint: str, seed: str) -> Strategy:
        return made.make({service: endpoint}, namespace, EQUAL, random.Random(seed))

    await strategy(url, "prepare").prepare([job])
    events: list[Event] = []
    async with Relay(url) as first, Relay(url) as second, Relay(url) as third:
        instances = [
            Instance(f"i{number}", relay, events, run_s)
            for number, relay in enumerate((first, second, third))
        ]
        tasks = [
            asyncio.create_task(
                strategy(instance.relay.url, instance.name).participate(instance, [job])
            )
            for instance in instances
        ]
        try:
            yield instances
        finally:
            for instance in instances:
                instance.relay.open.set()
                instance.stopping.set()
            async with asyncio.timeout(15):
                await asyncio.gather(*tasks)
            await strategy(url, "clean").clean_up()


def back_in_line(events: list[Event], name: str, since: float) -> bool:
    calls = [note for note in of(events, Coordinated) if note.t > since]
    return ("campaign", "lost") in {(c.action, c.outcome) for c in calls if c.instance == name}


def leader(instances: list[Instance]) -> Instance:
    name = of(instances[0].events, Granted)[-1].instance
    return next(instance for instance in instances if instance.name == name)


async def test_places_are_in_order_of_arrival_and_their_fences_grow(new: NewBackend) -> None:
    backends = [new() for _ in range(3)]
    places = [await one.enter(f"i{number}") for number, one in enumerate(backends)]
    assert places[0].fence < places[1].fence < places[2].fence
    assert await backends[0].ahead(places[0]) is None
    assert await backends[1].ahead(places[1]) == places[0].key
    assert await backends[2].ahead(places[2]) == places[1].key
    for one, place in zip(backends, places, strict=True):
        assert await one.confirm(place)


async def test_a_place_given_up_wakes_the_one_behind_it_at_once(new: NewBackend) -> None:
    first, second = new(), new()
    old, place = await first.enter("i1"), await second.enter("i2")
    watching = asyncio.create_task(second.gone(old.key))
    await asyncio.sleep(0.1)
    assert not watching.done()
    left_s = time.monotonic()
    await first.leave(old)
    async with asyncio.timeout(2):
        await watching
    assert time.monotonic() - left_s < 0.5
    assert await second.ahead(place) is None


async def test_a_place_that_has_gone_already_is_not_waited_for(new: NewBackend) -> None:
    first, second = new(), new()
    old, place = await first.enter("i1"), await second.enter("i2")
    assert await second.ahead(place) == old.key
    await first.leave(old)
    async with asyncio.timeout(2):
        await second.gone(old.key)


async def test_the_log_is_written_by_whoever_has_a_place_and_by_nobody_else(
    new: NewBackend,
) -> None:
    first, second = new(), new()
    old, place = await first.enter("i1"), await second.enter("i2")
    assert await first.last(["a", "b/ü"]) == {}
    assert await first.begin([Fire("a", 1_700_000_000_000), Fire("b/ü", 5)], old)
    assert await first.begin([Fire("a", 1_700_000_000_000), Fire("b/ü", 5)], old)
    assert await second.last(["a", "b/ü"]) == {"a": 1_700_000_000_000, "b/ü": 5}
    await first.leave(old)
    third = await first.enter("i1 again")
    assert third.fence > place.fence
    assert not await first.begin([Fire("a", 1_700_000_001_000)], old)
    assert await second.last(["a"]) == {"a": 1_700_000_000_000}


async def test_a_job_that_was_not_prepared_can_be_logged_after_the_log_was_read(
    new: NewBackend,
) -> None:
    one = new()
    place = await one.enter("i1")
    assert "new" not in await one.last(["a", "new"])
    assert await one.begin([Fire("new", 7)], place)
    assert (await one.last(["new"]))["new"] == 7


async def test_a_hundred_fires_fit_into_one_transaction(new: NewBackend) -> None:
    one = new()
    place = await one.enter("i1")
    names = [f"j{number}" for number in range(100)]
    await one.last(names)
    assert await one.begin([Fire(name, 9) for name in names], place)
    assert await one.last(names) == dict.fromkeys(names, 9)


async def test_a_place_out_of_reach_expires_after_its_lease_and_not_before(
    service: Service, url: str, namespace: str, new: NewBackend
) -> None:
    async with Relay(url) as relay:
        far = backend(service, relay.url, namespace, EQUAL)
        near = new()
        place = await far.enter("far")
        own = await near.enter("near")
        confirmed_s = time.monotonic()
        assert await far.confirm(place)
        relay.open.clear()
        cut_s = time.monotonic()
        while await near.ahead(own):
            await near.confirm(own)
            await asyncio.sleep(0.02)
        gone_s = time.monotonic()
        with pytest.raises(ServiceLost):
            await far.confirm(place)
        relay.open.set()
        bound_s = DESIGN[f"{service}-election"].bounds(EQUAL).failover_s
        assert bound_s is not None
        assert place.ttl_s <= gone_s - confirmed_s
        assert gone_s - cut_s < bound_s
        await far.close()


async def test_one_leader_runs_each_fire_once_and_hands_over_when_told_to_stop(
    service: Service, url: str, namespace: str
) -> None:
    job = Job(name="a", schedule=Every(300), start_ms=int(time.time() * 1000) + 500)
    async with taking_part(service, url, namespace, job) as instances:
        events = instances[0].events
        await until(lambda: len(of(events, Ran)) >= 5)
        old = leader(instances)
        old.stopping.set()
        await until(lambda: len(of(events, Granted)) == 2)
        assert of(events, Granted)[1].t - of(events, Released)[0].t < 0.5
        before = len(of(events, Ran))
        await until(lambda: len(of(events, Ran)) >= before + 5)
    runs = of(events, Ran)
    due = [run.due_ms for run in runs] + [skip.due_ms for skip in of(events, Skipped)]
    assert sorted(due) == list(range(min(due), max(due) + 300, 300))
    assert {run.ended for run in runs} == {"succeeded"}
    fences = [run.fence for run in runs]
    assert fences == sorted(fences, key=lambda fence: fence or 0)
    assert len({run.fence for run in runs}) == 2
    assert "error" not in {note.outcome for note in of(events, Coordinated)}


async def test_a_leader_cut_off_steps_down_first_and_then_another_leads(
    service: Service, url: str, namespace: str
) -> None:
    """No packet is lost for good and no connection reset: the link just says nothing."""
    job = Job(
        name="a", schedule=Every(500), misfire="run-all", start_ms=int(time.time() * 1000) + 500
    )
    async with taking_part(service, url, namespace, job) as instances:
        events = instances[0].events
        await until(lambda: len(of(events, Ran)) >= 3)
        old = leader(instances)
        old.relay.open.clear()
        cut_s = time.time()
        await until(lambda: len(of(events, Granted)) == 2)
        lost, second = of(events, Lost)[0], of(events, Granted)[1]
        await until(lambda: [run for run in of(events, Ran) if run.instance == second.instance])
        first_run = next(run for run in of(events, Ran) if run.instance == second.instance)
        old.relay.open.set()
        await until(
            lambda: (
                len({note.instance for note in of(events, Coordinated) if note.t > first_run.t})
                == 3
            )
        )
    assert lost.instance == old.name
    assert cut_s < lost.t < second.t
    assert not [run for run in of(events, Ran) if run.instance == old.name and run.t > lost.t]
    bound_s = DESIGN[f"{service}-election"].bounds(EQUAL).failover_s
    assert bound_s is not None
    assert first_run.t - cut_s < bound_s
    due = [run.due_ms for run in of(events, Ran)]
    assert len(due) == len(set(due))


async def test_an_instance_waits_for_a_service_that_cannot_be_reached_at_first(
    service: Service, url: str, namespace: str
) -> None:
    job = Job(name="a", schedule=Every(300))
    made = DESIGN[f"{service}-election"]
    events: list[Event] = []
    await made.make({service: url}, namespace, EQUAL, random.Random(1)).prepare([job])
    async with Relay(url) as relay:
        relay.open.clear()
        instance = Instance("i1", relay, events)
        strategy = made.make({service: relay.url}, namespace, EQUAL, random.Random(2))
        task = asyncio.create_task(strategy.participate(instance, [job]))
        await until(lambda: [note for note in of(events, Coordinated) if note.outcome == "error"])
        relay.open.set()
        await until(lambda: of(events, Ran))
        instance.stopping.set()
        await task
    await made.make({service: url}, namespace, EQUAL, random.Random(3)).clean_up()


async def test_a_request_to_etcd_that_arrives_late_does_not_turn_the_log_back(
    etcd_url: str, namespace: str
) -> None:
    """Its answer was given up long ago; the fire after it has begun meanwhile."""
    one = backend("etcd", etcd_url, namespace, EQUAL)
    await one.prepare(["a"])
    place = await one.enter("i1")
    assert await one.begin([Fire("a", 1000)], place)
    assert await one.begin([Fire("a", 2000)], place)
    await one.begin([Fire("a", 1000)], place)
    assert await one.last(["a"]) == {"a": 2000}
    await one.clean_up()
    await one.close()


async def test_a_session_that_the_server_shortens_is_trusted_only_that_long(
    zookeeper_url: str, namespace: str
) -> None:
    """Our server grants at most a minute; kazoo tells nobody what it was granted."""
    wanted = backend("zookeeper", zookeeper_url, namespace, Timing(lease_s=600.0))
    await wanted.prepare(["a"])
    place = await wanted.enter("i1")
    assert place.ttl_s == pytest.approx(60.0, abs=0.01)
    await wanted.leave(place)
    await wanted.clean_up()


async def test_cleaning_up_leaves_nothing_and_may_be_repeated(
    service: Service, url: str, namespace: str
) -> None:
    one = backend(service, url, namespace, EQUAL)
    await one.prepare(["a", "b"])
    await one.clean_up()
    await one.clean_up()
    await one.prepare([])
    place = await one.enter("i1")
    assert await one.last(["a", "b"]) == {}
    await one.leave(place)
    await one.clean_up()
    await one.close()


async def test_an_etcd_token_that_is_known_no_more_is_replaced(etcd_url: str) -> None:
    gateway = Gateway(etcd_url, 2.0)
    await gateway.call("kv/range", {"key": "YQ=="})
    gateway._token = "stale.1"
    assert "header" in await gateway.call("kv/range", {"key": "YQ=="})
    await gateway.close()


async def test_a_wrong_password_is_an_error_that_does_not_say_it(
    service: Service, url: str, namespace: str
) -> None:
    parts = urlsplit(url)
    wrong = parts._replace(netloc=f"{parts.username}:wrong-password@{parts.hostname}:{parts.port}")
    right = backend(service, url, namespace, EQUAL)
    await right.prepare(["a"])
    intruder = backend(service, wrong.geturl(), namespace, EQUAL)
    with pytest.raises(ServiceLost) as caught:
        await intruder.enter("intruder")
    assert "wrong-password" not in str(caught.value)
    await intruder.close()
    await right.clean_up()
    await right.close()
