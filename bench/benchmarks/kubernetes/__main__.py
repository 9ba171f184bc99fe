"""Findings on the real controllers, each by one command (docs/kubernetes.md tells what came out).

    python -m bench.benchmarks.kubernetes cost 30        30 nodes at rest: memory, processors, start
    python -m bench.benchmarks.kubernetes memory 500     what the components hold, at their most
    python -m bench.benchmarks.kubernetes memory 500 unlimited   the same by Go's own rules
    python -m bench.benchmarks.kubernetes skew 100       due minute -> process start, 100 CronJobs
    python -m bench.benchmarks.kubernetes skew 100 200   the same, the controllers less limited
    python -m bench.benchmarks.kubernetes loss           a node dies mid-run, in its parts
    python -m bench.benchmarks.kubernetes loss-failed    the same with podReplacementPolicy: Failed
    python -m bench.benchmarks.kubernetes blocked        what Forbid does after a node's loss
    python -m bench.benchmarks.kubernetes policies       a run longer than its period, by policy
    python -m bench.benchmarks.kubernetes partition      a node is cut off and comes back
    python -m bench.benchmarks.kubernetes missed         200 missed schedules, by deadline
    python -m bench.benchmarks.kubernetes controllers    the controller manager dies over a minute
    python -m bench.benchmarks.kubernetes lease 20       lease-election: failover of 20 kills
    python -m bench.benchmarks.kubernetes lease 8 vendor     the same with client-go's 15/10/2 s
    python -m bench.benchmarks.kubernetes renewals 30    the times between two renewals of its Lease

One JSON line per measurement. The machine must have little else to do.
"""

import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from bench.benchmarks.kubernetes.cronjob import (
    blocked,
    controllers,
    loss,
    loss_failed,
    missed,
    partition,
    policies,
)
from bench.benchmarks.kubernetes.lease import lease, renewals
from bench.benchmarks.kubernetes.size import cost, memory, skew
from bench.services.kubernetes.control_plane import ControlPlane


class _Lines:
    """Tells of the build on standard error, beside the measurements."""

    def step(self, text: str) -> None:
        sys.stderr.write(text + "\n")

    passing = step


FINDINGS: dict[str, Callable[..., Awaitable[None]]] = {
    "cost": cost, "memory": memory, "skew": skew, "loss": loss, "loss-failed": loss_failed,
    "blocked": blocked,
    "policies": policies, "partition": partition, "missed": missed, "controllers": controllers,
    "lease": lease, "renewals": renewals,
}  # fmt: skip


async def main(arguments: Sequence[str]) -> None:
    """Measure what the arguments name on a control plane of its own."""
    with tempfile.TemporaryDirectory(prefix="coordbench-logs-") as logs:
        plane = ControlPlane(Path(logs), None, tell=_Lines())
        await plane.start()
        try:
            await FINDINGS[arguments[0]](plane, *arguments[1:])
        finally:
            await plane.stop()


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in FINDINGS:
        sys.exit(f"expected one of: {', '.join(FINDINGS)}")
    asyncio.run(main(sys.argv[1:]))
