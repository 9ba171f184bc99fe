"""Which of a trial's figures apply to it: what cannot happen or was not measured has no value.

Empty is not zero. A strategy without fences has no stale effects to count, and a trial in which
something broke, or that is invalid, has no figures of cost: those come from steady trials.
"""

import msgspec

from bench.lanes import counts_costs
from bench.metrics import Metrics
from bench.record import TrialRecord
from bench.stats import Quantiles


def applying(metrics: Metrics, record: TrialRecord, *, valid: bool) -> Metrics:
    """The figures that say something of a strategy, the others empty; the same when done twice."""
    changes: dict[str, object] = _impossible(record)
    if metrics.faults or not valid:
        # Under faults it would leave out the fires that never ran.
        changes["trigger_latency_ms"] = Quantiles()
    if not valid or not counts_costs(record.kind, record.replica, faulted=bool(metrics.faults)):
        changes |= {"overhead_ms": Quantiles(), **dict.fromkeys(_COSTS)}
    return msgspec.structs.replace(metrics, **changes)


_COSTS = (
    "fleet_overhead_ms_per_fire",
    "attempts_per_fire",
    "ops_per_fire",
    "idle_ops_per_s",
    "cpu_ms_per_fire",
)


def _impossible(record: TrialRecord) -> dict[str, object]:
    """Without a fence no effect is stale, without an ownable lock no release foreign.

    A record without a family (a history from elsewhere) does not say which it is: it keeps both.
    """
    if not record.family:
        return {}
    none: dict[str, object] = {}
    if record.fence_scope is None:
        none["stale_effects"] = None
    if record.family != "lock":
        none["foreign_releases"] = None
    return none
