"""The claim control under virtual time: right in health, and stuck after a crash."""

import asyncio
from collections import Counter

from bench.events import RunEnded, RunStarted
from bench.simulation import SimulatedFleet, simulate
from strategies.controls.claim import DESIGNS, MemoryClaims
from strategies.model import Every, Fire, Job
from strategies.notes import Event

[CLAIM] = DESIGNS
JOBS = [Job(name=f"j{n}", schedule=Every(1000, 100 * n)) for n in range(10)]


def runs(history: list[Event]) -> Counter[Fire]:
    return Counter(Fire(e.job, e.due_ms) for e in history if isinstance(e, RunStarted))


def test_in_health_every_fire_is_claimed_by_one_instance() -> None:
    counts = runs(simulate(CLAIM, JOBS, seconds=20))
    assert len(counts) >= 190
    assert set(counts.values()) == {1}


def test_a_fire_whose_owner_is_killed_stays_in_progress_for_ever() -> None:
    states: list[dict[Fire, str]] = []

    async def kill_the_holder(fleet: SimulatedFleet) -> None:
        await asyncio.sleep(5)
        while (name := fleet.holder("j3")) is None:
            await asyncio.sleep(0.01)
        fleet.kill(name)
        await asyncio.sleep(10)
        link = next(m.links["postgres"] for m in fleet.members.values() if not m.dead)
        states.append(dict(MemoryClaims(link, "sim").states))

    history = simulate(CLAIM, JOBS, seconds=20, script=kill_the_holder)
    ended = {e.run for e in history if isinstance(e, RunEnded)}
    interrupted = [
        Fire(e.job, e.due_ms) for e in history if isinstance(e, RunStarted) and e.run not in ended
    ]
    assert interrupted
    assert all(runs(history)[fire] == 1 for fire in interrupted)
    assert {states[0][fire] for fire in interrupted} == {"IN_PROGRESS"}


def test_a_failed_run_is_not_tried_again() -> None:
    history = simulate(CLAIM, JOBS[:1], seconds=5, work=lambda fire: -0.1)
    assert set(runs(history).values()) == {1}


def test_a_claim_is_not_left_without_its_run_when_the_instance_stops() -> None:
    history = simulate(CLAIM, JOBS, seconds=7.31, work=lambda fire: 0.9)
    started = [e.run for e in history if isinstance(e, RunStarted)]
    ended = [e for e in history if isinstance(e, RunEnded)]
    assert len(started) == len(ended)
    assert all(e.status == "succeeded" for e in ended)
