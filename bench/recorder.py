"""Appending events to a history file: one write per event, so that a kill loses nothing recorded.

Losing attempts, renewals and polls are not events: they are added up and written twice a second,
because a fleet of losers would otherwise drown the history it is measured by.
"""

import asyncio
import os
import resource
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from bench.events import Counters, encode
from strategies.notes import Coordinated, Event

FLUSH_S = 0.5
PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 2**20


def host_clock(offset_s: float) -> Callable[[], float]:
    """The trial's one clock: the host's monotonic clock, shifted to read as seconds since 1970."""
    monotonic = time.monotonic
    return lambda: monotonic() + offset_s


def epoch_offset() -> float:
    """What to add to the monotonic clock so that it reads as wall time; taken once per trial."""
    return time.time() - time.monotonic()


class Recorder:
    """Writes events of `instance` to `path`, stamped by `clock` (seconds)."""

    def __init__(self, path: Path, instance: str, clock: Callable[[], float]) -> None:
        self.instance = instance
        self.clock = clock
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self.counts: defaultdict[str, float] = defaultdict(float)  # written with the next flush

    def record(self, event: Event, t: float | None = None) -> None:
        """Stamp and append one event. Raises OSError when the disk is full."""
        event.t = self.clock() if t is None else t
        event.instance = event.instance or self.instance
        line = encode(event) + b"\n"
        written = os.write(self._file, line)
        if written != len(line):
            raise OSError(28, f"history of {self.instance} could not be written whole: disk full")

    def note(self, event: Event) -> None:
        """Record a strategy's note; calls that decided no fire are only counted."""
        if isinstance(event, Coordinated) and not _worth_a_line(event):
            key = f"{event.action}.{event.outcome}"
            self.counts[key] += 1
            self.counts[key + ".s"] += event.seconds
        else:
            self.record(event)

    def flush(self) -> None:
        """Write what was counted since the last time, with the process's CPU time and memory."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        counts = dict(self.counts)
        self.counts.clear()
        counts["cpu_s_total"] = usage.ru_utime + usage.ru_stime
        counts["rss_mb"] = resident_mb()
        self.record(Counters(counts=counts))

    async def flush_forever(self) -> None:
        """Flush twice a second until cancelled."""
        while True:
            await asyncio.sleep(FLUSH_S)
            self.flush()

    def close(self) -> None:
        """Close the file; nothing is buffered."""
        os.close(self._file)


def resident_mb() -> float:
    """This process's resident memory in MiB (proc(5), statm)."""
    with open("/proc/self/statm", "rb") as statm:
        return int(statm.read().split()[1]) * PAGE_MB


def _worth_a_line(event: Coordinated) -> bool:
    served = event.due_ms is not None or event.fires > 0
    return served and event.outcome in ("won", "ok")
