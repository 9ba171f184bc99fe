"""Short histories for tests, told in seconds after the story's beginning."""

import random
from collections.abc import Sequence

from bench.checks.columns import Columns
from bench.checks.outcomes import Judged, Outcome, judge_fires
from bench.checks.reading import columns
from bench.events import (
    FORMAT_VERSION,
    Died,
    Due,
    Effect,
    FaultBegan,
    FaultHealed,
    History,
    InstanceReady,
    JobDeclared,
    Lag,
    Phase,
    RunEnded,
    RunStarted,
)
from bench.history import to_table
from strategies.notes import Event, Skipped

BEGIN = 1_800_000_000.0


def at(seconds: float) -> float:
    return BEGIN + seconds


def ms(seconds: float) -> int:
    return round((BEGIN + seconds) * 1000)


class Story:
    """A history in the making; every method adds events and returns the story."""

    def __init__(self, until: float = 60.0, lease_s: float = 2.0, instances: int = 0) -> None:
        self.events: list[Event] = [
            History(
                version=FORMAT_VERSION,
                t=BEGIN,
                until_s=at(until),
                lease_s=lease_s,
                instances=instances,
                strategy="story",
            )
        ]
        self._runs = 0

    def job(self, name: str = "report", period_s: float | None = 1.0, **policies) -> "Story":
        return self.add(JobDeclared(t=BEGIN, job=name, period_s=period_s, **policies))

    def due(self, *seconds: float, job: str = "report") -> "Story":
        return self.add(*(Due(t=BEGIN, job=job, due_ms=ms(due)) for due in seconds))

    def run(
        self,
        due: float,
        start: float,
        end: float | None = None,
        status: str = "succeeded",
        instance: str = "i1",
        job: str = "report",
        fence: int | None = None,
    ) -> "Story":
        self._runs += 1
        run = f"{instance}:{self._runs}"
        self.add(
            RunStarted(
                t=at(start), instance=instance, run=run, job=job, due_ms=ms(due), fence=fence
            )
        )
        if end is not None:
            self.add(RunEnded(t=at(end), instance=instance, run=run, status=status))
        return self

    def skip(self, due: float, t: float, reason: str, job: str = "report") -> "Story":
        return self.add(Skipped(t=at(t), instance="i1", job=job, due_ms=ms(due), reason=reason))

    def effect(self, due: float, t: float, job: str = "report", **labels) -> "Story":
        return self.add(Effect(t=at(t), instance="i1", run="x", job=job, due_ms=ms(due), **labels))

    def fault(
        self,
        t: float,
        kind: str = "kill",
        instance: str = "i1",
        heal: float | None = None,
        number: int = 0,
        **more,
    ) -> "Story":
        self.add(
            FaultBegan(t=at(t), fault=kind, id=number, instance=instance, asked_s=at(t), **more)
        )
        if heal is not None:
            self.add(FaultHealed(t=at(heal), id=number, instance=instance, asked_s=at(heal)))
        return self

    def died(self, t: float, instance: str = "i1") -> "Story":
        return self.add(Died(t=at(t), instance=instance, status=-9))

    def ready(self, *instances: str, t: float = 0.0) -> "Story":
        return self.add(*(InstanceReady(t=at(t), instance=name) for name in instances))

    def phases(self, **times: float) -> "Story":
        return self.add(*(Phase(t=at(t), name=name) for name, t in times.items()))

    def probe(self, *lags_s: float, t: float = 10) -> "Story":
        return self.add(*(Lag(t=at(t), instance="probe", lag_s=lag) for lag in lags_s))

    def add(self, *events: Event) -> "Story":
        self.events += events
        return self

    def columns(self) -> Columns:
        return columns(to_table(self.events))

    def judged(self, bound_s: float = 0.0) -> Judged:
        return judge_fires(self.columns(), bound_s)

    def outcomes(self, bound_s: float = 0.0) -> list[str]:
        """The outcomes of all fires, by job and due time."""
        return [Outcome(code).word for code in self.judged(bound_s).outcome.tolist()]

    def flagged(self, flag: str) -> list[bool]:
        return self.judged().flags()[flag].tolist()


def shuffled(events: Sequence[Event], seed: int) -> list[Event]:
    """The same events in another order of writing."""
    mixed = list(events)
    random.Random(seed).shuffle(mixed)
    return mixed
