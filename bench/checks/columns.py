"""A history as columns: what the checks work on, without one Python object per event.

Names are integer codes into `jobs.names` and `instances`; -1 stands for none. Times are seconds
(`*_s`) on the history's clock. Things that happen a few times in a history (faults, deaths,
phases) are small tuples.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]
Bytes = npt.NDArray[np.int8]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

# How a run ended; NO_END where no line says so.
NO_END, SUCCEEDED, FAILED, CANCELLED = range(4)
NO_FENCE = -1

OVERLAP, MISFIRE = range(2)  # reasons of a skip
RUN_LATEST, RUN_ALL, SKIP = range(3)  # misfire policies
GRANTED, RELEASED, LOST = range(3)  # what became of ownership

LEADER = "leader"  # the subject of a grant that covers every job


@dataclass(frozen=True)
class Header:
    """What the history says of itself. `until_s` is when recording stopped."""

    until_s: float
    lease_s: float
    instances: int
    strategy: str = ""
    scenario: str = ""


@dataclass(frozen=True)
class Jobs:
    """Declared jobs and their policies, by job code. `period_s` is NaN where none is declared.

    `tries` is how often a fire may be run until one run succeeds; 1 where nothing is tried again.
    """

    names: tuple[str, ...]
    period_s: Floats
    forbid: Bools
    misfire: Bytes
    tries: Ints


@dataclass(frozen=True)
class Due:
    """The fires that should run."""

    job: Codes
    ms: Ints


@dataclass(frozen=True)
class Runs:
    """One row per run. `end_s` is NaN and `status` NO_END where no end was recorded.

    `fence` is NO_FENCE where the run has none.
    """

    job: Codes
    due_ms: Ints
    instance: Codes
    start_s: Floats
    end_s: Floats
    status: Bytes
    fence: Ints


@dataclass(frozen=True)
class Skips:
    """Fires that a strategy says it left out, and why."""

    job: Codes
    due_ms: Ints
    t: Floats
    reason: Bytes


@dataclass(frozen=True)
class Effects:
    """Writes on the ledger, with the ledger's labels."""

    job: Codes
    due_ms: Ints
    repeated: Bools
    stale: Bools


@dataclass(frozen=True)
class Calls:
    """Recorded coordination calls. `job` is -1 for batch calls; `fires` says how many they served.

    `kept` marks those that went through (won or ok); `action` is a code into `actions`.
    """

    t: Floats
    instance: Codes
    job: Codes
    due_ms: Ints
    seconds: Floats
    fires: Ints
    action: Codes
    won: Bools
    kept: Bools
    actions: tuple[str, ...]


@dataclass(frozen=True)
class Ownership:
    """Grants, releases and losses in time order. `subject` is a job's code, or -1 for the rest."""

    t: Floats
    instance: Codes
    subject: Codes
    leader: Bools
    what: Bytes


@dataclass(frozen=True)
class PlatformSteps:
    """Where a platform decides: an instance was `lost` to it, or `bound` to a job (-1: to none)."""

    t: Floats = field(default_factory=lambda: np.empty(0))
    instance: Codes = field(default_factory=lambda: np.empty(0, np.int32))
    job: Codes = field(default_factory=lambda: np.empty(0, np.int32))
    lost: Bools = field(default_factory=lambda: np.empty(0, np.bool_))
    bound: Bools = field(default_factory=lambda: np.empty(0, np.bool_))


@dataclass(frozen=True)
class Fault:
    """A fault as it was injected (between `asked_s` and `t`) and healed (`heal_s`, None: never).

    `instance` is a code, -1 where the fault hit no instance; `run` a row of the runs, -1 for none.
    `died_s` is when the victim was seen dead by SIGKILL. `own_events` counts what the victim wrote
    while the fault was in force: a process that was killed or stopped writes nothing.
    """

    id: int
    kind: str
    target: str
    instance: int
    job: int
    run: int
    t: float
    asked_s: float
    heal_s: float | None
    died_s: float | None = None
    own_events: int = 0

    @property
    def kills(self) -> bool:
        """Whether the instance's process ended with it."""
        return self.kind == "kill"


@dataclass(frozen=True)
class Ended:
    """An instance's process ended: by itself (`orderly`), or seen dead by the harness."""

    t: float
    instance: int
    orderly: bool
    error: str = ""


@dataclass(frozen=True)
class Counted:
    """One line of counters."""

    t: float
    name: str
    counts: dict[str, float]


@dataclass(frozen=True)
class Columns:
    """A whole history."""

    header: Header
    jobs: Jobs
    instances: tuple[str, ...]
    due: Due
    runs: Runs
    skips: Skips
    effects: Effects
    calls: Calls
    ownership: Ownership
    faults: tuple[Fault, ...] = ()
    ready: tuple[tuple[float, int], ...] = ()
    ended: tuple[Ended, ...] = ()
    phases: tuple[tuple[float, str], ...] = ()
    counters: tuple[Counted, ...] = ()
    foreign_releases: int = 0
    lags_s: Floats = field(default_factory=lambda: np.empty(0))
    lags_t: Floats = field(default_factory=lambda: np.empty(0))
    platform: PlatformSteps = field(default_factory=PlatformSteps)

    def phase_s(self, name: str) -> float | None:
        """When the trial entered the phase; None if it never did."""
        return next((t for t, entered in self.phases if entered == name), None)

    def struck(self, fault: Fault) -> tuple[str, str]:
        """The names of the instance and the job that a fault was aimed at; empty for none."""
        return (
            self.instances[fault.instance] if fault.instance >= 0 else "",
            self.jobs.names[fault.job] if fault.job >= 0 else "",
        )

    def heal_s(self, fault: Fault) -> float:
        """When a fault ended: a kill at once, one that was never healed with the recording."""
        if fault.heal_s is not None:
            return fault.heal_s
        return fault.t if fault.kills else self.header.until_s
