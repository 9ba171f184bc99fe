"""Faults of processes: killed, stopped, told to end.

They act on process groups (sessions of their own), so that a whole instance is hit, never a
neighbour.
"""

import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

from chaos.faults import ActsOn


class Processes(Protocol):
    """What these faults need to know of an instance."""

    @property
    def name(self) -> str:
        """The instance's name, for messages."""

    @property
    def group(self) -> int:
        """Its process group, which is also its first process."""


@dataclass(frozen=True)
class _OnProcesses:
    acts_on: ClassVar[ActsOn] = "process"

    def unavailable(self) -> str | None:
        return None


@dataclass(frozen=True)
class Kill(_OnProcesses):
    """SIGKILL the whole process tree: a machine that lost its power."""

    kind: ClassVar[str] = "kill"
    hint: ClassVar[Literal["line", "band"]] = "line"
    heals: ClassVar[bool] = False

    async def inject(self, victim: Processes) -> None:
        os.killpg(victim.group, signal.SIGKILL)

    async def heal(self, victim: Processes) -> None:
        """A killed instance stays dead."""


@dataclass(frozen=True)
class Terminate(_OnProcesses):
    """SIGTERM to the first process, as a deployment does: it may finish and hand over."""

    kind: ClassVar[str] = "terminate"
    hint: ClassVar[Literal["line", "band"]] = "line"
    heals: ClassVar[bool] = False

    async def inject(self, victim: Processes) -> None:
        os.kill(victim.group, signal.SIGTERM)

    async def heal(self, victim: Processes) -> None:
        """An instance that was told to end does not come back."""


@dataclass(frozen=True)
class Relocate(_OnProcesses):
    """SIGSTOP the whole process tree, and later SIGKILL: what moves it starts it elsewhere.

    A virtual machine or a stateful pod that is moved to another node keeps its name and loses its
    process. Starting the successor is its owner's business.
    """

    kind: ClassVar[str] = "relocate"
    hint: ClassVar[Literal["line", "band"]] = "band"
    heals: ClassVar[bool] = True

    async def inject(self, victim: Processes) -> None:
        os.killpg(victim.group, signal.SIGSTOP)

    async def heal(self, victim: Processes) -> None:
        with suppress(ProcessLookupError):
            os.killpg(victim.group, signal.SIGKILL)


@dataclass(frozen=True)
class Pause(_OnProcesses):
    """SIGSTOP the whole process tree, SIGCONT to heal: a long garbage collection, a stalled VM."""

    kind: ClassVar[str] = "pause"
    hint: ClassVar[Literal["line", "band"]] = "band"
    heals: ClassVar[bool] = True

    async def inject(self, victim: Processes) -> None:
        os.killpg(victim.group, signal.SIGSTOP)

    async def heal(self, victim: Processes) -> None:
        with suppress(ProcessLookupError):
            os.killpg(victim.group, signal.SIGCONT)
