"""Locks that are nothing but keys: as the guides print them, with nothing remembered.

`Keys` is the little of a key-value server that such a lock needs; `KeyLocks` is the lock. The
controls override one of its methods each, and so are wrong on every `Keys` adapter alike.

NOT guaranteed: anything about a fire once its lock is free again. Whoever asks later runs it again.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

from strategies.lock.port import HELD, Grant, Kept, LockStore, Reply
from strategies.model import Job


class Keys(Protocol):
    """One connection to a key-value server. Every call raises ServiceLost on any doubt."""

    async def set_new(self, key: str, value: str, ttl_s: float | None) -> bool:
        """Set the key unless it exists; True if it was set (Redis: SET NX PX)."""

    async def extend(self, key: str, value: str, ttl_s: float) -> bool:
        """Let the key live for `ttl_s` from now if it has this value (compare-and-extend)."""

    async def delete(self, key: str, value: str) -> bool:
        """Delete the key if it has this value (compare-and-delete)."""


class CarelessKeys(Keys, Protocol):
    """What only the controls use: the same without a condition."""

    async def get(self, key: str) -> str | None:
        """The key's value."""

    async def set_anyway(self, key: str, value: str, ttl_s: float) -> None:
        """Set the key, whether it exists or not (Redis: SET PX)."""

    async def extend_anyway(self, key: str, ttl_s: float) -> str | None:
        """Extend the key whoever owns it; whose it was (Redis: GETEX PX)."""

    async def delete_anyway(self, key: str) -> str | None:
        """Delete the key whoever owns it; whose it was (Redis: GETDEL)."""


class KeyLocks:
    """A LockStore on plain keys: set if absent, with expiry; released by its owner only."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    async def acquire(
        self, job: str, token: str, ttl_s: float, fire_ms: int, settled_ms: int
    ) -> Reply:
        return Grant(None) if await self._keys.set_new(job, token, ttl_s) else HELD

    async def renew(self, job: str, token: str, ttl_s: float) -> Kept:
        return _kept(await self._keys.extend(job, token, ttl_s))

    async def release(self, job: str, token: str, settled_ms: int, hold_s: float) -> Kept:
        if hold_s > 0:
            return _kept(await self._keys.extend(job, token, hold_s))
        return _kept(await self._keys.delete(job, token))


def _kept(done: bool) -> Kept:
    return Kept.OURS if done else Kept.REFUSED


class KeyService(Protocol):
    """Where keys are."""

    def connect(self) -> AbstractAsyncContextManager[CarelessKeys]:
        """Keys for as long as the context lasts."""

    async def tear_down(self) -> None:
        """Remove every key under the namespace."""


class KeyLockService:
    """A LockService of plain keys; `locks` makes the store, or a broken one."""

    def __init__(self, keys: KeyService, locks: Callable[[CarelessKeys], LockStore]) -> None:
        self._keys = keys
        self._locks = locks

    async def set_up(self, jobs: list[Job]) -> None:
        """Keys need no preparation."""

    async def tear_down(self) -> None:
        await self._keys.tear_down()

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[LockStore]:
        async with self._keys.connect() as keys:
            yield self._locks(keys)
