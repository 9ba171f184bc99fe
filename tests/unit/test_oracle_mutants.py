"""The mutants: each is a small difference to code that exists, and is found under virtual time too.

Under virtual time there is no SIGSTOP: an instance that is cut off and heals stands for a pause
where that is enough, and its clock can be made to stand still.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import pytest

from bench.checks.outcomes import judge_fires
from bench.checks.promises import Broken, Scope, broken_promises
from bench.checks.reading import columns
from bench.events import FORMAT_VERSION, Died, Due, FaultBegan, FaultHealed, History, JobDeclared
from bench.history import to_table
from bench.oracle.exam import MUTANTS, TRIALS
from bench.oracle.mutant import Mutant, planted
from bench.scenarios import SCENARIOS
from bench.simulation import EPOCH_S, SimulatedFleet, simulate
from strategies import catalogue
from strategies.interface import Design, Stress
from strategies.model import Every, Fire, Job, Timing
from strategies.notes import Event, Granted
from strategies.schedule import fires_between

LEASE_S = Timing().lease_s
LOAD_S, END_S, STRIKE_S = 3.0, 12.0, 5.2
BY_NAME = {mutant.name: mutant for mutant in MUTANTS}

each_mutant = pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)


@each_mutant
def test_what_a_mutant_replaces_is_there_and_is_replaced_by_something_else_of_its_shape(mutant):
    for change in mutant.changes:
        owner, name, original = change.place()
        replacement = change.instead(original)
        assert replacement is not original
        if not isinstance(original, property):
            taken = inspect.signature(replacement).parameters
            asked = inspect.signature(original).parameters
            takes_anything = any(one.kind is one.VAR_POSITIONAL for one in taken.values())
            assert takes_anything or list(taken) == list(asked), f"{owner}.{name}"


@each_mutant
def test_a_planted_bug_is_gone_afterwards(mutant):
    before = [change.place()[2] for change in mutant.changes]
    with planted(mutant), planted(mutant):
        assert [change.place()[2] for change in mutant.changes] != before
    assert [change.place()[2] for change in mutant.changes] == before


@each_mutant
def test_a_mutant_promises_what_it_breaks_and_its_scenario_is_in_the_catalogue(mutant):
    stress = SCENARIOS[mutant.scenario].stress
    allowed = mutant.base.promise.allowed(stress)
    lifted = {
        "no duplicates": allowed.duplicates,
        "no overlaps": allowed.overlaps,
        "none missed": allowed.missed,
        "none left interrupted": allowed.interrupted,
    }
    assert not lifted.get(mutant.breaks, False)


def test_mutants_are_found_by_their_address_and_stand_in_no_catalogue():
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 14
    for mutant in MUTANTS:
        assert mutant.name not in catalogue.designs()
        assert catalogue.design(mutant.address).name == mutant.name
        assert catalogue.address(mutant.name) == mutant.address
        assert catalogue.from_source(catalogue.source(mutant.name), mutant.name).summary


def test_the_exam_tries_as_often_as_the_default_bench():
    assert TRIALS == 2


# Under virtual time.


@dataclass
class Play:
    """A scenario under virtual time: what runs last, when jobs are due, what happens to whom."""

    stress: Stress
    work_s: float = 0.4
    aligned: bool = False
    fails: bool = False
    act: Callable[[SimulatedFleet, list[Event]], Awaitable[None]] | None = None


async def _kill_a_holder(fleet: SimulatedFleet, told: list[Event]) -> None:
    name, now = await _holder(fleet), _now()
    fleet.kill(name)
    told += [
        FaultBegan(t=now, fault="kill", id=0, instance=name, asked_s=now, target="one"),
        Died(t=now, instance=name, status=-9),
    ]


async def _cut_off_a_holder(fleet: SimulatedFleet, told: list[Event], still: bool = False) -> None:
    name, now = await _holder(fleet), _now()
    member = fleet.members[name]
    told.append(FaultBegan(t=now, fault="partition", id=0, instance=name, asked_s=now))
    for link in member.links.values():
        link.cut = True
    if still:
        member.clock.stands_still()
    await asyncio.sleep(3 * LEASE_S)
    for link in member.links.values():
        link.cut = False
    if still:
        member.clock.goes_on()
    told.append(FaultHealed(t=_now(), id=0, instance=name, asked_s=_now()))


async def _suspend_a_holder(fleet: SimulatedFleet, told: list[Event]) -> None:
    await _cut_off_a_holder(fleet, told, still=True)


async def _stop_a_holder(fleet: SimulatedFleet, told: list[Event]) -> None:
    fleet.stop(await _holder(fleet))


async def _holder(fleet: SimulatedFleet) -> str:
    leaders = [event.instance for event in fleet.history if isinstance(event, Granted)]
    while not (name := fleet.holder("job-0") or (leaders and fleet.holder("job-1"))):
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    return name


def _now() -> float:
    return EPOCH_S + asyncio.get_running_loop().time()


PLAYS = {
    "steady": Play("steady"),
    "long-job": Play("long-job", work_s=1.5 * LEASE_S),
    "burst": Play("burst", aligned=True),
    "failing-job": Play("failing", fails=True),
    "crash": Play("crash", act=_kill_a_holder),
    "partition": Play("partition", act=_cut_off_a_holder),
    "partition-long-job": Play("partition", work_s=2.5 * LEASE_S, act=_cut_off_a_holder),
    "pause": Play("pause", act=_cut_off_a_holder),
    "suspend": Play("pause", act=_suspend_a_holder),
    "rolling-deploy": Play("rolling", act=_stop_a_holder),
}
NOT_UNDER_VIRTUAL_TIME = {
    "schema-made-anew": "nobody starts while others run",
    "release-without-owner-check": "its owner must have been stopped amid its run",
}
PLAYED = [mutant for mutant in MUTANTS if mutant.name not in NOT_UNDER_VIRTUAL_TIME]


def jobs(play: Play) -> list[Job]:
    first, last = round((EPOCH_S + LOAD_S) * 1000), round((EPOCH_S + END_S) * 1000)
    return [
        Job(
            name=f"job-{n}",
            schedule=Every(1000, 0 if play.aligned else 100 * n),
            start_ms=first,
            end_ms=last,
        )
        for n in range(10 if play.aligned else 4)
    ]


def broken_by(design: Design, play: Play, seed: int) -> list[Broken]:
    """The promises that a simulated trial of the design breaks."""
    told: list[Event] = []

    async def script(fleet: SimulatedFleet) -> None:
        await asyncio.sleep(STRIKE_S)
        if play.act:
            await play.act(fleet, told)

    def work(fire: Fire) -> float:
        poor = play.fails and hash_of(fire, seed) % 10 < 3
        return -play.work_s if poor else play.work_s

    seconds = END_S + 3 * play.work_s + 2 * LEASE_S
    some = jobs(play)
    history = simulate(design, some, seconds=seconds, seed=seed, work=work, script=script)
    told += _expected(design, some, EPOCH_S + seconds)
    read = columns(to_table([*told, *history]))
    bounds = design.bounds(Timing())
    judged = judge_fires(read, bounds.failover_s or 0.0)
    scope = Scope(
        stress=play.stress,
        steady=design.promise.allowed("steady"),
        bound_s=max(bounds.failover_s or 0.0, bounds.recovery_s or 0.0),
        fence_scope=design.fence_scope,
    )
    return broken_promises(read, judged, design.promise.allowed(play.stress), scope)


def hash_of(fire: Fire, seed: int) -> int:
    """Poor fires fail however often they are tried: with these, tries can be counted."""
    return (fire.due_ms // 100 * 7919 + seed) % 1013


def _expected(design: Design, some: Sequence[Job], until_s: float) -> list[Event]:
    header = History(version=FORMAT_VERSION, t=EPOCH_S, until_s=until_s, lease_s=LEASE_S)
    lines: list[Event] = [header]
    for job in some:
        tries = job.retries + 1 if design.promise.retries else 1
        lines.append(JobDeclared(t=EPOCH_S, job=job.name, period_s=1.0, tries=tries))
        last_ms = (job.end_ms or 0) - 1
        fires = fires_between(job, job.start_ms - 1, last_ms)
        lines += [Due(t=EPOCH_S, job=job.name, due_ms=fire.due_ms) for fire in fires]
    return lines


@pytest.mark.parametrize("mutant", PLAYED, ids=lambda mutant: mutant.name)
def test_a_mutant_is_found_under_virtual_time_and_the_strategy_without_the_bug_is_not(
    mutant: Mutant,
) -> None:
    play = PLAYS[mutant.scenario]
    promises = (
        one.promise for seed in range(TRIALS) for one in broken_by(mutant.design, play, seed)
    )
    assert mutant.breaks in promises
    assert broken_by(mutant.base, play, seed=0) == []
