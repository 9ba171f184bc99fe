"""When jobs are due: pure functions from a job and a time to due times.

`Every` is anchored at the epoch, so that all instances agree without talking. Cron lines are read
by cronsim in their own time zone, with Debian cron's rules at a change of daylight saving time:
a line with fixed hours runs once (a skipped hour at the next existing minute, a repeated hour at
its first pass); a line with `*` or steps in the hour follows real elapsed time.
"""

import functools
from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from strategies.errors import ScheduleError
from strategies.model import Cron, Every, Fire, Job

SHORTEST_PERIOD_MS = 100


def due_after(job: Job, after_ms: int) -> int | None:
    """The job's first due time strictly after `after_ms`, or None when there is no more."""
    after_ms = max(after_ms, job.start_ms - 1)
    due_ms = _next(job.schedule, after_ms)
    if due_ms is None or (job.end_ms is not None and due_ms >= job.end_ms):
        return None
    return due_ms


def fires_between(job: Job, after_ms: int, until_ms: int) -> Iterator[Fire]:
    """The job's fires due in (after_ms, until_ms], in order."""
    due_ms = due_after(job, after_ms)
    while due_ms is not None and due_ms <= until_ms:
        yield Fire(job.name, due_ms)
        due_ms = due_after(job, due_ms)


def split_misfires(job: Job, overdue: list[Fire]) -> tuple[list[Fire], list[Fire]]:
    """(to run, to skip) of `overdue`, all of whose fires but the last have a later one due too.

    `run-latest` runs the last, `run-all` every one, and `skip` only the last, which is due now:
    the fires before it were misfired.
    """
    if job.misfire == "run-all":
        return overdue, []
    return overdue[-1:], overdue[:-1]


def check_schedule(schedule: Every | Cron) -> None:
    """Raise ScheduleError unless the schedule can be followed."""
    if isinstance(schedule, Every):
        if schedule.period_ms < SHORTEST_PERIOD_MS:
            raise ScheduleError(
                f"every {schedule.period_ms} ms is shorter than the clock can hold: "
                f"use {SHORTEST_PERIOD_MS} ms or more"
            )
        return
    _zone(schedule.zone)
    try:
        CronSim(schedule.line, datetime(2026, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        raise ScheduleError(
            f"cron line {schedule.line!r} cannot be parsed ({error}): "
            'expected "minute hour day month weekday", like "*/5 * * * *"'
        ) from error


def _next(schedule: Every | Cron, after_ms: int) -> int | None:
    if isinstance(schedule, Every):
        return _next_every(schedule, after_ms)
    return _next_cron(schedule, after_ms)


def _next_every(schedule: Every, after_ms: int) -> int:
    period, phase = schedule.period_ms, schedule.phase_ms
    return (after_ms - phase) // period * period + period + phase


# One entry per (line, zone, minute asked for): the fleet's loops ask for the same ones again.
@functools.lru_cache(maxsize=4096)
def _next_cron(schedule: Cron, after_ms: int) -> int | None:
    after = datetime.fromtimestamp(after_ms / 1000, _zone(schedule.zone))
    due = next(CronSim(schedule.line, after), None)
    return None if due is None else round(due.timestamp() * 1000)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, IsADirectoryError) as error:
        raise ScheduleError(
            f"time zone {name!r} is unknown: expected an IANA name like 'Europe/Berlin'"
        ) from error
