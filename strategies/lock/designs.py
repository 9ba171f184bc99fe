"""The lock family's designs, and what each of them promises."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from strategies.interface import NOTHING, Allowed, Bounds, Design, Endpoints, Promise
from strategies.lock.algorithm import LockStrategy, Manner
from strategies.lock.keys import CarelessKeys, KeyLocks, KeyLockService
from strategies.lock.memory import MemoryKeyService, MemoryService
from strategies.lock.port import LockService, LockStore
from strategies.lock.timing import LockTiming
from strategies.memory import MemoryLink
from strategies.model import Timing

ALLOWANCE_S = 0.1  # for acquiring, and for a busy machine

WAIT = Manner(losers="wait")
SKIP = Manner(losers="skip")
ANYWAY = Manner(losers="wait", when_lost="run-anyway")
DESIGNATED = Manner(losers="wait", when_lost="designated")
SKIP_AND_HOLD = Manner(losers="skip", hold_share=0.5)


def on_redis(endpoints: Endpoints, namespace: str, call_s: float) -> LockService:
    """Locks that remember, on Redis."""
    endpoint = endpoints["redis"]
    if isinstance(endpoint, MemoryLink):
        return MemoryService(endpoint, namespace)
    from strategies.lock.redis import RedisService  # an instance loads only the client it uses

    return RedisService(endpoint, namespace, call_s)


def on_postgres(endpoints: Endpoints, namespace: str, call_s: float) -> LockService:
    """Locks that remember, in PostgreSQL."""
    endpoint = endpoints["postgres"]
    if isinstance(endpoint, MemoryLink):
        return MemoryService(endpoint, namespace)
    from strategies.lock.postgres import PostgresService

    return PostgresService(endpoint, namespace, call_s)


def on_redis_keys(
    endpoints: Endpoints,
    namespace: str,
    call_s: float,
    locks: Callable[[CarelessKeys], LockStore] = KeyLocks,
) -> LockService:
    """Locks that are nothing but keys, on Redis."""
    endpoint = endpoints["redis"]
    if isinstance(endpoint, MemoryLink):
        return KeyLockService(MemoryKeyService(endpoint, namespace), locks)
    from strategies.lock.redis import RedisKeyService

    return KeyLockService(RedisKeyService(endpoint, namespace, call_s), locks)


def waiting_bounds(timing: Timing) -> Bounds:
    """Lease, one poll, the allowance: a waiter recovers the fire itself."""
    own = LockTiming.of(timing)
    bound_s = own.ttl_s + own.poll_s + ALLOWANCE_S
    # A waiter that gives up before the lease can end tries again at the next due time only.
    return Bounds(failover_s=bound_s, recovery_s=bound_s if own.wait_s > own.ttl_s else None)


def skipping_bounds(timing: Timing) -> Bounds:
    """Lease and the allowance; the next fire is run, the interrupted one is not."""
    return Bounds(failover_s=LockTiming.of(timing).ttl_s + ALLOWANCE_S)


# A run that ended but could not be recorded is run again by the next owner.
UNRECORDED = Allowed(duplicates=True)

REMEMBERS = Promise(
    under={
        "steady": NOTHING,
        "burst": NOTHING,
        "scaling": NOTHING,
        "rolling": NOTHING,
        "failing": NOTHING,
        "long-job": NOTHING,
        "crash": UNRECORDED,
        "outage": UNRECORDED,
        "partition": UNRECORDED,
        "slow-network": UNRECORDED,
        # The paused owner wakes up beside its successor.
        "pause": Allowed(duplicates=True, overlaps=True),
        # An instance whose clock is early passes over fires that are not due for the others.
        "clock": Allowed(missed=True),
    },
    recovers=True,
    persistent=True,
)

# A database that comes back still knows locks and fires; a Redis without persistence does not.
REMEMBERS_DURABLY = replace(REMEMBERS, under={**REMEMBERS.under, "service-lost": UNRECORDED})

# Who is cut off takes the service for lost, and runs beside the others. Nothing is promised of a
# service that is lost for all: what each choice costs there is what service-outage measures.
RUNS_ALONE = replace(
    REMEMBERS,
    under={
        **REMEMBERS.under,
        "partition": Allowed(duplicates=True, overlaps=True),
        "slow-network": Allowed(duplicates=True, overlaps=True),
    },
)

HOLDS = Promise(
    under={
        "steady": NOTHING,
        "failing": NOTHING,
        # Losers do not come back: what is due while a dead owner's lock lasts is not run.
        "crash": Allowed(missed=True, interrupted=True),
    },
)

DESIGNS: tuple[Design, ...] = (
    Design(
        name="redis-lock",
        family="lock",
        summary="race for every fire; Redis lock with fence, watchdog and memory; losers wait",
        services=("redis",),
        make=partial(LockStrategy, on_redis, WAIT),
        adapters=("strategies.lock.redis",),
        promise=REMEMBERS,
        bounds=waiting_bounds,
    ),
    Design(
        name="redis-lock-anyway",
        family="lock",
        summary="as redis-lock; while Redis is lost for over a lease, everybody runs everything",
        services=("redis",),
        make=partial(LockStrategy, on_redis, ANYWAY),
        adapters=("strategies.lock.redis",),
        promise=RUNS_ALONE,
        bounds=waiting_bounds,
        kind="variant",
    ),
    Design(
        name="redis-lock-designated",
        family="lock",
        summary="as redis-lock; while Redis is lost for over a lease, instance 1 runs everything",
        services=("redis",),
        make=partial(LockStrategy, on_redis, DESIGNATED),
        adapters=("strategies.lock.redis",),
        promise=RUNS_ALONE,
        bounds=waiting_bounds,
        kind="variant",
    ),
    Design(
        name="redis-lock-hold",
        family="lock",
        summary="race for every fire; Redis lock held for half the period at least; losers skip",
        services=("redis",),
        make=partial(LockStrategy, on_redis_keys, SKIP_AND_HOLD),
        adapters=("strategies.lock.redis",),
        promise=HOLDS,
        bounds=skipping_bounds,
        kind="variant",
        fence_scope=None,
    ),
    Design(
        name="redis-lock-bare",
        family="lock",
        summary="as the guides print it: released at the end, nothing remembered; unsafe",
        services=("redis",),
        make=partial(LockStrategy, on_redis_keys, SKIP),
        adapters=("strategies.lock.redis",),
        promise=Promise(),
        bounds=skipping_bounds,
        fence_scope=None,
    ),
    Design(
        name="postgres-lock",
        family="lock",
        summary="race for every fire; a table row with the database's time; losers wait",
        services=("postgres",),
        make=partial(LockStrategy, on_postgres, WAIT),
        adapters=("strategies.lock.postgres",),
        promise=REMEMBERS_DURABLY,
        bounds=waiting_bounds,
        kind="variant",
    ),
)
