"""Locks on Redis (6.2 or later): SET NX PX with a token, and what was run, in one script.

Keys: `<namespace>:lock:{job}` holds the owner's token and expires with the lease;
`<namespace>:memory:{job}` is a hash (fence, settled, open, owner). Both share a hash tag, so that
a cluster keeps them together.

NOT guaranteed: with asynchronous replication a promoted replica, and without persistence a
restarted server, may know neither lock nor memory. Expiry follows the server's wall clock.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha1
from importlib.resources import files
from typing import Any

from redis.asyncio import ConnectionPool
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

from strategies.errors import ServiceLost
from strategies.lock.port import HELD, Behind, Grant, Kept, LockStore, Reply
from strategies.model import Job

CONNECTIONS = 16  # per instance: enough to hide a slow link, few enough for 50 instances


class _Script:
    """A Lua script and the digest that Redis knows it by."""

    def __init__(self, name: str) -> None:
        self.text = files("strategies.lock").joinpath("lua", f"{name}.lua").read_text()
        self.sha = sha1(self.text.encode(), usedforsecurity=False).hexdigest()


ACQUIRE = _Script("acquire")
RELEASE = _Script("release")
EXTEND = _Script("compare_and_extend")
DELETE = _Script("compare_and_delete")


class RedisLink:
    """Commands with a bound in time, whose every error is a ServiceLost without the URL.

    The connections are redis-py's; who has one at a time is decided here, because its client spends
    as long on lending a connection and on its retries, of which there are none, as on the command.
    """

    def __init__(self, url: str, call_s: float) -> None:
        # The bound is ours, around the whole call: redis-py's own would wrap each read and write,
        # and its retries would outlast it.
        self._pool: ConnectionPool = ConnectionPool.from_url(
            url,
            socket_timeout=None,
            socket_connect_timeout=call_s,
            retry=Retry(NoBackoff(), 0),
            driver_info=None,
        )
        self._idle: list[AbstractConnection] = []
        self._call_s = call_s
        self._slots = asyncio.Semaphore(CONNECTIONS)

    async def command(self, *words: str | int) -> Any:  # whatever Redis answers
        """One command."""
        try:
            # A call that has to wait for a connection is not late yet: the bound starts after.
            async with self._slots, asyncio.timeout(self._call_s):
                return await self._answer(words)
        except NoScriptError:
            raise
        except (RedisError, OSError, TimeoutError) as error:
            raise ServiceLost(f"redis: {type(error).__name__}") from None

    async def _answer(self, words: tuple[str | int, ...]) -> Any:
        """The answer on a connection of one's own; one that breaks connects anew the next time."""
        connection = self._idle.pop() if self._idle else self._new()
        try:
            if not connection.is_connected or await connection.can_read():
                # The server has closed it, or something is left on it of a call before.
                await connection.disconnect(nowait=True)
                await connection.connect()  # type: ignore[no-untyped-call]  # redis-py
            await connection.send_command(*words)
            return await connection.read_response()
        finally:
            self._idle.append(connection)

    def _new(self) -> AbstractConnection:
        connection: AbstractConnection = self._pool.make_connection()  # type: ignore[no-untyped-call]  # redis-py
        return connection

    async def script(self, script: _Script, keys: int, *words: str | int) -> Any:
        """One script by its digest; by its text when the server has not seen it yet."""
        try:
            return await self.command("EVALSHA", script.sha, keys, *words)
        except NoScriptError:
            return await self.command("EVAL", script.text, keys, *words)

    async def remove(self, pattern: str) -> None:
        """Delete every key that matches the glob pattern."""
        cursor = 0
        while True:
            cursor, keys = await self.command("SCAN", cursor, "MATCH", pattern, "COUNT", 1000)
            cursor = int(cursor)
            if keys:
                await self.command("UNLINK", *keys)
            if not cursor:
                return

    async def close(self) -> None:
        """Close the connections."""
        for connection in self._idle:
            await connection.disconnect()


