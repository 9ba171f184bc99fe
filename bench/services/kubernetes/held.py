"""Fires that the CronJob controller leaves out: held back under Forbid, or passed over.

The controller writes nothing about a fire that it does not start, but it does say two things:

- the event `JobAlreadyActive`, when a fire is due while a Job of the CronJob is active and its
  policy is Forbid: the fire is held back. It still runs, late, if the Job ends before another
  fire is due;
- the Job of a later fire: of several fires that are due the controller starts the latest only.
  The others are passed over for good, as `run-latest` says.

Only told, not judged: the checks hold the reason against the history.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Literal

from strategies.kubernetes.objects import Meta, Part
from strategies.model import Job
from strategies.notes import Skipped
from strategies.schedule import fires_between

HELD = "JobAlreadyActive"


class InvolvedObject(Part):
    """What an event speaks of."""

    name: str = ""


class ClusterEvent(Part):
    """core/v1 Event; `last_timestamp` is in whole seconds, at or after the due minute."""

    metadata: Meta
    involved_object: InvolvedObject
    reason: str = ""
    last_timestamp: str | None = None


class HeldFires:
    """Tells each fire that was left out once. A pure state machine over what the API tells."""

    def __init__(self, jobs: Sequence[Job], tell: Callable[[Skipped], None]) -> None:
        self._jobs = {job.name: job for job in jobs}
        self._tell = tell
        # Per job the due time of its last Job; before the first one nothing can be active.
        self._last_ms = {job.name: job.start_ms - 1 for job in jobs if job.start_ms}
        self._told: set[tuple[str, int]] = set()

    def started(self, name: str, due_ms: int | None) -> None:
        """The Job of a fire was made: the fires before it that have none were passed over."""
        last_ms = self._last_ms.get(name)
        if name not in self._jobs or due_ms is None or due_ms <= (last_ms or 0):
            return
        self._last_ms[name] = due_ms
        if last_ms is not None:
            for fire in fires_between(self._jobs[name], last_ms, due_ms - 1):
                self._once(name, fire.due_ms, "misfire")

    def event(self, event: ClusterEvent) -> None:
        """The latest fire that was due by the event's time is held back."""
        name = event.involved_object.name
        last_ms = self._last_ms.get(name)
        if event.reason != HELD or event.last_timestamp is None or last_ms is None:
            return
        now_ms = round(datetime.fromisoformat(event.last_timestamp).timestamp() * 1000)
        due = [fire.due_ms for fire in fires_between(self._jobs[name], last_ms, now_ms)]
        if due:
            self._once(name, due[-1], "overlap")

    def _once(self, name: str, due_ms: int, reason: Literal["overlap", "misfire"]) -> None:
        if (name, due_ms) not in self._told:
            self._told.add((name, due_ms))
            self._tell(Skipped(job=name, due_ms=due_ms, reason=reason))
