"""The port of the lock family: what a store of locks must do, in three calls and a connection.

A lock belongs to a job. Its owner is known by a token that is unique per attempt, so that an
instance can never mistake an older lock of its own, or a namesake's, for the one it asked for.
"""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from strategies.interface import Endpoints
from strategies.model import Job


@dataclass(frozen=True, slots=True)
class Grant:
    """The lock is ours. `fence` grows with every grant; None where the store remembers nothing."""

    fence: int | None


@dataclass(frozen=True, slots=True)
class Held:
    """Somebody else owns the lock."""


@dataclass(frozen=True, slots=True)
class Behind:
    """The store knows more than the asker, who must think again. Epoch milliseconds, 0 for none.

    `settled_ms` is the job's latest fire that ended; `open_ms` the latest that began. A fire that
    began and is not settled is running now, or was interrupted and goes first.
    """

    settled_ms: int
    open_ms: int


HELD = Held()
Reply = Grant | Held | Behind


class Kept(Enum):
    """What became of a renewal or a release."""

    OURS = auto()
    REFUSED = auto()  # the lock is not ours any more; nothing was changed
    FOREIGN = auto()  # it was not ours and was changed all the same: a defect, proved by the store


class LockStore(Protocol):
    """One instance's connection to the locks. Every call raises ServiceLost on any doubt."""

    async def acquire(
        self, job: str, token: str, ttl_s: float, fire_ms: int, settled_ms: int
    ) -> Reply:
        """Take the job's lock for `ttl_s` seconds to run the fire due at `fire_ms`.

        `settled_ms` is the latest fire that the asker knows to be settled, 0 for none.
        """

    async def renew(self, job: str, token: str, ttl_s: float) -> Kept:
        """Let the lock live for `ttl_s` seconds from now, if `token` owns it."""

    async def release(self, job: str, token: str, settled_ms: int, hold_s: float) -> Kept:
        """Give the lock back, if `token` owns it, now or `hold_s` seconds from now.

        `settled_ms` is the fire that ended, to be remembered; 0 when none did. May be repeated.
        """


class LockService(Protocol):
    """Where the locks are. Made from endpoints, so that each instance's link can be cut."""

    async def set_up(self, jobs: list[Job]) -> None:
        """Make what the locks of `jobs` need."""

    async def tear_down(self) -> None:
        """Remove everything under the namespace."""

    def connect(self) -> AbstractAsyncContextManager[LockStore]:
        """A store for as long as the context lasts; opening it must not need the service."""


class Serves(Protocol):
    """How an adapter is made; `call_s` bounds every call, in seconds."""

    def __call__(self, endpoints: Endpoints, namespace: str, call_s: float) -> LockService: ...
