"""The leader election on a real Kubernetes Lease."""

import asyncio
import random
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from bench.instance import HostClock
from bench.recorder import epoch_offset
from bench.services.kubernetes import access
from bench.services.kubernetes.control_plane import ControlPlane
from strategies.election.lease import LeaseElection, LeaseTiming
from strategies.election.lease_designs import DESIGNS
from strategies.election.lease_store import KubernetesLeaseStore
from strategies.errors import ServiceLost
from strategies.interface import Strategy
from strategies.kubernetes.api import KubernetesApi
from strategies.kubernetes.errors import NotFound
from strategies.kubernetes.objects import Lease
from strategies.model import Every, Fire, Job, Timing
from strategies.notes import Event, Granted

pytestmark = pytest.mark.servers

PERIODS = LeaseTiming(duration_s=1.0, deadline_s=0.7, retry_s=0.1)
SHORT = Timing(lease_s=1.0)
LEASES = "/apis/coordination.k8s.io/v1/namespaces/{}/leases"
[DESIGN] = DESIGNS


@pytest_asyncio.fixture
async def candidates(control_plane: ControlPlane) -> AsyncIterator[list[LeaseElection]]:
    """Three candidates for one Lease, each with connections of its own."""
    namespace = f"cb_{secrets.token_hex(4)}"
    made = [
        LeaseElection(
            KubernetesLeaseStore(control_plane.url, namespace, PERIODS), PERIODS, random.Random(n)
        )
        for n in range(3)
    ]
    planner_url = control_plane.url_for(access.ELECTION_PLANNER)
    planner = KubernetesLeaseStore(planner_url, namespace, PERIODS)
    await planner.prepare()
    yield made
    await planner.clean_up()
    for one in (*made, planner):
        await one.close()


async def test_one_of_three_wins_at_once(candidates: list[LeaseElection]) -> None:
    places = [await one.enter(f"c{n}") for n, one in enumerate(candidates)]
    tries = zip(candidates, places, strict=True)
    answers = await asyncio.gather(*(one.ahead(place) for one, place in tries))
    assert answers.count(None) == 1


async def test_the_next_term_begins_when_the_lease_was_quiet_for_its_duration(
    candidates: list[LeaseElection],
) -> None:
    first, second, _ = candidates
    old = await first.enter("old")
    assert await first.ahead(old) is None
    began_s = time.monotonic()
    new = await second.enter("new")
    while await second.ahead(new) is not None:
        await second.gone("old")
    assert PERIODS.duration_s <= time.monotonic() - began_s <= PERIODS.failover_s + 0.5
    assert new.fence == old.fence + 1
    assert not await first.confirm(old)


async def test_only_the_holder_can_begin_a_fire_and_its_successor_sees_it(
    candidates: list[LeaseElection],
) -> None:
    first, second, third = candidates
    old = await first.enter("old")
    assert await first.ahead(old) is None
    assert await first.begin([Fire("j", 1000)], old)
    await first.leave(old)
    new = await second.enter("new")
    assert await second.ahead(new) is None
    assert not await first.begin([Fire("j", 2000)], old)
    assert await third.last(["j"]) == {"j": 1000}


async def test_everybody_can_read_who_leads(
    candidates: list[LeaseElection], control_plane: ControlPlane
) -> None:
    """The Lease says what any other client of Kubernetes expects to find in one."""
    place = await candidates[0].enter("me")
    await candidates[0].ahead(place)
    async with KubernetesApi(control_plane.url_for(access.ADMIN), timeout_s=5) as api:
        path = "/apis/coordination.k8s.io/v1/leases"
        listed = await api.get(path, dict[str, object])
        assert place.key in str(listed)


def planner_of(plane: ControlPlane, namespace: str, timing: Timing) -> Strategy:
    endpoints = {"kubernetes": plane.url_for(access.ELECTION_PLANNER)}
    return DESIGN.make(endpoints, namespace, timing, random.Random(0))


async def is_there(api: KubernetesApi, path: str) -> bool:
    try:
        await api.get(path, dict[str, object])
    except NotFound:
        return False
    return True


