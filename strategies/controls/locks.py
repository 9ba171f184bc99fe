"""Locks as they are often written, each with one defect in its store.

They run the lock family's algorithm (losers skip, nothing remembered) on a `KeyLocks` that differs
in one method; so what the matrix shows of them is due to that method.
"""

from collections.abc import Callable
from functools import partial

from strategies.interface import Breaks, Design, Promise
from strategies.lock.algorithm import LockStrategy
from strategies.lock.designs import SKIP, on_redis_keys, skipping_bounds
from strategies.lock.keys import CarelessKeys, KeyLocks
from strategies.lock.port import HELD, Grant, Kept, LockStore, Reply


class _CarelessLocks(KeyLocks):
    def __init__(self, keys: CarelessKeys) -> None:
        super().__init__(keys)
        self._careless = keys


class CheckThenSet(_CarelessLocks):
    """Look whether the lock is free, then take it: two instances can both see it free."""

    async def acquire(
        self, job: str, token: str, ttl_s: float, fire_ms: int, settled_ms: int
    ) -> Reply:
        if await self._careless.get(job) is not None:
            return HELD
        await self._careless.set_anyway(job, token, ttl_s)
        return Grant(None)


class SetWithoutNx(_CarelessLocks):
    """Set with expiry and go: the call always succeeds and excludes nobody."""

    async def acquire(
        self, job: str, token: str, ttl_s: float, fire_ms: int, settled_ms: int
    ) -> Reply:
        await self._careless.set_anyway(job, token, ttl_s)
        return Grant(None)


class WithoutTtl(_CarelessLocks):
    """Set if absent, without expiry: a dead owner's lock stays for ever."""

    async def acquire(
        self, job: str, token: str, ttl_s: float, fire_ms: int, settled_ms: int
    ) -> Reply:
        return Grant(None) if await self._careless.set_new(job, token, None) else HELD

    async def renew(self, job: str, token: str, ttl_s: float) -> Kept:
        """Nothing to prolong: without expiry the owner believes in its lock unasked."""
        return Kept.OURS


class WithoutOwnerCheck(_CarelessLocks):
    """Extend and delete by key: who was paused past its lease deletes its successor's lock.

    GETEX and GETDEL say whose lock it was, which proves the foreign release; the defect is the
    same as with PEXPIRE and DEL.
    """

    async def renew(self, job: str, token: str, ttl_s: float) -> Kept:
        return _proved(token, await self._careless.extend_anyway(job, ttl_s))

    async def release(self, job: str, token: str, settled_ms: int, hold_s: float) -> Kept:
        return _proved(token, await self._careless.delete_anyway(job))


def _proved(token: str, owner: str | None) -> Kept:
    if owner is None:
        return Kept.REFUSED
    return Kept.OURS if owner == token else Kept.FOREIGN


def _control(
    name: str, summary: str, locks: Callable[[CarelessKeys], LockStore], breaks: Breaks
) -> Design:
    return Design(
        name=name,
        family="lock",
        summary=summary,
        services=("redis",),
        make=partial(LockStrategy, partial(on_redis_keys, locks=locks), SKIP),
        promise=Promise(),
        bounds=skipping_bounds,
        kind="control",
        adapters=("strategies.lock.redis",),
        fence_scope=None,
        breaks=(breaks,),
    )


DESIGNS: tuple[Design, ...] = (
    _control(
        "check-then-set",
        "GET, then SET when the key was absent",
        CheckThenSet,
        Breaks("steady", "duplicate_fires", 3, "two instances see the lock free at once"),
    ),
    _control(
        "set-without-nx",
        "SET with expiry, unconditionally",
        SetWithoutNx,
        Breaks("steady", "duplicate_fires", 10, "the set always succeeds, so everybody runs"),
    ),
    _control(
        "lock-without-ttl",
        "SET NX without expiry",
        WithoutTtl,
        Breaks("crash", "missed_fires", 3, "the dead owner's lock is never free again"),
    ),
    _control(
        "lock-without-owner-check",
        "renewed and released by key, whoever owns it",
        WithoutOwnerCheck,
        Breaks("pause", "foreign_releases", 1, "the owner that wakes up deletes another's lock"),
    ),
)
