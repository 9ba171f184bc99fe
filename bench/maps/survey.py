"""A survey: short trials where the verdict changes, found by bisection along each row.

In rounds. First one trial at each of `points` places of every row. Then, row by row: the place
farthest along before which nothing went bad, and the first where something did, get `trials`
trials; and half-way between them lies the next place, until they are closer than RESOLUTION of
the row's length. Likewise between the last place where a trial was spared and the next. What a
round asks for follows from the kept trials alone, so that a survey resumes.
"""

import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields

from bench.judge import Judgement
from bench.maps.kinds import Kind
from bench.plan import Plan
from bench.progress import Progress
from bench.results import Results
from bench.runner import Bench
from bench.scenario import Scenario
from bench.scenario_files import load_scenario
from bench.stats import wilson
from strategies.interface import Bounds, Design
from strategies.model import Timing

INSTANCES = 2
ABREAST = 5  # trials at once, a row of first looks: each is small, and waits most of its time
RESOLUTION = 0.05
DIGITS = 4
AFTER_S = 1.2  # load after the heal: what was to go wrong has


class Probe(Scenario):
    """A scenario that ends soon after its fault has healed."""

    def load_s(
        self, timing: Timing, bounds: Bounds, period_s: float, instances: int = 3, run_s: float = 0
    ) -> float:
        """Until the fault has healed, and a run and a period are over."""
        [fault] = self.faults
        down_s = fault.healing.latest_s(timing.lease_s, period_s, 0.0) if fault.healing else 0.0
        return fault.after_s + fault.jitter_s + down_s + max(AFTER_S, run_s + period_s)


@dataclass(frozen=True)
class Point:
    """What was measured at one place: `bad` of `trials` valid trials."""

    x: float
    y: float
    trials: int
    bad: int

    @property
    def share(self) -> float:
        """The share of bad trials."""
        return self.bad / self.trials

    @property
    def interval(self) -> tuple[float, float]:
        """Its 95 % bounds."""
        return wilson(self.bad, self.trials) or (0.0, 1.0)


@dataclass(frozen=True)
class Survey:
    """One map of one strategy under way. `points` and `trials` are its budget per row and place."""

    kind: Kind
    design: Design
    rows: Sequence[float]
    points: int
    trials: int
    seed: int
    results: Results

    async def run(self, progress: Progress) -> None:
        """Run rounds until no row asks for more; what stays invalid is not asked for again."""
        tried: set[tuple[str, int]] = set()
        while plans := [
            plan for plan in self._round() if (plan.scenario.name, plan.k) not in tried
        ]:
            await Bench(plans, self.results, progress, costs=False, abreast=ABREAST).run()
            tried |= {(plan.scenario.name, plan.k) for plan in plans}

    def measured(self) -> list[Point]:
        """Every place with a valid trial, row by row."""
        bad: defaultdict[tuple[float, float], list[bool]] = defaultdict(list)
        for one in self.results.judgements():
            if one.verdict.status in ("ok", "broken"):
                bad[_place(one.record.scenario)].append(self._is_bad(one))
        points = [Point(x, y, len(some), sum(some)) for (x, y), some in bad.items()]
        return sorted(points, key=lambda point: (point.y, point.x))

    def _round(self) -> Iterator[Plan]:
        measured = self.measured()
        for y in self.rows:
            row = {point.x: point for point in measured if point.y == y}
            first_look = self._first_look(y)
            resolution = RESOLUTION * (first_look[-1] - first_look[0])
            places = wanted(row, first_look, self.trials, resolution)
            for x, trials in places.items():
                done = row[x].trials if x in row else 0
                for k in range(done + 1, trials + 1):
                    yield self._plan(x, y, k)

    def _first_look(self, y: float) -> list[float]:
        low, high = (share * y for share in self.kind.reach)
        step = (high - low) / (self.points - 1)
        return [round(low + step * number, DIGITS) for number in range(self.points)]

    def _is_bad(self, one: Judgement) -> bool:
        return any(one.verdict.fires.get(word) for word in self.kind.bad)

    def _plan(self, x: float, y: float, k: int) -> Plan:
        scenario = self._scenario(x, y)
        words = f"{self.seed}/{self.design.name}/{scenario.name}/{k}"
        return Plan(
            design=self.design,
            scenario=scenario,
            instances=INSTANCES,
            workload=self.kind.workload(y),
            timing=self.kind.timing(y),
            k=k,
            seed=zlib.crc32(words.encode()),
        )

    def _scenario(self, x: float, y: float) -> Scenario:
        """Written beside the results, so that the command of a trial finds it."""
        path = self.results.path / "scenarios" / f"{self.kind.name}-x{x:.4f}-y{y:.4f}.toml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(self.kind.scenario(x, y))
        read = load_scenario(path)
        return Probe(**{one.name: getattr(read, one.name) for one in fields(read)})


def wanted(
    row: Mapping[float, Point], first_look: Sequence[float], trials: int, resolution: float
) -> dict[float, int]:
    """Places of a row and how many trials each should have, as far as is known yet."""
    want = dict.fromkeys(first_look, 1)
    if not all(x in row for x in first_look):
        return want
    for turns in (_begins, _always):
        before, after = turns(sorted(row.values(), key=lambda point: point.x))
        ends = [point for point in (before, after) if point]
        want |= {point.x: trials for point in ends}
        known = all(point.trials >= trials for point in ends)
        if before and after and known and after.x - before.x > resolution:
            want[round((before.x + after.x) / 2, DIGITS)] = trials
    return want


def _begins(row: Sequence[Point]) -> tuple[Point | None, Point | None]:
    """(the last place before any went bad, the first that did)."""
    after = next((point for point in row if point.bad), None)
    good = [point for point in row if after is None or point.x < after.x]
    return (good[-1] if good else None), after


def _always(row: Sequence[Point]) -> tuple[Point | None, Point | None]:
    """(the last place where not every trial was bad, the first after it)."""
    spared = [number for number, point in enumerate(row) if point.bad < point.trials]
    last = spared[-1] if spared else -1
    after = row[last + 1] if last + 1 < len(row) else None
    return (row[last] if spared else None), after


def _place(scenario: str) -> tuple[float, float]:
    """(x, y) from a scenario's name."""
    x, _, y = scenario.rpartition("-x")[2].partition("-y")
    return float(x), float(y)
