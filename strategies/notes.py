"""What a strategy tells the history about itself through `Member.note`.

Each note is one line of the history (docs/history-format.md). `t` and `instance` are filled in by
whoever records it; `t` is in seconds on the trial's one clock.
"""

import re
from typing import Literal

import msgspec


def kebab(class_name: str) -> str:
    """`RunStarted` -> `run-started`, the `type` of an event on disk."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", class_name).lower()


class Event(msgspec.Struct, kw_only=True, tag=kebab, omit_defaults=True):
    """One line of a history: what happened, when, seen by whom."""

    t: float = 0.0
    instance: str = ""


class Coordinated(Event):
    """One call (or one round of calls) to the service, made to decide who runs a fire.

    `outcome` is `won` when it made this instance the owner of a fire or of a term, `lost` when
    somebody else is, `ok` for the calls that follow (renew, release, ack, ...), `error` when the
    answer is unknown. A call on behalf of one fire names it in `job` and `due_ms`; one call for a
    batch leaves them out and says in `fires` how many it served.
    """

    action: str
    seconds: float
    outcome: Literal["won", "lost", "ok", "error"]
    job: str = ""
    due_ms: int | None = None
    fires: int = 0


class Granted(Event):
    """Ownership began: of `subject` "leader", or of a job's lock, under `fence`."""

    subject: str
    fence: int | None = None


class Released(Event):
    """Ownership was given back by its owner."""

    subject: str


class Lost(Event):
    """Ownership ended, or may have ended, without a release: the owner steps down for `reason`."""

    subject: str
    reason: str


class ForeignRelease(Event):
    """A lock was released or extended by somebody who did not own it (proved by the service)."""

    subject: str


class Skipped(Event):
    """A fire is not run, by the job's declared policy. The checks verify the reason."""

    job: str
    due_ms: int
    reason: Literal["overlap", "misfire"]


class Republished(Event):
    """A message was delivered again or moved: `what` is `redelivered`, `retried` or `dead`."""

    job: str
    due_ms: int
    what: Literal["redelivered", "retried", "dead"]


Note = Coordinated | Granted | Released | Lost | ForeignRelease | Skipped | Republished
