"""The leader election under virtual time, on a simulated service. No server, no waiting."""

import asyncio
import random
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import pytest

from bench.events import RunEnded, RunStarted
from bench.simulation import EPOCH_S, Script, SimulatedFleet, SimulatedMember, VirtualLoop, simulate
from strategies.election.candidacy import Candidacy
from strategies.election.designs import DESIGNS
from strategies.election.memory import MemoryElection
from strategies.election.timing import ElectionTiming
from strategies.interface import Design
from strategies.memory import MemoryLink, MemoryServer
from strategies.model import Every, Fire, Job, Timing
from strategies.notes import Coordinated, Event, Granted, Lost, Released, Skipped

BY_NAME = {design.name: design for design in DESIGNS}
LOGGED, MEMORY = BY_NAME["zookeeper-election"], BY_NAME["zookeeper-election-memory"]
START_MS = int(EPOCH_S * 1000) + 2000  # after the first election
LEASE_S = 2.0
T = TypeVar("T", bound=Event)


def job(name: str = "a", period_ms: int = 1000, **policies: object) -> Job:
    policies.setdefault("start_ms", START_MS)
    return Job(name=name, schedule=Every(period_ms), **policies)  # type: ignore[arg-type]


def runs(history: Sequence[Event], name: str = "a") -> list[RunStarted]:
    return [event for event in history if isinstance(event, RunStarted) and event.job == name]


def due_times(history: Sequence[Event], name: str = "a") -> list[int]:
    return [event.due_ms - START_MS for event in runs(history, name)]


def notes(history: Sequence[Event], kind: type[T]) -> list[T]:
    return [event for event in history if isinstance(event, kind)]


def at(second: float, act: Callable[[SimulatedFleet], None]) -> Script:
    """Do `act` at a moment counted from the first due time."""

    async def script(fleet: SimulatedFleet) -> None:
        await asyncio.sleep(2 + second)
        act(fleet)

    return script


def leader(fleet: SimulatedFleet) -> str:
    return notes(fleet.history, Granted)[-1].instance


def cut(fleet: SimulatedFleet) -> None:
    for link in fleet.members[leader(fleet)].links.values():
        link.cut = True


def kill_leader(fleet: SimulatedFleet) -> None:
    fleet.kill(leader(fleet))


@pytest.mark.parametrize("design", DESIGNS, ids=lambda design: design.name)
def test_in_health_one_leader_runs_every_fire_once_and_on_time(design: Design) -> None:
    history = simulate(design, [job("a"), job("b", 700)], seconds=21.5)
    assert due_times(history, "a") == list(range(0, 20_000, 1000))
    assert len(set(due_times(history, "b"))) == len(due_times(history, "b")) > 25
    assert len(notes(history, Granted)) == 1
    assert {run.instance for run in runs(history)} == {notes(history, Granted)[0].instance}
    assert max(run.t * 1000 - run.due_ms for run in runs(history)) < 50
    assert not notes(history, Skipped) + notes(history, Lost)


@pytest.mark.parametrize("design", DESIGNS, ids=lambda design: design.name)
def test_the_same_seed_gives_the_same_history(design: Design) -> None:
    def again() -> list[Event]:
        return simulate(design, [job()], seconds=11.5, seed=7, script=at(3.2, kill_leader))

    assert again() == again()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("design", DESIGNS, ids=lambda design: design.name)
def test_a_killed_leader_is_replaced_within_the_bound(design: Design, seed: int) -> None:
    jobs = [job("a", 100)]
    history = simulate(
        design, jobs, seconds=14.5, seed=seed, work=lambda _: 0.05, script=at(3.03, kill_leader)
    )
    first, second = notes(history, Granted)
    after = [run for run in runs(history) if run.instance == second.instance]
    bound_s = design.bounds(Timing()).failover_s
    assert bound_s is not None
    assert after[0].t - (EPOCH_S + 2 + 3.03) < bound_s + 0.1  # and the wait for the next fire
    assert second.fence is not None
    assert first.fence is not None
    assert second.fence > first.fence


def test_a_fire_between_two_leaders_runs_late_and_once() -> None:
    """The log tells the new leader what was not begun; run-latest runs the last of it."""
    history = simulate(LOGGED, [job()], seconds=14.5, script=at(2.9, kill_leader))
    skipped = [note.due_ms - START_MS for note in notes(history, Skipped)]
    assert sorted(due_times(history) + skipped) == list(range(0, 13_000, 1000))
    assert skipped == [3000]
    assert runs(history)[3].t * 1000 - runs(history)[3].due_ms > 50


