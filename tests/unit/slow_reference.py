"""The rules of the checks once more, in plain Python without a thought for speed."""

from bench.events import (
    Died,
    Due,
    FaultBegan,
    FaultHealed,
    History,
    JobDeclared,
    RunEnded,
    RunStarted,
)
from strategies.notes import Event, Skipped

FOREVER = float("inf")
NEAR_S = 0.05


class Reference:
    def __init__(self, events: list[Event], bound_s: float = 0.0) -> None:
        def pick(kind):
            return [event for event in events if isinstance(event, kind)]

        self.bound_s = bound_s
        self.header = pick(History)[0]
        self.jobs = {job.job: job for job in pick(JobDeclared)}
        self.dues = {(due.job, due.due_ms) for due in pick(Due)}
        self.faults = pick(FaultBegan)
        self.healed = {heal.id: heal.t for heal in pick(FaultHealed)}
        self.skips = pick(Skipped)
        deaths: dict[str, float] = {}
        for t, instance in [(died.t, died.instance) for died in pick(Died)] + [
            (fault.t, fault.instance) for fault in self.faults if fault.fault == "kill"
        ]:
            deaths[instance] = min(t, deaths.get(instance, FOREVER))
        ends = {end.run: end for end in pick(RunEnded)}
        self.runs = [Run(run, ends.get(run.run), deaths) for run in pick(RunStarted)]
        self.runs.sort(key=lambda run: (run.start, run.end, run.status == "succeeded"))

    def fires(self) -> list[tuple[str, int]]:
        return sorted(self.dues | {run.fire for run in self.runs}, key=lambda f: (self.code(f), f))

    def code(self, fire) -> int:
        return list(self.jobs).index(fire[0])

    def of(self, fire) -> list["Run"]:
        return [run for run in self.runs if run.fire == fire]

    def duplicate(self, fire) -> bool:
        runs = self.of(fire)
        return any(
            earlier.status == "succeeded" or earlier.end > later.start
            for place, later in enumerate(runs)
            for earlier in runs[:place]
        )

    def overlap(self, fire) -> bool:
        if self.jobs[fire[0]].overlap == "allow":
            return False
        job = [run for run in self.runs if run.job == fire[0]]
        return any(
            later.fire == fire and earlier.end > later.start
            for place, later in enumerate(job)
            for earlier in job[:place]
        )

    def outcome(self, fire) -> str:
        job, runs = self.jobs[fire[0]], self.of(fire)
        late_s = max(0.5, job.period_s / 2)
        settle_s = max(late_s, 2 * self.header.lease_s, self.bound_s) if self.faults else late_s
        recently = self.header.until_s - settle_s
        if any(run.status == "succeeded" for run in runs):
            first = [run.status for run in runs].index("succeeded")
            if any(run.status in ("cancelled", None) for run in runs[:first]):
                return "recovered"
            return "late" if runs[0].start - fire[1] / 1000 > late_s else "on-time"
        if runs:
            still = any(
                run.status is None and run.start > recently and run.death > self.header.until_s
                for run in runs
            )
            if still and runs[-1].status is None:
                return "unknown"
            return "failed" if runs[-1].status == "failed" else "interrupted"
        judged = [self.skip(skip) for skip in self.skips if (skip.job, skip.due_ms) == fire]
        if "verified" in judged:
            return "skipped"
        if "unsure" in judged or fire[1] / 1000 > recently:
            return "pending"
        return "missed"

    def skip(self, skip: Skipped) -> str:
        job, due = self.jobs[skip.job], skip.due_ms / 1000
        mine = [run for run in self.runs if run.job == skip.job]
        if skip.reason == "overlap":
            near = any(r.start <= skip.t + NEAR_S and r.end >= skip.t - NEAR_S for r in mine)
            return "verified" if near and job.overlap == "forbid" else "no"
        later = [fire for fire in self.fires() if fire[0] == skip.job and fire[1] > skip.due_ms]
        if job.misfire == "run-all" or not later or later[0][1] / 1000 > skip.t + NEAR_S:
            return "no"
        busy = any(r.start <= skip.t and r.end >= due for r in mine)
        earlier = any(r.fire[1] < skip.due_ms and r.end >= due for r in mine)
        if not (busy and earlier) and not self.excused((skip.job, skip.due_ms)):
            return "no"
        noted = {(s.job, s.due_ms) for s in self.skips}
        following = next((f for f in later if self.of(f) or f not in noted), None)
        if following is None:
            return "no"
        if self.of(following):
            return "verified"
        late_s = max(0.5, job.period_s / 2)
        settle_s = max(late_s, 2 * self.header.lease_s, self.bound_s) if self.faults else late_s
        return "unsure" if following[1] / 1000 > self.header.until_s - settle_s else "no"

    def excused(self, fire) -> bool:
        period_s = max(job.period_s for job in self.jobs.values())
        for fault in self.faults:
            over = fault.t if fault.fault == "kill" else self.header.until_s
            until = self.healed.get(fault.id, over) + 2 * self.header.lease_s + self.bound_s
            if fault.t - period_s <= fire[1] / 1000 <= until:
                return True
            if any(
                run.instance == fault.instance
                and run.start <= fault.t
                and (run.said_end is None or run.said_end > fault.t)
                for run in self.of(fire)
            ):
                return True
        return False


class Run:
    def __init__(self, start: RunStarted, end: RunEnded | None, deaths: dict[str, float]) -> None:
        self.job, self.fire = start.job, (start.job, start.due_ms)
        self.instance, self.start = start.instance, start.t
        self.status = end.status if end else None
        self.said_end = end.t if end else None
        self.death = deaths.get(start.instance, FOREVER)
        self.end = end.t if end else max(self.death, start.t)
