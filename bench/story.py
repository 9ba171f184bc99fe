"""The story of a trial: its events around the faults, line by line, for a terminal."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.history import read_parquet

BEFORE_S, AFTER_S = 0.7, 1.0
TOLD = {
    "fault-began", "fault-healed", "died", "granted", "released", "lost", "foreign-release",
    "run-started", "run-ended", "skipped", "republished", "effect", "platform", "instance-ready",
}  # fmt: skip
DETAILS = {"coordinated", "phase", "instance-started", "instance-stopped"}
# Of what a platform does, the steps of a loss; the others are details.
STEPS = {"clock", "ready", "node-not-ready", "node-gone", "pod-deleted", "pod-created"}


def tell(history: Path, *, details: bool = False) -> Iterator[str]:
    """Lines `seconds since the fault, instance, what` around each fault of one job's trial.

    Runs are told of the job that was hit (else of one that the faulted instance ran last), until
    its broken-off fire has run again, and all events of ownership; nothing where no fault is. What
    falls into another fault's story is told there. `details` adds each call and each step of a
    platform.
    """
    events = read_parquet(history).to_pylist()
    faults = [event for event in events if event["type"] == "fault-began"]
    until_s = 0.0
    for fault in faults:
        if fault["t"] <= until_s:
            continue
        heals = [e["t"] for e in events if e["type"] == "fault-healed" and e["id"] == fault["id"]]
        fault["job"] = fault["job"] or _job_of(fault, events)
        until_s = max([fault["t"] + 3.0, *heals, _again_s(fault, events)]) + AFTER_S
        runs = {e["run"] for e in events if e["type"] == "run-started" and e["job"] == fault["job"]}
        victim = fault["instance"] or "the fleet"
        yield f"{fault['fault']} of {victim}, job {fault['job']}; seconds since then"
        for event in events:
            near = fault["t"] - BEFORE_S <= event["t"] <= until_s
            struck = event["run"] == fault["run"] and event["t"] <= fault["t"]
            if (near or struck) and _is_told(event, details) and _concerns(event, fault, runs):
                yield f"{event['t'] - fault['t']:+8.3f}  {event['instance']:<9} {_words(event)}"


def _job_of(fault: dict[str, Any], events: list[dict[str, Any]]) -> str:
    before = [e for e in events if e["type"] == "run-started" and e["t"] <= fault["t"]]
    own = [run for run in before if run["instance"] == fault["instance"]]
    return str((own or before)[-1]["job"]) if before else ""


def _again_s(fault: dict[str, Any], events: list[dict[str, Any]]) -> float:
    """When the fire whose run was struck had run again; the fault itself where it never did."""
    struck = {
        e["due_ms"] for e in events if e["run"] == fault["run"] and e["type"] == "run-started"
    }
    again = {
        e["run"]
        for e in events
        if e["type"] == "run-started" and e["job"] == fault["job"] and e["due_ms"] in struck
    }
    ends = [e["t"] for e in events if e["run"] in again and e["type"].startswith("run-")]
    return float(max(ends, default=fault["t"]))


def _is_told(event: dict[str, Any], details: bool) -> bool:
    if event["type"] == "platform":
        return details or event["what"] in STEPS
    return event["type"] in TOLD or (details and event["type"] in DETAILS)


def _concerns(event: dict[str, Any], fault: dict[str, Any], runs: set[str]) -> bool:
    if event["run"]:
        return event["run"] in runs
    if event["type"] == "platform" and not event["job"]:
        return True  # of a node, a clock, a service
    about = event["job"] or event["subject"]
    return not about or about in (fault["job"], "leader")


def _words(event: dict[str, Any]) -> str:
    kind = event["type"].replace("-", " ")
    told = []
    if event["due_ms"] is not None:
        told.append(f"due {event['due_ms'] % 100_000 / 1000:.3f}")
    if kind == "platform":
        kind = event["what"].replace("-", " ")
    names = ("fault", "run", "subject", "name", "action", "outcome", "status", "reason")
    told += [str(event[name]) for name in names if event.get(name)]
    if event.get("fence") is not None:
        told.append(f"fence {event['fence']}")
    told += [name for name in ("repeated", "stale") if event.get(name)]
    return f"{kind}: {', '.join(told)}" if told else kind
