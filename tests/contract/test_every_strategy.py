"""What every strategy that promises anything must do, whatever its design: one suite for all.

Here under virtual time, on the in-memory adapter of each port; what of it can be seen from outside
is asked of the real servers in tests/acceptance/test_quick_bench.py.
"""

from collections import Counter, defaultdict

import pytest

from bench.events import RunEnded, RunStarted
from bench.simulation import EPOCH_S, SimulatedFleet, simulate
from strategies.catalogue import designs
from strategies.interface import Design
from strategies.model import Every, Fire, Job, Timing
from strategies.notes import Event
from strategies.schedule import fires_between

START_MS = round(EPOCH_S * 1000) + 2_000
LOAD_S = 12
TIMING = Timing("equal", 2.0)

# Where a platform decides, no virtual time can run it: see test_platform_strategies.py.
SIMULATED = [
    one
    for one in designs().values()
    if one.kind != "control" and one.family != "example" and one.replica == "member"
]
SOUND = [one for one in SIMULATED if one.promise.under]

every_strategy = pytest.mark.parametrize("design", SIMULATED, ids=lambda one: one.name)
every_sound_strategy = pytest.mark.parametrize("design", SOUND, ids=lambda one: one.name)


def jobs(count: int = 4) -> list[Job]:
    return [
        Job(
            name=f"job-{number}",
            schedule=Every(1000, number * 137 % 1000),
            start_ms=START_MS,
            end_ms=START_MS + LOAD_S * 1000,
        )
        for number in range(count)
    ]


def expected(workload: list[Job]) -> set[Fire]:
    return {
        fire
        for job in workload
        for fire in fires_between(job, job.start_ms - 1, START_MS + LOAD_S * 1000)
    }


def starts(history: list[Event]) -> list[RunStarted]:
    return [event for event in history if isinstance(event, RunStarted)]


def runs_per_fire(history: list[Event]) -> Counter[Fire]:
    return Counter(Fire(run.job, run.due_ms) for run in starts(history))


@every_sound_strategy
@pytest.mark.parametrize("seed", range(3))
def test_in_health_every_fire_runs_exactly_once(design: Design, seed: int) -> None:
    workload = jobs()
    history = simulate(design, workload, seconds=20, seed=seed, timing=TIMING)
    assert runs_per_fire(history) == Counter(expected(workload))


@every_sound_strategy
def test_in_health_no_run_starts_before_its_fire_is_due_nor_half_a_second_late(
    design: Design,
) -> None:
    history = simulate(design, jobs(), seconds=20, timing=TIMING)
    late = [run.t - run.due_ms / 1000 for run in starts(history)]
    assert min(late) >= 0
    assert max(late) < 0.5


@every_sound_strategy
def test_two_runs_of_a_job_are_never_open_at_once(design: Design) -> None:
    """Runs of 1.4 s on a period of 1 s, overlap forbidden."""
    history = simulate(design, jobs(2), seconds=25, timing=TIMING, work=lambda fire: 1.4)
    open_runs: defaultdict[str, set[str]] = defaultdict(set)
    job_of = {run.run: run.job for run in starts(history)}
    for event in history:
        if isinstance(event, RunStarted):
            open_runs[event.job].add(event.run)
            assert len(open_runs[event.job]) == 1, event
        elif isinstance(event, RunEnded):
            open_runs[job_of[event.run]].discard(event.run)
    assert len(job_of) > 2 * LOAD_S / 1.4 * 0.8


@every_strategy
def test_the_same_seed_gives_the_same_history_event_for_event(design: Design) -> None:
    first, second = (simulate(design, jobs(), seconds=8, seed=5, timing=TIMING) for _ in range(2))
    assert first == second


@every_sound_strategy
def test_jobs_run_again_within_the_bound_after_their_holder_was_killed(design: Design) -> None:
    killed: dict[str, float] = {}

    async def kill_the_holder(fleet: SimulatedFleet) -> None:
        clock = next(iter(fleet.members.values())).clock
        await clock.sleep_until(START_MS / 1000 + 3.2)
        while (holder := fleet.holder("job-0")) is None:
            await clock.sleep_until(clock.now() + 0.01)
        fleet.kill(holder)
        killed[holder] = clock.now()

    workload = jobs()
    history = simulate(design, workload, seconds=20, timing=TIMING, script=kill_the_holder)
    ((holder, killed_s),) = killed.items()
    bound_s = (design.bounds(TIMING).failover_s or 0) + 1.0
    for job in workload:
        after = [run.t for run in starts(history) if run.job == job.name and run.t > killed_s]
        assert min(after) <= killed_s + bound_s, job.name
    assert all(run.instance != holder for run in starts(history) if run.t > killed_s)


