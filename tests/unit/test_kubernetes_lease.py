"""The election on a Kubernetes Lease: client-go's rules under virtual time."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import TypeVar

import pytest

from bench.events import RunStarted
from bench.simulation import EPOCH_S, SimulatedFleet, VirtualLoop, simulate
from strategies.election.lease import LeaseElection, LeaseTiming
from strategies.election.lease_designs import DESIGNS
from strategies.election.lease_store import MemoryLeaseStore
from strategies.errors import ServiceLost, StrategyError
from strategies.memory import MemoryLink, MemoryServer
from strategies.model import Every, Fire, Job, Timing
from strategies.notes import Coordinated, Event, Granted, Lost, Released

[DESIGN] = DESIGNS
TIMING = LeaseTiming(duration_s=2.0, deadline_s=4 / 3, retry_s=0.4)
START_MS = round(EPOCH_S * 1000) + 3000
JOBS = [Job(name=f"j{n}", schedule=Every(1000, n * 100), start_ms=START_MS) for n in range(10)]
T = TypeVar("T")


class Candidate:
    """One candidate's election on a link of its own."""

    def __init__(self, server: MemoryServer, seed: int) -> None:
        self.link = MemoryLink(server)
        store = MemoryLeaseStore(self.link, "n")
        self.election = LeaseElection(store, TIMING, random.Random(seed))


def virtually(test: Callable[[Candidate, Candidate], Awaitable[T]]) -> T:
    """Run a test with two candidates for one Lease, in virtual time."""

    async def run() -> T:
        loop = asyncio.get_running_loop()
        server = MemoryServer(loop.time, random.Random(0), (0.001, 0.001))
        one, other = Candidate(server, 1), Candidate(server, 2)
        await one.election.prepare(["j"])
        return await test(one, other)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(run())


def test_a_free_lease_is_taken_at_once_and_by_one() -> None:
    async def both(one: Candidate, other: Candidate) -> None:
        first, second = await one.election.enter("a"), await other.election.enter("b")
        results = await asyncio.gather(one.election.ahead(first), other.election.ahead(second))
        assert sorted(result is None for result in results) == [False, True]

    virtually(both)


def test_the_fence_grows_with_every_holder() -> None:
    async def in_turn(one: Candidate, other: Candidate) -> None:
        first = await one.election.enter("a")
        assert await one.election.ahead(first) is None
        await one.election.leave(first)
        second = await other.election.enter("b")
        assert await other.election.ahead(second) is None
        assert second.fence == first.fence + 1
        assert second.key != first.key

    virtually(in_turn)


def test_a_lease_expires_when_its_record_has_not_changed_on_the_candidates_own_clock() -> None:
    async def wait(one: Candidate, other: Candidate) -> float:
        first = await one.election.enter("a")
        await one.election.ahead(first)
        began_s = asyncio.get_running_loop().time()
        second = await other.election.enter("b")
        while await other.election.ahead(second) is not None:
            await asyncio.sleep(0.05)
        return asyncio.get_running_loop().time() - began_s

    assert virtually(wait) == pytest.approx(TIMING.duration_s, abs=0.1)


def test_renewals_keep_it() -> None:
    async def renew(one: Candidate, other: Candidate) -> None:
        first, second = await one.election.enter("a"), await other.election.enter("b")
        assert await one.election.ahead(first) is None
        for _ in range(10):
            await asyncio.sleep(1)
            assert await one.election.confirm(first)
            assert await other.election.ahead(second) is not None

    virtually(renew)


def test_a_candidate_whose_term_somebody_else_got_has_lost_his_place() -> None:
    async def outrun(one: Candidate, other: Candidate) -> None:
        first, second = await one.election.enter("a"), await other.election.enter("b")
        assert await one.election.ahead(first) is None
        assert await other.election.confirm(second)
        assert await other.election.ahead(second) == first.key
        assert not await other.election.confirm(second)

    virtually(outrun)


def test_a_deposed_leader_can_neither_renew_nor_begin_a_fire() -> None:
    async def deposed(one: Candidate, other: Candidate) -> None:
        first = await one.election.enter("a")
        await one.election.ahead(first)
        assert await one.election.begin([Fire("j", 1000)], first)
        await other.election.enter("b")
        await asyncio.sleep(TIMING.duration_s + 0.1)
        successor = await other.election.enter("b")
        assert await other.election.ahead(successor) is None
        assert not await one.election.begin([Fire("j", 2000)], first)
        assert not await one.election.confirm(first)
        assert await other.election.last(["j"]) == {"j": 1000}

    virtually(deposed)


def test_a_fire_whose_answer_was_lost_can_be_begun_again() -> None:
    async def lose_answer(one: Candidate, other: Candidate) -> None:
        place = await one.election.enter("a")
        await one.election.ahead(place)
        call = asyncio.ensure_future(one.election.begin([Fire("j", 1000)], place))
        await asyncio.sleep(0.0007)  # half of the way is 0.5 ms: it happened, the answer is lost
        one.link.cut = True
        with pytest.raises(ServiceLost):
            await call
        one.link.cut = False
        assert await one.election.begin([Fire("j", 1000)], place)

    virtually(lose_answer)


def test_a_released_lease_needs_no_waiting() -> None:
    async def release(one: Candidate, other: Candidate) -> None:
        first = await one.election.enter("a")
        await one.election.ahead(first)
        await one.election.leave(first)
        assert await other.election.ahead(await other.election.enter("b")) is None

    virtually(release)