def test_run_all_runs_each_fire_between_two_leaders() -> None:
    jobs = [job(misfire="run-all")]
    history = simulate(LOGGED, jobs, seconds=14.5, script=at(2.9, kill_leader))
    assert due_times(history) == list(range(0, 13_000, 1000))
    assert not notes(history, Skipped)


def test_without_the_log_a_fire_between_two_leaders_is_lost() -> None:
    history = simulate(MEMORY, [job()], seconds=14.5, script=at(2.9, kill_leader))
    missing = set(range(0, 13_000, 1000)) - set(due_times(history))
    assert missing == {3000, 4000}
    assert not notes(history, Skipped)


def test_a_fire_that_the_dead_leader_had_begun_is_not_run_again() -> None:
    history = simulate(LOGGED, [job()], seconds=14.5, script=at(3.2, kill_leader))
    assert due_times(history).count(3000) == 1
    assert due_times(history)[-1] == 12_000


def test_a_leader_told_to_stop_ends_its_run_and_hands_over_at_once() -> None:
    history = simulate(
        LOGGED, [job()], seconds=14.5, script=at(3.2, lambda fleet: fleet.stop(leader(fleet)))
    )
    assert due_times(history) == list(range(0, 13_000, 1000))
    assert {end.status for end in notes(history, RunEnded)} == {"succeeded"}
    released, granted = notes(history, Released)[0], notes(history, Granted)[1]
    assert released.t - (EPOCH_S + 5.4) < 0.05
    assert granted.t - released.t < 0.05


@pytest.mark.parametrize("moment", [2.98, 2.999, 3.0005, 3.001, 3.002, 3.004, 3.2, 3.41])
def test_a_rolling_stop_loses_no_fire_at_whatever_moment(moment: float) -> None:
    history = simulate(
        LOGGED, [job()], seconds=14.5, script=at(moment, lambda fleet: fleet.stop(leader(fleet)))
    )
    assert due_times(history) == list(range(0, 13_000, 1000))


@pytest.mark.parametrize("moment", [3.0, 3.2, 3.6, 3.9])
@pytest.mark.parametrize("design", [LOGGED, MEMORY], ids=lambda design: design.name)
def test_a_leader_cut_off_steps_down_and_cancels_before_its_lease_can_have_ended(
    design: Design, moment: float
) -> None:
    history = simulate(design, [job()], seconds=14.5, work=lambda _: 30.0, script=at(moment, cut))
    lost = notes(history, Lost)[0]
    first, second = notes(history, Granted)
    cancelled = [end for end in notes(history, RunEnded) if end.instance == first.instance][-1]
    assert lost.instance == cancelled.instance == first.instance
    assert lost.t <= cancelled.t < second.t
    assert cancelled.status == "cancelled"
    assert lost.t - (EPOCH_S + 2 + moment) < LEASE_S
    assert not [run for run in runs(history) if run.instance == first.instance and run.t > lost.t]


def test_a_leader_cut_off_for_a_moment_stays_leader_and_loses_no_fire() -> None:
    """An error is no answer: neither a yes nor a no. The log is asked again."""

    async def script(fleet: SimulatedFleet) -> None:
        await asyncio.sleep(2 + 2.9)
        cut(fleet)
        await asyncio.sleep(0.7)
        for link in fleet.members[leader(fleet)].links.values():
            link.cut = False

    history = simulate(LOGGED, [job()], seconds=11.5, script=script)
    assert due_times(history) == list(range(0, 10_000, 1000))
    assert len(notes(history, Granted)) == 1
    assert "error" in {note.outcome for note in notes(history, Coordinated)}


def test_the_whole_service_away_stops_everything_and_the_log_catches_up() -> None:
    async def script(fleet: SimulatedFleet) -> None:
        links = [link for member in fleet.members.values() for link in member.links.values()]
        for second, down in ((3.5, True), (6.0, False)):
            await asyncio.sleep(second)
            for link in links:
                link.cut = down

    history = simulate(LOGGED, [job(misfire="run-all")], seconds=19.5, script=script)
    assert due_times(history) == list(range(0, 18_000, 1000))
    assert len(notes(history, Granted)) == 2


