"""What the live view finds is what the checks find, each thing once, in bounded memory."""

from itertools import count

import pytest

from bench.due import declared
from bench.events import Died, Effect, FaultBegan, FaultHealed, RunEnded, RunStarted
from bench.live.findings import Findings, judge
from bench.live.window import Window
from bench.workload import default_workload
from strategies.catalogue import design
from strategies.model import Job
from strategies.notes import Event, Skipped

LEASE_S, SETTLE_S, KEEP_S, SINCE_S = 2.0, 5.0, 12.0, 1_800_000_000.0


class Fleet:
    """A fleet as the window sees it: one job, due every second, half a second into it."""

    def __init__(self) -> None:
        (job,) = default_workload(1, 1.0).jobs
        self.job: Job = job
        self.phase_s = job.schedule.phase_ms / 1000  # type: ignore[union-attr]
        start_ms = round(SINCE_S * 1000)
        (bounded,) = default_workload(1, 1.0).within(start_ms, start_ms + 10**9)
        self.window = Window(
            jobs=[bounded],
            declared=[declared(bounded, design("redis-lock"))],
            since_s=SINCE_S,
            lease_s=LEASE_S,
            keep_s=KEEP_S,
        )
        self.findings = Findings(SETTLE_S)
        self._runs = count(1)

    def due_s(self, second: int) -> float:
        return SINCE_S + second + self.phase_s

    def due_ms(self, second: int) -> int:
        return round(self.due_s(second) * 1000)

    def start(self, second: int, instance: str, after_s: float = 0.01) -> str:
        run = f"{instance}:{next(self._runs)}"
        due_ms = self.due_ms(second)
        self.take(
            RunStarted(run=run, job=self.job.name, due_ms=due_ms, instance=instance),
            self.due_s(second) + after_s,
        )
        return run

    def end(self, run: str, t: float) -> None:
        self.take(RunEnded(run=run, status="succeeded", instance=run.partition(":")[0]), t)

    def run(self, second: int, instance: str = "i1-aa", after_s: float = 0.01) -> None:
        run = self.start(second, instance, after_s)
        self.end(run, self.due_s(second) + after_s + 0.4)

    def take(self, event: Event, t: float) -> None:
        event.t = t
        self.window.take([event])

    def look(self, second: float) -> list[str]:
        """Judge as it stands so many seconds after the beginning; what is new."""
        snapshot = self.window.snapshot(SINCE_S + second)
        return self.findings.take(judge(snapshot, 2.1), snapshot, self.window)


@pytest.fixture
def fleet() -> Fleet:
    return Fleet()


def test_fires_that_go_well_are_counted_and_not_told(fleet: Fleet) -> None:
    for second in range(3):
        fleet.run(second)
    assert fleet.look(3) == []
    assert fleet.findings.counts["on-time"] == fleet.findings.fires == 3


def test_a_fire_that_runs_twice_is_told_once_with_who_ran_it(fleet: Fleet) -> None:
    fleet.run(0, "i1-aa")
    fleet.run(0, "i2-bb", after_s=0.6)
    (line,) = fleet.look(1.5)
    assert line.startswith("duplicate: job-0001 due ")
    assert line.endswith("ran 2 times (i1, i2)")
    assert fleet.look(1.6) == []
    assert fleet.findings.counts["duplicate"] == 1


def test_two_instances_of_one_host_are_told_apart(fleet: Fleet) -> None:
    fleet.run(0, "i1-aa")
    fleet.run(0, "i1-bb", after_s=0.6)
    assert fleet.look(2)[0].endswith("ran 2 times (i1-aa, i1-bb)")


def test_many_at_once_are_one_line(fleet: Fleet) -> None:
    for second in range(4):
        fleet.run(second, "i1-aa")
        fleet.run(second, "i2-bb", after_s=0.6)
    (line,) = [one for one in fleet.look(5) if one.startswith("duplicate")]
    assert line.startswith("duplicate: 4 fires, first job-0001 due ")


def test_an_overlap_names_who_was_running(fleet: Fleet) -> None:
    slow = fleet.start(0, "i1-aa")
    fleet.run(1, "i2-bb")
    fleet.end(slow, fleet.due_s(1) + 0.2)
    (line,) = fleet.look(2.2)
    assert line.startswith("overlap: ")
    assert line.endswith("ran beside another run of its job (i1, i2)")


