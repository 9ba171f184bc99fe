"""What the clustered scheduler asks of a database: triggers, fired rows, instances.

Every method is one atomic step and raises ServiceLost when the answer is unknown; every step may
then be asked for again, and has the same effect as once. All times are `*_ms` since the epoch, by
the clock of the instance that asks.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from strategies.model import Fire


class Ticket(NamedTuple):
    """One grant of a trigger: the key of its fired row. A job's fences only grow."""

    job: str
    fence: int


class Grant(NamedTuple):
    """A fired row that belongs to the asking instance.

    `begun` rows are interrupted fires: they were begun, by an instance that died or in a step
    whose answer was lost, and are run again as they are.
    """

    ticket: Ticket
    due_ms: int
    begun: bool

    @property
    def fire(self) -> Fire:
        """The fire that this is about."""
        return Fire(self.ticket.job, self.due_ms)


class Begin(NamedTuple):
    """The order to begin a granted fire.

    `due_ms` is the fire that is run, which a misfire policy may have moved on; `next_due_ms` is
    the trigger's next fire, None after the last; `blocks` keeps the trigger until completion.
    """

    ticket: Ticket
    due_ms: int
    next_due_ms: int | None
    blocks: bool

    @property
    def fire(self) -> Fire:
        """The fire that this is about."""
        return Fire(self.ticket.job, self.due_ms)


class TriggerStore(Protocol):
    """The triggers of a cluster and the rows of what is being fired."""

    async def schedule(self, firsts: Sequence[tuple[str, int]]) -> None:
        """Create the triggers that do not exist yet: (job, first due time)."""

    async def acquire(self, instance: str, until_ms: int, limit: int) -> list[Grant]:
        """Take up to `limit` waiting triggers due by `until_ms`, each with a new fence.

        An instance that is not registered is given none.
        """

    async def begin(self, instance: str, begins: Sequence[Begin]) -> set[Ticket]:
        """Begin fires and move their triggers on; the tickets that were still the instance's."""

    async def complete(self, instance: str, tickets: Sequence[Ticket]) -> set[Ticket]:
        """Forget ended fires and unblock their triggers; those that were still the instance's."""

    async def release(self, instance: str) -> None:
        """Give back what the instance has acquired and not begun."""

    async def held(self, instance: str) -> list[Grant]:
        """All that is the instance's: what it was given in an answer that never came, too."""


class Instances(Protocol):
    """The cluster's members, and what becomes of a dead one's fired rows."""

    async def register(self, instance: str, now_ms: int) -> None:
        """Enter the cluster, or enter it again after having been declared dead."""

    async def check_in(self, instance: str, now_ms: int) -> bool:
        """Say that the instance lives; False when it has been declared dead."""

    async def recover(self, instance: str, failed_before_ms: int, rerun: bool) -> list[Grant]:
        """Declare dead who checked in before, and take over their fired rows.

        Acquired triggers go back to waiting. Interrupted fires become the asking instance's,
        under new fences, and are returned; unless `rerun`, they are forgotten instead.
        """

    async def leave(self, instance: str) -> None:
        """Leave the cluster; an instance that still has fired rows stays, to be recovered."""


class QuartzStore(TriggerStore, Instances, Protocol):
    """The whole port, with the life of its connections."""

    async def prepare(self) -> None:
        """Create the namespace and its empty tables."""

    async def clean_up(self) -> None:
        """Remove the namespace and all that is in it."""

    async def close(self) -> None:
        """Close the connections; the store may be used again and then opens new ones."""
