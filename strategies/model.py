"""The values every strategy speaks of: jobs, fires, schedules, timing.

All wall-clock times are integer milliseconds since the Unix epoch (`*_ms`), so that a fire's
identity never suffers from rounding; all durations are seconds (`*_s`).
"""

from typing import Literal

import msgspec

Overlap = Literal["forbid", "allow"]
Misfire = Literal["run-latest", "run-all", "skip"]


class Every(msgspec.Struct, frozen=True, tag="every"):
    """Due at `phase_ms + k * period_ms` since the epoch, for every whole k."""

    period_ms: int
    phase_ms: int = 0


class Cron(msgspec.Struct, frozen=True, tag="cron"):
    """Due when the five- or six-field cron `line` matches local time in the IANA `zone`."""

    line: str
    zone: str = "UTC"


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A named unit of periodic work and its policies.

    `start_ms` and `end_ms` bound the due times (start inclusive, end exclusive). `retries` is how
    often a failed run may be tried again, by the strategies that retry at all.
    """

    name: str
    schedule: Every | Cron
    start_ms: int = 0
    end_ms: int | None = None
    overlap: Overlap = "forbid"
    misfire: Misfire = "run-latest"
    retries: int = 2
    timeout_s: float | None = None


class Fire(msgspec.Struct, frozen=True, order=True):
    """One due occurrence of a job. Its `id` is the idempotency key."""

    job: str
    due_ms: int

    @property
    def id(self) -> str:
        """The fire as one word, `job@due_ms`."""
        return f"{self.job}@{self.due_ms}"

    @property
    def due_s(self) -> float:
        """The due time in seconds since the epoch, as clocks give it."""
        return self.due_ms / 1000


class Timing(msgspec.Struct, frozen=True):
    """The one knob of timing: a profile and, for `equal`, the lease that all strategies share.

    Each family derives its own periods from it (docs/timing.md): `equal` compares designs,
    `vendor` the defaults that people run, `guide` what the common guides print.
    """

    profile: Literal["equal", "vendor", "guide"] = "equal"
    lease_s: float = 2.0
