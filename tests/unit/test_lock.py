"""The lock race under virtual time: who runs what, in health and when things go wrong."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

import pytest

from bench.events import RunEnded, RunStarted
from bench.simulation import EPOCH_S, SimulatedFleet, simulate
from strategies.errors import ServiceLost
from strategies.interface import Design, Endpoints
from strategies.lock.algorithm import LockStrategy
from strategies.lock.designs import DESIGNS, WAIT
from strategies.lock.lost import Circuit
from strategies.lock.memory import MemoryLocks, MemoryService
from strategies.lock.port import Kept, LockStore
from strategies.lock.timing import LockTiming
from strategies.model import Every, Fire, Job, Timing
from strategies.notes import Coordinated, Event, ForeignRelease, Granted, Lost, Skipped

BY_NAME = {design.name: design for design in DESIGNS}
REMEMBERING = [BY_NAME["redis-lock"], BY_NAME["postgres-lock"]]
LEASE_S = Timing().lease_s

every_design = pytest.mark.parametrize("design", DESIGNS, ids=lambda design: design.name)
remembering = pytest.mark.parametrize("design", REMEMBERING, ids=lambda design: design.name)


def jobs(count: int = 3, seconds: int = 8, **policies: object) -> list[Job]:
    """Jobs with a period of 1 s whose schedule ends well before the simulation does."""
    end_ms = int(EPOCH_S * 1000) + seconds * 1000
    return [
        Job(name=f"job-{n}", schedule=Every(1000, 100 * n), end_ms=end_ms, **policies)  # type: ignore[arg-type]
        for n in range(count)
    ]


def due_times(job: Job, seconds: int = 8) -> list[int]:
    assert isinstance(job.schedule, Every)
    first = int(EPOCH_S * 1000) + job.schedule.phase_ms
    return [due for k in range(seconds) if (due := first + 1000 * k) > EPOCH_S * 1000]


def runs(history: list[Event], job: str = "") -> list[RunStarted]:
    return [e for e in history if isinstance(e, RunStarted) and job in ("", e.job)]


def runs_per_fire(history: list[Event]) -> Counter[Fire]:
    return Counter(Fire(run.job, run.due_ms) for run in runs(history))


def skipped(history: list[Event]) -> set[Fire]:
    return {Fire(e.job, e.due_ms) for e in history if isinstance(e, Skipped)}


def most_at_once(history: list[Event], job: str) -> int:
    """The most runs of `job` at one time; a run without an end counts to the end."""
    open_runs: set[str] = set()
    most = 0
    mine = {run.run for run in runs(history, job)}
    for event in history:
        if isinstance(event, RunStarted) and event.run in mine:
            open_runs.add(event.run)
        elif isinstance(event, RunEnded):
            open_runs.discard(event.run)
        most = max(most, len(open_runs))
    return most


async def until_holder(fleet: SimulatedFleet, job: str) -> str:
    """Wait until some instance is in the middle of a run of `job`."""
    while (holder := fleet.holder(job)) is None:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    return holder


async def lose_the_service(fleet: SimulatedFleet) -> None:
    """Nobody reaches the service from 2 s to 9 s."""
    await asyncio.sleep(2)
    for cut in (True, False):
        for member in fleet.members.values():
            for link in member.links.values():
                link.cut = cut
        await asyncio.sleep(7)


@pytest.mark.parametrize(
    ("name", "by"),
    [
        ("redis-lock", set()),
        ("redis-lock-anyway", {"i1", "i2", "i3"}),
        ("redis-lock-designated", {"i1"}),
    ],
)
def test_while_the_service_is_lost_each_fire_is_run_by_whom_the_manner_says(
    name: str, by: set[str]
) -> None:
    history = simulate(BY_NAME[name], jobs(1), seconds=16, script=lose_the_service)
    alone = [run for run in runs(history) if run.fence is None]
    circuit_s = 2 + LEASE_S  # the loss, and a lease in which no call is answered
    assert {run.instance for run in alone} == by
    assert all(EPOCH_S + circuit_s <= run.t < EPOCH_S + 9.1 for run in alone)
    assert len(alone) >= 3 * len(by)


def test_an_instance_cut_off_for_a_moment_does_not_run_alone() -> None:
    async def cut_for_half_a_lease(fleet: SimulatedFleet) -> None:
        for link in fleet.members["i1"].links.values():
            link.cut = True
            await asyncio.sleep(0.5 * LEASE_S)
            link.cut = False

    design = BY_NAME["redis-lock-anyway"]
    history = simulate(design, jobs(1), seconds=12, script=cut_for_half_a_lease)
    assert all(run.fence is not None for run in runs(history))


@pytest.mark.parametrize(
    ("name", "chosen"),
    [("i1", True), ("i1-3fa2", True), ("app-1", True), ("i10-1f", False), ("i2-11", False)],
)
def test_the_designated_instance_has_the_ordinal_1(name: str, chosen: bool) -> None:
    circuit = Circuit("designated", name, 2.0)
    circuit.failed(10.0)
    assert not circuit.runs_alone(11.9)
    assert circuit.runs_alone(12.0) == chosen
    circuit.answered()
    assert not circuit.runs_alone(13.0)


@every_design
@pytest.mark.parametrize("seed", range(5))
def test_in_health_every_fire_runs_once(design: Design, seed: int) -> None:
    history = simulate(design, jobs(), seconds=12, seed=seed)
    expected = Counter(Fire(job.name, due) for job in jobs() for due in due_times(job))
    assert runs_per_fire(history) == expected


@every_design
def test_the_same_seed_gives_the_same_history(design: Design) -> None:
    first, second = (simulate(design, jobs(), seconds=12, seed=7) for _ in range(2))
    assert first == second


@remembering
def test_fences_grow_with_every_grant_of_a_job(design: Design) -> None:
    history = simulate(design, jobs(1), seconds=12)
    fences = [run.fence for run in runs(history)]
    assert fences == list(range(1, len(fences) + 1))


@remembering
@pytest.mark.parametrize("seed", range(5))
def test_a_dead_owners_fire_is_run_again_within_the_bound(design: Design, seed: int) -> None:
    killed: dict[str, float] = {}

    async def kill_the_holder(fleet: SimulatedFleet) -> None:
        await asyncio.sleep(2)
        holder = await until_holder(fleet, "job-0")
        killed[holder] = asyncio.get_running_loop().time() + EPOCH_S
        fleet.kill(holder)

    history = simulate(design, jobs(1), seconds=14, seed=seed, script=kill_the_holder)
    ((dead, at_s),) = killed.items()
    interrupted = [run for run in runs(history) if run.instance == dead][-1]
    again = [run for run in runs(history) if run.t > at_s]
    assert again[0].due_ms == interrupted.due_ms
    recovery_s = design.bounds(Timing()).recovery_s
    assert recovery_s is not None
    assert again[0].t - at_s <= recovery_s
    assert most_at_once(history, "job-0") <= 2  # the dead run has no end
    # Whatever came due meanwhile has run, or was passed over by the misfire policy.
    fires = {Fire("job-0", due) for due in due_times(jobs(1)[0])}
    assert set(runs_per_fire(history)) | skipped(history) == fires
    assert not set(runs_per_fire(history)) & skipped(history)


@remembering
def test_misfire_policy_run_all_runs_every_overdue_fire_late(design: Design) -> None:
    work = {int(EPOCH_S * 1000) + 2000: 3.3}
    history = simulate(
        design,
        jobs(1, misfire="run-all"),
        seconds=14,
        work=lambda fire: work.get(fire.due_ms, 0.1),
    )
    assert [run.due_ms for run in runs(history)] == due_times(jobs(1)[0])
    assert not skipped(history)


@remembering
def test_a_run_longer_than_lease_and_period_is_alone_and_keeps_its_lock(design: Design) -> None:
    history = simulate(design, jobs(1), seconds=30, work=lambda fire: 2.5 * LEASE_S)
    assert most_at_once(history, "job-0") == 1
    assert not [event for event in history if isinstance(event, Lost)]
    assert max(runs_per_fire(history).values()) == 1
    fires = {Fire("job-0", due) for due in due_times(jobs(1)[0])}
    assert set(runs_per_fire(history)) | skipped(history) == fires
    assert not set(runs_per_fire(history)) & skipped(history)


@every_design
def test_a_failed_run_is_not_tried_again(design: Design) -> None:
    history = simulate(design, jobs(1), seconds=12, work=lambda fire: -0.3)
    assert set(runs_per_fire(history).values()) == {1}
    assert len(runs(history)) == len(due_times(jobs(1)[0]))


@remembering
@pytest.mark.parametrize("late_s", [0.5, 3.0])
def test_a_late_clock_does_not_run_a_fire_again(design: Design, late_s: float) -> None:
    async def make_late(fleet: SimulatedFleet) -> None:
        fleet.members["i2"].clock.skew_s = -late_s

    history = simulate(design, jobs(), seconds=16, script=make_late)
    assert set(runs_per_fire(history).values()) == {1}


def test_without_a_memory_a_late_clock_runs_the_fire_again() -> None:
    async def make_late(fleet: SimulatedFleet) -> None:
        fleet.members["i2"].clock.skew_s = -0.6

    history = simulate(
        BY_NAME["redis-lock-bare"], jobs(1), seconds=14, work=lambda fire: 0.1, script=make_late
    )
    assert max(runs_per_fire(history).values()) == 2


@pytest.mark.parametrize(("late_s", "most"), [(0.45, 1), (0.6, 2)])
def test_a_hold_protects_from_clocks_that_are_late_by_less(late_s: float, most: int) -> None:
    async def make_late(fleet: SimulatedFleet) -> None:
        await asyncio.sleep(1.8)  # from now on; always the late one, it would run every fire alone
        fleet.members["i2"].clock.skew_s = -late_s

    history = simulate(
        BY_NAME["redis-lock-hold"], jobs(1), seconds=14, work=lambda fire: 0.1, script=make_late
    )
    assert max(runs_per_fire(history).values()) == most


@remembering
def test_an_owner_that_is_cut_off_cancels_its_run_before_the_lease_ends(design: Design) -> None:
    cut: list[tuple[str, float]] = []

    async def cut_the_holder(fleet: SimulatedFleet) -> None:
        await asyncio.sleep(1.5)
        holder = await until_holder(fleet, "job-0")
        cut.append((holder, asyncio.get_running_loop().time() + EPOCH_S))
        for link in fleet.members[holder].links.values():
            link.cut = True
        await asyncio.sleep(5)
        for link in fleet.members[holder].links.values():
            link.cut = False

    history = simulate(
        design, jobs(1), seconds=40, work=lambda fire: 1.7 * LEASE_S, script=cut_the_holder
    )
    holder, at_s = cut[0]
    cancelled = [e for e in history if isinstance(e, RunEnded) and e.status == "cancelled"]
    assert [event.instance for event in cancelled] == [holder]
    assert cancelled[0].t - at_s < LEASE_S
    assert most_at_once(history, "job-0") == 1
    assert [e.reason for e in history if isinstance(e, Lost)] == ["not renewed in time"]
    elsewhere = [run for run in runs(history) if run.t > cancelled[0].t]
    assert elsewhere[0].instance != holder  # and it is the interrupted fire that runs next
    assert elsewhere[0].due_ms == runs(history)[0].due_ms


@remembering
def test_a_short_cut_is_survived_by_renewing_later(design: Design) -> None:
    async def cut_for_a_moment(fleet: SimulatedFleet) -> None:
        holder = await until_holder(fleet, "job-0")
        for link in fleet.members[holder].links.values():
            link.cut = True
        await asyncio.sleep(LEASE_S / 2)
        for link in fleet.members[holder].links.values():
            link.cut = False

    history = simulate(
        design, jobs(1), seconds=30, work=lambda fire: LEASE_S, script=cut_for_a_moment
    )
    assert not [event for event in history if isinstance(event, Lost)]
    assert set(runs_per_fire(history).values()) == {1}


@remembering
@pytest.mark.parametrize("seed", range(5))
def test_stopping_one_by_one_loses_and_doubles_nothing(design: Design, seed: int) -> None:
    async def stop_two(fleet: SimulatedFleet) -> None:
        await asyncio.sleep(2.05)
        fleet.stop("i1")
        await asyncio.sleep(2.2)
        fleet.stop("i2")

    history = simulate(design, jobs(), seconds=12, seed=seed, script=stop_two)
    expected = Counter(Fire(job.name, due) for job in jobs() for due in due_times(job))
    assert runs_per_fire(history) == expected
    assert {e.status for e in history if isinstance(e, RunEnded)} == {"succeeded"}


@remembering
def test_an_unreachable_service_is_asked_again_until_it_answers(design: Design) -> None:
    async def start_cut_off(fleet: SimulatedFleet) -> None:
        links = [link for member in fleet.members.values() for link in member.links.values()]
        for link in links:
            link.cut = True
        await asyncio.sleep(4)
        for link in links:
            link.cut = False

    history = simulate(design, jobs(1), seconds=14, script=start_cut_off)
    assert set(runs_per_fire(history).values()) == {1}
    fires = {Fire("job-0", due) for due in due_times(jobs(1)[0])}
    assert set(runs_per_fire(history)) | skipped(history) == fires
    assert "error" in {e.outcome for e in history if isinstance(e, Coordinated)}


@remembering
def test_an_owner_whose_run_ended_unrecorded_does_not_repeat_it_itself(design: Design) -> None:
    async def cut_off_for_long(fleet: SimulatedFleet) -> None:
        holder = await until_holder(fleet, "job-0")
        for link in fleet.members[holder].links.values():
            link.cut = True
        await asyncio.sleep(3 * LEASE_S)
        for link in fleet.members[holder].links.values():
            link.cut = False

    history = simulate(design, jobs(1), instances=1, seconds=20, script=cut_off_for_long)
    assert set(runs_per_fire(history).values()) == {1}


class UntoldReleases(MemoryLocks):
    """Locks whose releases find no answer for a while, though everything else does.

    Each is given up after the time of a call, as on a busy server; `arrive` says whether it is
    nevertheless done.
    """

    def __init__(self, service: MemoryService, call_s: float, until_s: float, arrive: bool) -> None:
        super().__init__(service._link, service._namespace)
        self._call_s = call_s
        self._until_s = until_s
        self._arrive = arrive

    async def release(self, job: str, token: str, settled_ms: int, hold_s: float) -> Kept:
        began_s = asyncio.get_running_loop().time()
        if self._arrive or began_s >= self._until_s:
            kept = await super().release(job, token, settled_ms, hold_s)
        if began_s < self._until_s:
            await asyncio.sleep(self._call_s)
            raise ServiceLost("no answer in time")
        return kept


def with_untold_releases(until_s: float, arrive: bool = False) -> Design:
    """redis-lock with `UntoldReleases`."""

    class Service(MemoryService):
        call_s = 0.0

        @asynccontextmanager
        async def connect(self) -> AsyncIterator[LockStore]:
            yield UntoldReleases(self, self.call_s, until_s, arrive)

    def serves(endpoints: Endpoints, namespace: str, call_s: float) -> Service:
        service = Service(endpoints["redis"], namespace)  # type: ignore[arg-type]  # a MemoryLink
        service.call_s = call_s
        return service

    return replace(BY_NAME["redis-lock"], make=partial(LockStrategy, serves, WAIT))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("arrive", [False, True], ids=["request lost", "answer lost"])
def test_a_fire_whose_release_is_lost_or_late_is_not_run_again(arrive: bool, seed: int) -> None:
    """For more than a lease, so that without renewals the lock would be anybody's."""
    history = simulate(with_untold_releases(2.2 * LEASE_S, arrive), jobs(1), seconds=14, seed=seed)
    assert [e.outcome for e in history if isinstance(e, Coordinated)].count("error") >= 3
    assert set(runs_per_fire(history).values()) == {1}
    fires = {Fire("job-0", due) for due in due_times(jobs(1)[0])}
    assert set(runs_per_fire(history)) | skipped(history) == fires
    assert not [event for event in history if isinstance(event, Lost)] or arrive


