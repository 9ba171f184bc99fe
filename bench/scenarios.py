"""The catalogue of scenarios, each a short declarative value."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.errors import BadArguments
from bench.load import Load
from bench.scenario import (
    After,
    FleetFault,
    Healing,
    Migrate,
    OnceTakenOver,
    PlannedFault,
    ScaleOut,
    Scenario,
    Target,
)
from bench.scenario_files import load_scenario
from chaos.clock import DriftClock, StepClock
from chaos.faults import Fault
from chaos.links.faults import Delay, Drop, HalfOpen, Partition, Reset
from chaos.processes import Kill, Pause, Relocate, Terminate
from chaos.services import (
    ExhaustConnections,
    FailOver,
    KillService,
    PartServers,
    PauseService,
    RestartService,
    SlowDisk,
    StepServiceClock,
)
from chaos.squeeze import SqueezeCpu, SqueezeMemory
from chaos.suspend import Suspend
from strategies.catalogue import nearest

ONCE_TAKEN_OVER = OnceTakenOver(1.5, 3.0)


def _on(
    target: Target, fault: Fault[Any] | FleetFault, healing: Healing | None = None
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
            expect="nothing",
        ),
        Scenario(
            "crash",
            "crash",
            "The instance in the middle of a job's run is killed (SIGKILL) and stays dead. "
            "Shows failover and recovery times, and what happens to the interrupted fire.",
            _on("holder", Kill()),
            expect="an interrupted fire",
        ),
        Scenario(
            "pause",
            "pause",
            "The instance in the middle of a job's run is stopped (SIGSTOP) past its lease, until "
            "another one runs the job, and then continues. The classic way to two runs at once.",
            _on("holder", Pause(), ONCE_TAKEN_OVER),
            expect="two holders",
        ),
        Scenario(
            "suspend",
            "pause",
            "As pause, but the instance's monotonic clock stands still too, as when a virtual "
            "machine is suspended. It trusts a lease that has ended: the service knows better.",
            _on("holder", Suspend(), ONCE_TAKEN_OVER),
            expect="two holders, and neither knows",
        ),
        Scenario(
            "partition",
            "partition",
            "The instance in the middle of a job's run is cut off from its service, both ways and "
            "silently, until another one runs the job. It lives on: does it know that it lost?",
            _on("holder", Partition(), ONCE_TAKEN_OVER),
            expect="two holders possible",
        ),
        Scenario(
            "partition-in",
            "partition",
            "As partition, but only what the service says is lost: its orders still arrive. "
            "What the cut-off instance asked for is done, and it never learns of it.",
            _on("holder", Partition("in"), ONCE_TAKEN_OVER),
            expect="a command obeyed and never confirmed",
        ),
        Scenario(
            "partition-out",
            "partition",
            "As partition, but only what the instance says is lost: it still hears the service. "
            "Its lease runs out while it receives whatever the service sends by itself.",
            _on("holder", Partition("out"), ONCE_TAKEN_OVER),
            expect="two holders possible",
        ),
        Scenario(
            "partition-long-job",
            "partition",
            "As partition, in the middle of runs that last two and a half leases. The cut-off "
            "instance must stop them by itself before anybody else can have taken over.",
            _on("holder", Partition(), ONCE_TAKEN_OVER),
            load=Load(lease_runs=2.5),
            expect="runs stopped by their own instance",
        ),
        Scenario(
            "slow-network",
            "slow-network",
            "Every message between all instances and the service takes L/20 to L/10 longer, each "
            "way, for three leases. Renewals come late; who gives up too early or too late?",
            _scaled("all", lambda lease_s: Delay(lease_s / 20, lease_s / 20), After(leases=3)),
            expect="late renewals",
        ),
        Scenario(
            "service-restart",
            "service-lost",
            "The service is stopped in order and started again at once, with connections open. "
            "Who reconnects, and what did the service forget?",
            _on("service", RestartService(), After()),
            expect="what the service forgot",
        ),
        Scenario(
            "service-outage",
            "service-lost",
            "The service is killed, is away for three periods and a lease, and comes back. "
            "Fires due meanwhile cannot be coordinated: skipped, late, or run anyway?",
            _on("service", KillService(), After(leases=1, periods=3)),
            expect="missed fires, or uncoordinated ones",
        ),
        Scenario(
            "service-pause",
            "service-lost",
            "The service is stopped (SIGSTOP) for two leases: connections stay open, nothing "
            "answers. Its leases may have expired, all at once, when it continues.",
            _on("service", PauseService(), After(leases=2)),
            expect="all leases gone at once",
        ),
        Scenario(
            "clock-skew",
            "clock",
            "The wall clock of the instance in the middle of a run jumps ahead by 3/4 of a lease, "
            "and back after two leases. Schedules follow it, leases must not.",
            _scaled("holder", lambda lease_s: StepClock(0.75 * lease_s), After(leases=2)),
            expect="early fires",
        ),
        Scenario(
            "clock-skew-back",
            "clock",
            "As clock-skew, but back first and ahead again after two leases. "
            "The instance sees due times again that it has already served.",
            _scaled("holder", lambda lease_s: StepClock(-0.75 * lease_s), After(leases=2)),
            expect="fires asked for twice",
        ),
        Scenario(
            "rolling-deploy",
            "rolling",
            "Every instance in turn is told to end (SIGTERM), and replaced a period later. "
            "A hand-over that loses or doubles a fire here does so on every deployment.",
            _on("each", Terminate(), After(periods=1)),
            expect="a fire lost or doubled at each hand-over",
        ),
        Scenario(
            "outage",
            "outage",
            "All instances are killed at once, and started again after four periods. "
            "What was due meanwhile: found and caught up with, or lost?",
            _on("all", Kill(), After(periods=4)),
            expect="fires due while nobody was there",
        ),
        Scenario(
            "failing-job",
            "failing",
            "Three runs of ten fail, on every instance alike. "
            "Who tries again, how often, and does a failed run count as done?",
            load=Load(failure_rate=0.3),
            expect="runs repeated, or fires left failed",
        ),
        Scenario(
            "long-job",
            "long-job",
            "Every run lasts one and a half leases, longer than the period. "
            "A lease that is not renewed runs out under its owner.",
            load=Load(lease_runs=1.5),
            expect="a lease that ends before its run",
        ),
        Scenario(
            "burst",
            "burst",
            "All M jobs are due on the same tick, in every period. "
            "Shows what contention costs, and who comes too late.",
            load=Load(aligned=True),
            expect="late fires",
        ),
        Scenario(
            "scaling",
            "scaling",
            "N more instances join under load, and after two leases the N old ones are told to "
            "end (SIGTERM). Ownership must move without a fire lost or doubled.",
            _on("all", ScaleOut(), After(leases=2)),
            expect="a fire lost or doubled at the hand-over",
        ),
        Scenario(
            "crash-leader",
            "crash",
            "The leader is killed (SIGKILL), whether it runs a job or not. "
            "Who elects the next one, and how long does nobody lead?",
            _on("leader", Kill()),
            expect="nobody runs anything for a lease",
        ),
        Scenario(
            "crash-scheduler",
            "crash",
            "The instance that published a fire last is killed (SIGKILL). "
            "The queue goes on without it: is a fire lost between two publishers?",
            _on("scheduler", Kill()),
            expect="a message without an owner",
        ),
        Scenario(
            "pause-all",
            "pause",
            "The whole fleet is stopped (SIGSTOP) for two leases, and continues at once. "
            "All leases have run out meanwhile, and nobody has noticed yet.",
            _on("all", Pause(), After(leases=2)),
            expect="two holders possible, late fires",
        ),
        Scenario(
            "partition-minority",
            "partition",
            "Fewer than half of the instances are cut off from the service for two leases. "
            "What they own has to move, and to be moved only once.",
            _on("minority", Partition(), After(leases=2)),
            expect="two holders possible",
        ),
        Scenario(
            "partition-majority",
            "partition",
            "More than half of the instances are cut off from the service for two leases. "
            "Those that are left have to do everything: no service counts its clients' votes.",
            _on("majority", Partition(), After(leases=2)),
            expect="two holders possible",
        ),
        Scenario(
            "half-open",
            "partition",
            "The holder's connections are accepted and never answered, for two leases: a server "
            "behind a dead load balancer. A client without time-outs waits for ever.",
            _on("holder", HalfOpen(), After(leases=2)),
            expect="two holders possible",
        ),
        Scenario(
            "lossy-network",
            "slow-network",
            "One packet in ten is lost between all instances and the service, for three leases. "
            "Each costs whoever waits for it a retransmission.",
            _on("all", Drop(0.1), After(leases=3)),
            expect="late renewals",
        ),
        Scenario(
            "reset",
            "slow-network",
            "Every connection of every instance breaks at once with a TCP reset. "
            "New ones are welcome: who reconnects, and which answers were lost?",
            _on("all", Reset()),
            expect="answers that never arrive",
        ),
        Scenario(
            "service-failover",
            "service-lost",
            "Whoever serves is killed, and its stand-by takes over. A Redis replica that has not "
            "seen the last 0.6 s of writes, the rest of a ZooKeeper ensemble, PostgreSQL anew.",
            _on("service", FailOver(), After(leases=2)),
            expect="locks forgotten while they are held",
        ),
        Scenario(
            "service-partition",
            "service-lost",
            "The leader of a ZooKeeper ensemble of three is cut off from both other members, for "
            "three leases, while clients reach them all. The majority elects another one.",
            _on("service", PartServers(), After(leases=3)),
            expect="sessions that move or end",
        ),
        Scenario(
            "connection-exhaustion",
            "service-lost",
            "Somebody holds every connection that the server allows, everybody else's break, and "
            "for two leases nobody gets a new one. The server is well: who says that it is lost?",
            _on("service", ExhaustConnections(), After(leases=2)),
            expect="missed fires",
        ),
        Scenario(
            "service-clock",
            "service-clock",
            "The server's own wall clock jumps ahead by a lease and a half, and back after two "
            "leases. Locks that expire by it are gone at once, while their owners still count.",
            _scaled("service", lambda lease_s: StepServiceClock(1.5 * lease_s), After(leases=2)),
            expect="two holders possible",
        ),
        Scenario(
            "service-slow-disk",
            "service-lost",
            "The server's disk answers late, for three leases. "
            "Whoever waits for a write to be safe waits with it.",
            _on("service", SlowDisk(), After(leases=3)),
            expect="late renewals",
        ),
        Scenario(
            "clock-drift",
            "clock",
            "The wall clock of the instance in the middle of a run gains a tenth of a second every "
            "second, for three leases, and is then set right. It comes earlier and earlier.",
            _on("holder", DriftClock(0.1), After(leases=3)),
            expect="early fires",
        ),
        Scenario(
            "cpu-squeeze",
            "pause",
            "The instance in the middle of a run gets a fifth of its time on the processor, in "
            "turns of 0.1 s, for three leases. Renewals come late, and none is ever long late.",
            _on("holder", SqueezeCpu(0.2), After(leases=3)),
            expect="late renewals",
        ),
        Scenario(
            "memory-squeeze",
            "squeeze",
            "The instance in the middle of a run gets no more memory than it has, for two leases, "
            "while each run needs 32 MB. Its runs fail at once, and it wins the next ones quickly.",
            _on("holder", SqueezeMemory(), After(leases=2)),
            Load(memory_mb=32),
            expect="failed runs, won by who fails fastest",
        ),
        Scenario(
            "flapping-job",
            "failing",
            "Jobs work for two periods and fail for two, by turns, on every instance alike. "
            "Retries within a bad spell fail too: who gives up when?",
            load=Load(flap_periods=2),
            expect="fires that use up their tries",
        ),
        Scenario(
            "relocation",
            "migration",
            "The instance in the middle of a run is stopped, and after a lease and a half started "
            "elsewhere under the same name: a pod of a stateful set that moves. "
            "Who goes by names takes the new one for the old one.",
            _on("holder", Relocate(), After(leases=1.5)),
            expect="an owner that does not know what it owns",
        ),
        Scenario(
            "migration",
            "migration",
            "Half of the fleet is replaced by instances of another strategy on the same service, "
            "and the other half two leases later. Neither strategy knows of the other.",
            _on("all", Migrate(), After(leases=2)),
            expect="every fire twice while both are there",
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
