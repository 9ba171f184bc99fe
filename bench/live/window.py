"""The part of a history that can still change: what the live view gives to the checks.

Events are kept by the fire they belong to. A fire leaves once it was due `keep_s` ago and no run of
it is open, and all its events with it, so that memory depends on the load and not on how long the
fleet is up. Nothing here judges: a snapshot is a whole little history, with its header and its due
fires, for the same checks that judge the kept one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bench.checks.exposure import LEASES
from bench.events import (
    FORMAT_VERSION,
    Died,
    Due,
    Effect,
    FaultBegan,
    FaultHealed,
    History,
    InstanceReady,
    InstanceStopped,
    JobDeclared,
    RunEnded,
    RunStarted,
)
from strategies.model import Job
from strategies.notes import Coordinated, Event, Skipped
from strategies.schedule import fires_between

FireKey = tuple[str, int]


@dataclass(frozen=True)
class Snapshot:
    """A whole little history at one moment, and the fires with a run open on a living instance.

    Its events are shared with the window: they are not to be changed.
    """

    now_s: float
    events: list[Event]
    open: frozenset[FireKey]


@dataclass
class Window:
    """The recent events of a fleet whose jobs fire from `since_s` on. Times in seconds."""

    jobs: Sequence[Job]
    declared: Sequence[JobDeclared]
    since_s: float
    lease_s: float
    keep_s: float
    fires: dict[FireKey, list[Event]] = field(default_factory=dict)
    _runs: dict[str, FireKey] = field(default_factory=dict)
    _open: dict[FireKey, set[str]] = field(default_factory=dict)
    _owners: dict[str, str] = field(default_factory=dict)  # open run -> its instance
    _around: list[Event] = field(default_factory=list)  # what belongs to no fire
    _due_until_ms: int = 0
    _ahead_ms: int = 0

    def __post_init__(self) -> None:
        self._due_until_ms = round(self.since_s * 1000) - 1

    def take(self, events: Iterable[Event]) -> None:
        """Add what was appended to the history."""
        for event in events:
            if key := self._key(event):
                self.fires.setdefault(key, []).append(event)
                # A clock that is ahead runs what is not due yet.
                self._ahead_ms = max(self._ahead_ms, key[1])
            elif isinstance(event, (FaultBegan, FaultHealed, Died, InstanceReady, InstanceStopped)):
                self._around.append(event)
                if isinstance(event, (Died, InstanceStopped)):
                    self._end_runs_of(event.instance)

    def snapshot(self, now_s: float) -> "Snapshot":
        """What is kept, as it stands at `now_s`."""
        self._come_due(max(round(now_s * 1000), self._ahead_ms))
        head = History(version=FORMAT_VERSION, until_s=now_s, lease_s=self.lease_s)
        head.t = now_s
        kept = [event for events in self.fires.values() for event in events]
        return Snapshot(now_s, [head, *self.declared, *self._around, *kept], frozenset(self._open))

    def leaving(self, now_s: float) -> list[FireKey]:
        """The fires that may go."""
        horizon_ms = (now_s - self.keep_s) * 1000
        return [key for key in self.fires if key[1] < horizon_ms and key not in self._open]

    def forget(self, keys: Iterable[FireKey], now_s: float) -> None:
        """Let fires go, and whatever else has become too old to matter."""
        for key in keys:
            for event in self.fires.pop(key, ()):
                if isinstance(event, RunStarted):
                    self._runs.pop(event.run, None)
        horizon_s = now_s - self.keep_s - LEASES * self.lease_s
        ended = {one.id for one in self._around if isinstance(one, FaultHealed)}
        healed = {
            one.id for one in self._around if isinstance(one, FaultHealed) and one.t < horizon_s
        }
        self._around = [one for one in self._around if not _over(one, horizon_s, healed, ended)]

    def _key(self, event: Event) -> FireKey | None:
        """The fire an event belongs to; None for none, and for one that has left."""
        if isinstance(event, RunStarted):
            key = (event.job, event.due_ms)
            if key not in self.fires and event.due_ms <= self._due_until_ms:
                return None  # of a fire that has left: only the kept history can judge it
            self._runs[event.run] = key
            self._open.setdefault(key, set()).add(event.run)
            self._owners[event.run] = event.instance
            return key
        if isinstance(event, RunEnded):
            self._close(event.run)
            return self._runs.get(event.run)
        if isinstance(event, (Effect, Skipped, Coordinated)) and event.due_ms is not None:
            key = (event.job, event.due_ms)
            return key if key in self.fires or event.due_ms > self._due_until_ms else None
        return None

    def _close(self, run: str) -> None:
        self._owners.pop(run, None)
        key = self._runs.get(run)
        if key in self._open:
            self._open[key].discard(run)
            if not self._open[key]:
                del self._open[key]

    def _end_runs_of(self, instance: str) -> None:
        for run in [run for run, owner in self._owners.items() if owner == instance]:
            self._close(run)

    def _come_due(self, until_ms: int) -> None:
        for job in self.jobs:
            for fire in fires_between(job, self._due_until_ms, until_ms):
                due = Due(job=fire.job, due_ms=fire.due_ms)
                due.t = fire.due_ms / 1000
                self.fires.setdefault((fire.job, fire.due_ms), []).append(due)
        self._due_until_ms = max(self._due_until_ms, until_ms)


def _over(event: Event, horizon_s: float, healed: set[int], ended: set[int]) -> bool:
    """Whether an event that belongs to no fire can no longer matter to any."""
    if event.t >= horizon_s:
        return False
    if isinstance(event, FaultBegan):
        return event.id in healed or (event.fault == "kill" and event.id not in ended)
    return True
