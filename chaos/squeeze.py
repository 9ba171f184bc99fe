"""Faults of resources: an instance gets less of the processor, or no more memory.

Neither needs root nor control groups. The processor is taken away by turns of SIGSTOP and SIGCONT
that are short beside any lease: what a throttled container (a CPU quota) looks like from inside.
Memory is limited by RLIMIT_AS (setrlimit(2)) to what the instance has mapped already, and a little
more: the next large allocation fails, as it does in a container at its limit whose kernel does
not kill.
"""

import asyncio
import os
import resource
import signal
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

from chaos.faults import ActsOn
from chaos.processes import Processes

TURN_S = 0.1  # one stop and one go; the kernel's own quota period (cpu.max) is as long
MB = 1 << 20


@dataclass(frozen=True)
class SqueezeCpu:
    """The instance runs for a `share` of the time only, in turns of 0.1 s."""

    share: float = 0.2
    kind: ClassVar[str] = "cpu-squeeze"
    acts_on: ClassVar[ActsOn] = "process"
    hint: ClassVar[Literal["line", "band"]] = "band"
    heals: ClassVar[bool] = True
    _turns: "dict[int, asyncio.Task[None]]" = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise ValueError(f"share is {self.share:g}: expected more than 0 and less than 1")

    def unavailable(self) -> str | None:
        return None

    async def inject(self, victim: Processes) -> None:
        os.killpg(victim.group, signal.SIGSTOP)
        self._turns[victim.group] = asyncio.create_task(self._by_turns(victim.group))

    async def heal(self, victim: Processes) -> None:
        if turns := self._turns.pop(victim.group, None):
            turns.cancel()
            await asyncio.gather(turns, return_exceptions=True)
        with suppress(ProcessLookupError):
            os.killpg(victim.group, signal.SIGCONT)

    async def _by_turns(self, group: int) -> None:
        with suppress(ProcessLookupError):
            while True:
                await asyncio.sleep(TURN_S * (1 - self.share))
                os.killpg(group, signal.SIGCONT)
                await asyncio.sleep(TURN_S * self.share)
                os.killpg(group, signal.SIGSTOP)


@dataclass(frozen=True)
class SqueezeMemory:
    """The instance may map `headroom_mb` more than it has mapped when it is struck."""

    headroom_mb: float = 0.0
    kind: ClassVar[str] = "memory-squeeze"
    acts_on: ClassVar[ActsOn] = "process"
    hint: ClassVar[Literal["line", "band"]] = "band"
    heals: ClassVar[bool] = True
    _before: dict[int, dict[int, int]] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        if self.headroom_mb < 0:
            raise ValueError(f"headroom_mb is {self.headroom_mb:g}: expected 0 or more")

    def unavailable(self) -> str | None:
        return None if hasattr(resource, "prlimit") else "no prlimit(2): Linux only"

    async def inject(self, victim: Processes) -> None:
        os.killpg(victim.group, 0)
        before = self._before.setdefault(victim.group, {})
        for pid in _members(victim.group):
            with suppress(ProcessLookupError, FileNotFoundError):
                soft, hard = resource.prlimit(pid, resource.RLIMIT_AS)
                limit = _mapped(pid) + int(self.headroom_mb * MB)
                resource.prlimit(pid, resource.RLIMIT_AS, (limit, hard))
                before.setdefault(pid, soft)

    async def heal(self, victim: Processes) -> None:
        for pid, soft in self._before.pop(victim.group, {}).items():
            with suppress(ProcessLookupError):
                _, hard = resource.prlimit(pid, resource.RLIMIT_AS)
                resource.prlimit(pid, resource.RLIMIT_AS, (soft, hard))


def _members(group: int) -> list[int]:
    """The processes of a group (proc(5), stat, field 5)."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if int(stat.read_text().rpartition(")")[2].split()[2]) == group:
                found.append(int(stat.parent.name))
    return found


def _mapped(pid: int) -> int:
    """The bytes that a process has mapped (proc(5), statm)."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * resource.getpagesize()
