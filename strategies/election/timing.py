"""The election's periods, derived from the one knob of timing. All in seconds."""

import math
from dataclasses import dataclass
from typing import Literal

from strategies.model import Timing

Service = Literal["zookeeper", "etcd"]

RENEWALS = 3  # confirmations per lease: etcd's client and kazoo's ping do the same
MARGIN = 0.1  # of the lease: for stepping down, and for the rates of two clocks to differ

# The lease that people run: kazoo's session (client.py), etcd's session (concurrency/session.go).
VENDOR_LEASE_S: dict[Service, float] = {"zookeeper": 10.0, "etcd": 60.0}
# The common guides print 15 s for an election's lease, whatever the service.
GUIDE_LEASE_S = 15.0
# How late a server notices: ZooKeeper expires sessions once a tick (0.2 s in our server, 2 s in
# ZooKeeper's sample configuration), etcd's lessor within half a second.
TICK_S, SAMPLE_TICK_S, LESSOR_S = 0.2, 2.0, 0.5
ETCD_SHORTEST_S = 2  # and whole seconds only


@dataclass(frozen=True)
class ElectionTiming:
    """`lease_s` without contact ends a place, noticed up to `grain_s` later by the server.

    A call is given up after `call_s`; after an error the next one follows within `retry_s`.
    """

    lease_s: float
    grain_s: float
    call_s: float
    retry_s: float

    @classmethod
    def of(cls, timing: Timing, service: Service) -> "ElectionTiming":
        """The periods of `service` in the profile of `timing`."""
        lease_s = _lease_s(timing, service)
        if service == "etcd":
            grain_s = LESSOR_S
        else:
            grain_s = TICK_S if timing.profile == "equal" else SAMPLE_TICK_S
        return cls(lease_s, grain_s, call_s=lease_s / 4, retry_s=min(1.0, lease_s / 10))


def _lease_s(timing: Timing, service: Service) -> float:
    if timing.profile == "vendor":
        return VENDOR_LEASE_S[service]
    if timing.profile == "guide":
        return GUIDE_LEASE_S
    if service == "etcd":
        return float(max(ETCD_SHORTEST_S, math.ceil(timing.lease_s)))
    return timing.lease_s
