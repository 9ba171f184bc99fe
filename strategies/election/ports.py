"""What the election asks of a service: a contest that is won by order of arrival, and a log.

Adapters translate every error of their client into ServiceLost, and none of their calls waits
longer than a fraction of the lease (except `gone`, which the caller bounds).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from strategies.model import Fire


@dataclass(frozen=True)
class Place:
    """A place in the contest, kept by a lease of `ttl_s` seconds that the service granted.

    `key` is never used twice, so that nobody can take an old place for his own; `fence` grows
    with every place that is given out. It is confirmed every `renew_s` seconds; None leaves that
    to the algorithm.
    """

    key: str
    fence: int
    ttl_s: float
    renew_s: float | None = None


class Election(Protocol):
    """The contest: whoever has nobody ahead is the leader. One place at a time per object."""

    async def enter(self, name: str) -> Place:
        """Take a new place at the end of the line, for the contender called `name`."""

    async def ahead(self, place: Place) -> str | None:
        """The key of the place directly ahead; None means that `place` leads."""

    async def gone(self, key: str) -> None:
        """Return once the place `key` may be gone, by a watch on that place alone (no herd)."""

    async def confirm(self, place: Place) -> bool:
        """Extend the place's lease by its full length; False when the place is gone."""

    async def leave(self, place: Place) -> None:
        """Give the place up; afterwards nothing of it is left, at the latest after its lease."""


class FireLog(Protocol):
    """Which fires have begun. Written by the leader alone: the service refuses anybody else."""

    async def begin(self, fires: Sequence[Fire], place: Place) -> bool:
        """Write down that `fires` (one per job) begin, in one transaction; the outcome is final.

        True means that `place` still existed in the same transaction, False that it did not and
        nothing was written. After ServiceLost the same call may be repeated.
        """

    async def last(self, jobs: Sequence[str]) -> Mapping[str, int]:
        """The due time (ms) of each job's last begun fire; jobs without one are left out."""


class Backend(Election, FireLog, Protocol):
    """Both ports on one service, and what frames a trial."""

    async def prepare(self, jobs: Sequence[str]) -> None:
        """Create what the contest and the log need for `jobs`; keeps what is there."""

    async def clean_up(self) -> None:
        """Remove everything under the namespace."""

    async def close(self) -> None:
        """Close every connection."""
