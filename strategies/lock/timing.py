"""The lock family's periods, from the one knob of timing. All in seconds."""

from dataclasses import dataclass
from typing import Self

from strategies.model import Timing

REDISSON_WATCHDOG_S = 30.0  # Redisson's lockWatchdogTimeout, renewed at a third
REDIS_PY_SLEEP_S = 0.1  # how often redis-py's blocking Lock tries again
GUIDE_TTL_S = 30.0  # the lock TTL that common guides print
GUIDE_WAIT_S = 10.0  # and their tryLock's patience
LONGEST_CALL_S = 3.0  # Redisson's command timeout
MARGIN = 0.1  # the share of a lease that is never trusted


@dataclass(frozen=True, slots=True)
class LockTiming:
    """`ttl_s` is the lease; `margin_s` before its end an owner that could not renew stops.

    A waiter tries every `poll_s` for `wait_s`, then leaves the fire until the next is due. A call
    is given up after `call_s`; after errors the pause doubles from `poll_s` up to `backoff_s`.
    """

    ttl_s: float
    renew_s: float
    poll_s: float
    wait_s: float

    @property
    def margin_s(self) -> float:
        return self.ttl_s * MARGIN

    @property
    def call_s(self) -> float:
        return min(self.ttl_s / 4, LONGEST_CALL_S)

    @property
    def backoff_s(self) -> float:
        return max(self.poll_s, min(self.ttl_s / 2, LONGEST_CALL_S))

    @classmethod
    def of(cls, timing: Timing) -> Self:
        """`equal` from the lease; `vendor` after Redisson and redis-py; `guide` as printed."""
        if timing.profile == "vendor":
            ttl = REDISSON_WATCHDOG_S
            return cls(ttl_s=ttl, renew_s=ttl / 3, poll_s=REDIS_PY_SLEEP_S, wait_s=5 * ttl)
        if timing.profile == "guide":
            ttl = GUIDE_TTL_S
            return cls(ttl_s=ttl, renew_s=ttl / 3, poll_s=REDIS_PY_SLEEP_S, wait_s=GUIDE_WAIT_S)
        ttl = timing.lease_s
        return cls(ttl_s=ttl, renew_s=ttl / 3, poll_s=ttl / 10, wait_s=5 * ttl)
