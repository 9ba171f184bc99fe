"""How a scenario changes the workload: what runs last, when jobs are due, how often they fail."""

import msgspec

from bench.workload import Workload
from strategies.model import Every, Job


class Load(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a scenario asks of the workload; the defaults leave it as it is.

    `aligned`: all jobs with a period are due on the same tick. `lease_runs`: runs last as many
    leases. `failure_rate`: the share of runs that fail. `flap_periods`: jobs work and fail by
    turns, that many of the workload's longest periods each. `memory_mb`: what a run needs.
    """

    aligned: bool = False
    lease_runs: float | None = None
    failure_rate: float | None = None
    flap_periods: float | None = None
    memory_mb: int | None = None

    def shape(self, workload: Workload, lease_s: float) -> Workload:
        """The workload as the scenario wants it."""
        jobs, work = workload.jobs, workload.work
        if self.aligned:
            jobs = [_on_the_tick(job) for job in jobs]
        changes: dict[str, float] = {}
        if self.lease_runs is not None:
            changes["duration_s"] = self.lease_runs * lease_s
        if self.failure_rate is not None:
            changes["failure_rate"] = self.failure_rate
        if self.flap_periods is not None:
            changes["flaps_s"] = self.flap_periods * workload.period_s
        if self.memory_mb is not None:
            changes["memory_mb"] = self.memory_mb
        if changes:
            work = {name: msgspec.structs.replace(one, **changes) for name, one in work.items()}
        return Workload(jobs, work)


AS_IT_IS = Load()


def _on_the_tick(job: Job) -> Job:
    if not isinstance(job.schedule, Every):
        return job
    return msgspec.structs.replace(job, schedule=msgspec.structs.replace(job.schedule, phase_ms=0))