@every_sound_strategy
def test_an_interrupted_fire_runs_again_exactly_where_that_is_promised(design: Design) -> None:
    interrupted: list[Fire] = []

    async def kill_the_holder(fleet: SimulatedFleet) -> None:
        clock = next(iter(fleet.members.values())).clock
        await clock.sleep_until(START_MS / 1000 + 3.2)
        while (holder := fleet.holder("job-0")) is None:
            await clock.sleep_until(clock.now() + 0.01)
        run = next(
            run
            for run in reversed(starts(fleet.history))
            if run.job == "job-0" and run.instance == holder
        )
        interrupted.append(Fire(run.job, run.due_ms))
        fleet.kill(holder)

    history = simulate(design, jobs(), seconds=20, timing=TIMING, script=kill_the_holder)
    runs = runs_per_fire(history)[interrupted[0]]
    assert runs == (2 if design.promise.recovers else 1)


@every_sound_strategy
def test_fences_grow_with_every_grant(design: Design) -> None:
    if design.fence_scope is None:
        assert all(run.fence is None for run in starts(simulate(design, jobs(), seconds=8)))
        return
    history = simulate(design, jobs(), seconds=20, timing=TIMING)
    last: dict[str, int] = {}
    for run in starts(history):
        scope = run.job if design.fence_scope == "job" else f"{run.job}@{run.due_ms}"
        assert run.fence is not None
        assert run.fence >= last.get(scope, run.fence)
        last[scope] = run.fence


@every_sound_strategy
def test_a_run_that_fails_stops_neither_its_job_nor_the_others(design: Design) -> None:
    workload = jobs()

    def job_0_fails(fire: Fire) -> float:
        return -0.1 if fire.job == "job-0" else 0.1

    history = simulate(design, workload, seconds=20, timing=TIMING, work=job_0_fails)
    counts = Counter(run.job for run in starts(history))
    assert all(counts[job.name] >= LOAD_S * 0.4 for job in workload)
    others = {fire for fire in expected(workload) if fire.job != "job-0"}
    assert {fire for fire in runs_per_fire(history) if fire.job != "job-0"} == others


@every_sound_strategy
def test_an_instance_told_to_stop_ends_its_open_runs_and_hands_over(design: Design) -> None:
    async def stop_one(fleet: SimulatedFleet) -> None:
        clock = next(iter(fleet.members.values())).clock
        await clock.sleep_until(START_MS / 1000 + 4.2)
        while (holder := fleet.holder("job-0")) is None:
            await clock.sleep_until(clock.now() + 0.01)
        fleet.stop(holder)

    workload = jobs()
    history = simulate(design, workload, seconds=20, timing=TIMING, script=stop_one)
    cancelled = [e for e in history if isinstance(e, RunEnded) and e.status == "cancelled"]
    assert not cancelled
    assert max(runs_per_fire(history).values()) == 1
    last = {job.name: 0.0 for job in workload}
    for run in starts(history):
        last[run.job] = max(last[run.job], run.t)
    assert min(last.values()) > START_MS / 1000 + LOAD_S - 1.5


@every_sound_strategy
def test_an_instance_whose_link_is_cut_for_good_does_not_stop_the_others(design: Design) -> None:
    async def cut_one(fleet: SimulatedFleet) -> None:
        clock = next(iter(fleet.members.values())).clock
        await clock.sleep_until(START_MS / 1000 + 3.0)
        for link in fleet.members["i1"].links.values():
            link.cut = True

    workload = jobs()
    history = simulate(design, workload, seconds=20, timing=TIMING, script=cut_one)
    late_s = START_MS / 1000 + 3.0 + (design.bounds(TIMING).failover_s or 0) + 2.0
    for job in workload:
        ran = {run.due_ms for run in starts(history) if run.job == job.name}
        due = [f.due_ms for f in expected([job]) if f.due_s > late_s]
        assert set(due) <= ran, job.name
