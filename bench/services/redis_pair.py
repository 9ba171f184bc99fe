"""Two Redis servers: a primary, and a replica that is promoted when the primary dies.

Clients reach whoever is primary at one address, as through a virtual IP; how soon such an address
moves is no part of it.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from redis.exceptions import RedisError

from bench.leftovers import Registration
from bench.services.base import NoAnswer, parts
from bench.services.embedded import Access, EmbeddedService
from bench.services.redis import RedisProbe, RedisRecipe, spoken_to
from bench.services.replicated import dead
from chaos.links.client import Relay, RelayedLink
from chaos.links.traffic import CLEAR, CUT, Traffic

UP_S = 20.0  # how long a replica may take to follow


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
        self._killing = await dead(self._primary)
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


async def _follows(url: str) -> bool:
    try:
        async with spoken_to(url) as client:
            return (await client.info("replication")).get("master_link_status") == "up"
    except (RedisError, OSError, TimeoutError) as error:
        raise NoAnswer(f"redis: {type(error).__name__}") from None


async def _tell(url: str, *words: str) -> None:
    try:
        async with spoken_to(url) as client:
            execute: Callable[..., Awaitable[Any]] = client.execute_command
            await execute(*words)
    except (RedisError, OSError, TimeoutError) as error:
        raise NoAnswer(f"redis: {words[0]} failed: {type(error).__name__}") from None
