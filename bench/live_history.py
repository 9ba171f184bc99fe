"""Following a history while it is written: who holds which job now.

Chaos aims at holders, so it reads what the instances have just appended. Judging never uses this;
it reads the whole files afterwards.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from bench.events import InstanceReady, RunEnded, RunStarted, decode
from strategies.notes import Coordinated, Event, Granted, Lost, Released

POLL_S = 0.005


class LiveHistory:
    """The state of a running trial, kept by reading the ends of its event files."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._tails: dict[Path, _Tail] = {}
        self.ready: set[str] = set()
        self.open_runs: dict[str, RunStarted] = {}
        self.leaders: dict[str, float] = {}  # instance -> since when, as it believes
        self.publishers: dict[str, float] = {}  # instance -> when it last published a fire
        self.runs = 0

    def close(self) -> None:
        """Close the files it follows."""
        for tail in self._tails.values():
            tail.close()

    def read(self) -> list[Event]:
        """What was appended since the last call, after updating the state."""
        for path in self._directory.glob("*.jsonl"):
            if path not in self._tails:
                self._tails[path] = _Tail(path)
        events = [event for tail in self._tails.values() for event in tail.read()]
        for event in sorted(events, key=lambda event: event.t):
            self._apply(event)
        return events

    async def until(self, true: Callable[[], bool], timeout_s: float) -> bool:
        """Read on until `true()` holds; False when it did not within `timeout_s`."""
        try:
            async with asyncio.timeout(timeout_s):
                async for _ in self.follow():
                    if true():
                        return True
        except TimeoutError:
            pass
        return False

    async def follow(self) -> AsyncIterator[list[Event]]:
        """Batches of new events, for ever; an empty batch when nothing happened."""
        while True:
            yield self.read()
            await asyncio.sleep(POLL_S)

    def open_run(self, job: str, *, not_on: str = "") -> RunStarted | None:
        """The job's latest open run, on any instance but `not_on`."""
        runs = [run for run in self.open_runs.values() if run.job == job and run.instance != not_on]
        return max(runs, key=lambda run: run.t, default=None)

    def forget(self, instance: str) -> None:
        """The instance is dead: its open runs are nobody's."""
        self.ready.discard(instance)
        self.leaders.pop(instance, None)
        self.publishers.pop(instance, None)
        for run in [run for run in self.open_runs.values() if run.instance == instance]:
            del self.open_runs[run.run]

    def _apply(self, event: Event) -> None:
        match event:
            case RunStarted():
                self.runs += 1
                self.open_runs[event.run] = event
            case RunEnded():
                self.open_runs.pop(event.run, None)
            case InstanceReady():
                self.ready.add(event.instance)
            case Coordinated(action="publish", outcome="ok" | "won"):
                self.publishers[event.instance] = event.t
            case Granted(subject="leader"):
                self.leaders[event.instance] = event.t
            case Released(subject="leader") | Lost(subject="leader"):
                self.leaders.pop(event.instance, None)


class _Tail:
    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._rest = b""

    def close(self) -> None:
        self._file.close()

    def read(self) -> list[Event]:
        chunk = self._file.read()
        if not chunk:
            return []
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        return [decode(line) for line in lines]