def test_a_lock_whose_release_is_never_answered_is_given_up_after_the_patience_of_a_waiter() -> (
    None
):
    history = simulate(with_untold_releases(1e9), jobs(1), seconds=14)
    first = runs(history)[0]
    lost = next(event for event in history if isinstance(event, Lost))
    ended_s = next(e.t for e in history if isinstance(e, RunEnded))
    assert (lost.instance, lost.reason) == (first.instance, "could not release")
    patience_s = LockTiming.of(Timing()).wait_s
    assert patience_s < lost.t - ended_s < patience_s + 1.5 * LEASE_S
    again = runs(history)[1]
    assert (again.instance != first.instance, again.due_ms) == (True, first.due_ms)
    assert again.t > lost.t - 0.3 * LEASE_S


def test_an_instance_told_to_stop_tries_to_release_for_no_longer_than_its_lease() -> None:
    stopped: list[float] = []

    async def stop_the_holder(fleet: SimulatedFleet) -> None:
        holder = await until_holder(fleet, "job-0")
        await asyncio.sleep(2 * LEASE_S)
        fleet.stop(holder)
        began_s = asyncio.get_running_loop().time()
        await asyncio.wait({fleet.tasks[holder]})
        stopped.append(asyncio.get_running_loop().time() - began_s)

    simulate(with_untold_releases(1e9), jobs(1), seconds=14, script=stop_the_holder)
    assert 0.5 * LEASE_S < stopped[0] < 1.4 * LEASE_S


