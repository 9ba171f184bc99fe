"""The election on a Kubernetes Lease in the catalogue."""

import random

from strategies.election.algorithm import LeaderElection
from strategies.election.designs import ACQUIRE_S, WITH_LOG
from strategies.election.lease import LeaseElection, LeaseStore, LeaseTiming
from strategies.election.timing import ElectionTiming
from strategies.interface import Bounds, Design, Endpoints
from strategies.memory import MemoryLink
from strategies.model import Timing


def _make(
    endpoints: Endpoints, namespace: str, timing: Timing, rng: random.Random
) -> LeaderElection:
    periods = LeaseTiming.of(timing)
    backend = LeaseElection(_store(endpoints["kubernetes"], namespace, periods), periods, rng)
    general = ElectionTiming(
        lease_s=periods.duration_s, grain_s=0.0, call_s=periods.call_s, retry_s=periods.retry_s
    )
    return LeaderElection(backend, general, rng, remembers=True)


def _store(endpoint: str | MemoryLink, namespace: str, periods: LeaseTiming) -> LeaseStore:
    """The store for `endpoint`; the client library is imported only where it is used."""
    from strategies.election.lease_store import KubernetesLeaseStore, MemoryLeaseStore

    if isinstance(endpoint, MemoryLink):
        return MemoryLeaseStore(endpoint, namespace)
    return KubernetesLeaseStore(endpoint, namespace, periods)


def _bounds(timing: Timing) -> Bounds:
    """L + 2 p + a: p is the retry period at its longest jitter. No fire is recovered."""
    return Bounds(failover_s=LeaseTiming.of(timing).failover_s + ACQUIRE_S)


DESIGNS = (
    Design(
        name="lease-election",
        family="election",
        summary="one leader, elected through a Kubernetes Lease, runs everything; "
        "logs each fire before it runs",
        services=("kubernetes",),
        make=_make,
        promise=WITH_LOG,
        bounds=_bounds,
        adapters=("strategies.election.lease_store",),
        serial="its one leader",
    ),
)
