"""The catalogue of scenarios, each a short declarative value."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.errors import BadArguments
from bench.load import Load
from bench.scenario import After, Healing, OnceTakenOver, PlannedFault, ScaleOut, Scenario, Target
from bench.scenario_files import load_scenario
from chaos.clock import StepClock
from chaos.faults import Fault
from chaos.links.faults import Delay, Partition
from chaos.processes import Kill, Pause, Terminate
from chaos.services import KillService, PauseService, RestartService
from strategies.catalogue import nearest

ONCE_TAKEN_OVER = OnceTakenOver(1.5, 3.0)


def _on(
    target: Target, fault: Fault[Any] | ScaleOut, healing: Healing | None = None
) -> tuple[PlannedFault, ...]:
    return (PlannedFault(lambda _: fault, target, healing=healing),)


def _scaled(
    target: Target, fault: Callable[[float], Fault[Any]], healing: Healing
) -> tuple[PlannedFault, ...]:
    return (PlannedFault(fault, target, healing=healing),)


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            "steady",
            "steady",
            "Nothing breaks: N instances, M jobs, and the figures of cost. "
            "A strategy that duplicates or misses a fire here is broken.",
        ),
        Scenario(
            "crash",
            "crash",
            "The instance in the middle of a job's run is killed (SIGKILL) and stays dead. "
            "Shows failover and recovery times, and what happens to the interrupted fire.",
            _on("holder", Kill()),
        ),
        Scenario(
            "pause",
            "pause",
            "The instance in the middle of a job's run is stopped (SIGSTOP) past its lease, until "
            "another one runs the job, and then continues. The classic way to two runs at once.",
            _on("holder", Pause(), ONCE_TAKEN_OVER),
        ),
        Scenario(
            "partition",
            "partition",
            "The instance in the middle of a job's run is cut off from its service, both ways and "
            "silently, until another one runs the job. It lives on: does it know that it lost?",
            _on("holder", Partition(), ONCE_TAKEN_OVER),
        ),
        Scenario(
            "partition-in",
            "partition",
            "As partition, but only what the service says is lost: its orders still arrive. "
            "What the cut-off instance asked for is done, and it never learns of it.",
            _on("holder", Partition("in"), ONCE_TAKEN_OVER),
        ),
        Scenario(
            "partition-out",
            "partition",
            "As partition, but only what the instance says is lost: it still hears the service. "
            "Its lease runs out while it receives whatever the service sends by itself.",
            _on("holder", Partition("out"), ONCE_TAKEN_OVER),
        ),
        Scenario(
            "slow-network",
            "slow-network",
            "Every message between all instances and the service takes L/20 to L/10 longer, each "
            "way, for three leases. Renewals come late; who gives up too early or too late?",
            _scaled("all", lambda lease_s: Delay(lease_s / 20, lease_s / 20), After(leases=3)),
        ),
        Scenario(
            "service-restart",
            "service-lost",
            "The service is stopped in order and started again at once, with connections open. "
            "Who reconnects, and what did the service forget?",
            _on("service", RestartService(), After()),
        ),
        Scenario(
            "service-outage",
            "service-lost",
            "The service is killed, is away for three periods and a lease, and comes back. "
            "Fires due meanwhile cannot be coordinated: skipped, late, or run anyway?",
            _on("service", KillService(), After(leases=1, periods=3)),
        ),
        Scenario(
            "service-pause",
            "service-lost",
            "The service is stopped (SIGSTOP) for two leases: connections stay open, nothing "
            "answers. Its leases may have expired, all at once, when it continues.",
            _on("service", PauseService(), After(leases=2)),
        ),
        Scenario(
            "clock-skew",
            "clock",
            "The wall clock of the instance in the middle of a run jumps ahead by 3/4 of a lease, "
            "and back after two leases. Schedules follow it, leases must not.",
            _scaled("holder", lambda lease_s: StepClock(0.75 * lease_s), After(leases=2)),
        ),
        Scenario(
            "clock-skew-back",
            "clock",
            "As clock-skew, but back first and ahead again after two leases. "
            "The instance sees due times again that it has already served.",
            _scaled("holder", lambda lease_s: StepClock(-0.75 * lease_s), After(leases=2)),
        ),
        Scenario(
            "rolling-deploy",
            "rolling",
            "Every instance in turn is told to end (SIGTERM), and replaced a period later. "
            "A hand-over that loses or doubles a fire here does so on every deployment.",
            _on("each", Terminate(), After(periods=1)),
        ),
        Scenario(
            "outage",
            "outage",
            "All instances are killed at once, and started again after four periods. "
            "What was due meanwhile: found and caught up with, or lost?",
            _on("all", Kill(), After(periods=4)),
        ),
        Scenario(
            "failing-job",
            "failing",
            "Three runs of ten fail, on every instance alike. "
            "Who tries again, how often, and does a failed run count as done?",
            load=Load(failure_rate=0.3),
        ),
        Scenario(
            "long-job",
            "long-job",
            "Every run lasts one and a half leases, longer than the period. "
            "A lease that is not renewed runs out under its owner.",
            load=Load(lease_runs=1.5),
        ),
        Scenario(
            "burst",
            "burst",
            "All M jobs are due on the same tick, in every period. "
            "Shows what contention costs, and who comes too late.",
            load=Load(aligned=True),
        ),
        Scenario(
            "scaling",
            "scaling",
            "N more instances join under load, and after two leases the N old ones are told to "
            "end (SIGTERM). Ownership must move without a fire lost or doubled.",
            _on("all", ScaleOut(), After(leases=2)),
        ),
    )
}


def scenario(name: str) -> Scenario:
    """The scenario called `name`, or read from the TOML file of that name.

    Raises BadArguments with the nearest names.
    """
    if name.endswith(".toml"):
        return load_scenario(Path(name))
    if name not in SCENARIOS:
        raise BadArguments(
            f"unknown scenario {name!r}: {nearest(name, SCENARIOS)} (or a file ending in .toml)"
        )
    return SCENARIOS[name]
