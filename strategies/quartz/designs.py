"""The clustered schedulers that the catalogue lists."""

import functools
import random
from collections.abc import Sequence
from typing import Literal

from strategies.interface import NOTHING, Allowed, Bounds, Design, Endpoints, Member, Promise
from strategies.memory import MemoryLink
from strategies.model import Job, Timing
from strategies.quartz.algorithm import Scheduler
from strategies.quartz.memory import MemoryTriggers
from strategies.quartz.port import QuartzStore
from strategies.quartz.timing import QuartzTiming

SERVICE = "postgres"

# A run that ended but could not be completed before the crash is run again; nothing tells the two
# apart. An instance that is paused or cut off is recovered while its own run may still go on.
TWICE = Allowed(duplicates=True)
TWICE_AT_ONCE = Allowed(duplicates=True, overlaps=True)

# Nothing is promised under `clock`: due times and check-ins are read from the instances' clocks.
PROMISE = Promise(
    under={
        "steady": NOTHING,
        "rolling": NOTHING,
        "scaling": NOTHING,
        "burst": NOTHING,
        "failing": NOTHING,
        "long-job": NOTHING,
        "crash": TWICE,
        "outage": TWICE,
        "pause": TWICE_AT_ONCE,
        "partition": TWICE_AT_ONCE,
        "slow-network": TWICE_AT_ONCE,
        "service-lost": TWICE_AT_ONCE,
    },
    retries=True,
    recovers=True,
    persistent=True,
)

FORGETS = Allowed(duplicates=True, overlaps=True, interrupted=True)
PROMISE_WITHOUT_RECOVERY = Promise(
    under={
        stress: allowed if allowed is NOTHING else FORGETS
        for stress, allowed in PROMISE.under.items()
    },
    retries=True,
    recovers=False,
    persistent=True,
)

ALLOWANCE_S = 0.1


def bounds(timing: Timing, recovers: bool = True) -> Bounds:
    """Failover: lease, then the longest wait for a check-in that looks for the dead.

    Who finds a dead instance acts at once, so that both times are the same; seconds.
    """
    periods = QuartzTiming.of(timing)
    failover_s = periods.lease_s + periods.check_in_s + ALLOWANCE_S
    return Bounds(failover_s=failover_s, recovery_s=failover_s if recovers else None)


class Quartz:
    """A clustered scheduler on one database; `rerun` is Quartz's requestsRecovery of every job."""

    def __init__(
        self,
        endpoints: Endpoints,
        namespace: str,
        timing: Timing,
        rng: random.Random,
        *,
        acquisition: Literal["cluster-lock", "skip-locked"],
        rerun: bool = True,
    ) -> None:
        self._endpoint = endpoints[SERVICE]
        self._namespace = namespace
        self._timing = QuartzTiming.of(timing)
        self._rng = rng
        self._skip_locked = acquisition == "skip-locked"
        self._rerun = rerun

    async def prepare(self, jobs: Sequence[Job]) -> None:
        """Create the tables. The triggers are created by whoever comes first, by its clock."""
        await self._store().prepare()

    async def participate(self, member: Member, jobs: Sequence[Job]) -> None:
        """Be an instance of the cluster."""
        store = self._store()
        try:
            await Scheduler(store, member, jobs, self._timing, self._rng, self._rerun).take_part()
        finally:
            await store.close()

    async def clean_up(self) -> None:
        """Drop the tables."""
        await self._store().clean_up()

    def _store(self) -> QuartzStore:
        if isinstance(self._endpoint, MemoryLink):
            return MemoryTriggers(self._endpoint, self._namespace)
        # Imported here, so that the catalogue lists names without loading a client library.
        from strategies.quartz.postgres import PostgresTriggers

        return PostgresTriggers(
            self._endpoint,
            self._namespace,
            skip_locked=self._skip_locked,
            call_s=self._timing.call_s,
            connect_s=self._timing.lease_s,
        )


ADAPTERS = ("strategies.quartz.postgres",)

DESIGNS = (
    Design(
        name="quartz",
        family="quartz",
        summary="clustered SQL scheduler: one lock row per cluster, check-in, recovery",
        services=(SERVICE,),
        make=functools.partial(Quartz, acquisition="cluster-lock"),
        promise=PROMISE,
        bounds=bounds,
        adapters=ADAPTERS,
        serial="its one cluster lock",
    ),
    Design(
        name="quartz-skip-locked",
        family="quartz",
        summary="the same scheduler without the cluster lock: SELECT ... FOR UPDATE SKIP LOCKED",
        services=(SERVICE,),
        make=functools.partial(Quartz, acquisition="skip-locked"),
        promise=PROMISE,
        bounds=bounds,
        adapters=ADAPTERS,
    ),
    Design(
        name="quartz-without-recovery",
        family="quartz",
        summary="jobs without requestsRecovery, as guides print them: an interrupted fire is lost",
        services=(SERVICE,),
        make=functools.partial(Quartz, acquisition="cluster-lock", rerun=False),
        promise=PROMISE_WITHOUT_RECOVERY,
        bounds=functools.partial(bounds, recovers=False),
        adapters=ADAPTERS,
        kind="variant",
        serial="its one cluster lock",
    ),
)
