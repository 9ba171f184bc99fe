"""What should have happened in a trial, as its history has it: the header, the jobs, their fires.

Instances write what did happen. Without this nobody could tell what is missing from it.
"""

from collections.abc import Callable, Iterator, Sequence

from bench.events import FORMAT_VERSION, Due, History, JobDeclared
from bench.plan import Plan
from strategies.interface import Design
from strategies.model import Every, Job
from strategies.notes import Event
from strategies.schedule import fires_between


def what_was_due(
    plan: Plan, jobs: Sequence[Job], until_s: float, last_ms: Callable[[Job], int]
) -> Iterator[Event]:
    """What was recorded until when, the jobs, and each one's fires up to `last_ms` of it."""
    yield History(
        version=FORMAT_VERSION,
        until_s=until_s,
        strategy=plan.design.name,
        scenario=plan.scenario.name,
        lease_s=plan.lease_s,
        instances=plan.instances,
    )
    for job in jobs:
        yield declared(job, plan.design)
        for fire in fires_between(job, job.start_ms - 1, last_ms(job)):
            yield Due(job=job.name, due_ms=fire.due_ms)


def declared(job: Job, design: Design) -> JobDeclared:
    """A job and its policies, as the history has them."""
    schedule = job.schedule
    return JobDeclared(
        job=job.name,
        period_s=schedule.period_ms / 1000 if isinstance(schedule, Every) else None,
        overlap=job.overlap,
        misfire=job.misfire,
        tries=job.retries + 1 if design.promise.retries else 1,
        timeout_s=job.timeout_s,
    )
