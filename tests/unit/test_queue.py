"""The queue under virtual time: what it does in health, and after each kind of fault."""

import asyncio
import random
from collections import Counter
from collections.abc import Coroutine, Iterable
from dataclasses import replace
from itertools import pairwise

import pytest

from bench.events import RunEnded, RunStarted
from bench.simulation import (
    EPOCH_S,
    Script,
    SimulatedClock,
    SimulatedFleet,
    VirtualLoop,
    simulate,
)
from strategies.controls import publish_everywhere
from strategies.model import Every, Fire, Job, Timing
from strategies.notes import Coordinated, Event, Lost, Note, Republished, Skipped
from strategies.queue.custody import Custody
from strategies.queue.designs import DESIGNS, bounds
from strategies.queue.port import JobState, Message
from strategies.queue.timing import QueueTiming

(QUEUE,) = DESIGNS
START_MS = int(EPOCH_S * 1000)
LEASE_S = 2.0


def job(name: str = "report", **policies: object) -> Job:
    return Job(name=name, schedule=Every(1000, phase_ms=300), **policies)  # type: ignore[arg-type]


def starts(history: Iterable[Event]) -> list[RunStarted]:
    return [event for event in history if isinstance(event, RunStarted)]


def runs_of_fires(history: Iterable[Event]) -> Counter[int]:
    return Counter(event.due_ms for event in starts(history))


def spans(history: list[Event]) -> list[tuple[float, float]]:
    """When runs began and ended; a run without an end lasts for ever."""
    ends = {event.run: event.t for event in history if isinstance(event, RunEnded)}
    return sorted((event.t, ends.get(event.run, float("inf"))) for event in starts(history))


def overlapping(history: list[Event]) -> int:
    return sum(later[0] < earlier[1] for earlier, later in pairwise(spans(history)))


async def the_holder(fleet: SimulatedFleet, name: str = "report") -> str:
    """The instance amid a run of the job, as soon as there is one."""
    while (holder := fleet.holder(name)) is None:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    return holder


def cut(fleet: SimulatedFleet, name: str, is_cut: bool = True) -> None:
    fleet.members[name].links["redis"].cut = is_cut


def test_in_health_each_fire_runs_once_and_at_once() -> None:
    """Three publishers and three workers: one run a fire, within milliseconds of its due time."""
    jobs = [Job(name=f"job-{n}", schedule=Every(1000, phase_ms=97 * n + 1)) for n in range(10)]
    history = simulate(QUEUE, jobs, seconds=10)
    fires = Counter((event.job, event.due_ms) for event in starts(history))
    assert len(fires) == 100
    assert set(fires.values()) == {1}
    assert max(event.t - event.due_ms / 1000 for event in starts(history)) < 0.02
    assert not [event for event in history if isinstance(event, Skipped | Lost | Republished)]


def test_the_runs_are_shared_among_the_instances() -> None:
    jobs = [Job(name=f"job-{n}", schedule=Every(1000)) for n in range(60)]
    history = simulate(QUEUE, jobs, seconds=5)
    assert set(Counter(event.instance for event in starts(history))) == {"i1", "i2", "i3"}


def test_the_same_seed_gives_the_same_history() -> None:
    async def kill_the_holder(fleet: SimulatedFleet) -> None:
        fleet.kill(await the_holder(fleet))

    first, second = (simulate(QUEUE, [job()], seed=7, script=kill_the_holder) for _ in range(2))
    assert first == second


def test_a_killed_workers_fire_is_run_again_within_the_bound() -> None:
    """The visibility ends L after the last extension; the next poll claims the message."""
    killed_at: list[float] = []

    async def kill_the_holder(fleet: SimulatedFleet) -> None:
        name = await the_holder(fleet)
        killed_at.append(EPOCH_S + asyncio.get_running_loop().time())
        fleet.kill(name)

    history = simulate(QUEUE, [job()], seconds=10, script=kill_the_holder)
    first, again = [event for event in starts(history) if event.due_ms == START_MS + 300]
    assert first.instance != again.instance
    recovery_s = bounds(Timing()).recovery_s
    assert recovery_s is not None
    assert again.t - killed_at[0] <= recovery_s
    assert (first.fence, again.fence) == (1, 2)
    assert [event.what for event in history if isinstance(event, Republished)] == ["redelivered"]


