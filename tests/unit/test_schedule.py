"""When jobs are due, for periods, cron lines, time zones and the edges of daylight saving time."""

import itertools
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies.errors import ScheduleError
from strategies.model import Cron, Every, Fire, Job
from strategies.schedule import check_schedule, due_after, fires_between, split_misfires

periods = st.integers(100, 10**7)
times = st.integers(0, 4 * 10**12)


def every(period_ms: int, phase_ms: int = 0, **policies: object) -> Job:
    return Job(name="j", schedule=Every(period_ms, phase_ms), **policies)


def cron(line: str, zone: str = "UTC") -> Job:
    return Job(name="j", schedule=Cron(line, zone))


def ms(text: str, zone: str = "UTC") -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


def local_times(job: Job, after: str, until: str, zone: str) -> list[str]:
    found = fires_between(job, ms(after, zone), ms(until, zone))
    return [
        datetime.fromtimestamp(fire.due_s, ZoneInfo(zone)).isoformat(timespec="minutes")
        for fire in found
    ]


@given(period=periods, phase=st.integers(0, 10**7), after=times)
def test_a_period_is_due_strictly_later_within_one_period_and_on_its_phase(
    period: int, phase: int, after: int
) -> None:
    due = due_after(every(period, phase), after)
    assert due is not None
    assert after < due <= after + period
    assert (due - phase) % period == 0


@given(period=periods, after=times, count=st.integers(1, 50))
def test_walking_from_due_time_to_due_time_misses_and_repeats_nothing(
    period: int, after: int, count: int
) -> None:
    job = every(period)
    fires = list(fires_between(job, after, after + count * period))
    assert len(fires) == count
    assert {b.due_ms - a.due_ms for a, b in itertools.pairwise(fires)} <= {period}


def test_a_job_is_due_neither_before_its_start_nor_at_its_end() -> None:
    job = every(1000, start_ms=5000, end_ms=8000)
    assert [fire.due_ms for fire in fires_between(job, 0, 20_000)] == [5000, 6000, 7000]


def test_a_fire_is_named_by_job_and_due_time() -> None:
    assert Fire("report", 1_800_000_000_123).id == "report@1800000000123"


def test_a_cron_line_follows_its_own_time_zone() -> None:
    job = cron("30 9 * * *", "Asia/Tokyo")
    assert due_after(job, ms("2026-01-01T00:00")) == ms("2026-01-01T00:30")


def test_in_the_hour_that_is_skipped_a_fixed_time_runs_once_at_the_next_existing_minute() -> None:
    found = local_times(
        cron("30 2 * * *", "Europe/Berlin"), "2026-03-29T00:00", "2026-03-30T03:00", "Europe/Berlin"
    )
    assert found == ["2026-03-29T03:00+02:00", "2026-03-30T02:30+02:00"]


def test_in_the_hour_that_is_repeated_a_fixed_time_runs_once_at_its_first_pass() -> None:
    found = local_times(
        cron("30 2 * * *", "Europe/Berlin"), "2026-10-25T00:00", "2026-10-25T12:00", "Europe/Berlin"
    )
    assert found == ["2026-10-25T02:30+02:00"]


def test_in_the_hour_that_is_repeated_an_hourly_line_runs_in_both_passes() -> None:
    found = local_times(
        cron("0 * * * *", "Europe/Berlin"), "2026-10-25T01:30", "2026-10-25T03:30", "Europe/Berlin"
    )
    assert found == ["2026-10-25T02:00+02:00", "2026-10-25T02:00+01:00", "2026-10-25T03:00+01:00"]


def test_a_change_by_half_an_hour_neither_loops_nor_stops() -> None:
    zone = "Australia/Lord_Howe"
    found = local_times(cron("15 2 * * *", zone), "2026-10-03T00:00", "2026-10-06T00:00", zone)
    assert len(found) == 3


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1)),
    st.sampled_from(["Europe/Berlin", "America/Santiago", "Australia/Lord_Howe", "UTC"]),
)
def test_cron_due_times_always_move_forward(after: datetime, zone: str) -> None:
    after_ms = round(after.replace(tzinfo=UTC).timestamp() * 1000)
    first = due_after(cron("*/7 1-3 * * *", zone), after_ms)
    assert first is not None
    assert first > after_ms


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        (Every(99), "99 ms"),
        (Cron("61 * * * *"), "61"),
        (Cron("every day"), "every day"),
        (Cron("* * * * *", "Europe/Atlantis"), "Europe/Atlantis"),
    ],
)
def test_what_cannot_be_followed_is_refused_by_name(schedule: Every | Cron, said: str) -> None:
    with pytest.raises(ScheduleError, match=said):
        check_schedule(schedule)


def test_the_shortest_period_is_accepted() -> None:
    check_schedule(Every(100))


@pytest.mark.parametrize(
    ("misfire", "run", "skip"),
    [("run-latest", [3], [1, 2]), ("run-all", [1, 2, 3], []), ("skip", [3], [1, 2])],
)
def test_of_the_overdue_fires_the_misfire_policy_says_which_run(
    misfire: str, run: list[int], skip: list[int]
) -> None:
    overdue = [Fire("j", due) for due in (1, 2, 3)]
    to_run, to_skip = split_misfires(every(1000, misfire=misfire), overdue)
    assert ([f.due_ms for f in to_run], [f.due_ms for f in to_skip]) == (run, skip)
