"""Everything there is to see of a fleet that is up: kept from its events, bounded in size."""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bench.events import Died, InstanceReady, InstanceStopped, Lag, Platform, RunStarted
from bench.live_history import LiveHistory
from strategies.notes import Event, ForeignRelease, Granted, Lost, Released

LINES = 200  # of what happened, for the view; the history keeps everything
LAGS = 500  # of the probe, some ten seconds


@dataclass(frozen=True)
class Line:
    """Something that a person may want to know, and when it was (on the fleet's clock)."""

    t: float
    text: str


@dataclass
class Watch:
    """What was seen so far. `tell` adds to `news`, which whoever shows it empties."""

    runs: Counter[str] = field(default_factory=Counter)  # by instance
    lines: deque[Line] = field(default_factory=lambda: deque(maxlen=LINES))
    news: deque[Line] = field(default_factory=lambda: deque(maxlen=LINES))
    lags_s: deque[float] = field(default_factory=lambda: deque(maxlen=LAGS))
    leader: str = ""

    def tell(self, t: float, text: str) -> None:
        """Something happened."""
        line = Line(t, text)
        self.lines.append(line)
        self.news.append(line)

    @property
    def lag_ms(self) -> float:
        """How late the machine wakes a timer now, p99, in milliseconds."""
        return float(np.percentile(list(self.lags_s), 99)) * 1000 if self.lags_s else 0.0

    def take(self, events: Sequence[Event]) -> None:
        """Follow the history."""
        for event in events:
            self._take(event)

    def _take(self, event: Event) -> None:
        match event:
            case Lag(lag_s=lag_s):
                self.lags_s.append(lag_s)
            case RunStarted(instance=name):
                self.runs[name] += 1
            case Granted(subject="leader", instance=name) if name != self.leader:
                self.tell(event.t, f"leader: {name}" + self._instead(name))
            case _:
                if said := _of_ownership(event) or _of_life(event):
                    self.tell(event.t, said)

    def _instead(self, name: str) -> str:
        before, self.leader = self.leader, name
        return f", before: {before}" if before else ""


def _of_ownership(event: Event) -> str:
    match event:
        case Released(subject="leader", instance=name):
            return f"leader: {name} resigned"
        case Lost(instance=name, subject=subject, reason=reason):
            return f"lost: {name} lost {subject}: {reason}"
        case ForeignRelease(instance=name, subject=subject):
            return f"foreign release: {name} released {subject}, not its own"
    return ""


def _of_life(event: Event) -> str:
    match event:
        case InstanceReady(instance=name):
            return f"ready: {name}"
        case InstanceStopped(instance=name, error=error) if error:
            return f"ended: {name}: {error}"
        case Died(instance=name):
            return f"died: {name}"
        case Platform(what="clock", instance=name, subject=by):
            return f"clock: {name} is {by} off"
    return ""


class WatchedHistory(LiveHistory):
    """A live history that hands every event on once, whoever reads it."""

    def __init__(self, directory: Path, on_events: Callable[[Sequence[Event]], None]) -> None:
        super().__init__(directory)
        self._on_events = on_events

    def read(self) -> list[Event]:
        events = super().read()
        self._on_events(events)
        return events
