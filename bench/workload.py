"""The workload of a trial: jobs, their policies, and how long their runs take.

Made from a number of jobs, or read from a TOML file that people write (docs/workload.md):

    [defaults]
    duration = "400ms"

    [[jobs]]
    name = "report"
    every = "1s"            # or: cron = "*/5 * * * *" and zone = "Europe/Berlin"
    overlap = "forbid"      # or allow
    misfire = "run-latest"  # or run-all, skip
    retries = 2
    timeout = "5s"
    spread = 0.2            # durations within +-20 %
    failure_rate = 0.01
"""

import re
import tomllib
import zlib
from pathlib import Path
from typing import Any

import msgspec

from bench.config import Work
from bench.errors import BadArguments
from strategies.errors import ScheduleError
from strategies.model import Cron, Every, Job
from strategies.schedule import check_schedule

UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
MAX_ATTEMPTS_PER_S = 1000.0
RUN_S = 0.4  # the default run: over before a lease of the default length is renewed for it
LONGER_EVERY, LONGER = 10, 2.0  # every tenth job's is not, so that renewals are seen at all


class Workload(msgspec.Struct, frozen=True):
    """Jobs, and by job name the work of their runs."""

    jobs: list[Job]
    work: dict[str, Work]

    def within(self, start_ms: int, end_ms: int) -> list[Job]:
        """The jobs with their schedules bounded to [start_ms, end_ms)."""
        return [msgspec.structs.replace(job, start_ms=start_ms, end_ms=end_ms) for job in self.jobs]

    @property
    def longest_run_s(self) -> float:
        """The longest a run takes."""
        return max((work.duration_s * (1 + work.spread) for work in self.work.values()), default=0)

    @property
    def period_s(self) -> float:
        """The longest period of an `every` job, in seconds; a cron line counts as a minute."""
        return max(
            job.schedule.period_ms / 1000 if isinstance(job.schedule, Every) else 60.0
            for job in self.jobs
        )


class _JobTable(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    name: str
    every: str | None = None
    cron: str | None = None
    zone: str = "UTC"
    phase: str | None = None
    overlap: str = "forbid"
    misfire: str = "run-latest"
    retries: int = 2
    timeout: str | None = None
    duration: str = "400ms"
    spread: float = 0.0
    failure_rate: float = 0.0


class _WorkloadFile(msgspec.Struct, forbid_unknown_fields=True):
    jobs: list[dict[str, Any]]
    defaults: dict[str, Any] = {}


def default_workload(
    jobs: int, period_s: float, duration_s: float | None = None, grain_s: float = 0.001
) -> Workload:
    """M jobs `every` period, their phases spread by name in multiples of `grain_s`.

    Each run is as long as `duration_s`; by default those of every tenth job are longer than others.
    """
    period_ms, grain_ms = round(period_s * 1000), round(grain_s * 1000)
    made = [
        Job(name=name, schedule=Every(period_ms, phase_of(name, period_ms // grain_ms) * grain_ms))
        for name in (f"job-{number:04}" for number in range(1, jobs + 1))
    ]
    for job in made[:1]:
        _checked(job)
    lengths = _lengths_s(jobs, period_s) if duration_s is None else [duration_s] * jobs
    return Workload(
        made, {job.name: Work(length) for job, length in zip(made, lengths, strict=True)}
    )


def _lengths_s(jobs: int, period_s: float) -> list[float]:
    """How long the runs of the default jobs last, in seconds."""
    # A longer run ends well before the job's next fire, or it would make that one be skipped.
    longer_s = max(RUN_S, min(LONGER * RUN_S, 0.8 * period_s))
    return [RUN_S if n % LONGER_EVERY else longer_s for n in range(1, jobs + 1)]


def phase_of(name: str, period_ms: int) -> int:
    """A job's phase in ms: spread over the period by the job's name, the same on all machines."""
    return zlib.crc32(name.encode()) % period_ms


def period_for(instances: int, jobs: int, asked_s: float) -> float:
    """The period that keeps N x M / P at or under 1,000 attempts a second, at least `asked_s`."""
    return max(asked_s, instances * jobs / MAX_ATTEMPTS_PER_S)


def load_workload(path: Path) -> Workload:
    """Read a workload file; raises BadArguments naming the file, the job and what is wrong."""
    try:
        file = msgspec.convert(tomllib.loads(path.read_text()), _WorkloadFile)
        tables = [msgspec.convert({**file.defaults, **table}, _JobTable) for table in file.jobs]
    except OSError as error:
        raise BadArguments(f"workload {path}: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise BadArguments(f"workload {path}: {error} (docs/workload.md shows the form)") from error
    if len({table.name for table in tables}) < len(tables) or not tables:
        raise BadArguments(f"workload {path}: expected one or more jobs, each with its own name")
    try:
        jobs = [_job(table) for table in tables]
        work = {
            table.name: Work(seconds(table.duration), table.spread, table.failure_rate)
            for table in tables
        }
    except (BadArguments, ScheduleError, msgspec.ValidationError) as error:
        raise BadArguments(f"workload {path}: {error}") from error
    return Workload(jobs, work)


def seconds(text: str) -> float:
    """'1.5s', '200ms', '5m' as seconds; raises BadArguments for anything else."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|min|m|h)\s*", text)
    if not match:
        raise BadArguments(f"{text!r} is no length of time: expected a number and ms, s, m or h")
    return float(match[1]) * UNITS_S[match[2]]


def _job(table: _JobTable) -> Job:
    if (table.every is None) == (table.cron is None):
        raise ScheduleError(f"job {table.name!r}: give either every or cron")
    schedule: Every | Cron
    if table.every is not None:
        period_ms = round(seconds(table.every) * 1000)
        phase_s = seconds(table.phase) if table.phase else None
        phase_ms = round(phase_s * 1000) if phase_s is not None else None
        if phase_ms is None:
            phase_ms = phase_of(table.name, max(1, period_ms))
        schedule = Every(period_ms, phase_ms)
    else:
        schedule = Cron(table.cron or "", table.zone)
    policies = {"overlap": table.overlap, "misfire": table.misfire, "retries": table.retries}
    timeout_s = seconds(table.timeout) if table.timeout else None
    job = msgspec.convert(
        {
            **policies,
            "name": table.name,
            "timeout_s": timeout_s,
            "schedule": msgspec.to_builtins(schedule),
        },
        Job,
    )
    return _checked(job)


def _checked(job: Job) -> Job:
    try:
        check_schedule(job.schedule)
    except ScheduleError as error:
        raise BadArguments(f"job {job.name!r}: {error}") from error
    return job
