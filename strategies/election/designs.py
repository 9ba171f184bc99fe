"""The election's designs: ZooKeeper and etcd, each with the fire log and without it."""

import random
from functools import partial

from strategies.election.algorithm import LeaderElection
from strategies.election.memory import MemoryElection
from strategies.election.ports import Backend
from strategies.election.timing import ElectionTiming, Service
from strategies.interface import NOTHING, Allowed, Bounds, Design, Endpoints, Promise
from strategies.memory import MemoryLink
from strategies.model import Timing

ACQUIRE_S = 0.1  # from the watch's wake-up to the first run: look, read the log, begin

# A fire that was written down and not ended stays undone, also when the instance died or lost its
# term before the run's start. Never twice: begun is begun. Never missed: what is not begun is run.
AT_MOST_ONCE = Allowed(interrupted=True)
LOSES = Allowed(missed=True, interrupted=True)  # without the log, what is due between two leaders

WITH_LOG = Promise(
    under={
        "steady": NOTHING,
        "crash": AT_MOST_ONCE,
        # A paused leader ends its run late, beside its successor's run of the next fire.
        "pause": Allowed(overlaps=True, interrupted=True),
        "partition": AT_MOST_ONCE,
        "slow-network": AT_MOST_ONCE,
        "service-lost": AT_MOST_ONCE,  # as long as the service keeps what it has acknowledged
        # A leader whose clock steps forward passes over fires before their time.
        "clock": Allowed(missed=True),
        "rolling": NOTHING,
        "outage": AT_MOST_ONCE,
        "failing": NOTHING,
        "long-job": NOTHING,
        "burst": NOTHING,
        "scaling": NOTHING,  # instances that go, go by SIGTERM
    },
    persistent=True,
)

WITHOUT_LOG = Promise(
    under={
        "steady": NOTHING,
        "crash": LOSES,
        "pause": Allowed(overlaps=True, missed=True, interrupted=True),
        "partition": LOSES,
        "slow-network": LOSES,
        "service-lost": LOSES,
        "clock": Allowed(duplicates=True, missed=True),
        "rolling": Allowed(missed=True),
        "outage": LOSES,
        "failing": NOTHING,
        "long-job": NOTHING,
        "burst": NOTHING,
        "scaling": Allowed(missed=True),
    },
)


def backend(
    service: Service, endpoint: str | MemoryLink, namespace: str, timing: Timing
) -> Backend:
    """The adapter for `endpoint`; a client library is imported only where it is used."""
    periods = ElectionTiming.of(timing, service)
    if isinstance(endpoint, MemoryLink):
        return MemoryElection(endpoint, namespace, periods)
    if service == "zookeeper":
        from strategies.election.zookeeper import ZooKeeperElection

        return ZooKeeperElection(endpoint, namespace, periods)
    from strategies.election.etcd import EtcdElection

    return EtcdElection(endpoint, namespace, periods)


def _make(
    endpoints: Endpoints,
    namespace: str,
    timing: Timing,
    rng: random.Random,
    *,
    service: Service,
    remembers: bool,
) -> LeaderElection:
    return LeaderElection(
        backend(service, endpoints[service], namespace, timing),
        ElectionTiming.of(timing, service),
        rng,
        remembers=remembers,
    )


def _bounds(timing: Timing, *, service: Service) -> Bounds:
    """Followers are woken by a watch (p = 0). An interrupted fire is never run again."""
    periods = ElectionTiming.of(timing, service)
    return Bounds(failover_s=periods.lease_s + periods.grain_s + ACQUIRE_S)


def _design(service: Service, title: str, *, remembers: bool) -> Design:
    how = "logs each fire before it runs" if remembers else "nothing written down"
    return Design(
        name=f"{service}-election" + ("" if remembers else "-memory"),
        family="election",
        summary=f"one leader, elected through {title}, runs everything; {how}",
        services=(service,),
        make=partial(_make, service=service, remembers=remembers),
        promise=WITH_LOG if remembers else WITHOUT_LOG,
        bounds=partial(_bounds, service=service),
        kind="reference" if remembers else "variant",
        adapters=(f"strategies.election.{service}",),
        serial="its one leader",
    )


DESIGNS = (
    _design("zookeeper", "ZooKeeper", remembers=True),
    _design("etcd", "etcd", remembers=True),
    _design("zookeeper", "ZooKeeper", remembers=False),
    _design("etcd", "etcd", remembers=False),
)