def test_a_fire_that_nobody_runs_is_missed_once_it_is_no_longer_too_recent(fleet: Fleet) -> None:
    assert fleet.look(fleet.phase_s + 0.1) == []
    (line,) = fleet.look(fleet.phase_s + 0.9)
    assert line.startswith("missed: ")


def test_a_fire_broken_off_is_told_once_nobody_will_run_it_again(fleet: Fleet) -> None:
    fleet.start(0, "i1-aa")
    fleet.take(Died(instance="i1-aa", status=-9), fleet.due_s(0) + 0.2)
    for second in range(1, 8):
        fleet.run(second, "i2-bb")
    assert fleet.look(2.0) == []
    assert fleet.findings.counts["interrupted"] == 1
    (line,) = fleet.look(7.5)
    assert line.startswith("interrupted: ")


def test_a_skip_counts_only_for_a_reason_that_holds(fleet: Fleet) -> None:
    slow = fleet.start(0, "i1-aa")
    skipped = Skipped(job=fleet.job.name, due_ms=fleet.due_ms(1), reason="overlap")
    fleet.take(skipped, fleet.due_s(1) + 0.1)
    fleet.end(slow, fleet.due_s(1) + 0.3)
    false = Skipped(job=fleet.job.name, due_ms=fleet.due_ms(2), reason="overlap")
    fleet.take(false, fleet.due_s(2) + 0.1)
    fleet.look(4.5)
    assert fleet.findings.counts["skipped"] == 1
    assert fleet.findings.counts["missed"] == 2  # the false one, and that of second 3


def test_a_run_of_a_clock_that_is_ahead_is_early_and_not_unheard_of(fleet: Fleet) -> None:
    fleet.run(3, "i1-aa", after_s=-2.5)
    fleet.look(1.2)
    assert fleet.findings.counts["early"] == 1
    assert fleet.findings.counts["phantom"] == 0


def test_what_is_long_past_leaves_the_window_and_stays_counted(fleet: Fleet) -> None:
    for second in range(40):
        fleet.run(second)
        if second % 2:
            effect = Effect(run="x", job=fleet.job.name, due_ms=fleet.due_ms(second))
            fleet.take(effect, fleet.due_s(second) + 0.3)
        fleet.look(second + 1.0)
    assert fleet.findings.fires == 40
    assert fleet.findings.counts["on-time"] == 40
    assert len(fleet.window.fires) < KEEP_S + 3
    assert len(fleet.window.snapshot(SINCE_S + 40).events) < 6 * (KEEP_S + 3)


def test_a_paused_holder_keeps_its_fire_until_it_wakes(fleet: Fleet) -> None:
    """However long it was stopped: its late effect and the second run are about that fire."""
    slow = fleet.start(0, "i1-aa")
    fleet.run(0, "i2-bb", after_s=2.2)
    for second in range(1, 25):
        fleet.run(second, "i2-bb")
        fleet.look(second + 1.0)
    assert (fleet.job.name, fleet.due_ms(0)) in fleet.window.fires
    fleet.end(slow, fleet.due_s(24) + 0.5)
    fleet.run(25)
    fleet.look(26.0)
    fleet.run(26)
    fleet.look(27.0)
    assert (fleet.job.name, fleet.due_ms(0)) not in fleet.window.fires
    assert fleet.findings.counts["duplicate"] == 1


def test_faults_that_are_over_leave_too(fleet: Fleet) -> None:
    for number in range(25):
        t = fleet.due_s(number)
        fleet.take(FaultBegan(fault="pause", id=number, instance="i1-aa"), t)
        fleet.take(FaultHealed(id=number, instance="i1-aa"), t + 0.5)
        fleet.run(number)
        fleet.look(number + 1.0)
    left = [
        one for one in fleet.window.snapshot(SINCE_S + 25).events if isinstance(one, FaultBegan)
    ]
    assert len(left) <= KEEP_S + 2 * LEASE_S + 1


def test_a_kill_that_was_never_healed_does_not_stay_for_ever(fleet: Fleet) -> None:
    fleet.take(FaultBegan(fault="kill", id=1, instance="i3-cc"), fleet.due_s(0))
    fleet.take(Died(instance="i3-cc", status=-9), fleet.due_s(0))
    for second in range(30):
        fleet.run(second)
        fleet.look(second + 1.0)
    kinds = {type(one) for one in fleet.window.snapshot(SINCE_S + 30).events}
    assert not kinds & {FaultBegan, Died}
