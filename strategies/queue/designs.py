"""The queue designs of the catalogue."""

import functools
import random

from strategies.interface import (
    NOTHING,
    Allowed,
    Bounds,
    Design,
    Endpoints,
    Promise,
    Stress,
)
from strategies.memory import MemoryLink
from strategies.model import Timing
from strategies.queue.algorithm import QueueStrategy
from strategies.queue.memory import MemoryJobQueue
from strategies.queue.port import Queue
from strategies.queue.timing import QueueTiming

ACQUIRE_S = 0.1  # a claim and the first extension, with a margin for a busy machine


def redis_queue(
    endpoints: Endpoints,
    namespace: str,
    timing: Timing,
    rng: random.Random,
    *,
    publish_script: str = "publish",
) -> QueueStrategy:
    """A queue on `endpoints["redis"]`, a URL or a MemoryLink."""
    periods, endpoint = QueueTiming.of(timing), endpoints["redis"]

    def connect(consumer: str) -> Queue:
        if isinstance(endpoint, MemoryLink):
            blindly = publish_script == "publish_blindly"
            return MemoryJobQueue(endpoint, namespace, consumer, periods, blindly)
        from strategies.queue.redis import RedisJobQueue  # loaded only where it is used

        return RedisJobQueue(endpoint, namespace, consumer, periods, publish_script)

    return QueueStrategy(connect, periods, rng)


publish_everywhere = functools.partial(redis_queue, publish_script="publish_blindly")
"""The same queue, with publishers whose messages have random ids."""


def bounds(timing: Timing) -> Bounds:
    """A dead worker's message is claimed at the latest one poll after its visibility has ended.

    Failover is no faster: under overlap forbid the job's next fire waits for that message.
    """
    periods = QueueTiming.of(timing)
    recovery_s = periods.visibility_s + periods.claim_s + ACQUIRE_S
    return Bounds(failover_s=recovery_s, recovery_s=recovery_s)


AGAIN = Allowed(duplicates=True)  # finished, but the acknowledgement was lost
PAUSED = Allowed(duplicates=True, overlaps=True)  # wakes up amid a run begun elsewhere meanwhile

# What is not named loses what Redis loses (service-lost) or mixes with other designs (migration).
UNDER: dict[Stress, Allowed] = {
    "steady": NOTHING,
    "burst": NOTHING,
    "long-job": NOTHING,
    "failing": NOTHING,
    "rolling": NOTHING,
    "scaling": NOTHING,
    "crash": AGAIN,
    "outage": AGAIN,
    "partition": AGAIN,
    "slow-network": AGAIN,
    "pause": PAUSED,
    # A clock ahead publishes early and by that passes over fires not due elsewhere; the server's
    # clock, when it steps, ends visibility early.
    "clock": Allowed(duplicates=True, overlaps=True, missed=True),
}

DESIGNS = (
    Design(
        name="redis-queue",
        family="queue",
        summary="every instance publishes each fire once to a Redis stream; workers consume it",
        services=("redis",),
        make=redis_queue,
        promise=Promise(under=UNDER, retries=True, recovers=True, persistent=True),
        bounds=bounds,
        fence_scope="fire",
        adapters=("strategies.queue.redis",),
    ),
)