def test_fires_due_while_a_dead_workers_message_blocks_the_job_follow_the_misfire_policy() -> None:
    """run-latest: of the fires due until the recovery the latest runs, the others are noted."""

    async def kill_the_holder(fleet: SimulatedFleet) -> None:
        fleet.kill(await the_holder(fleet))

    history = simulate(QUEUE, [job()], seconds=10, script=kill_the_holder)
    run, skipped = runs_of_fires(history), [e for e in history if isinstance(e, Skipped)]
    dues = {START_MS + 300 + 1000 * n for n in range(10)}
    assert {event.due_ms for event in skipped} | set(run) == dues
    assert not {event.due_ms for event in skipped} & set(run)
    assert {event.reason for event in skipped} == {"misfire"}
    assert all(event.t > event.due_ms / 1000 + 1 for event in skipped), "a later fire was due"


def long_runs(misfire: str, overlap: str = "forbid") -> list[Event]:
    """A job whose runs take 2.5 periods."""
    policies = job(misfire=misfire, overlap=overlap)
    return simulate(QUEUE, [policies], seconds=10, work=lambda fire: 2.5)


def test_a_run_longer_than_its_lease_is_extended_and_never_overlaps() -> None:
    history = simulate(QUEUE, [job()], seconds=20, work=lambda fire: 3 * LEASE_S)
    assert overlapping(history) == 0
    assert set(runs_of_fires(history).values()) == {1}
    assert not [event for event in history if isinstance(event, Lost)]


def test_run_latest_runs_only_the_latest_of_the_fires_that_came_due_meanwhile() -> None:
    history = long_runs("run-latest")
    assert overlapping(history) == 0
    assert [due - START_MS for due in runs_of_fires(history)][:3] == [300, 2300, 5300]


def test_run_all_runs_every_fire_late_in_order() -> None:
    history = long_runs("run-all")
    assert overlapping(history) == 0
    assert [due - START_MS for due in runs_of_fires(history)][:4] == [300, 1300, 2300, 3300]
    assert not [event for event in history if isinstance(event, Skipped)]


def test_skip_drops_the_fires_that_come_due_while_a_run_is_open() -> None:
    history = long_runs("skip")
    assert [due - START_MS for due in runs_of_fires(history)][:3] == [300, 3300, 6300]
    for event in history:
        if isinstance(event, Skipped):
            assert event.reason == "overlap"
            assert any(start <= event.t <= end for start, end in spans(history))


def test_under_allow_the_runs_of_a_job_overlap() -> None:
    history = long_runs("run-latest", overlap="allow")
    assert overlapping(history) > 0
    assert set(runs_of_fires(history).values()) == {1}


def test_a_failed_run_is_tried_three_times_with_back_off_and_then_dead() -> None:
    """At equal timing the back-off is L/2, then L, plus at most one poll of L/4."""
    once = job(end_ms=START_MS + 1000)
    history = simulate(QUEUE, [once], seconds=10, work=lambda fire: -0.1)
    first, second, third = starts(history)
    assert [event.fence for event in (first, second, third)] == [1, 2, 3]
    assert 1.1 <= second.t - first.t <= 1.1 + LEASE_S / 4 + 0.02
    assert 2.1 <= third.t - second.t <= 2.1 + LEASE_S / 4 + 0.02
    moves = [event.what for event in history if isinstance(event, Republished)]
    assert moves == ["retried", "retried", "dead"]


