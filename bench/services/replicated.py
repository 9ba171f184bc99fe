"""Servers that can fail over, started for one trial: what takes over when the first one dies.

| service | what stands by | what a failover is |
|---|---|---|
| redis | a replica, fed by asynchronous replication | the primary is killed, the replica promoted |
| zookeeper | two more of an ensemble | the leader of three is killed, the others elect one |
| postgres | nothing | the server is killed and started again at once, with the data it had |

Each is a Service (bench.services.base) and a chaos.services.Replicated. Redis clients reach whoever
is primary at one address, as through a virtual IP; how soon such an address moves is no part of it.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import redis.asyncio
from redis.exceptions import RedisError

from bench.leftovers import Registration
from bench.services.base import TIMEOUT_S, NoAnswer, parts
from bench.services.embedded import Access, EmbeddedService
from bench.services.ports import free_ports
from bench.services.redis import RedisProbe, RedisRecipe
from bench.services.zookeeper import ZooKeeperProbe, ZooKeeperRecipe
from chaos.links.client import Relay, RelayedLink
from chaos.links.namespaces import command_inside
from chaos.links.traffic import CLEAR, CUT, Traffic
from chaos.services import runs

UP_S = 20.0  # how long a replica may take to follow, or an ensemble to agree
MEMBERS = 3


class Single:
    """A server without a stand-by: killed, and started again at once with the data it had."""

    def __init__(self, server: EmbeddedService) -> None:
        self._server = server
        self._coming: asyncio.Task[None] | None = None
        self.name = server.name

    def __getattr__(self, name: str) -> Any:  # in all else it is the server
        return getattr(self._server, name)

    async def hold_back(self) -> None:
        """There is nobody to hold anything back from."""

    async def fail_over(self) -> None:
        killing = await _dead(self._server)
        self._coming = asyncio.create_task(self._come_back(killing))

    async def rejoin(self) -> None:
        if self._coming:
            await self._coming
            self._coming = None

    async def _come_back(self, killing: asyncio.Task[None]) -> None:
        await killing
        await self._server.restart()


class PairedRedis(RedisRecipe):
    """One of two servers with one password, so that clients need not know which they reach."""

    def __init__(self, password: str) -> None:
        self._password = password

    async def lay_out(self, access: Access) -> list[str]:
        command = await super().lay_out(replace(access, password=self._password))
        with (access.data / "redis.conf").open("a") as file:
            file.write(f"masterauth {self._password}\nrepl-diskless-sync-delay 0\n")
        return command

    def url(self, access: Access) -> str:
        return super().url(replace(access, password=self._password))


class RedisPair:
    """A primary, a replica that follows it, and one address for whoever is primary."""

    name = "redis"
    provider = "embedded"
    owned = True
    durability = "none: asynchronous replication to one replica, nothing on disk"

    def __init__(self, directory: Path, registration: Registration) -> None:
        self._registration = registration
        self._log = directory / "redis-front.log"
        recipe = PairedRedis(secrets.token_urlsafe(18))
        self._primary, self._replica = (
            EmbeddedService(recipe, RedisProbe(), directory / name, registration)
            for name in ("primary", "replica")
        )
        self._killing: asyncio.Task[None] | None = None
        self._stack = AsyncExitStack()
        self._front: RelayedLink
        self._feed: RelayedLink
        self.url = ""
        self.version = ""

    @property
    def pids(self) -> list[int]:
        return [*self._primary.pids, *self._replica.pids]

    async def start(self) -> None:
        for server in (self._primary, self._replica):
            await server.start()
            self._stack.push_async_callback(server.stop)
        relay = Relay(
            self._log, on_start=lambda pid: self._registration.process(pid, "redis front")
        )
        await self._stack.enter_async_context(relay)
        port = parts(self._primary.url).port or 0
        self._front = await relay.link("front>redis", "127.0.0.1", port)
        self._feed = await relay.link("replica>primary", "127.0.0.1", port)
        self.version = self._primary.version
        self.url = self._primary.url.replace(f":{port}/", f":{self._front.port}/")
        await self._follow(self._feed.port)

    async def stop(self) -> None:
        await self._stack.aclose()

    async def hold_back(self) -> None:
        """From now on nothing that the primary writes reaches the replica."""
        await self._feed.shape(Traffic(CLEAR, CUT, connects=False))

    async def fail_over(self) -> None:
        """Kill the primary; the replica is promoted, and has the address when this returns."""
        self._killing = await _dead(self._primary)
        await _tell(self._replica.url, "REPLICAOF", "NO", "ONE")
        await self._front.redirect("127.0.0.1", parts(self._replica.url).port or 0)
        self._primary, self._replica = self._replica, self._primary

    async def rejoin(self) -> None:
        """The dead server comes back empty, as a replica of the promoted one; once is enough."""
        if self._killing is None:
            return
        await self._killing
        self._killing = None
        await self._replica.restart()
        await self._follow(parts(self._primary.url).port or 0)

    async def kill(self) -> None:
        await self._primary.kill()

    async def pause(self) -> None:
        await self._primary.pause()

    async def resume(self) -> None:
        await self._primary.resume()

    async def restart(self) -> None:
        await self._primary.restart()

    async def health(self) -> bool:
        return await self._primary.health()

    async def counters(self) -> Mapping[str, float]:
        return await self._primary.counters()

    async def _follow(self, port: int) -> None:
        """Have the replica follow the server on `port`, and wait until it does."""
        await _tell(self._replica.url, "REPLICAOF", "127.0.0.1", str(port))
        try:
            async with asyncio.timeout(UP_S):
                while not await _follows(self._replica.url):
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise NoAnswer(f"redis: the replica did not follow within {UP_S:g} s") from None


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


QUORUM = "org.apache.zookeeper.server.quorum.QuorumPeerMain"


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
        self._killing = await _dead(self._lost)

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


CLIENTS = 2181  # in a namespace of its own no port is taken


async def _dead(server: EmbeddedService) -> asyncio.Task[None]:
    """Kill a server; return when none of its processes runs, with what clears them away."""
    pids = server.pids
    killing = asyncio.create_task(server.kill())
    while not killing.done() and any(runs(pid) for pid in pids):
        await asyncio.sleep(0.001)
    return killing


async def _follows(url: str) -> bool:
    try:
        async with redis.asyncio.Redis.from_url(url, socket_timeout=TIMEOUT_S) as client:
            return (await client.info("replication")).get("master_link_status") == "up"
    except (RedisError, OSError) as error:
        raise NoAnswer(f"redis: {type(error).__name__}") from None


async def _tell(url: str, *words: str) -> None:
    try:
        async with redis.asyncio.Redis.from_url(url, socket_timeout=TIMEOUT_S) as client:
            execute: Callable[..., Awaitable[Any]] = client.execute_command
            await execute(*words)
    except (RedisError, OSError) as error:
        raise NoAnswer(f"redis: {words[0]} failed: {type(error).__name__}") from None
