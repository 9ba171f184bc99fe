"""What the CronJob controller leaves out is told once, with the reason that its words give."""

from datetime import UTC, datetime

from bench.services.kubernetes.held import HELD, ClusterEvent, HeldFires, InvolvedObject
from strategies.kubernetes.objects import Meta
from strategies.model import Cron, Job
from strategies.notes import Skipped

MINUTE = 60_000
START_MS = 1_800_000_000_000  # a full minute
JOB = Job(name="report", schedule=Cron("* * * * *"), start_ms=START_MS)


def told() -> tuple[HeldFires, list[tuple[int, str]]]:
    """A state machine for JOB, and what it tells: (minute of the trial, reason)."""
    said: list[tuple[int, str]] = []

    def tell(one: Skipped) -> None:
        assert one.job == JOB.name
        said.append(((one.due_ms - START_MS) // MINUTE, one.reason))

    return HeldFires([JOB], tell), said


def due(minute: int) -> int:
    return START_MS + minute * MINUTE


def held_at(minute: int, second: int = 0, name: str = JOB.name) -> ClusterEvent:
    moment = datetime.fromtimestamp(due(minute) / 1000 + second, UTC)
    return ClusterEvent(
        metadata=Meta(name="e"), involved_object=InvolvedObject(name=name), reason=HELD,
        last_timestamp=moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
    )  # fmt: skip


def test_fires_that_start_one_by_one_leave_nothing_out() -> None:
    held, said = told()
    for minute in range(4):
        held.started(JOB.name, due(minute))
    assert said == []


def test_a_fire_that_is_due_while_a_job_is_active_is_held_back_once_however_often_it_is_said() -> (
    None
):
    held, said = told()
    held.started(JOB.name, due(0))
    held.event(held_at(1))
    held.event(held_at(1, second=31))
    assert said == [(1, "overlap")]


def test_a_run_of_90_s_each_minute_holds_back_and_passes_over() -> None:
    """As measured: due 0 runs, 1 is late, 2 is never run, 3 is late."""
    held, said = told()
    held.started(JOB.name, due(0))
    held.event(held_at(1))
    held.started(JOB.name, due(1))
    held.event(held_at(2))
    held.started(JOB.name, due(3))
    assert said == [(1, "overlap"), (2, "overlap")]


def test_fires_without_a_job_before_a_later_one_were_passed_over() -> None:
    """The controllers were down: nobody said a word about minutes 1 and 2."""
    held, said = told()
    held.started(JOB.name, due(0))
    held.started(JOB.name, due(3))
    assert said == [(1, "misfire"), (2, "misfire")]


def test_the_first_fires_are_counted_from_the_jobs_start() -> None:
    held, said = told()
    held.started(JOB.name, due(2))
    assert said == [(0, "misfire"), (1, "misfire")]


def test_without_a_start_nothing_is_known_of_the_time_before_the_first_job() -> None:
    said: list[Skipped] = []
    held = HeldFires([Job(name="report", schedule=Cron("* * * * *"))], said.append)
    held.started("report", due(2))
    assert said == []


def test_what_it_cannot_know_of_it_leaves_alone() -> None:
    """Jobs of others, Jobs told late, Jobs made by hand."""
    held, said = told()
    held.started("stranger", due(5))
    held.event(held_at(1, name="stranger"))
    held.started(JOB.name, None)
    held.started(JOB.name, due(0))
    held.started(JOB.name, due(1))
    held.started(JOB.name, due(0))
    assert said == []