def test_a_candidate_that_leaves_takes_nothing_with_it() -> None:
    async def leave(one: Candidate, other: Candidate) -> None:
        first, second = await one.election.enter("a"), await other.election.enter("b")
        await one.election.ahead(first)
        await other.election.ahead(second)
        await other.election.leave(second)
        assert await one.election.confirm(first)

    virtually(leave)


def test_looks_are_a_retry_period_apart_and_up_to_2_2_of_them() -> None:
    async def look(one: Candidate, other: Candidate) -> list[float]:
        waits, clock = [], asyncio.get_running_loop().time
        for _ in range(200):
            began_s = clock()
            await one.election.gone("x")
            waits.append(clock() - began_s)
        return waits

    waits = virtually(look)
    assert min(waits) >= TIMING.retry_s
    assert TIMING.longest_retry_s * 0.95 < max(waits) <= TIMING.longest_retry_s + 1e-6


def test_more_jobs_than_the_log_can_hold_are_refused() -> None:
    async def prepare(one: Candidate, other: Candidate) -> None:
        await one.election.prepare([f"{n:0100}" for n in range(2000)])

    with pytest.raises(StrategyError, match="2000 jobs: their fire log takes"):
        virtually(prepare)


def test_profiles_are_client_gos() -> None:
    assert LeaseTiming.of(Timing("vendor")) == LeaseTiming(15.0, 10.0, 2.0)
    assert LeaseTiming.of(Timing("guide")) == LeaseTiming(15.0, 10.0, 2.0)
    assert DESIGN.bounds(Timing()).failover_s == pytest.approx(2 + 2 * 0.88 + 0.1)


def starts(history: list[Event]) -> Counter[tuple[str, int]]:
    return Counter((one.job, one.due_ms) for one in history if isinstance(one, RunStarted))


def test_in_health_every_fire_runs_once_on_one_leader() -> None:
    history = simulate(DESIGN, JOBS, seconds=12.95)
    runs = starts(history)
    assert set(runs.values()) == {1}
    assert len(runs) == 100
    assert len({one.instance for one in history if isinstance(one, RunStarted)}) == 1


@pytest.mark.parametrize(
    ("timing", "period_s"), [(Timing(), 0.4), (Timing("vendor"), 2.0), (Timing("guide"), 2.0)]
)
def test_the_holder_renews_once_a_retry_period(timing: Timing, period_s: float) -> None:
    """As client-go does: without jitter, which only the candidates' looks have."""
    history = simulate(DESIGN, JOBS[:1], seconds=20, timing=timing)
    [granted] = [one for one in history if isinstance(one, Granted)]
    times = [
        one.t - one.seconds
        for one in history
        if isinstance(one, Coordinated)
        and one.action == "renew"
        and one.instance == granted.instance
        and one.t > granted.t
    ]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert gaps == pytest.approx([period_s] * len(gaps), abs=0.001)
    assert len(gaps) > 15 / period_s - 2


@pytest.mark.parametrize("seed", range(5))
def test_after_the_leaders_death_another_leads_within_the_bound_and_nothing_runs_twice(
    seed: int,
) -> None:
    struck: dict[str, float | str] = {}

    async def kill_leader(fleet: SimulatedFleet) -> None:
        await asyncio.sleep(6.23 + seed * 0.11)
        leader = next(one.instance for one in fleet.history if isinstance(one, Granted))
        fleet.kill(leader)
        struck.update(t=EPOCH_S + asyncio.get_running_loop().time(), leader=leader)

    history = simulate(DESIGN, JOBS, seconds=14, seed=seed, script=kill_leader)
    assert set(starts(history).values()) == {1}
    granted = [one for one in history if isinstance(one, Granted)]
    assert len(granted) == 2
    bound_s = DESIGN.bounds(Timing()).failover_s
    assert bound_s is not None
    assert granted[1].t - float(struck["t"]) < bound_s
    assert (granted[1].fence or 0) > (granted[0].fence or 0)


def test_a_leader_that_is_told_to_stop_releases_the_lease_and_nobody_waits_for_it() -> None:
    async def stop_leader(fleet: SimulatedFleet) -> None:
        await asyncio.sleep(6)
        fleet.stop(next(one.instance for one in fleet.history if isinstance(one, Granted)))

    history = simulate(DESIGN, JOBS, seconds=14, script=stop_leader)
    released = next(one for one in history if isinstance(one, Released))
    second = [one for one in history if isinstance(one, Granted)][1]
    assert 0 < second.t - released.t <= TIMING.longest_retry_s + 0.05
    assert set(starts(history).values()) == {1}


def test_a_leader_that_is_cut_off_steps_down_before_the_next_may_lead() -> None:
    async def cut(fleet: SimulatedFleet) -> None:
        await asyncio.sleep(6)
        leader = next(one.instance for one in fleet.history if isinstance(one, Granted))
        for link in fleet.members[leader].links.values():
            link.cut = True

    history = simulate(DESIGN, JOBS, seconds=14, script=cut)
    lost = next(one for one in history if isinstance(one, Lost))
    second = [one for one in history if isinstance(one, Granted)][1]
    assert second.t - lost.t > TIMING.duration_s - TIMING.deadline_s - 0.5
    assert set(starts(history).values()) == {1}
