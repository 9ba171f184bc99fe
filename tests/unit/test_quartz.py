"""The clustered scheduler under virtual time: what it promises, and how it fails."""

import asyncio
from collections import Counter, defaultdict

import pytest

from bench.events import RunEnded, RunStarted
from bench.simulation import EPOCH_S, SimulatedFleet, simulate
from strategies.interface import Design
from strategies.model import Every, Fire, Job, Timing
from strategies.notes import Event, Granted, Lost, Skipped
from strategies.quartz.designs import DESIGNS
from strategies.quartz.memory import Cluster

QUARTZ, SKIP_LOCKED, WITHOUT_RECOVERY = DESIGNS
LEASE_S = Timing().lease_s
PERIOD_MS = 1000


def jobs(count: int = 10, **policies: object) -> list[Job]:
    """Jobs due every second, their phases spread."""
    return [
        Job(name=f"j{n}", schedule=Every(PERIOD_MS, PERIOD_MS * n // count), **policies)  # type: ignore[arg-type]
        for n in range(count)
    ]


def starts(history: list[Event], job: str | None = None) -> list[RunStarted]:
    return [e for e in history if isinstance(e, RunStarted) and job in (None, e.job)]


def ends(history: list[Event]) -> dict[str, RunEnded]:
    return {e.run: e for e in history if isinstance(e, RunEnded)}


def runs_per_fire(history: list[Event]) -> Counter[Fire]:
    return Counter(Fire(e.job, e.due_ms) for e in starts(history))


def skips(history: list[Event]) -> set[Fire]:
    return {Fire(e.job, e.due_ms) for e in history if isinstance(e, Skipped)}


def missed(history: list[Event], workload: list[Job], until_s: float) -> list[Fire]:
    """Fires due before `until_s` (virtual) that were neither run nor skipped."""
    seen = set(runs_per_fire(history)) | skips(history)
    due = [
        Fire(job.name, due_ms)
        for job in workload
        for due_ms in range(
            int(EPOCH_S * 1000) + job.schedule.phase_ms + PERIOD_MS,  # type: ignore[union-attr]
            int((EPOCH_S + until_s) * 1000),
            PERIOD_MS,
        )
    ]
    return [fire for fire in due if fire not in seen]


def most_at_once(history: list[Event], job: str) -> int:
    open_runs: set[str] = set()
    most = 0
    for event in history:
        if isinstance(event, RunStarted) and event.job == job:
            open_runs.add(event.run)
        elif isinstance(event, RunEnded):
            open_runs.discard(event.run)
        most = max(most, len(open_runs))
    return most


def cluster_of(fleet: SimulatedFleet) -> Cluster:
    server = next(iter(fleet.members.values())).links["postgres"].server
    return server.table("sim", "quartz", Cluster)


def assert_nothing_is_stuck(cluster: Cluster) -> None:
    """A trigger that is acquired or blocked has a fired row, and that row a living owner."""
    fired = {ticket.job for ticket in cluster.fired}
    for job, trigger in cluster.triggers.items():
        if trigger.state in ("ACQUIRED", "BLOCKED"):
            assert job in fired, f"{job} is {trigger.state} without a fired row"
    for ticket, row in cluster.fired.items():
        assert row.instance in cluster.instances, f"{ticket} belongs to a dead instance"


async def until_held(fleet: SimulatedFleet, job: str, after_s: float) -> str:
    """The instance that runs `job`, once `after_s` have passed and the run has just begun."""
    await asyncio.sleep(after_s)
    while (holder := fleet.holder(job)) is None:
        await asyncio.sleep(0.01)
    return holder


@pytest.mark.parametrize("design", DESIGNS, ids=lambda design: design.name)
def test_in_health_every_fire_runs_once_on_time(design: Design) -> None:
    workload = jobs()
    history = simulate(design, workload, seconds=20)
    assert set(runs_per_fire(history).values()) == {1}
    assert not missed(history, workload, 19)
    assert not skips(history)
    assert max(e.t - e.due_ms / 1000 for e in starts(history)) < 0.05


def test_the_fleet_shares_the_fires() -> None:
    share = Counter(e.instance for e in starts(simulate(QUARTZ, jobs(), seconds=30)))
    assert len(share) == 3


def test_a_seed_repeats_the_history() -> None:
    assert simulate(QUARTZ, jobs(), seconds=10, seed=7) == simulate(
        QUARTZ, jobs(), seconds=10, seed=7
    )


def test_fences_of_a_job_only_grow() -> None:
    fences: dict[str, list[int]] = defaultdict(list)
    for event in starts(simulate(QUARTZ, jobs(), seconds=20)):
        assert event.fence is not None
        fences[event.job].append(event.fence)
    assert all(given == sorted(set(given)) for given in fences.values())


@pytest.mark.parametrize("seed", range(5))
def test_an_interrupted_fire_is_run_again_elsewhere_within_the_bound(seed: int) -> None:
    workload = jobs()
    killed: list[tuple[str, float]] = []

    async def kill_the_holder(fleet: SimulatedFleet) -> None:
        name = await until_held(fleet, "j3", 6.2)
        await asyncio.sleep(0.1)
        killed.append((name, asyncio.get_running_loop().time() + EPOCH_S))
        fleet.kill(name)

    history = simulate(QUARTZ, workload, seconds=25, seed=seed, script=kill_the_holder)
    name, killed_s = killed[0]
    ended = ends(history)
    interrupted = [e for e in starts(history) if e.instance == name and e.run not in ended]
    assert interrupted
    bound_s = QUARTZ.bounds(Timing()).recovery_s
    assert bound_s is not None
    for run in interrupted:
        again = [e for e in starts(history, run.job) if e.due_ms == run.due_ms and e is not run]
        assert len(again) == 1
        assert again[0].instance != name
        assert again[0].t - killed_s <= bound_s
        assert again[0].fence > run.fence  # type: ignore[operator]
    assert not missed(history, workload, 24)
    assert all(
        most_at_once(history, job.name) == 1 or job.name in {e.job for e in interrupted}
        for job in workload
    )


def test_without_recovery_an_interrupted_fire_stays_undone_but_its_job_goes_on() -> None:
    async def kill_the_holder(fleet: SimulatedFleet) -> None:
        name = await until_held(fleet, "j0", 5)
        await asyncio.sleep(0.1)
        fleet.kill(name)

    history = simulate(WITHOUT_RECOVERY, jobs(1), seconds=20, script=kill_the_holder)
    ended = ends(history)
    interrupted = [e for e in starts(history) if e.run not in ended]
    assert len(interrupted) == 1
    assert runs_per_fire(history)[Fire("j0", interrupted[0].due_ms)] == 1
    assert starts(history)[-1].t > EPOCH_S + 18


def test_an_instance_that_was_away_is_recovered_cancels_its_run_and_takes_part_again() -> None:
    """Cut off while it holds triggers and a long run, then back: as a paused process wakes up."""

    async def away(fleet: SimulatedFleet) -> None:
        name = await until_held(fleet, "j0", 5)
        link = fleet.members[name].links["postgres"]
        link.cut = True
        await asyncio.sleep(2 * LEASE_S)
        link.cut = False
        away_names.append(name)
        await asyncio.sleep(12)
        assert_nothing_is_stuck(cluster_of(fleet))

    away_names: list[str] = []
    workload = jobs(3)
    history = simulate(
        QUARTZ,
        workload,
        seconds=25,
        work=lambda fire: 11.0 if fire.job == "j0" else 0.4,
        script=away,
    )
    lost = [e for e in history if isinstance(e, Lost)]
    assert {e.instance for e in lost} == set(away_names)
    cancelled = [e for e in ends(history).values() if e.status == "cancelled"]
    assert {e.instance for e in cancelled} == set(away_names)
    back = [e for e in history if isinstance(e, Granted) and e.instance == away_names[0]]
    assert back[-1].t > lost[-1].t, "it never took part again"
    assert not missed(history, workload[1:], 24)


@pytest.mark.parametrize("seed", range(8))
def test_no_trigger_stays_acquired_or_blocked_when_answers_are_lost(seed: int) -> None:
    """Quartz issues 635 and 1516: links fail at random moments, also between step and answer."""
    workload = jobs(5)

    async def flapping(fleet: SimulatedFleet) -> None:
        rng = next(iter(fleet.members.values())).links["postgres"].server.rng
        for _ in range(60):
            link = rng.choice(list(fleet.members.values())).links["postgres"]
            await asyncio.sleep(rng.uniform(0, 0.2))
            link.cut = True
            await asyncio.sleep(rng.choice([0.001, 0.05, 0.5, 3.0]))
            link.cut = False
        await asyncio.sleep(3 * LEASE_S)
        assert_nothing_is_stuck(cluster_of(fleet))

    history = simulate(
        QUARTZ, workload, seconds=90, seed=seed, delay_s=(0.01, 0.05), script=flapping
    )
    for job in workload:
        assert starts(history, job.name)[-1].t > EPOCH_S + 87, f"{job.name} stopped firing"
    assert not missed(history, workload, 85)


def test_a_skip_is_noted_only_when_the_run_in_its_place_is_sure() -> None:
    """Who is cut off before its begin arrives leaves the choice to whoever recovers the trigger."""

    async def cut_off_with_a_late_trigger(fleet: SimulatedFleet) -> None:
        await asyncio.sleep(5)
        while not (late := late_ones(cluster_of(fleet))):
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.07)  # the grant has arrived, the begin is on its way
        fleet.members[late[0]].links["postgres"].cut = True
        cut.append(late[0])

    def late_ones(cluster: Cluster) -> list[str]:
        before_ms = EPOCH_S * 1000 + 1000 * asyncio.get_running_loop().time() - 1500
        return [
            fired.instance
            for fired in cluster.fired.values()
            if not fired.begun and fired.due_ms < before_ms
        ]

    cut: list[str] = []
    history = simulate(
        QUARTZ, jobs(1), seconds=30, delay_s=(0.1, 0.1), work=lambda fire: 3.3,
        script=cut_off_with_a_late_trigger,
    )  # fmt: skip
    said = Counter(Fire(e.job, e.due_ms) for e in history if isinstance(e, Skipped))
    assert cut
    assert set(said.values()) == {1}
    assert not said.keys() & runs_per_fire(history).keys()


def test_a_failed_run_is_run_again_at_once_as_often_as_its_retries_say() -> None:
    history = simulate(QUARTZ, jobs(1, retries=2), seconds=10, work=lambda fire: -0.1)
    counts = runs_per_fire(history)
    assert set(counts.values()) == {3}
    assert most_at_once(history, "j0") == 1


def test_forbid_skips_all_but_the_latest_of_the_fires_that_came_due_during_a_run() -> None:
    workload = jobs(1)
    history = simulate(QUARTZ, workload, seconds=20, work=lambda fire: 2.5)
    assert most_at_once(history, "j0") == 1
    assert set(runs_per_fire(history).values()) == {1}
    assert not missed(history, workload, 17)
    for event in history:
        if isinstance(event, Skipped):
            assert event.due_ms / 1000 + 1 <= event.t, "skipped without a later fire due"
    assert not skips(history) & set(runs_per_fire(history))


def test_run_all_runs_every_overdue_fire_late_one_after_another() -> None:
    workload = jobs(1, misfire="run-all")
    history = simulate(QUARTZ, workload, seconds=20, work=lambda fire: 1.4)
    due = [e.due_ms for e in starts(history)]
    assert due == list(range(due[0], due[0] + 1000 * len(due), 1000))
    assert most_at_once(history, "j0") == 1
    assert not skips(history)


def test_allow_lets_runs_of_one_job_overlap_and_a_crash_recovers_each_of_them() -> None:
    async def kill_the_holder(fleet: SimulatedFleet) -> None:
        name = await until_held(fleet, "j0", 8)
        fleet.kill(name)

    workload = jobs(1, overlap="allow")
    history = simulate(
        QUARTZ, workload, instances=2, seconds=30, work=lambda fire: 3.3, script=kill_the_holder
    )
    assert most_at_once(history, "j0") > 2
    ended = {Fire(e.job, e.due_ms) for e in starts(history) if e.run in ends(history)}
    assert ended == set(runs_per_fire(history)), "an interrupted fire was not run again"
    fences = [e.fence for e in starts(history)]
    assert len(fences) == len(set(fences))


def test_rolling_stops_lose_and_double_nothing() -> None:
    async def roll(fleet: SimulatedFleet) -> None:
        for name in ("i1", "i2"):
            await asyncio.sleep(4.13)
            fleet.stop(name)
        await asyncio.sleep(5)
        cluster = cluster_of(fleet)
        assert list(cluster.instances) == ["i3"]

    workload = jobs()
    history = simulate(QUARTZ, workload, seconds=20, script=roll)
    assert set(runs_per_fire(history).values()) == {1}
    assert not missed(history, workload, 19)
    assert all(e.status == "succeeded" for e in ends(history).values())
    assert max(e.t - e.due_ms / 1000 for e in starts(history)) < LEASE_S / 10 + 0.05


def test_a_run_longer_than_the_lease_is_not_recovered_while_its_instance_lives() -> None:
    history = simulate(QUARTZ, jobs(2), seconds=30, work=lambda fire: 3 * LEASE_S)
    assert set(runs_per_fire(history).values()) == {1}
    assert not [e for e in history if isinstance(e, Lost)]


def test_an_outage_of_the_database_declares_nobody_dead() -> None:
    """Who was away itself is patient: all were away equally long."""

    async def outage(fleet: SimulatedFleet) -> None:
        await asyncio.sleep(5)
        for cut in (True, False):
            for member in fleet.members.values():
                member.links["postgres"].cut = cut
            await asyncio.sleep(3 * LEASE_S)

    workload = jobs(4)
    history = simulate(QUARTZ, workload, seconds=25, script=outage)
    assert not [e for e in history if isinstance(e, Lost)]
    assert set(runs_per_fire(history).values()) == {1}
    assert not missed(history, workload, 24)


def test_quartz_s_own_periods_fire_on_time_too() -> None:
    workload = jobs(4)
    history = simulate(QUARTZ, workload, seconds=60, timing=Timing(profile="vendor"))
    assert set(runs_per_fire(history).values()) == {1}
    assert not missed(history, workload, 55)
    assert max(e.t - e.due_ms / 1000 for e in starts(history)) < 0.5


def test_fires_due_before_anyone_came_are_found() -> None:
    start_ms = int(EPOCH_S * 1000) - 5000
    history = simulate(QUARTZ, jobs(1, start_ms=start_ms, misfire="run-all"), seconds=10)
    assert starts(history)[0].due_ms == start_ms