@every_design
def test_every_grant_is_noted_with_the_call_that_won_it(design: Design) -> None:
    history = simulate(design, jobs(), seconds=12)
    won = [e for e in history if isinstance(e, Coordinated) and e.outcome == "won"]
    assert len(won) == len(runs(history)) == len([e for e in history if isinstance(e, Granted)])
    assert {(e.job, e.due_ms) for e in won} == {(r.job, r.due_ms) for r in runs(history)}
    assert not [event for event in history if isinstance(event, ForeignRelease)]


def test_losers_that_skip_ask_once_and_losers_that_wait_ask_again() -> None:
    asked = {
        name: {e.action for e in simulate(BY_NAME[name], jobs(1), seconds=12)
               if isinstance(e, Coordinated)}
        for name in ("redis-lock", "redis-lock-bare")
    }  # fmt: skip
    assert asked["redis-lock"] == {"acquire", "wait-poll", "release"}
    assert asked["redis-lock-bare"] == {"acquire", "release"}


def test_the_vendor_profile_lets_the_same_race_run_with_redissons_lease() -> None:
    bounds = BY_NAME["redis-lock"].bounds(Timing(profile="vendor"))
    assert bounds.failover_s == pytest.approx(30.2)


def test_a_design_without_memory_claims_no_skip_that_it_cannot_know_of() -> None:
    bare = BY_NAME["redis-lock-bare"]
    history = simulate(bare, jobs(1), seconds=20, work=lambda fire: 2.5)
    assert most_at_once(history, "job-0") == 1
    assert not skipped(history)
