"""Suspension: a whole machine stands still, its monotonic clock included.

A virtual machine that is suspended, snapshotted or moved to another host goes on as if no time had
passed: CLOCK_MONOTONIC does not count what it slept. A lease that is trusted by the monotonic
clock is then trusted after its end, and only whoever granted it can know better.

An instance keeps the seconds that its monotonic clock has stood still in a small file of eight
bytes (a little-endian double), mapped into its memory: what is written while it is stopped holds
from its first instruction afterwards.
"""

import struct
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Protocol

from chaos.processes import Pause, Processes

STILL_S = struct.Struct("<d")


class Suspendable(Processes, Protocol):
    """What this fault needs to know of an instance."""

    @property
    def still_file(self) -> Path:
        """Where it is told for how many seconds its monotonic clock has stood still."""


@dataclass(frozen=True)
class Suspend(Pause):
    """SIGSTOP the whole process tree; after SIGCONT its monotonic clock has not moved."""

    kind: ClassVar[str] = "suspend"
    _since_s: dict[int, float] = field(default_factory=dict, compare=False)

    async def inject(self, victim: Suspendable) -> None:  # type: ignore[override]  # needs a clock
        STILL_S.unpack(victim.still_file.read_bytes())  # or it cannot be had here
        await super().inject(victim)
        self._since_s[victim.group] = time.monotonic()

    async def heal(self, victim: Suspendable) -> None:  # type: ignore[override]
        since_s = self._since_s.pop(victim.group, None)
        if since_s is not None:
            with victim.still_file.open("r+b") as file:
                (before_s,) = STILL_S.unpack(file.read(STILL_S.size))
                file.seek(0)
                file.write(STILL_S.pack(before_s + time.monotonic() - since_s))
        await super().heal(victim)