def test_later_fires_run_while_a_failed_one_waits_for_its_retry() -> None:
    history = simulate(
        QUEUE, [job()], seconds=10, work=lambda fire: -0.1 if fire.due_ms % 2000 == 300 else 0.1
    )
    assert overlapping(history) == 0
    on_time = [event for event in starts(history) if event.fence == 1]
    assert len(on_time) == 10
    assert max(event.t - event.due_ms / 1000 for event in on_time) < 0.3


def test_a_worker_cut_off_cancels_its_run_before_another_may_begin_it() -> None:
    """Nothing is trusted without an answer: the run ends, as lost, before the visibility does."""

    async def cut_the_holder(fleet: SimulatedFleet) -> None:
        name = await the_holder(fleet)
        cut(fleet, name)
        await asyncio.sleep(6)
        cut(fleet, name, False)

    history = simulate(QUEUE, [job()], seconds=12, work=lambda fire: 1.9, script=cut_the_holder)
    assert overlapping(history) == 0
    (lost,) = (event for event in history if isinstance(event, Lost))
    assert lost.reason == "not extended in time"
    cancelled = [e for e in history if isinstance(e, RunEnded) and e.status == "cancelled"]
    assert [event.instance for event in cancelled] == [lost.instance]


def test_a_finished_run_that_cannot_be_acknowledged_is_run_again() -> None:
    """At-least-once: the declared weakness under a partition."""

    async def cut_the_holder(fleet: SimulatedFleet) -> None:
        cut(fleet, await the_holder(fleet))

    history = simulate(QUEUE, [job()], seconds=6, script=cut_the_holder)
    assert runs_of_fires(history)[START_MS + 300] == 2
    assert QUEUE.promise.allowed("partition").duplicates


def test_a_short_loss_of_the_service_is_survived_without_a_second_run() -> None:
    """Half a lease without answers: the acknowledgement follows, extended or not."""

    async def cut_all_for_a_moment(fleet: SimulatedFleet) -> None:
        await the_holder(fleet)
        for name in fleet.members:
            cut(fleet, name)
        await asyncio.sleep(LEASE_S / 2)
        for name in fleet.members:
            cut(fleet, name, False)

    history = simulate(QUEUE, [job()], seconds=8, script=cut_all_for_a_moment)
    assert set(runs_of_fires(history).values()) == {1}
    assert len(runs_of_fires(history)) == 8


def test_an_instance_told_to_stop_ends_its_run_and_takes_no_new_one() -> None:
    async def stop_the_holder(fleet: SimulatedFleet) -> None:
        name = await the_holder(fleet)
        fleet.stop(name)
        await fleet.tasks[name]
        stopped.append((name, EPOCH_S + asyncio.get_running_loop().time()))

    stopped: list[tuple[str, float]] = []
    history = simulate(QUEUE, [job()], seconds=10, work=lambda fire: 0.9, script=stop_the_holder)
    ((name, at),) = stopped
    assert set(runs_of_fires(history).values()) == {1}
    assert len(runs_of_fires(history)) == 10
    assert all(e.status == "succeeded" for e in history if isinstance(e, RunEnded))
    assert all(event.t <= at for event in history if event.instance == name)


def test_fires_due_while_all_instances_were_down_are_found_by_the_next_to_start() -> None:
    """A job's mark is on the server: run-latest runs the last overdue fire, notes the others."""

    async def scene(fleet: SimulatedFleet) -> None:
        await asyncio.sleep(3)
        for name in ("i1", "i2"):
            fleet.kill(name)
        await asyncio.sleep(4)
        late = fleet.members["i1"]
        late.name, late.dead = "i4", False
        late.links["redis"].cut = False
        again = QUEUE.make(late.links, "sim", Timing(), random.Random(1))
        fleet.tasks["i1"] = asyncio.create_task(again.participate(late, [job()]))

    history = simulate(QUEUE, [job()], instances=2, seconds=12, script=and_wait(scene, 12))
    skipped = {event.due_ms - START_MS for event in history if isinstance(event, Skipped)}
    assert {3300, 4300, 5300} <= skipped
    assert runs_of_fires(history)[START_MS + 6300] == 1
    assert QUEUE.promise.persistent


