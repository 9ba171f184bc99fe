"""Faults of the servers that strategies coordinate through.

They act on the whole server. Servers that somebody else runs are never touched: whoever provides
them refuses (bench.services).
"""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal, Protocol

from chaos.faults import ActsOn

LOOK_S = 0.001


class Server(Protocol):
    """What these faults need of a server."""

    name: str

    @property
    def pids(self) -> list[int]:
        """Its processes; empty where they are not ours to see."""

    async def kill(self) -> None:
        """SIGKILL it."""

    async def pause(self) -> None:
        """SIGSTOP it: connections stay open and nothing answers."""

    async def resume(self) -> None:
        """SIGCONT after `pause`."""

    async def restart(self) -> None:
        """Stop it in order where it runs, start it with the same data; return when healthy."""


@dataclass(frozen=True)
class _OnServer:
    acts_on: ClassVar[ActsOn] = "service"
    hint: ClassVar[Literal["line", "band"]] = "band"
    heals: ClassVar[bool] = True

    def unavailable(self) -> str | None:
        return None


@dataclass(frozen=True)
class KillService(_OnServer):
    """SIGKILL the server: what it had not written down is lost. It is healed by a start.

    In force when no process of the server runs any more. Until the system has cleared them away,
    which `kill` waits for, another second may pass.
    """

    kind: ClassVar[str] = "service-kill"
    # By server, not by name: two trials may hurt their own servers of one kind at once.
    _killing: "dict[int, asyncio.Task[None]]" = field(default_factory=dict, compare=False)

    async def inject(self, victim: Server) -> None:
        pids = victim.pids
        killing = self._killing[id(victim)] = asyncio.create_task(victim.kill())
        if not pids:
            await asyncio.wait({killing})
        while not killing.done() and any(runs(pid) for pid in pids):
            await asyncio.sleep(LOOK_S)
        if killing.done():
            killing.result()

    async def heal(self, victim: Server) -> None:
        if killing := self._killing.pop(id(victim), None):
            await killing
            await victim.restart()


@dataclass(frozen=True)
class PauseService(_OnServer):
    """SIGSTOP the server: connections stay open, and nothing answers until SIGCONT."""

    kind: ClassVar[str] = "service-pause"

    async def inject(self, victim: Server) -> None:
        await victim.pause()

    async def heal(self, victim: Server) -> None:
        await victim.resume()


@dataclass(frozen=True)
class RestartService(_OnServer):
    """Stop the server in order and start it at once, with connections open; heals when it is up."""

    kind: ClassVar[str] = "service-restart"
    _restarting: "dict[int, asyncio.Task[None]]" = field(default_factory=dict, compare=False)

    async def inject(self, victim: Server) -> None:
        self._restarting[id(victim)] = asyncio.create_task(victim.restart())

    async def heal(self, victim: Server) -> None:
        if restarting := self._restarting.pop(id(victim), None):
            await restarting


def runs(pid: int) -> bool:
    """Whether a process is there and no zombie (proc(5), stat)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return False
    return state not in "ZX"
