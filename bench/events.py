"""The events of a history beside the strategies' own notes, and how one line is read and written.

A history is JSON lines; docs/history-format.md documents every type for people whose scheduler is
not ours. All times `t` are seconds on one clock per history (ours: the host's monotonic clock,
shifted once per trial so that it reads as seconds since the epoch); due times are `due_ms` on the
same line.
"""

from typing import Literal

import msgspec

from strategies.notes import (
    Coordinated,
    Event,
    ForeignRelease,
    Granted,
    Lost,
    Released,
    Republished,
    Skipped,
)

FORMAT_VERSION = 1
PROBE_MEAN_S = 0.02  # between the wake-ups of the probe, on average


class History(Event):
    """The first line: what the rest is a history of.

    `lease_s` bounds how long a fault is judged to have consequences (heal + 2 leases);
    `until_s` is when recording stopped: fires due too close to it are pending, not missed.
    """

    version: int
    until_s: float
    strategy: str = ""
    scenario: str = ""
    lease_s: float = 2.0
    instances: int = 0


class JobDeclared(Event):
    """A job of the workload and its policies; a fire of an undeclared job is an error."""

    job: str
    period_s: float | None = None
    overlap: Literal["forbid", "allow"] = "forbid"
    misfire: Literal["run-latest", "run-all", "skip"] = "run-latest"
    tries: int = 1
    timeout_s: float | None = None


class Due(Event):
    """A fire that should run: `due_ms` is the intended time."""

    job: str
    due_ms: int


class InstanceStarted(Event):
    """The process exists (`pid`)."""

    pid: int = 0


class InstanceReady(Event):
    """The instance takes part: connected, waiting for fires."""


class InstanceStopped(Event):
    """The instance ended by itself; `error` is empty after an orderly stop."""

    error: str = ""


class RunStarted(Event):
    """One execution of a fire begins. `run` is unique in the history."""

    run: str
    job: str
    due_ms: int
    fence: int | None = None


class RunEnded(Event):
    """The run `run` ended; a run without this line was interrupted."""

    run: str
    status: Literal["succeeded", "failed", "cancelled"]


class Effect(Event):
    """The one write of a run on the ledger. `repeated` and `stale` are the ledger's labels."""

    run: str
    job: str
    due_ms: int
    fence: int | None = None
    repeated: bool = False
    stale: bool = False


class FaultBegan(Event):
    """A fault was injected between `asked_s` and `t`, aimed at `target`, resolved to `instance`.

    `job` and `run` name the open run that made the instance the holder; empty where the target
    was not a holder.
    """

    fault: str
    id: int
    kind: str = ""
    target: str = ""
    job: str = ""
    run: str = ""
    asked_s: float = 0.0


class FaultHealed(Event):
    """The fault `id` was healed (for a kill: never)."""

    id: int
    asked_s: float = 0.0


class Died(Event):
    """The harness saw the process of `instance` end; its open runs end at `t`."""

    status: int = 0


class Counters(Event):
    """What an instance (or a service, by its name in `instance`) counted since its last line."""

    counts: dict[str, float]


class Lag(Event):
    """The probe woke `lag_s` later than it asked for."""

    lag_s: float


class Phase(Event):
    """The trial entered `name`: warm-up, load, quiet, done."""

    name: str


class Platform(Event):
    """What a platform that runs the jobs itself did, as its API told it.

    `what` is like `node-not-ready` or `pod-deleted`, `subject` the object's name; `instance` is
    the node, where there is one. No outcome is judged by these; a trial's timeline shows them, the
    parts of a failover are theirs, and they tell which jobs a lost node had been given.
    """

    what: str
    subject: str
    job: str = ""
    due_ms: int | None = None
    reason: str = ""


AnyEvent = (
    History | JobDeclared | Due | InstanceStarted | InstanceReady | InstanceStopped
    | RunStarted | RunEnded | Effect | FaultBegan | FaultHealed | Died | Counters | Lag | Phase
    | Platform
    | Coordinated | Granted | Released | Lost | ForeignRelease | Skipped | Republished
)  # fmt: skip

encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(AnyEvent).decode
