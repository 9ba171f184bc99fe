"""Faults of clocks: one instance's wall clock steps, as a bad NTP server or an operator does it.

An instance reads how far its clock is wrong from a small file when it gets SIGUSR1, and removes
the file to say that its clock has stepped. Its monotonic clock is never touched: no step reaches
that in the real world either.
"""

import asyncio
import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, Protocol

from chaos.faults import ActsOn

NOTICE_S = 1.0
LOOK_S = 0.002


class Clocked(Protocol):
    """What these faults need to know of an instance."""

    @property
    def name(self) -> str:
        """The instance's name, for messages."""

    @property
    def group(self) -> int:
        """Its first process, which gets the signal."""

    @property
    def skew_file(self) -> Path:
        """Where it is told, in seconds, how far its clock is wrong."""


@dataclass(frozen=True)
class StepClock:
    """The instance's wall clock jumps by `seconds` (ahead where positive), and back to heal."""

    seconds: float
    acts_on: ClassVar[ActsOn] = "clock"
    hint: ClassVar[Literal["line", "band"]] = "band"
    heals: ClassVar[bool] = True

    @property
    def kind(self) -> str:
        return "clock-ahead" if self.seconds > 0 else "clock-behind"

    def unavailable(self) -> str | None:
        return None

    async def inject(self, victim: Clocked) -> None:
        await _tell(victim, self.seconds)

    async def heal(self, victim: Clocked) -> None:
        with suppress(ProcessLookupError):
            await _tell(victim, 0.0)


async def _tell(victim: Clocked, skew_s: float) -> None:
    """Tell the instance and wait until it has stepped; TimeoutError (an OSError) if it does not."""
    draft = victim.skew_file.with_suffix(".draft")
    draft.write_text(repr(skew_s))
    draft.replace(victim.skew_file)
    os.kill(victim.group, signal.SIGUSR1)
    async with asyncio.timeout(NOTICE_S):
        while victim.skew_file.exists():
            await asyncio.sleep(LOOK_S)