def and_wait(script: Script, seconds: float) -> Script:
    """The script, and then idle: killed instances do not end the simulation."""

    async def both(fleet: SimulatedFleet) -> None:
        await script(fleet)
        await asyncio.sleep(seconds - asyncio.get_running_loop().time())

    return both


def test_states_can_be_read_while_the_fire_runs_and_dead_letters_are_replayed() -> None:
    """PENDING -> RUNNING -> FAILED -> ... -> DEAD -> (replayed) RUNNING -> COMPLETED."""
    once, fire = job(end_ms=START_MS + 1000), Fire("report", START_MS + 300)
    healthy, seen = [False], list[JobState | None]()

    async def watch(fleet: SimulatedFleet) -> None:
        queue = QUEUE.make(fleet.members["i1"].links, "sim", Timing(), random.Random(1))
        while seen[-1:] != ["DEAD"] and len(seen) < 20:
            (state,) = await queue.states([fire])  # type: ignore[attr-defined]
            if seen[-1:] != [state]:
                seen.append(state)
            await asyncio.sleep(0.01)
        (letter,) = await queue.dead_letters()  # type: ignore[attr-defined]
        assert (letter.fire, letter.deliveries, letter.reason) == (fire, 3, "failed")
        healthy[0] = True
        assert await queue.replay(letter)  # type: ignore[attr-defined]
        assert not await queue.replay(letter)  # type: ignore[attr-defined]
        await asyncio.sleep(2)
        seen.extend(await queue.states([fire]))  # type: ignore[attr-defined]

    history = simulate(
        QUEUE, [once], seconds=20, work=lambda f: 0.4 if healthy[0] else -0.4, script=watch
    )
    tries = ["RUNNING", "FAILED", "RUNNING", "FAILED", "RUNNING", "DEAD"]
    assert [one for one in seen if one not in (None, "PENDING")] == [*tries, "COMPLETED"]
    assert [event.fence for event in starts(history)] == [1, 2, 3, 4]


def test_a_message_whose_workers_keep_dying_is_dead_after_three_deliveries() -> None:
    """A redelivery counts as a try: a fire that kills its worker does not kill them all."""
    once = job(end_ms=START_MS + 1000)

    async def kill_every_holder(fleet: SimulatedFleet) -> None:
        for _ in range(3):
            fleet.kill(await the_holder(fleet))
        await asyncio.sleep(5)

    history = simulate(QUEUE, [once], instances=4, seconds=15, script=kill_every_holder)
    assert [event.fence for event in starts(history)] == [1, 2, 3]
    assert [e.what for e in history if isinstance(e, Republished)][-1] == "dead"


def test_an_instance_that_starts_without_the_service_joins_once_it_answers() -> None:
    async def cut_at_first(fleet: SimulatedFleet) -> None:
        for name in fleet.members:
            cut(fleet, name)
        await asyncio.sleep(3)
        for name in fleet.members:
            cut(fleet, name, False)

    history = simulate(QUEUE, [job()], seconds=8, script=cut_at_first)
    assert START_MS + 7300 in runs_of_fires(history)
    assert set(runs_of_fires(history).values()) == {1}


def test_a_fire_is_won_in_one_call_and_losing_offers_are_lost() -> None:
    history = simulate(QUEUE, [job()], seconds=10)
    calls = Counter((e.action, e.outcome) for e in history if isinstance(e, Coordinated))
    assert calls["begin", "won"] == calls["ack", "ok"] == calls["publish", "ok"] == 10
    assert calls["publish", "lost"] == 20


