"""The way from what is there to a design, as steps that can each be undone."""

from bench.adviser.case import Case
from bench.adviser.facts import stated
from strategies.catalogue import design as known_design
from strategies.interface import Design


def migration(case: Case, to: Design) -> tuple[str, ...]:
    """The steps, in order."""
    if case.today == to.name:
        return (f"nothing to migrate: {to.name} is in use",)
    now = known_design(case.today) if case.today else None
    steps = [
        "give every fire an id, job and due time, and make the jobs' effects idempotent by it: "
        "during the move both designs may run a fire",
    ]
    steps += [
        f"{name}: {stated()['services'][name]['steps'][0]}"
        for name in to.services
        if name not in case.operated
    ]
    steps.append(_shadow(to))
    steps.append(
        "move job by job, least costly first: stop it in the old design, wait one period and one "
        "lease, start it in the new one; never half a fleet on each, no design promises anything "
        "for that"
    )
    steps.append(f"watch duplicates and missed fires: coordbench check on {to.name}'s own log")
    steps.append(_remove(case, now, to))
    return tuple(steps)


def _shadow(to: Design) -> str:
    if to.family == "cronjob":
        return "write the manifests suspended, start each once by hand, read its events"
    return f"run {to.name} beside the old design with jobs that only log, for a week of deployments"


def _remove(case: Case, now: Design | None, to: Design) -> str:
    if now is None:
        return "remove the old schedule once a month has passed without a difference"
    alone = [name for name in now.services if name not in to.services]
    kept = f"; {', '.join(alone)} may go if nothing else uses it" if alone else ""
    return f"remove {now.name} once a month has passed without a difference{kept}"
