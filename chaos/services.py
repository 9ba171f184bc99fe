"""Faults of the servers that strategies coordinate through.

They act on the whole server. Servers that somebody else runs are never touched: whoever provides
them refuses (bench.services).
"""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal, Protocol

from chaos.faults import ActsOn
from chaos.links import namespaces

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


class Replicated(Protocol):
    """What a failover needs of a service with somebody to take over."""

    name: str

    async def hold_back(self) -> None:
        """Whoever takes over learns no more, where replication can lag behind."""

    async def fail_over(self) -> None:
        """Kill whoever serves now; in force when it is dead, and clients may find the next."""

    async def rejoin(self) -> None:
        """Bring back who was killed, as a stand-by; no effect a second time."""


@dataclass(frozen=True)
class FailOver(_OnServer):
    """Who serves dies, and its stand-by takes over without the writes of the last `lag_s`.

    Those were acknowledged: that is what asynchronous replication promises, and no more.
    """

    lag_s: float = 0.6
    kind: ClassVar[str] = "service-failover"
    on: ClassVar[tuple[str, ...]] = ("redis", "zookeeper", "postgres")
    server: ClassVar[str] = "failover"

    def __post_init__(self) -> None:
        if self.lag_s < 0:
            raise ValueError(f"lag_s is {self.lag_s:g}: expected 0 or more")

    async def prepare(self, victim: Replicated) -> None:
        """Let the stand-by fall behind before anybody dies."""
        await victim.hold_back()
        await asyncio.sleep(self.lag_s)

    async def inject(self, victim: Replicated) -> None:
        await victim.fail_over()

    async def heal(self, victim: Replicated) -> None:
        await victim.rejoin()


class Parted(Protocol):
    """What a partition between servers needs of a service of several."""

    name: str

    async def hold_back(self) -> None:
        """Find out who leads."""

    async def part(self) -> None:
        """Cut the leader off from all other members, both ways and silently."""

    async def join(self) -> None:
        """Let all members reach each other again."""


@dataclass(frozen=True)
class PartServers(_OnServer):
    """The leader is cut off from the majority of its ensemble; clients still reach all members.

    Packets are dropped between the members' network namespaces.
    """

    kind: ClassVar[str] = "service-partition"
    on: ClassVar[tuple[str, ...]] = ("zookeeper",)
    server: ClassVar[str] = "parted"

    def unavailable(self) -> str | None:
        return namespaces.missing()

    async def prepare(self, victim: Parted) -> None:
        """Find out who leads before it strikes."""
        await victim.hold_back()

    async def inject(self, victim: Parted) -> None:
        await victim.part()

    async def heal(self, victim: Parted) -> None:
        await victim.join()


class Crowded(Protocol):
    """What an exhaustion of connections needs of a server that limits them."""

    name: str

    async def crowd(self) -> None:
        """Take every connection that is free, now and whenever one gets free."""

    async def drop_clients(self) -> None:
        """Break the connections of everybody else."""

    async def leave(self) -> None:
        """Give all connections back; no effect a second time."""


@dataclass(frozen=True)
class ExhaustConnections(_OnServer):
    """Somebody holds all the connections that the server allows, and everybody else's break.

    A leak in another service, and then the blip after which everyone connects anew.
    """

    kind: ClassVar[str] = "connection-exhaustion"
    on: ClassVar[tuple[str, ...]] = ("redis", "postgres")
    server: ClassVar[str] = "few-connections"

    async def prepare(self, victim: Crowded) -> None:
        """Take what is free before anybody's breaks."""
        await victim.crowd()

    async def inject(self, victim: Crowded) -> None:
        await victim.drop_clients()

    async def heal(self, victim: Crowded) -> None:
        await victim.leave()


class Stepped(Protocol):
    """What a step of a server's own clock needs of it."""

    name: str

    async def step(self, seconds: float) -> None:
        """Let the server's wall clock be that much ahead; behind where negative."""


@dataclass(frozen=True)
class StepServiceClock(_OnServer):
    """The server's own wall clock jumps by `seconds`, and back to heal (by libfaketime).

    Servers that read the clock past the C library (Go) or go by monotonic time only (ZooKeeper)
    are not to be had for it.
    """

    seconds: float
    kind: ClassVar[str] = "service-clock"
    on: ClassVar[tuple[str, ...]] = ("redis", "postgres")
    server: ClassVar[str] = "false-clock"

    def unavailable(self) -> str | None:
        if faketime() is None:
            return "no libfaketime (Debian: apt install libfaketime)"
        return None

    async def inject(self, victim: Stepped) -> None:
        await victim.step(self.seconds)

    async def heal(self, victim: Stepped) -> None:
        await victim.step(0.0)


@dataclass(frozen=True)
class SlowDisk(_OnServer):
    """The server's disk gets slow. Nowhere to be had yet, which is said where it is asked for.

    What throttles a device (io.max of a control group, dm-delay) delays the flushes that a server
    waits for. The servers that a bench starts never wait for one: fsync is off, so that figures
    are those of coordination and not of a disk. A slow disk would change nothing they do.
    """

    kind: ClassVar[str] = "service-slow-disk"

    def unavailable(self) -> str | None:
        return "the servers that a bench starts wait for no disk (fsync off)"

    async def inject(self, victim: Server) -> None:
        raise OSError(self.unavailable())

    async def heal(self, victim: Server) -> None:
        """Nothing was slowed."""


def faketime() -> Path | None:
    """The library that gives one process a false clock, where it is installed."""
    places = (
        Path(root).glob("**/faketime/libfaketime.so.1") for root in ("/usr/lib", "/usr/local")
    )
    return next((found for place in places for found in place), None)


def runs(pid: int) -> bool:
    """Whether a process is there and no zombie (proc(5), stat)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return False
    return state not in "ZX"
