"""Three ZooKeeper servers that elect a leader: side by side, or in networks of their own."""

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from bench.leftovers import Registration
from bench.services.base import NoAnswer
from bench.services.embedded import Access, EmbeddedService
from bench.services.ports import free_ports
from bench.services.replicated import dead
from bench.services.zookeeper import ZooKeeperProbe, ZooKeeperRecipe
from chaos.links.client import Relay
from chaos.links.namespaces import command_inside

MEMBERS = 3
CLIENTS = 2181  # in a namespace of its own no port is taken
QUORUM = "org.apache.zookeeper.server.quorum.QuorumPeerMain"


@dataclass(frozen=True)
class Place:
    """Where a member of an ensemble is: its address, its ports, and how clients reach it.

    `network` is a process in the member's network namespace, 0 for the host's own; `door` the port
    on the host's loopback that leads to its client port.
    """

    host: str
    client: int
    quorum: int
    election: int
    door: int
    network: int = 0


class ZooKeeperMember(ZooKeeperRecipe):
    """One of several servers that know each other."""

    def __init__(self, number: int, places: Sequence[Place], user: str, password: str) -> None:
        self._number = number
        self._places = places
        self._credentials = (user, password)

    async def lay_out(self, access: Access) -> list[str]:
        mine = self._places[self._number]
        command = await super().lay_out(self._placed(access, mine.client))
        data = access.data / "zookeeper"
        data.mkdir()
        (data / "myid").write_text(f"{self._number + 1}")
        lines = [f"clientPortAddress={mine.host}", "initLimit=25", "syncLimit=10"]
        for number, one in enumerate(self._places, 1):
            lines.append(f"server.{number}={one.host}:{one.quorum}:{one.election}")
        configuration = access.data / "zoo.cfg"
        kept = configuration.read_text().replace("clientPortAddress=127.0.0.1\n", "")
        configuration.write_text(kept + "\n".join(lines) + "\n")
        single = "org.apache.zookeeper.server.ZooKeeperServerMain"
        words = [QUORUM if word == single else word for word in command]
        return command_inside(mine.network, words) if mine.network else words

    def url(self, access: Access) -> str:
        return super().url(self._placed(access, self._places[self._number].door))

    def _placed(self, access: Access, port: int) -> Access:
        user, password = self._credentials
        return Access(access.data, (port,), user, password)


class ZooKeeperEnsemble:
    """Three servers, of which any two go on without the third."""

    name = "zookeeper"
    provider = "embedded"
    owned = True
    durability = "three members, forceSync off: survives a killed member, not a power cut of two"

    def __init__(self, directory: Path, registration: Registration) -> None:
        self._directory = directory
        self._registration = registration
        self._probe = ZooKeeperProbe()
        self._members: list[EmbeddedService] = []
        self.url = ""
        self.version = ""
        self._leader: EmbeddedService | None = None
        self._lost: EmbeddedService | None = None
        self._killing: asyncio.Task[None] | None = None

    @property
    def pids(self) -> list[int]:
        return [pid for member in self._members for pid in member.pids]

    async def start(self) -> None:
        places = await self._places()
        user, password = "coordbench", secrets.token_urlsafe(18)
        self._members = [
            EmbeddedService(
                ZooKeeperMember(n, places, user, password), self._probe,
                self._directory / f"member{n + 1}", self._registration,
            )
            for n in range(MEMBERS)
        ]  # fmt: skip
        hosts = ",".join(f"127.0.0.1:{one.door}" for one in places)
        self.url = f"zookeeper://{user}:{password}@{hosts}"
        await asyncio.gather(*(member.start() for member in self._members))
        self.version = self._members[0].version

    async def _places(self) -> list[Place]:
        """Where the members are: side by side on the host's loopback."""
        ports = free_ports(3 * MEMBERS)
        return [
            Place("127.0.0.1", client, quorum, election, door=client)
            for client, quorum, election in zip(*[iter(ports)] * 3, strict=True)
        ]

    async def stop(self) -> None:
        await asyncio.gather(*(member.stop() for member in self._members))

    async def hold_back(self) -> None:
        """Find the leader; its followers have, of every write that is answered, a majority."""
        self._leader = await self._leading()

    async def fail_over(self) -> None:
        """Kill the leader; the two others elect the next one."""
        self._lost = self._leader or await self._leading()
        self._killing = await dead(self._lost)

    async def rejoin(self) -> None:
        """Start the dead member again with what it had; once is enough."""
        if self._lost and self._killing:
            await self._killing
            self._killing = None
            await self._lost.restart()

    async def kill(self) -> None:
        await asyncio.gather(*(member.kill() for member in self._members))

    async def pause(self) -> None:
        await asyncio.gather(*(member.pause() for member in self._members))

    async def resume(self) -> None:
        await asyncio.gather(*(member.resume() for member in self._members))

    async def restart(self) -> None:
        await asyncio.gather(*(member.restart() for member in self._members))

    async def health(self) -> bool:
        try:
            await self._leading()
        except NoAnswer:
            return False
        return True

    async def counters(self) -> Mapping[str, float]:
        """The sum over the members that answer."""
        total = 0.0
        for member in self._members:
            with suppress(NoAnswer):
                total += (await member.counters())["operations"]
        return {"operations": total}

    async def _leading(self) -> EmbeddedService:
        for member in self._members:
            with suppress(NoAnswer):
                if await self._probe.mode(member.url) == "leader":
                    return member
        raise NoAnswer("no member leads")


class SplitEnsemble(ZooKeeperEnsemble):
    """Three members, each in a network namespace of its own, so that they can be parted.

    Also a chaos.services.Parted. Clients go on to reach all of them.
    """

    def __init__(self, directory: Path, registration: Registration) -> None:
        super().__init__(directory, registration)
        self._stack = AsyncExitStack()
        self._relay = Relay(
            directory / "network.log",
            on_start=lambda pid: registration.process(pid, "zookeeper network"),
            namespaces=True,
        )

    async def _places(self) -> list[Place]:
        await self._stack.enter_async_context(self._relay)
        places = []
        for n in range(MEMBERS):
            host, network = await self._relay.place(f"member{n + 1}")
            link = await self._relay.link(f"clients>{n + 1}", host, CLIENTS, inside=True)
            places.append(Place(host, CLIENTS, CLIENTS + 1, CLIENTS + 2, link.port, network))
        return places

    async def stop(self) -> None:
        await super().stop()
        await self._stack.aclose()

    async def part(self) -> None:
        """Cut the leader off from both others."""
        leader = self._leader or await self._leading()
        names = {member: f"member{n + 1}" for n, member in enumerate(self._members)}
        others = [name for member, name in names.items() if member is not leader]
        await self._relay.split([names[leader]], others)

    async def join(self) -> None:
        await self._relay.split([], [])
