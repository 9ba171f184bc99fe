"""Each control is broken by the scenario it names, already under virtual time."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import TypeVar

import pytest

from bench.events import RunStarted
from bench.simulation import EPOCH_S, SimulatedFleet, simulate
from strategies.controls import locks, nothing
from strategies.model import Every, Fire, Job
from strategies.notes import Event, ForeignRelease

T = TypeVar("T")
CONTROLS = {design.name: design for design in (*locks.DESIGNS, *nothing.DESIGNS)}
JOB = Job(name="job", schedule=Every(1000), end_ms=int(EPOCH_S * 1000) + 10_500)
DUE_MS = [int(EPOCH_S * 1000) + 1000 * k for k in range(1, 11)]


def runs_per_fire(history: list[Event]) -> Counter[Fire]:
    return Counter(Fire(e.job, e.due_ms) for e in history if isinstance(e, RunStarted))


@pytest.mark.parametrize("name", sorted(CONTROLS))
def test_a_control_promises_nothing_and_says_what_breaks_it(name: str) -> None:
    control = CONTROLS[name]
    assert control.kind == "control"
    assert not control.promise.under
    assert control.breaks


def test_uncoordinated_runs_every_fire_once_per_instance() -> None:
    history = simulate(CONTROLS["uncoordinated"], [JOB], seconds=12)
    assert runs_per_fire(history) == Counter({Fire("job", due): 3 for due in DUE_MS})


def test_uncoordinated_goes_on_after_a_failed_run() -> None:
    history = simulate(CONTROLS["uncoordinated"], [JOB], seconds=12, work=lambda fire: -0.1)
    assert len(runs_per_fire(history)) == len(DUE_MS)


def test_never_runs_runs_nothing() -> None:
    assert not simulate(CONTROLS["never-runs"], [JOB], seconds=12)


@pytest.mark.parametrize("name", ["check-then-set", "set-without-nx"])
def test_a_lock_that_excludes_nobody_runs_fires_twice_in_health(name: str) -> None:
    history = simulate(CONTROLS[name], [JOB], seconds=12)
    assert sum(runs > 1 for runs in runs_per_fire(history).values()) >= 5


@pytest.mark.parametrize("name", ["lock-without-ttl", "lock-without-owner-check"])
def test_a_defect_that_needs_a_fault_does_not_show_in_health(name: str) -> None:
    history = simulate(CONTROLS[name], [JOB], seconds=12)
    assert runs_per_fire(history) == Counter({Fire("job", due): 1 for due in DUE_MS})


def test_without_expiry_a_dead_owners_job_never_runs_again() -> None:
    async def kill_the_holder(fleet: SimulatedFleet) -> None:
        await asyncio.sleep(3.2)
        fleet.kill(fleet.holder("job") or "")

    history = simulate(CONTROLS["lock-without-ttl"], [JOB], seconds=20, script=kill_the_holder)
    assert sorted(fire.due_ms for fire in runs_per_fire(history)) == DUE_MS[:3]


def test_without_owner_check_a_release_that_comes_late_frees_the_successors_lock() -> None:
    async def delay_the_release_until_another_runs(fleet: SimulatedFleet) -> None:
        while (holder := fleet.holder("job")) is None:
            await asyncio.sleep(0.01)
        (link,) = fleet.members[holder].links.values()
        call = link.call

        async def late(operation: Callable[[], T]) -> T:
            link.call = call  # type: ignore[method-assign]
            while fleet.holder("job") in (None, holder):
                await asyncio.sleep(0.01)
            return await call(operation)

        link.call = late  # type: ignore[method-assign]

    history = simulate(
        CONTROLS["lock-without-owner-check"],
        [JOB],
        seconds=30,
        script=delay_the_release_until_another_runs,
    )
    assert [event for event in history if isinstance(event, ForeignRelease)]
