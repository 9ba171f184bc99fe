"""Locks in memory, for virtual time: the same semantics as the Redis scripts, on a MemoryLink."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from strategies.lock.port import HELD, Behind, Grant, Kept, LockStore, Reply
from strategies.memory import MemoryLink
from strategies.model import Job


@dataclass(slots=True)
class _Value:
    value: str
    until_s: float  # on the server's clock


@dataclass(slots=True)
class _Memory:
    fence: int = 0
    settled_ms: int = 0
    open_ms: int = 0
    owner: str = ""


class MemoryKeys:
    """Keys with expiry in a MemoryServer's table; a CarelessKeys."""

    def __init__(self, link: MemoryLink, namespace: str) -> None:
        self._link = link
        self._namespace = namespace

    def live(self, key: str) -> _Value | None:
        """The key's entry unless it has expired. Runs on the server."""
        found = self._table().get(key)
        return found if found and found.until_s > self._link.server.clock() else None

    def put(self, key: str, value: str, ttl_s: float | None) -> None:
        """Set the key. Runs on the server."""
        until_s = float("inf") if ttl_s is None else self._link.server.clock() + ttl_s
        self._table()[key] = _Value(value, until_s)

    def put_new(self, key: str, value: str, ttl_s: float | None) -> bool:
        """Set the key unless it is there. Runs on the server."""
        if self.live(key):
            return False
        self.put(key, value, ttl_s)
        return True

    def owned(self, key: str, value: str) -> bool:
        """Whether the key has this value. Runs on the server."""
        found = self.live(key)
        return found is not None and found.value == value

    def drop(self, key: str) -> None:
        """Remove the key. Runs on the server."""
        self._table().pop(key, None)

    async def set_new(self, key: str, value: str, ttl_s: float | None) -> bool:
        return await self._link.call(lambda: self.put_new(key, value, ttl_s))

    async def extend(self, key: str, value: str, ttl_s: float) -> bool:
        return await self._link.call(
            lambda: self.owned(key, value) and self._touch(key, ttl_s) is not None
        )

    async def delete(self, key: str, value: str) -> bool:
        return await self._link.call(lambda: self.owned(key, value) and self._take(key) is not None)

    async def get(self, key: str) -> str | None:
        return await self._link.call(lambda: found.value if (found := self.live(key)) else None)

    async def set_anyway(self, key: str, value: str, ttl_s: float) -> None:
        await self._link.call(lambda: self.put(key, value, ttl_s))

    async def extend_anyway(self, key: str, ttl_s: float) -> str | None:
        return await self._link.call(lambda: self._touch(key, ttl_s))

    async def delete_anyway(self, key: str) -> str | None:
        return await self._link.call(lambda: self._take(key))

    def _touch(self, key: str, ttl_s: float) -> str | None:
        found = self.live(key)
        if found is None:
            return None
        self.put(key, found.value, ttl_s)
        return found.value

    def _take(self, key: str) -> str | None:
        found = self.live(key)
        self.drop(key)
        return found.value if found else None

    def _table(self) -> dict[str, _Value]:
        return self._link.server.table(self._namespace, "locks", dict[str, _Value])


class MemoryLocks:
    """A LockStore that remembers each job's fires, in memory."""

    def __init__(self, link: MemoryLink, namespace: str) -> None:
        self._link = link
        self._namespace = namespace
        self._keys = MemoryKeys(link, namespace)

    async def acquire(
        self, job: str, token: str, ttl_s: float, fire_ms: int, settled_ms: int
    ) -> Reply:
        def on_server() -> Reply:
            memory = self._memory(job)
            surprised = memory.open_ms > settled_ms and memory.open_ms != fire_ms
            if memory.settled_ms > settled_ms or surprised:
                return Behind(memory.settled_ms, memory.open_ms)
            if not self._keys.put_new(job, token, ttl_s):
                return HELD
            memory.fence += 1
            memory.open_ms, memory.owner = fire_ms, token
            return Grant(memory.fence)

        return await self._link.call(on_server)

    async def renew(self, job: str, token: str, ttl_s: float) -> Kept:
        return Kept.OURS if await self._keys.extend(job, token, ttl_s) else Kept.REFUSED

    async def release(self, job: str, token: str, settled_ms: int, hold_s: float) -> Kept:
        def on_server() -> Kept:
            memory = self._memory(job)
            if self._keys.owned(job, token):
                self._keys.drop(job)
            elif memory.owner != token:
                return Kept.REFUSED
            memory.settled_ms = settled_ms or memory.settled_ms
            return Kept.OURS

        return await self._link.call(on_server)

    def _memory(self, job: str) -> _Memory:
        memories = self._link.server.table(self._namespace, "memory", dict[str, _Memory])
        return memories.setdefault(job, _Memory())


class MemoryService:
    """The locks of one namespace behind one link; a LockService and, for `keys`, a KeyService."""

    def __init__(self, link: MemoryLink, namespace: str) -> None:
        self._link = link
        self._namespace = namespace

    async def set_up(self, jobs: list[Job]) -> None:
        """Memory needs no preparation."""

    async def tear_down(self) -> None:
        await self._link.call(lambda: self._link.server.drop(self._namespace))

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[LockStore]:
        yield MemoryLocks(self._link, self._namespace)


class MemoryKeyService(MemoryService):
    """The keys of one namespace behind one link."""

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[MemoryKeys]:  # type: ignore[override]  # the other port
        yield MemoryKeys(self._link, self._namespace)
