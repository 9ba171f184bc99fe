"""Faults of clocks: one instance's wall clock steps or drifts, as bad NTP or a bad crystal does it.

An instance reads how far its clock is wrong, and how fast it goes wrong, from a small file when
it gets SIGUSR1, and removes the file to say that its clock has changed. Its monotonic clock is
never touched: no step reaches that in the real world either.
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
MOST_DRIFT = 0.5


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
        """Where it is told how far its clock is wrong, and how fast it goes wrong."""


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


@dataclass(frozen=True)
class DriftClock:
    """The instance's wall clock gains `rate` seconds a second (loses where negative).

    It is set right again, by a step, to heal.
    """

    rate: float
    kind: ClassVar[str] = "clock-drift"
    acts_on: ClassVar[ActsOn] = "clock"
    hint: ClassVar[Literal["line", "band"]] = "band"
    heals: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not -MOST_DRIFT <= self.rate <= MOST_DRIFT or self.rate == 0:
            raise ValueError(
                f"rate is {self.rate:g}: expected -{MOST_DRIFT} to {MOST_DRIFT}, not 0"
            )

    def unavailable(self) -> str | None:
        return None

    async def inject(self, victim: Clocked) -> None:
        await _tell(victim, 0.0, self.rate)

    async def heal(self, victim: Clocked) -> None:
        with suppress(ProcessLookupError):
            await _tell(victim, 0.0)


async def _tell(victim: Clocked, skew_s: float, rate: float = 0.0) -> None:
    """Tell the instance and wait until it has stepped; TimeoutError (an OSError) if it does not."""
    draft = victim.skew_file.with_suffix(".draft")
    draft.write_text(f"{skew_s!r} {rate!r}" if rate else repr(skew_s))
    draft.replace(victim.skew_file)
    os.kill(victim.group, signal.SIGUSR1)
    async with asyncio.timeout(NOTICE_S):
        while victim.skew_file.exists():
            await asyncio.sleep(LOOK_S)
