"""The queue's port: what the algorithm asks of a message broker, and the values it speaks of.

Every method raises ServiceLost when the outcome is unknown.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from strategies.model import Fire, Job

JobState = Literal["PENDING", "RUNNING", "COMPLETED", "FAILED", "DEAD"]
"""Of a fire: queued; begun by a worker; done; failed and waiting for its retry; tries used up."""

Reason = Literal["failed", "interrupted"]
"""Why a fire was buried: its last run failed, or its last worker vanished."""


@dataclass(frozen=True, slots=True)
class Publication:
    """A fire and the policies of its job."""

    job: Job
    due_ms: int


@dataclass(frozen=True, slots=True)
class Published:
    """What became of a publication.

    `outcome`: `published`; `waiting` behind the job's unfinished message (overlap forbid);
    `skipped`, since that message's run is open and the job's misfire policy is `skip`; `known`,
    since somebody had published this fire, or a later one of the job, before. `previous_ms` is the
    job's fire published last before this one: those in between were passed over. `replaced_ms` is
    the waiting fire whose place this one took.
    """

    outcome: Literal["published", "waiting", "skipped", "known"]
    previous_ms: int | None = None
    replaced_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """One delivery of a fire to this consumer.

    `id` is the broker's, `deliveries` its count for this message. `before` and `tries` are the
    deliveries and the tries of the fire in earlier messages (a retry is a new message).
    """

    id: str
    fire: Fire
    deliveries: int = 1
    before: int = 0
    tries: int = 0
    overlap: str = "forbid"

    @property
    def fence(self) -> int:
        """Orders all deliveries of this fire."""
        return self.before + self.deliveries

    @property
    def tried(self) -> int:
        """Which try this delivery is, from 1; a redelivery counts as one."""
        return self.tries + self.deliveries


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A fire whose tries are used up. `deliveries` is how often it was given to a worker."""

    id: str
    fire: Fire
    deliveries: int
    reason: Reason


class JobQueue(Protocol):
    """One consumer's (and publisher's) access to the queue."""

    async def create(self) -> None:
        """Make the queue; harmless when it exists."""

    async def drop(self) -> None:
        """Remove everything under the namespace."""

    async def close(self) -> None:
        """Give up the connections."""

    async def last_published(self, jobs: Sequence[str]) -> Mapping[str, int]:
        """Job -> the due time (ms) published last, for those that were ever published."""

    async def publish(self, batch: Sequence[Publication]) -> list[Published]:
        """Publish each fire unless that was done.

        A publisher whose answer was lost gets it again, as long as that fire is its job's last.
        """

    async def receive(self, limit: int, wait_s: float) -> list[Message]:
        """At most `limit` new messages, to be begun by `extend`; waits `wait_s` for the first."""

    async def take(self, limit: int) -> list[Message]:
        """At most `limit` new messages, begun already (RUNNING); does not wait for any."""

    async def claim(self, limit: int) -> list[Message]:
        """At most `limit` messages that no worker has extended for the visibility time."""

    async def extend(self, messages: Sequence[Message]) -> list[bool]:
        """Start or restart the visibility of those still ours (True), and call them RUNNING."""

    async def ack(self, messages: Sequence[Message]) -> list[bool]:
        """Complete those still ours (True); the job's next waiting fire is published with it."""

    async def retry(self, message: Message, delay_s: float) -> bool:
        """Give it back for a later try, if it is still ours."""

    async def bury(self, message: Message, reason: Reason) -> bool:
        """Make it a dead letter, if it is still ours."""

    async def promote(self, limit: int) -> int:
        """Publish again at most `limit` failed fires whose delay is over; how many it were."""

    async def states(self, fires: Sequence[Fire]) -> list[JobState | None]:
        """The state of each fire; None if it is unknown, or forgotten after a day."""


class DeadLetters(Protocol):
    """The dead-letter queue: list it, replay from it."""

    async def dead_letters(self, limit: int = 100) -> list[DeadLetter]:
        """The oldest dead letters, at most `limit`."""

    async def replay(self, letter: DeadLetter) -> bool:
        """Queue the fire again with all its tries; False if the letter is gone."""


class Queue(JobQueue, DeadLetters, Protocol):
    """What an adapter offers: the queue and its dead letters."""