async def test_cleaning_up_removes_the_lease_at_once_and_the_namespace_soon(
    control_plane: ControlPlane,
) -> None:
    strategy = planner_of(control_plane, "cb_gone", Timing())
    await strategy.prepare([])
    await strategy.clean_up()
    await strategy.clean_up()  # again, as after an interrupted bench
    async with KubernetesApi(control_plane.url_for(access.ADMIN), timeout_s=5) as api:
        with pytest.raises(NotFound):
            await api.get(f"{LEASES.format('cb-gone')}/leader", Lease)
        async with asyncio.timeout(30):
            while await is_there(api, "/api/v1/namespaces/cb-gone"):
                await asyncio.sleep(0.1)


async def test_a_server_that_is_away_is_a_lost_service(control_plane: ControlPlane) -> None:
    nowhere = control_plane.url.replace(
        control_plane.url.split("@")[1].split("/")[0], "127.0.0.1:1"
    )
    store = KubernetesLeaseStore(nowhere, "n", PERIODS)
    try:
        with pytest.raises(ServiceLost):
            await store.read()
    finally:
        await store.close()


class Member:
    """One instance in this process; what happens to it is in `events`."""

    def __init__(self, name: str, events: list[Event], runs: Counter[tuple[str, int]]) -> None:
        self.name = name
        self.clock = HostClock(epoch_offset(), 0.0)
        self.stopping = asyncio.Event()
        self._events, self._runs = events, runs

    def note(self, event: Event) -> None:
        event.t, event.instance = self.clock.now(), self.name
        self._events.append(event)

    async def run(self, fire: Fire, fence: int | None) -> None:
        self._runs[(fire.job, fire.due_ms)] += 1
        await asyncio.sleep(0.05)


async def test_a_leader_that_vanishes_is_followed_within_the_bound_and_no_fire_runs_twice(
    control_plane: ControlPlane,
) -> None:
    events: list[Event] = []
    runs: Counter[tuple[str, int]] = Counter()
    namespace = f"cb_{secrets.token_hex(4)}"
    endpoints = {"kubernetes": control_plane.url}
    members = [Member(f"m{n}", events, runs) for n in range(3)]
    strategies = [
        DESIGN.make(endpoints, namespace, SHORT, random.Random(member.name)) for member in members
    ]
    start_ms = int(members[0].clock.now() * 1000)
    jobs = [Job(name=f"j{n}", schedule=Every(500, n * 50), start_ms=start_ms) for n in range(5)]
    planner = planner_of(control_plane, namespace, SHORT)
    await planner.prepare(jobs)
    taking_part = {
        member.name: asyncio.create_task(strategy.participate(member, jobs))
        for member, strategy in zip(members, strategies, strict=True)
    }

    async def leaders(count: int) -> list[Granted]:
        async with asyncio.timeout(15):
            while len(found := [one for one in events if isinstance(one, Granted)]) < count:
                await asyncio.sleep(0.01)
        return found

    first = (await leaders(1))[0]
    while not runs:
        await asyncio.sleep(0.01)
    vanishing = next(n for n, member in enumerate(members) if member.name == first.instance)

    async def leave_nothing(place: object) -> None:
        """A killed process releases nothing."""

    strategies[vanishing]._backend.leave = leave_nothing  # type: ignore[attr-defined]
    taking_part[first.instance].cancel()
    struck_s = members[0].clock.now()
    second = (await leaders(2))[1]
    bound_s = DESIGN.bounds(SHORT).failover_s
    assert bound_s is not None
    assert second.t - struck_s < bound_s + 0.5  # a busy machine's share
    assert (second.fence or 0) > (first.fence or 0)
    before = sum(runs.values())
    async with asyncio.timeout(10):
        while sum(runs.values()) < before + 5:
            await asyncio.sleep(0.05)
    for member in members:
        member.stopping.set()
    await asyncio.gather(*taking_part.values(), return_exceptions=True)
    await planner.clean_up()
    assert set(runs.values()) == {1}
