"""What a trial was, told beside its history: all that judging it needs and the events lack."""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from bench.scenario import Scenario
from strategies.interface import ANYTHING, NOTHING, Allowed, Bounds, Breaks, Design
from strategies.model import Timing

RESULTS_VERSION = 1


class Cell(msgspec.Struct, frozen=True, order=True):
    """One row of the matrix: what its trials have in common."""

    strategy: str
    scenario: str
    timing: str
    lease_s: float
    instances: int
    jobs: int


class TrialRecord(msgspec.Struct, frozen=True, kw_only=True):
    """trial.json: the plan of one trial, what its design promises there, and how it went.

    `allowed_steady` is what may happen to fires that no fault could have touched. `faults` is how
    many the scenario plans; `problems` are the runner's own reasons why the trial is invalid;
    `attempts` counts how often it was tried until it was kept; `command` repeats it. `services` are
    those that the design talks to; none are known of a record that does not name them. `replica` is
    what an instance was; `lasting` says that the fault's effect on what it hit has no end.
    """

    version: int = RESULTS_VERSION
    strategy: str
    scenario: str
    stress: str = "steady"
    kind: Literal["reference", "variant", "control"] = "reference"
    timing: Timing = Timing()
    instances: int = 0
    jobs: int = 0
    period_s: float | None = None
    k: int = 1
    seed: int = 0
    faults: int | None = None
    allowed: Allowed = NOTHING
    allowed_steady: Allowed = ANYTHING
    bounds: Bounds = Bounds(None)
    breaks: tuple[Breaks, ...] = ()
    fence_scope: str | None = None
    services: tuple[str, ...] = ()
    family: str = ""
    replica: Literal["member", "node"] = "member"
    lasting: bool = False
    attempts: int = 1
    problems: tuple[str, ...] = ()
    versions: dict[str, str] = {}
    started: str = ""
    command: str = ""

    @classmethod
    def of(
        cls,
        design: Design,
        scenario: Scenario,
        timing: Timing,
        *,
        instances: int,
        jobs: int,
        period_s: float | None = None,
        k: int,
        seed: int,
        attempts: int = 1,
        problems: Sequence[str] = (),
        versions: Mapping[str, str] | None = None,
        started: str = "",
        command: str = "",
    ) -> "TrialRecord":
        """The record of a trial of `design` under `scenario`; `started` is an ISO date and time."""
        return cls(
            strategy=design.name,
            scenario=scenario.name,
            stress=scenario.stress,
            kind=design.kind,
            timing=timing,
            instances=instances,
            jobs=jobs,
            period_s=period_s,
            k=k,
            seed=seed,
            faults=scenario.strikes(instances),
            allowed=design.promise.allowed(scenario.stress),
            allowed_steady=design.promise.allowed("steady"),
            bounds=design.bounds(timing),
            breaks=design.breaks,
            fence_scope=design.fence_scope,
            services=design.services,
            family=design.family,
            replica=design.replica,
            lasting=scenario.stress in design.promise.lasting,
            attempts=attempts,
            problems=tuple(problems),
            versions=dict(versions or {}),
            started=started,
            command=command,
        )

    @property
    def cell(self) -> Cell:
        """The row of the matrix that the trial belongs to."""
        return Cell(
            strategy=self.strategy,
            scenario=self.scenario,
            timing=self.timing.profile,
            lease_s=self.timing.lease_s,
            instances=self.instances,
            jobs=self.jobs,
        )
