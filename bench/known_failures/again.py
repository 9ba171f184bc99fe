"""Running known failures: each under its scenario, until it shows or its trials are used up."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from bench.judge import Judgement
from bench.known_failures import daylight
from bench.known_failures.data import VIRTUAL, Failure
from bench.plan import Plan
from bench.progress import Progress
from bench.results import Results
from bench.runner import Bench
from bench.settings import Settings, Size, plan
from strategies.catalogue import design

TRIALS = 3


@dataclass(frozen=True)
class Shown:
    """What became of a failure: how much of what it shows was seen, in its last valid trial.

    `not_run` says why it could not be run here, empty where it could.
    """

    failure: Failure
    trials: int
    counts: dict[str, int]
    fires: int = 0
    started: str = ""
    not_run: str = ""

    @property
    def again(self) -> bool:
        """Whether the failure was found again."""
        wanted = self.failure.shows.items()
        return all(self.counts.get(what, 0) >= at_least for what, at_least in wanted)


class Again:
    """Some failures on the way to being found again, their trials kept in `results`."""

    def __init__(self, failures: Sequence[Failure], results: Results) -> None:
        self._failures, self._results = failures, results
        self._virtual: dict[str, dict[str, int]] = {}
        self._not_run: dict[str, str] = {}

    async def run(self, progress: Progress) -> None:
        """Run what has not been shown yet; what is kept from before is not run again."""
        for failure in self._failures:
            if failure.scenario == VIRTUAL:
                progress.step(f"{failure.id}: ten months under virtual time")
                found = await asyncio.to_thread(daylight.run, design(failure.strategy))
                self._virtual[failure.id] = {word: len(fires) for word, fires in found.items()}
        for k in range(1, TRIALS + 1):
            left = [
                one.failure
                for one in self.shown()
                if not one.again and not one.not_run and one.failure.scenario != VIRTUAL
            ]
            plans = {failure.id: planned(failure, k) for failure in left}
            if not plans:
                return
            bench = Bench(list(plans.values()), self._results, progress, costs=False)
            await bench.run()
            self._not_run |= {id_: why for id_, one in plans.items() if (why := bench.why_not(one))}

    def shown(self) -> list[Shown]:
        """What the kept trials show, failure by failure."""
        return [self._shown(failure) for failure in self._failures]

    def _shown(self, failure: Failure) -> Shown:
        if failure.scenario == VIRTUAL:
            found = self._virtual.get(failure.id, {})
            return Shown(failure, 1 if found else 0, found)
        kept = self._results.finished()
        keys = [
            (one.record().cell, one.k) for one in (planned(failure, k + 1) for k in range(TRIALS))
        ]
        valid = [kept[key] for key in keys if key in kept and _is_valid(kept[key])]
        if not valid:
            return Shown(failure, 0, {}, not_run=self._not_run.get(failure.id, ""))
        last = valid[-1]
        fires = last.metrics.fires if last.metrics else 0
        return Shown(failure, len(valid), counts(last), fires, last.record.started[:10])


def planned(failure: Failure, k: int) -> Plan:
    """Its `k`th trial."""
    settings = Settings(period_s=failure.period_s)
    size = Size(failure.instances, failure.jobs)
    return plan(settings, failure.strategy, failure.scenario_name, size, k)


def counts(judgement: Judgement) -> dict[str, int]:
    """How many fires have each outcome and flag that is worth a look, and other things counted."""
    found = {word: len(fires) for word, fires in judgement.verdict.fires.items()}
    if judgement.metrics:
        found["foreign-release"] = judgement.metrics.foreign_releases or 0
    return found


def _is_valid(judgement: Judgement) -> bool:
    return judgement.verdict.status in ("ok", "broken")
