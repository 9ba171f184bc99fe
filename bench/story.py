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


def tell(history: Path) -> Iterator[str]:
    """Lines `seconds since the fault, instance, what` around each fault of one job's trial.

    Runs are told of the job that was hit (else of one that the faulted instance ran last), and all
    events of ownership; nothing where no fault is. What falls into another fault's story is told
    there.
    """
    events = read_parquet(history).to_pylist()
    faults = [event for event in events if event["type"] == "fault-began"]
    until_s = 0.0
    for fault in faults:
        if fault["t"] <= until_s:
            continue
        heals = [e["t"] for e in events if e["type"] == "fault-healed" and e["id"] == fault["id"]]
        until_s = max([fault["t"] + 3.0, *heals]) + AFTER_S
        fault["job"] = fault["job"] or _job_of(fault, events)
        runs = {e["run"] for e in events if e["type"] == "run-started" and e["job"] == fault["job"]}
        victim = fault["instance"] or "the fleet"
        yield f"{fault['fault']} of {victim}, job {fault['job']}; seconds since then"
        for event in events:
            if fault["t"] - BEFORE_S <= event["t"] <= until_s and _concerns(event, fault, runs):
                yield f"{event['t'] - fault['t']:+8.3f}  {event['instance']:<9} {_words(event)}"


def _job_of(fault: dict[str, Any], events: list[dict[str, Any]]) -> str:
    before = [e for e in events if e["type"] == "run-started" and e["t"] <= fault["t"]]
    own = [run for run in before if run["instance"] == fault["instance"]]
    return str((own or before)[-1]["job"]) if before else ""


def _concerns(event: dict[str, Any], fault: dict[str, Any], runs: set[str]) -> bool:
    if event["type"] not in TOLD:
        return False
    if event["run"]:
        return event["run"] in runs
    about = event["job"] or event["subject"]
    return not about or about in (fault["job"], "leader")


def _words(event: dict[str, Any]) -> str:
    kind = event["type"].replace("-", " ")
    told = []
    if event["due_ms"] is not None:
        told.append(f"due {event['due_ms'] % 100_000 / 1000:.3f}")
    names = ("run", "subject", "status", "reason", "what")
    told += [str(event[name]) for name in names if event[name]]
    if event.get("fence") is not None:
        told.append(f"fence {event['fence']}")
    told += [name for name in ("repeated", "stale") if event.get(name)]
    return f"{kind}: {', '.join(told)}" if told else kind
