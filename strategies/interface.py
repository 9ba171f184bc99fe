"""The one interface: what a strategy is, what an instance hands to it, what it promises.

A strategy decides which instance runs a fire. It is made once per instance, from endpoints (so
that each instance's link can be cut on its own), a namespace per trial, a timing and a random
number generator; it reads time only from the member's clock.
"""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from strategies.memory import MemoryLink
from strategies.model import Fire, Job, Timing
from strategies.notes import Note

Endpoints = Mapping[str, str | MemoryLink]
"""Service name -> URL with credentials, or an in-memory stand-in under virtual time."""

Stress = Literal[
    "steady", "crash", "pause", "partition", "slow-network", "service-lost", "clock",
    "rolling", "outage", "failing", "long-job", "burst", "scaling", "migration", "squeeze",
    "service-clock",
]  # fmt: skip


class Clock(Protocol):
    """Two times. Schedules read `now`, which may be skewed; leases read `monotonic`."""

    def now(self) -> float:
        """Seconds since the epoch, as this instance believes."""

    def monotonic(self) -> float:
        """Seconds on a clock that never steps; only differences mean something."""

    async def sleep_until(self, now_s: float) -> None:
        """Return once `now()` has reached `now_s`, also when the clock is stepped meanwhile."""


class Member(Protocol):
    """What an instance hands to the strategy."""

    @property
    def name(self) -> str:
        """Identity: unique per process start, not per host."""

    @property
    def clock(self) -> Clock:
        """The instance's two times."""

    @property
    def stopping(self) -> asyncio.Event:
        """Set on SIGTERM: finish or hand over, then return."""

    async def run(self, fire: Fire, fence: int | None) -> None:
        """Execute the job. Raises JobFailed; when cancelled, the run is recorded as cancelled."""

    def note(self, event: Note) -> None:
        """Record what the strategy did; cheap, never blocks, never raises."""


class Strategy(Protocol):
    """One way to decide who runs a fire."""

    async def prepare(self, jobs: Sequence[Job]) -> None:
        """Once per trial, before any instance: schema, streams, manifests."""

    async def participate(self, member: Member, jobs: Sequence[Job]) -> None:
        """In every instance: take part until `member.stopping` is set, then return."""

    async def clean_up(self) -> None:
        """Once per trial, afterwards: remove everything under the namespace."""


class Participates(Protocol):
    """How a design is made into a strategy: `make(endpoints, namespace, timing, rng)`."""

    def __call__(
        self, endpoints: Endpoints, namespace: str, timing: Timing, rng: random.Random
    ) -> Strategy: ...


@dataclass(frozen=True)
class Allowed:
    """What may happen under one stress without a promise being broken.

    `interrupted`: a fire whose run was killed may stay undone. `overlaps` covers two runs of one
    job at once under forbid, `duplicates` two runs of one fire. `missed` also allows fires skipped
    for no policy's reason. `late` and `early` are judged under "steady" only: a fault makes fires
    late by nature, and a clock that steps makes them early.
    """

    duplicates: bool = False
    overlaps: bool = False
    missed: bool = False
    interrupted: bool = False
    late: bool = False
    early: bool = False


NOTHING = Allowed()
ANYTHING = Allowed(
    duplicates=True, overlaps=True, missed=True, interrupted=True, late=True, early=True
)


@dataclass(frozen=True)
class Promise:
    """A design's guarantees as data. A stress that is not named is promised nothing.

    `lasting` names stresses whose effect on the jobs that were hit has no end of its own.
    """

    under: Mapping[Stress, Allowed] = field(default_factory=dict)
    lasting: tuple[Stress, ...] = ()
    retries: bool = False  # a failed run is tried again
    recovers: bool = False  # an interrupted fire is run again
    persistent: bool = False  # a fire due while all instances are down is found afterwards

    def allowed(self, stress: Stress) -> Allowed:
        """What may happen under `stress`."""
        return self.under.get(stress, ANYTHING)


@dataclass(frozen=True)
class Bounds:
    """How long a design may take, in seconds, without the wait for the next due time.

    `failover_s` is L + g + p + a (lease, the server's grain, longest poll, acquire); `recovery_s`
    likewise until an interrupted fire runs again, None where that is not promised.
    """

    failover_s: float | None
    recovery_s: float | None = None


@dataclass(frozen=True)
class Breaks:
    """What must go wrong for a control, or the measurement is not to be believed.

    Under `scenario`, the matrix column `column` must be at least `at_least`.
    """

    scenario: str
    column: str
    at_least: float
    why: str


@dataclass(frozen=True)
class Design:
    """A strategy as the catalogue lists it: everything there is to know without running it.

    `fence_scope` says what a fence orders: the grants of a job, or the deliveries of one fire.
    `adapters` names the modules with client libraries that an instance will need: they are loaded
    lazily, so that an instance holds only its own, and can be loaded once before many are forked.
    `replica` is what an instance is: a member that takes part, or a node of a platform, which only
    runs what the platform decides. Due times and periods must be multiples of `grain_s`. `serial`
    names what all fires of all jobs pass one after another, however many instances there are.
    """

    name: str
    family: str
    summary: str
    services: tuple[str, ...]
    make: Participates
    promise: Promise
    bounds: Callable[[Timing], Bounds]
    kind: Literal["reference", "variant", "control"] = "reference"
    fence_scope: Literal["job", "fire"] | None = "job"
    adapters: tuple[str, ...] = ()
    breaks: tuple[Breaks, ...] = ()
    replica: Literal["member", "node"] = "member"
    grain_s: float = 0.0
    serial: str = ""