def test_fires_due_while_everybody_was_down_are_found_afterwards() -> None:
    async def script(fleet: SimulatedFleet) -> None:
        await asyncio.sleep(2 + 1.5)
        for name in list(fleet.members)[:2]:
            fleet.kill(name)
        third = fleet.members["i3"]
        for link in third.links.values():
            link.cut = True
        await asyncio.sleep(5)
        for link in third.links.values():
            link.cut = False

    history = simulate(LOGGED, [job(misfire="run-all")], seconds=14.5, script=script)
    assert sorted(due_times(history)) == list(range(0, 13_000, 1000))


def test_forbid_runs_no_two_of_a_job_at_once_and_skips_what_it_slept_through() -> None:
    history = simulate(LOGGED, [job()], seconds=11.5, work=lambda _: 2.5)
    open_runs = 0
    for event in history:
        open_runs += isinstance(event, RunStarted)
        open_runs -= isinstance(event, RunEnded)
        assert open_runs <= 1
    skipped = [note.due_ms - START_MS for note in notes(history, Skipped)]
    assert {note.reason for note in notes(history, Skipped)} == {"misfire"}
    assert sorted(due_times(history) + skipped)[:8] == list(range(0, 8000, 1000))


def test_allow_runs_the_fires_of_a_job_side_by_side() -> None:
    history = simulate(LOGGED, [job(overlap="allow")], seconds=11.5, work=lambda _: 2.5)
    assert due_times(history) == list(range(0, 10_000, 1000))
    assert max(run.t * 1000 - run.due_ms for run in runs(history)) < 50


def test_a_failed_run_is_not_retried_and_does_not_end_the_loop() -> None:
    history = simulate(LOGGED, [job()], seconds=7.5, work=lambda fire: -0.2)
    assert due_times(history) == list(range(0, 6000, 1000))


def test_a_schedule_that_has_ended_leaves_the_leader_in_office() -> None:
    history = simulate(LOGGED, [job(end_ms=START_MS + 2000)], seconds=9.5)
    assert due_times(history) == [0, 1000]
    assert len(notes(history, Granted)) == 1


def test_a_thousand_jobs_due_at_once_share_a_few_transactions() -> None:
    jobs = [job(f"j{number}", 10_000) for number in range(1000)]
    history = simulate(LOGGED, jobs, seconds=21.5)
    begins = [note for note in notes(history, Coordinated) if note.action == "begin"]
    started = notes(history, RunStarted)
    assert len(started) == 2000
    assert sum(note.fires or 1 for note in begins) == 2000
    assert len(begins) <= 22
    assert {note.outcome for note in begins} == {"won"}


def test_followers_ask_nothing_between_their_confirmations() -> None:
    """No herd and no polling: three confirmations a lease each, and one look a lease."""
    history = simulate(LOGGED, [], instances=10, seconds=29.5)
    calls = [note for note in notes(history, Coordinated) if note.t > EPOCH_S + 5]
    assert len([note for note in calls if note.action == "campaign"]) <= 9 * 25 / LEASE_S + 9
    assert len([note for note in calls if note.action == "renew"]) <= 10 * 25 / (LEASE_S / 3) + 10


def test_a_dead_follower_wakes_only_the_one_behind_it() -> None:
    def kill_a_follower(fleet: SimulatedFleet) -> None:
        fleet.kill(next(name for name in fleet.members if name != leader(fleet)))

    history = simulate(LOGGED, [job()], instances=5, seconds=14.5, script=at(3, kill_a_follower))
    assert due_times(history) == list(range(0, 13_000, 1000))
    assert len(notes(history, Granted)) == 1


def test_a_leader_with_an_early_clock_leads_to_no_second_run() -> None:
    def skew(fleet: SimulatedFleet) -> None:
        fleet.members[leader(fleet)].clock.skew_s = 3.0

    async def script(fleet: SimulatedFleet) -> None:
        await at(3.5, skew)(fleet)
        await asyncio.sleep(1.7)
        kill_leader(fleet)

    history = simulate(LOGGED, [job()], seconds=19.5, script=script)
    assert len(due_times(history)) == len(set(due_times(history)))


def virtual(test: Callable[[], object]) -> None:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(test())  # type: ignore[arg-type]


def _backend(server: MemoryServer) -> MemoryElection:
    return MemoryElection(MemoryLink(server), "n", PERIODS)


PERIODS = ElectionTiming.of(Timing(), "zookeeper")


def _server() -> MemoryServer:
    return MemoryServer(asyncio.get_running_loop().time, random.Random(1), (0.001, 0.002))


