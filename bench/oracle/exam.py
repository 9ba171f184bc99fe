"""The exam of the checks: every mutant must be found, no strategy without a bug accused.

Each mutant is run under the scenario that finds it, until it is found or its trials are used up:
as many as a cell of the default bench has. Beside it the strategies without bugs go through the
same scenarios. All trials are kept like those of a bench, so that an exam can be resumed.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.judge import Judgement
from bench.oracle import election_mutants, lock_mutants, quartz_mutants, queue_mutants
from bench.oracle.mutant import Mutant
from bench.plan import Plan
from bench.progress import Progress
from bench.results import Results
from bench.runner import Bench
from bench.settings import PROFILES, Settings, Size, plan

MUTANTS: tuple[Mutant, ...] = (
    *lock_mutants.MUTANTS,
    *election_mutants.MUTANTS,
    *quartz_mutants.MUTANTS,
    *queue_mutants.MUTANTS,
)
TRIALS = PROFILES["quick"].trials
HEALTHY = 50
SIZE = Size(3, 10)


@dataclass(frozen=True)
class Finding:
    """What became of a mutant: its valid trials in order, the last of which found it or did not."""

    mutant: Mutant
    trials: Sequence[Judgement]

    @property
    def found(self) -> bool:
        """Whether the promise that it must break was seen broken."""
        return bool(self.trials) and bool(self.fires)

    @property
    def broken(self) -> list[str]:
        """The promises that its last trial broke, the expected one first."""
        names = [one.promise for one in self.trials[-1].verdict.broken] if self.trials else []
        return sorted(names, key=lambda name: name != self.mutant.breaks)

    @property
    def fires(self) -> list[str]:
        """The fires by which it was found."""
        broken = self.trials[-1].verdict.broken
        return [fire for one in broken if one.promise == self.mutant.breaks for fire in one.fires]


@dataclass(frozen=True)
class Exam:
    """What is examined, by which settings, and where its trials are kept."""

    results: Results
    settings: Settings
    mutants: Sequence[Mutant]
    healthy: int

    async def run(self, progress: Progress) -> None:
        """Run what is not kept yet: first everything once, then again what was not found."""
        for k in range(1, TRIALS + 1):
            plans = [self._mutated(one.mutant, k) for one in self.findings() if not one.found]
            if k == 1:
                plans += self._without_bugs()
            bench = Bench(plans, self.results, progress, self.settings.services, costs=False)
            if plans:
                await bench.run()

    def findings(self) -> list[Finding]:
        """What the kept trials say of each mutant."""
        kept = self.results.finished()
        found = []
        for mutant in self.mutants:
            trials = []
            for k in range(1, TRIALS + 1):
                one = kept.get((self._mutated(mutant, k).record().cell, k))
                if one and one.verdict.status in ("ok", "broken"):
                    trials.append(one)
            found.append(Finding(mutant, trials))
        return found

    def healthy_trials(self) -> list[Judgement]:
        """The kept trials of the strategies without bugs, valid or not."""
        kept = self.results.finished()
        keys = [(one.record().cell, one.k) for one in self._without_bugs()]
        return [kept[key] for key in keys if key in kept]

    def _mutated(self, mutant: Mutant, k: int) -> Plan:
        return plan(self.settings, mutant.address, mutant.scenario, SIZE, k)

    def _without_bugs(self) -> list[Plan]:
        return [
            plan(self.settings, strategy, scenario, SIZE, k)
            for strategy, scenario, k in itertools.islice(_healthy_cells(), self.healthy)
        ]


def _healthy_cells() -> Iterator[tuple[str, str, int]]:
    """(strategy, scenario, k): each strategy with mutants, in health and where they are sought."""
    pairs = [(one.of, name) for one in MUTANTS for name in ("steady", one.scenario)]
    for k in itertools.count(1):
        for strategy, scenario in dict.fromkeys(pairs):
            yield strategy, scenario, k
