"""CronJob in the catalogue: what it promises under each stress, and how long it may take."""

import random
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from strategies.cronjob.manifests import Concurrency, Settings
from strategies.interface import (
    NOTHING,
    Allowed,
    Bounds,
    Design,
    Endpoints,
    Promise,
    Strategy,
    Stress,
)
from strategies.kubernetes.endpoint import parse
from strategies.model import Timing

# Upstream's defaults: node-monitor-period, node-monitor-grace-period, and the toleration that the
# admission plugin DefaultTolerationSeconds writes into every pod.
VENDOR_PERIOD_S, VENDOR_GRACE_S, VENDOR_TOLERATION_S = 5.0, 40.0, 300.0
JOB_BACKOFF_S = 10.0  # DefaultJobPodFailureBackOff, a constant of the Job controller
WHOLE_SECONDS_S = 1.0  # the API's times have no fractions, so a back-off ends up to this later
START_S = 1.0  # create, bind and start a pod


def toleration_s(timing: Timing) -> int | None:
    """How long pods stay on a lost node: not at all with `equal`, else as upstream has it."""
    return 0 if timing.profile == "equal" else None


def bounds(timing: Timing) -> Bounds:
    """Detection, eviction, the Job's back-off, and a new pod; failing over is recovering here.

    A renewal is seen at the controller's next look, and silence is too: two looks and the grace.
    """
    if timing.profile == "equal":
        lost_s = timing.lease_s + 2 * timing.lease_s / 4
    else:
        lost_s = VENDOR_GRACE_S + 2 * VENDOR_PERIOD_S + VENDOR_TOLERATION_S
    whole_s = lost_s + JOB_BACKOFF_S + WHOLE_SECONDS_S + START_S
    return Bounds(failover_s=whole_s, recovery_s=whole_s)


# A run that ended on a node which could not say so any more is run again: a pod on its way out.
UNSAID = Allowed(duplicates=True)
# Seen: the Job of a lost node's pod is not complete, its replacement's success notwithstanding,
# before that pod is gone, and it is not gone before the Node is: until then Forbid starts nothing.
LOST_NODE = Allowed(duplicates=True, missed=True)
# The node goes on with its run while the replacement runs.
TWO_NODES = Allowed(duplicates=True, overlaps=True)

PROMISE: Mapping[Stress, Allowed] = {
    "steady": NOTHING,
    "burst": NOTHING,
    "slow-network": NOTHING,
    "clock": NOTHING,
    # A Job that waits for its next try is active, and Forbid holds fires up though nothing runs.
    "failing": Allowed(missed=True),
    "scaling": NOTHING,
    "rolling": UNSAID,
    "crash": LOST_NODE,
    "outage": LOST_NODE,
    "pause": TWO_NODES,
    "partition": TWO_NODES,
    # Forbid runs the latest of the fires that were held back; the observer tells of the others, and
    # what it could not see is a miss.
    "long-job": Allowed(missed=True),
    "service-lost": Allowed(missed=True),
}


# Nothing waits for a lost pod, and a job may run beside itself, as the policy says.
ALLOW: Mapping[Stress, Allowed] = {
    **{stress: replace(allowed, overlaps=True) for stress, allowed in PROMISE.items()},
    "crash": replace(UNSAID, overlaps=True),
    "outage": replace(UNSAID, overlaps=True),
    "failing": Allowed(overlaps=True),
    "long-job": Allowed(overlaps=True),
}
# The next fire breaks off a run that is still open, and a lost pod's Job with it.
REPLACE: Mapping[Stress, Allowed] = {
    **{stress: replace(allowed, interrupted=True) for stress, allowed in PROMISE.items()},
    "steady": NOTHING,
    "burst": NOTHING,
    "crash": replace(UNSAID, interrupted=True),
    "outage": replace(UNSAID, interrupted=True),
    "failing": Allowed(interrupted=True),
    "long-job": Allowed(interrupted=True),
}


def _make(
    endpoints: Endpoints,
    namespace: str,
    timing: Timing,
    rng: random.Random,
    *,
    concurrency: Concurrency | None = None,
) -> Strategy:
    from strategies.cronjob.strategy import CronJobStrategy  # the client library, when needed

    url = endpoints["kubernetes"]
    if not isinstance(url, str):
        raise TypeError("cronjob has no simulation: its controllers are Kubernetes' own")
    settings = Settings(
        toleration_s=toleration_s(timing), concurrency=concurrency, image=parse(url).image
    )
    return CronJobStrategy(endpoints, namespace, timing, rng, settings)


def _design(
    name: str,
    how: str,
    under: Mapping[Stress, Allowed],
    concurrency: Concurrency | None = None,
    lasting: tuple[Stress, ...] = (),
) -> Design:
    return Design(
        name=name,
        family="cronjob",
        summary=f"Kubernetes CronJob: the platform starts a pod per fire, {how}; one-minute grain",
        services=("kubernetes",),
        make=partial(_make, concurrency=concurrency),
        promise=Promise(under=under, lasting=lasting, retries=True, recovers=True, persistent=True),
        bounds=bounds,
        kind="variant" if concurrency else "reference",
        fence_scope=None,
        adapters=("strategies.cronjob.strategy",),
        replica="node",
        grain_s=60.0,
        serial="the platform's one controller",
    )


DESIGNS = (
    # Until somebody removes the lost Node, Forbid holds up its jobs.
    _design("cronjob", "as the job forbids or allows overlaps", PROMISE, lasting=("crash",)),
    _design("cronjob-allow", "beside an open run (Allow)", ALLOW, "Allow"),
    _design("cronjob-replace", "in place of an open run (Replace)", REPLACE, "Replace"),
)
