"""Servers with few connections, started for one trial, and who takes them all."""

import asyncio
from contextlib import suppress
from typing import Any, Protocol

import psycopg
import redis.asyncio
from redis.exceptions import RedisError, ResponseError

from bench.services.base import TIMEOUT_S, NoAnswer, parts
from bench.services.embedded import Access, EmbeddedService
from bench.services.postgres import PostgresRecipe
from bench.services.redis import RedisRecipe

CONNECTIONS = 80  # enough for ten instances, few enough to be taken in a moment
WAITING = 8  # of the crowd, without a connection: they try again all the time
AGAIN_S = 0.1
FULL_S = 20.0
DROP_S = 0.05  # how long somebody who is quicker than the crowd keeps a connection


class FewRedis(RedisRecipe):
    """A Redis with few connections (maxclients)."""

    async def lay_out(self, access: Access) -> list[str]:
        command = await super().lay_out(access)
        with (access.data / "redis.conf").open("a") as file:
            file.write(f"maxclients {CONNECTIONS}\n")
        return command


class FewPostgres(PostgresRecipe):
    """A PostgreSQL with few connections, none of them kept for superusers, as whom all log in."""

    async def lay_out(self, access: Access) -> list[str]:
        command = await super().lay_out(access)
        with (access.data / "cluster" / "postgresql.conf").open("a") as file:
            file.write(f"max_connections = {CONNECTIONS}\nsuperuser_reserved_connections = 0\n")
        return command


class Crowd(Protocol):
    """Who takes connections of one kind of server."""

    async def begin(self) -> None:
        """Connect while there is room, to be able to say something later."""

    async def hold_one(self) -> None:
        """Take a connection and hold it for as long as the server lets us; or be refused."""

    async def drop_others(self) -> int:
        """Have the server hang up on every client but us; on how many it did."""

    async def end(self) -> None:
        """Give back what `begin` took."""


class CrowdedServer:
    """A server whose connections somebody takes; a Service and a chaos.services.Crowded."""

    def __init__(self, server: EmbeddedService) -> None:
        self._server = server
        self._crowd: Crowd | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._refused = asyncio.Event()
        self._room = asyncio.Event()
        self.name = server.name

    def __getattr__(self, name: str) -> Any:  # in all else it is the server
        return getattr(self._server, name)

    async def crowd(self) -> None:
        url = self._server.url
        crowd = self._crowd = RedisCrowd(url) if self.name == "redis" else PostgresCrowd(url)
        await crowd.begin()
        self._refused.clear()
        for _ in range(CONNECTIONS + WAITING):
            self._tasks.append(asyncio.create_task(self._want_one(crowd)))
        try:
            async with asyncio.timeout(FULL_S):
                await self._refused.wait()
        except TimeoutError:
            raise NoAnswer(f"{self.name}: its connections did not run out") from None

    async def drop_clients(self) -> None:
        assert self._crowd
        await self._drop(self._crowd)
        self._tasks.append(asyncio.create_task(self._drop_again(self._crowd)))

    async def leave(self) -> None:
        left = set(self._tasks)
        self._tasks.clear()
        while left:  # a cancellation can get lost in a client library: again, until all have ended
            for task in left:
                task.cancel()
            _, left = await asyncio.wait(left, timeout=AGAIN_S)
        if self._crowd:
            await self._crowd.end()
            self._crowd = None

    async def stop(self) -> None:
        await self.leave()
        await self._server.stop()

    async def _want_one(self, crowd: Crowd) -> None:
        while True:
            await crowd.hold_one()
            self._refused.set()
            with suppress(TimeoutError):
                async with asyncio.timeout(AGAIN_S):
                    await self._room.wait()

    async def _drop_again(self, crowd: Crowd) -> None:
        while True:
            await asyncio.sleep(DROP_S)
            await self._drop(crowd)

    async def _drop(self, crowd: Crowd) -> None:
        """Drop others, and have the crowd be the first at the slots that get free by it."""
        if await crowd.drop_others():
            self._room.set()
            self._room.clear()


class RedisCrowd:
    """Takes connections of a Redis: it counts them from the moment it accepts them."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._ports: set[int] = set()
        self._client = redis.asyncio.Redis.from_url(
            url, single_connection_client=True, socket_timeout=None
        )  # bounded as a whole: see bench.services.redis.spoken_to

    async def begin(self) -> None:
        async with asyncio.timeout(TIMEOUT_S):
            await self._client.ping()

    async def hold_one(self) -> None:
        split = parts(self._url)
        with suppress(OSError):
            reader, writer = await asyncio.open_connection(split.hostname, split.port)
            port = writer.get_extra_info("sockname")[1]
            self._ports.add(port)
            try:
                await reader.read(1)  # the end, or "-ERR max number of clients reached"
            finally:
                self._ports.discard(port)
                writer.close()

    async def drop_others(self) -> int:
        dropped = 0
        try:
            async with asyncio.timeout(TIMEOUT_S):
                mine = await self._client.client_id()
                for one in await self._client.client_list():
                    port = int(str(one["addr"]).rpartition(":")[2])
                    if port not in self._ports and int(one["id"]) != mine:
                        with suppress(ResponseError):  # it may have gone by itself
                            await self._client.client_kill_filter(_id=one["id"])
                            dropped += 1
        except (RedisError, OSError, TimeoutError) as error:
            raise NoAnswer(f"redis: {type(error).__name__}") from None
        return dropped

    async def end(self) -> None:
        await self._client.aclose()


class PostgresCrowd:
    """Takes connections of a PostgreSQL, each a session that does nothing."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._pids: set[int] = set()
        self._speaker: psycopg.AsyncConnection[Any]

    async def begin(self) -> None:
        try:
            self._speaker = await psycopg.AsyncConnection.connect(self._url, autocommit=True)
        except psycopg.Error as error:
            raise NoAnswer(f"postgres: {type(error).__name__}") from None

    async def hold_one(self) -> None:
        with suppress(psycopg.Error, OSError):
            made = await psycopg.AsyncConnection.connect(self._url, autocommit=True)
            async with made:
                self._pids.add(made.info.backend_pid)
                await asyncio.Event().wait()

    async def drop_others(self) -> int:
        ours = [self._speaker.info.backend_pid, *self._pids]
        try:
            dropped = await self._speaker.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where backend_type = 'client backend' and pid <> all(%s)",
                [ours],
            )
        except psycopg.Error as error:
            raise NoAnswer(f"postgres: {type(error).__name__}") from None
        return dropped.rowcount

    async def end(self) -> None:
        await self._speaker.close()
