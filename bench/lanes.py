"""Which trials run beside which, on servers of their own or not, and which give figures of cost.

| trials                                  | run                                  | figures of cost |
|-----------------------------------------|--------------------------------------|-----------------|
| steady, of what is compared             | alone, before all others             | yes             |
| of designs with nodes for replicas      | all at once, beside the lanes        | no              |
| all others                              | in lanes: one trial a server at once | no              |

A platform's grain is a minute, so that its trials can only be had side by side: they share a server
of their own, whose counters belong to none of them. A fault of that server would strike all of
them; such trials take turns.
"""

from typing import Literal

from strategies.interface import Design

Run = Literal["alone", "in-lane", "at-once"]

# Servers of their own for the controls and for the queue make the lanes about as long.
_APART = {"control": "controls", "queue": "queue"}
_NODES = "nodes"

MOST_NODES, MOST_JOBS = 18, 40
"""How much may be on one platform at once, for two cores: agents, and CronJobs due together."""


def how_it_runs(design: Design, scenario: str, *, hurts_service: bool) -> Run:
    """When a trial of `design` may run."""
    if design.replica == "node":
        return "in-lane" if hurts_service else "at-once"
    return "alone" if scenario == "steady" and design.kind != "control" else "in-lane"


def whose(design: Design) -> str:
    """What tells the servers of the design's trials from those that others use."""
    if design.replica == "node":
        return _NODES
    return _APART.get(design.kind) or _APART.get(design.family, "")


def counts_costs(kind: str, replica: str, *, faulted: bool) -> bool:
    """Whether trials give figures of cost: nothing broke, and they had machine and server alone."""
    return kind != "control" and replica == "member" and not faulted