class RedisLocks:
    """A LockStore that remembers each job's fires, on Redis."""

    def __init__(self, link: RedisLink, namespace: str) -> None:
        self._link = link
        self._lock = f"{namespace}:lock:"
        self._memory = f"{namespace}:memory:"

    async def acquire(
        self, job: str, token: str, ttl_s: float, fire_ms: int, settled_ms: int
    ) -> Reply:
        tag = "{" + job + "}"
        reply = await self._link.script(
            ACQUIRE, 2, self._lock + tag, self._memory + tag, token, ms(ttl_s), fire_ms, settled_ms
        )
        if reply == 0:
            return HELD
        return Grant(reply) if isinstance(reply, int) else Behind(*reply)

    async def renew(self, job: str, token: str, ttl_s: float) -> Kept:
        key = self._lock + "{" + job + "}"
        return kept(await self._link.script(EXTEND, 1, key, token, ms(ttl_s)))

    async def release(self, job: str, token: str, settled_ms: int, hold_s: float) -> Kept:
        tag = "{" + job + "}"
        return kept(
            await self._link.script(
                RELEASE, 2, self._lock + tag, self._memory + tag, token, settled_ms
            )
        )


class RedisKeys:
    """Plain keys on Redis; a CarelessKeys."""

    def __init__(self, link: RedisLink, namespace: str) -> None:
        self._link = link
        self._lock = f"{namespace}:lock:"

    async def set_new(self, key: str, value: str, ttl_s: float | None) -> bool:
        expiry = () if ttl_s is None else ("PX", ms(ttl_s))
        return await self._link.command("SET", self._lock + key, value, "NX", *expiry) is not None

    async def extend(self, key: str, value: str, ttl_s: float) -> bool:
        return bool(await self._link.script(EXTEND, 1, self._lock + key, value, ms(ttl_s)))

    async def delete(self, key: str, value: str) -> bool:
        return bool(await self._link.script(DELETE, 1, self._lock + key, value))

    async def get(self, key: str) -> str | None:
        return _text(await self._link.command("GET", self._lock + key))

    async def set_anyway(self, key: str, value: str, ttl_s: float) -> None:
        await self._link.command("SET", self._lock + key, value, "PX", ms(ttl_s))

    async def extend_anyway(self, key: str, ttl_s: float) -> str | None:
        return _text(await self._link.command("GETEX", self._lock + key, "PX", ms(ttl_s)))

    async def delete_anyway(self, key: str) -> str | None:
        return _text(await self._link.command("GETDEL", self._lock + key))


class RedisService:
    """The locks of one namespace on the Redis at `url`; a LockService."""

    def __init__(self, url: str, namespace: str, call_s: float) -> None:
        self._url = url
        self._namespace = namespace
        self._call_s = call_s

    async def set_up(self, jobs: list[Job]) -> None:
        """Redis needs no preparation but an answer."""
        async with self.link() as link:
            await link.command("PING")

    async def tear_down(self) -> None:
        async with self.link() as link:
            await link.remove(f"{_literally(self._namespace)}:lock:*")
            await link.remove(f"{_literally(self._namespace)}:memory:*")

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[LockStore]:
        async with self.link() as link:
            yield RedisLocks(link, self._namespace)

    @asynccontextmanager
    async def link(self) -> AsyncIterator[RedisLink]:
        """Connections for as long as the context lasts, each made when it is first needed."""
        link = RedisLink(self._url, self._call_s)
        try:
            yield link
        finally:
            await link.close()


class RedisKeyService(RedisService):
    """The keys of one namespace on the Redis at `url`."""

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[RedisKeys]:  # type: ignore[override]  # the other port
        async with self.link() as link:
            yield RedisKeys(link, self._namespace)


def ms(seconds: float) -> int:
    """Whole milliseconds, at least one: Redis refuses an expiry of 0."""
    return max(1, round(seconds * 1000))


def kept(answer: int) -> Kept:
    """A script's 1 or 0."""
    return Kept.OURS if answer else Kept.REFUSED


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode()


def _literally(text: str) -> str:
    """Text as a glob pattern that matches only itself."""
    return "".join(f"\\{c}" if c in "*?[]\\^-" else c for c in text)
