"""Ten months of a daily job at half past two in Berlin, under virtual time.

On the last Sunday of March there is no half past two; on the last of October there are two.
"""

from datetime import UTC, datetime

from bench.checks.outcomes import Outcome, judge_fires
from bench.checks.promises import fire_ids
from bench.checks.reading import columns
from bench.events import FORMAT_VERSION, Due, History, JobDeclared
from bench.history import to_table
from bench.simulation import EPOCH_S, simulate
from strategies.interface import Design
from strategies.model import Cron, Job
from strategies.notes import Event
from strategies.schedule import fires_between

JOB = Job(name="report", schedule=Cron("30 2 * * *", "Europe/Berlin"))
BEGIN_MS = round(datetime(2027, 3, 1, tzinfo=UTC).timestamp() * 1000)
END_MS = round(datetime(2027, 11, 7, tzinfo=UTC).timestamp() * 1000)
LEASE_S = 2.0


def run(design: Design) -> dict[str, list[str]]:
    """The fires that went wrong, by outcome or flag: each as `job@due_ms`."""
    job = Job(name=JOB.name, schedule=JOB.schedule, start_ms=BEGIN_MS, end_ms=END_MS)
    seconds = END_MS / 1000 - EPOCH_S + 60
    history = [*_expected(job, EPOCH_S + seconds), *simulate(design, [job], seconds=seconds)]
    read = columns(to_table(history))
    judged = judge_fires(read)
    rows = {outcome.word: judged.fires.planned & (judged.outcome == outcome) for outcome in Outcome}
    rows |= judged.flags()
    usual = {Outcome.ON_TIME.word, Outcome.PENDING.word}
    found = {word: fire_ids(read, judged, which) for word, which in rows.items() if which.any()}
    return {word: fires for word, fires in found.items() if word not in usual}


def _expected(job: Job, until_s: float) -> list[Event]:
    """What should happen: once a day, in March half an hour later, in October at the first pass."""
    fires = fires_between(job, BEGIN_MS, END_MS - 1)
    header = History(version=FORMAT_VERSION, t=EPOCH_S, until_s=until_s, lease_s=LEASE_S)
    return [
        header,
        JobDeclared(t=EPOCH_S, job=job.name),
        *(Due(t=EPOCH_S, job=job.name, due_ms=fire.due_ms) for fire in fires),
    ]