def test_publish_everywhere_runs_every_fire_once_for_each_instance() -> None:
    (control,) = publish_everywhere.DESIGNS
    history = simulate(control, [job()], instances=3, seconds=5)
    assert set(runs_of_fires(history).values()) == {3}
    assert control.breaks[0].column == "duplicate_fires"


@pytest.mark.parametrize("seed", range(5))
def test_no_fire_is_lost_whatever_instance_dies_when(seed: int) -> None:
    """Two of four instances die at random moments: each fire is run, or skipped by policy."""
    rng = random.Random(seed)

    async def kill_two(fleet: SimulatedFleet) -> None:
        for name in ("i1", "i2"):
            await asyncio.sleep(rng.uniform(0.5, 5))
            fleet.kill(name)

    jobs = [Job(name=f"job-{n}", schedule=Every(700, phase_ms=53 * n)) for n in range(12)]
    history = simulate(QUEUE, jobs, instances=4, seconds=20, seed=seed, script=kill_two)
    finished = {e.run for e in history if isinstance(e, RunEnded)}
    done = {(e.job, e.due_ms) for e in starts(history) if e.run in finished}
    done |= {(e.job, e.due_ms) for e in history if isinstance(e, Skipped)}
    for one in jobs:
        dues = sorted(due for name, due in done if name == one.name)
        assert all(later - earlier == 700 for earlier, later in pairwise(dues)), one.name


def test_timing_follows_the_one_knob() -> None:
    equal, vendor = QueueTiming.of(Timing()), QueueTiming.of(Timing(profile="vendor"))
    assert (equal.visibility_s, equal.claim_s) == (2.0, 0.5)
    assert equal.trusted_s + equal.call_s < equal.visibility_s
    assert [vendor.backoff(tries) for tries in (1, 2, 3, 6, 2000)] == [30, 60, 120, 900, 900]


class Custodian:
    """A member and a queue for Custody alone: extensions are answered by `ours`."""

    name = "i1"

    def __init__(self, ours: bool = True) -> None:
        self.clock, self.stopping = SimulatedClock(), asyncio.Event()
        self.ours, self.notes = ours, list[Note]()

    async def run(self, fire: Fire, fence: int | None) -> None: ...

    def note(self, event: Note) -> None:
        self.notes.append(event)

    async def extend(self, messages: list[Message]) -> list[bool]:
        return [self.ours for _ in messages]


def in_virtual_time(scene: Coroutine[None, None, None]) -> None:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(scene)


def test_claiming_again_what_one_held_before_a_pause_cancels_the_earlier_run() -> None:
    async def scene() -> None:
        member = Custodian()
        custody = Custody(member, member, QueueTiming.of(Timing()))  # type: ignore[arg-type]
        message = Message("1-0", Fire("report", 1000))
        earlier = custody.hold(message, 0.0)
        earlier.run = asyncio.create_task(asyncio.sleep(60))
        again = custody.hold(replace(message, deliveries=2), 2.5)
        await asyncio.wait([earlier.run])
        assert earlier.run.cancelled()
        assert earlier not in custody
        assert again in custody
        assert [event.reason for event in member.notes if isinstance(event, Lost)]

    in_virtual_time(scene())


@pytest.mark.parametrize("settling", [False, True])
def test_a_refused_extension_cancels_the_run_unless_it_is_being_acknowledged(
    settling: bool,
) -> None:
    """The acknowledgement may have reached the queue before the extension did; its answer tells."""

    async def scene() -> None:
        member = Custodian(ours=False)
        custody = Custody(member, member, QueueTiming.of(Timing()))  # type: ignore[arg-type]
        held = custody.hold(Message("1-0", Fire("report", 1000)), 0.0)
        held.run, held.settling = asyncio.create_task(asyncio.sleep(60)), settling
        keeping = asyncio.create_task(custody.keep())
        await asyncio.sleep(0.6)
        assert (held in custody) == settling
        assert held.run.cancelled() != settling
        keeping.cancel()
        held.run.cancel()

    in_virtual_time(scene())
