"""The small experiments behind the claims, each on real servers of its own, each seconds long."""

from bench.claims.experiments.experiment import Experiment, Servers
from bench.claims.experiments.latency import EXPERIMENTS as LATENCY
from bench.claims.experiments.leases import EXPERIMENTS as LEASES
from bench.claims.experiments.queues import EXPERIMENTS as QUEUES
from bench.claims.experiments.scheduler import EXPERIMENTS as SCHEDULER
from bench.claims.experiments.shown import EXPERIMENTS as SHOWN
from bench.claims.experiments.splits import EXPERIMENTS as SPLITS

EXPERIMENTS: dict[str, Experiment] = {
    one.name: one for one in (*LEASES, *LATENCY, *SPLITS, *SCHEDULER, *QUEUES, *SHOWN)
}

__all__ = ["EXPERIMENTS", "Experiment", "Servers"]