def test_begin_is_refused_to_a_deposed_leader() -> None:
    async def scene() -> None:
        server = _server()
        old, new = _backend(server), _backend(server)
        first = await old.enter("old")
        second = await new.enter("new")
        assert await old.begin([Fire("a", 1000)], first)
        assert await new.ahead(second) == first.key
        await new.gone(first.key)  # nobody confirms it
        assert await new.ahead(second) is None
        assert not await old.begin([Fire("a", 2000)], first)
        assert not await old.confirm(first)
        assert await new.last(["a"]) == {"a": 1000}

    virtual(scene)


def test_a_place_is_trusted_from_the_start_of_the_call_never_from_its_answer() -> None:
    """A slow answer shortens the trust; a candidacy that nobody confirms ends by itself."""

    async def scene() -> None:
        loop = asyncio.get_running_loop()
        server = MemoryServer(loop.time, random.Random(1), (0.4, 0.4))
        member = SimulatedMember("i", {}, [], lambda _: 0.4)
        candidacy = await Candidacy.enter(_backend(server), member, PERIODS)
        assert loop.time() == pytest.approx(0.4)
        assert candidacy.trusted_until_s == pytest.approx(LEASE_S * 0.9)
        assert candidacy.trusted()
        await asyncio.sleep(LEASE_S * 0.9 - 0.399)
        assert not candidacy.trusted()
        assert candidacy.lost.is_set()

    virtual(scene)


def test_a_leader_that_was_paused_past_its_lease_begins_nothing() -> None:
    """As after SIGCONT: the clock has moved on, every timer is overdue at once."""

    async def scene() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        server = _server()
        history: list[Event] = []
        member = SimulatedMember("i", {}, history, lambda _: 0.4)
        strategy = LOGGED.make({"zookeeper": MemoryLink(server)}, "n", Timing(), random.Random(1))
        taking_part = asyncio.create_task(strategy.participate(member, [job()]))
        await asyncio.sleep(2 + 3.9)
        loop.virtual_s += 4.0
        resumed_s = EPOCH_S + loop.virtual_s
        await asyncio.sleep(0.3)
        after = [event for event in history if event.t >= resumed_s]
        assert isinstance(after[0], Lost)
        second = notes(after, Granted)[0]
        assert not [run for run in runs(after) if run.t < second.t]
        assert not [skip for skip in notes(after, Skipped) if skip.t < second.t]
        member.stopping.set()
        await taking_part

    virtual(scene)


def test_equal_timing_gives_etcd_whole_seconds_and_never_under_two() -> None:
    of = partial(ElectionTiming.of, service="etcd")
    assert [of(Timing(lease_s=lease)).lease_s for lease in (0.5, 2, 2.1, 5)] == [2, 2, 3, 5]
    assert of(Timing(profile="vendor")).lease_s == 60
    assert ElectionTiming.of(Timing(profile="vendor"), "zookeeper").lease_s == 10


def test_the_bound_is_lease_grain_and_acquire() -> None:
    bounds = {design.name: design.bounds(Timing()).failover_s for design in DESIGNS}
    assert bounds["zookeeper-election"] == pytest.approx(2.3)
    assert bounds["etcd-election"] == pytest.approx(2.6)
    assert all(design.bounds(Timing()).recovery_s is None for design in DESIGNS)


def overlaps(history: Sequence[Event]) -> int:
    """How often a run began while a living instance's run of the same job was open."""
    open_jobs: dict[str, str] = {}
    found = 0
    for event in history:
        if isinstance(event, RunStarted):
            found += event.job in open_jobs.values()
            open_jobs[event.run] = event.job
        elif isinstance(event, RunEnded):
            open_jobs.pop(event.run)
    return found


@pytest.mark.parametrize("seed", range(10))
def test_whatever_links_fail_no_fire_runs_twice_and_no_two_runs_overlap(seed: int) -> None:
    """Links are cut and healed at random; every fire is run, or passed over, or was begun."""
    rng = random.Random(seed)

    async def script(fleet: SimulatedFleet) -> None:
        for _ in range(30):
            await asyncio.sleep(rng.expovariate(1.0))
            member = rng.choice(list(fleet.members.values()))
            for link in member.links.values():
                link.cut = not link.cut and rng.random() < 0.7

    jobs = [job("a"), job("b", 300), job("c", 500, misfire="run-all")]
    history = simulate(LOGGED, jobs, seconds=30.5, seed=seed, delay_s=(0.001, 0.1), script=script)
    for name in "abc":
        assert len(due_times(history, name)) == len(set(due_times(history, name))) > 0
    assert overlaps(history) == 0
    fences = [run.fence or 0 for run in notes(history, RunStarted)]
    assert fences == sorted(fences)
