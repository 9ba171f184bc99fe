"""Faults as values: what they are called, whether they can be had here, how they strike and heal.

A fault acts on a victim's process groups (sessions of their own, so that a whole instance is hit,
never a neighbour). It knows no strategy and no service.
"""

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import ClassVar, Protocol


class Victim(Protocol):
    """What a fault needs to know of an instance."""

    @property
    def name(self) -> str:
        """The instance's name, for messages."""

    @property
    def group(self) -> int:
        """Its process group, which is also its first process."""


class Fault(Protocol):
    """One way to break something. `hint` says how a plot draws it; `heals` whether it can end."""

    kind: ClassVar[str]
    hint: ClassVar[str]
    heals: ClassVar[bool]

    def unavailable(self) -> str | None:
        """Why this fault cannot be had on this machine; None where it can."""

    async def inject(self, victim: Victim) -> None:
        """Strike. Raises ProcessLookupError when the victim has gone."""

    async def heal(self, victim: Victim) -> None:
        """Undo; no effect where there is nothing to undo."""


@dataclass(frozen=True)
class Kill:
    """SIGKILL the whole process tree: a machine that lost its power."""

    kind: ClassVar[str] = "kill"
    hint: ClassVar[str] = "line"
    heals: ClassVar[bool] = False

    def unavailable(self) -> str | None:
        return None

    async def inject(self, victim: Victim) -> None:
        os.killpg(victim.group, signal.SIGKILL)

    async def heal(self, victim: Victim) -> None:
        """A killed instance stays dead."""


@dataclass(frozen=True)
class Pause:
    """SIGSTOP the whole process tree, SIGCONT to heal: a long garbage collection, a stalled VM."""

    kind: ClassVar[str] = "pause"
    hint: ClassVar[str] = "band"
    heals: ClassVar[bool] = True

    def unavailable(self) -> str | None:
        return None

    async def inject(self, victim: Victim) -> None:
        os.killpg(victim.group, signal.SIGSTOP)

    async def heal(self, victim: Victim) -> None:
        with suppress(ProcessLookupError):
            os.killpg(victim.group, signal.SIGCONT)


FAULTS: dict[str, Fault] = {fault.kind: fault for fault in (Kill(), Pause())}


@asynccontextmanager
async def injected(fault: Fault, victim: Victim) -> AsyncIterator[None]:
    """The fault is in force inside, and healed on the way out: end, error, cancellation."""
    await fault.inject(victim)
    try:
        yield
    finally:
        await fault.heal(victim)
