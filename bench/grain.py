"""Planning for platforms whose clock ticks in minutes: load that begins just before a tick.

Their jobs are due at whole multiples of the grain, all at once, so a load holds as many due times
as fit and ends soon after the last; what a fault needs is struck from the first.
"""

import math
from collections.abc import Sequence

from msgspec.structs import replace

from bench.workload import Workload, default_workload
from strategies.model import Every, Job

LEAD_S = 4.0  # of load before the first due time: a fault waits for its target there
LONGEST_RUN_PERIODS = 0.75  # that a load is made longer for: four due times are enough
TAIL_S = 1.0  # of load after the last
RETRIES = 3  # the backoffLimit that CronJobs are measured with
RUN_S = 3.0  # long enough to be struck in the middle, short enough to end before a failover
SET_UP_S, PER_INSTANCE_S, PER_JOB_S = 8.0, 0.3, 0.03  # until nodes are there and jobs are known


def workload(jobs: int, asked_s: float, grain_s: float) -> Workload:
    """M jobs with the shortest period of whole grains that is not shorter than asked."""
    period_s = math.ceil(asked_s / grain_s) * grain_s
    made = default_workload(jobs, period_s, RUN_S, grain_s)
    return Workload([replace(job, retries=RETRIES) for job in made.jobs], made.work)


def load_s(asked_s: float, period_s: float) -> float:
    """How long load lasts that is to last about `asked_s` and ends with a due time."""
    return LEAD_S + max(0, math.floor((asked_s - LEAD_S) / period_s)) * period_s + TAIL_S


def start_s(earliest_s: float, grain_s: float) -> float:
    """When load may begin: just before a tick, `earliest_s` or later (seconds since 1970)."""
    return math.ceil((earliest_s + LEAD_S) / grain_s) * grain_s - LEAD_S


def set_up_s(instances: int, jobs: int) -> float:
    """How long nodes and jobs take to be there before the load."""
    return SET_UP_S + PER_INSTANCE_S * instances + PER_JOB_S * jobs


def misfit(jobs: Sequence[Job], grain_s: float) -> str | None:
    """Which job cannot be due at whole multiples of the grain; None where all can."""
    grain_ms = round(grain_s * 1000)
    for job in jobs:
        schedule = job.schedule
        if not grain_ms or not isinstance(schedule, Every):
            continue
        if schedule.period_ms % grain_ms or schedule.phase_ms % grain_ms:
            return (
                f"{job.name} is due every {schedule.period_ms / 1000:g} s from "
                f"{schedule.phase_ms / 1000:g} s, expected multiples of {grain_s:g} s"
            )
    return None
