"""The election's ports on one Kubernetes Lease object, by client-go's rules.

1. The Lease holds who leads (holderIdentity), how often that has changed (leaseTransitions) and a
   mark that each renewal changes (renewTime). Every write carries the resourceVersion that was
   read: whoever comes second gets a conflict, and nothing is written.
2. A candidate reads the Lease every retry period with jitter. It takes no other clock's word: the
   Lease has expired when its record has not *changed* for the lease duration on the candidate's
   own monotonic clock since it was first seen so. There is no line: the first write wins.
3. The fence is leaseTransitions, which every change of holder raises by one. A place is the
   candidature for the next term; when somebody else gets that term, the place is gone.
4. The holder renews once a retry period, without jitter. After the renew deadline without success
   it steps down, a third of the lease before anybody may take over. A conflict with another
   holder's write is the end of the term at once.
5. Told to go, it empties holderIdentity, so that nobody has to wait for the lease.

The fire log is an annotation of the same object. Kubernetes has no transaction over two objects;
but one object has one resourceVersion, so that "this fire begins" can be written only by the
holder whose record was not touched meanwhile. The price: each entry rewrites all of them (some
25 bytes a job), and an object may have 256 KiB of annotations.

Clocks: none are compared. Two clocks may differ in rate by the lease over the renew deadline.
Not guaranteed: whatever the election does not guarantee; nor any order among the candidates.
An update whose answer was lost may still arrive; its resourceVersion makes it harmless, at the
cost of another lease duration of waiting where it came first.

Source: client-go tools/leaderelection/{leaderelection.go,resourcelock/leaselock.go}.
"""

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from strategies.election.ports import Place
from strategies.election.timing import MARGIN
from strategies.errors import StrategyError
from strategies.model import Fire, Timing

JITTER = 1.2  # JitterFactor: a wait is the retry period times 1 to 2.2
MOST_LOG_BYTES = 200_000  # of the 256 KiB that all annotations of an object may have together
BYTES_PER_ENTRY = 20  # beside the name: a due time, quotes, a comma
NOBODY = ""


@dataclass(frozen=True)
class LeaseTiming:
    """client-go's three periods; a call is given up after half the renew deadline. Seconds."""

    duration_s: float
    deadline_s: float
    retry_s: float

    @classmethod
    def of(cls, timing: Timing) -> "LeaseTiming":
        """L, 2L/3 and L/5 for `equal`; else what client-go's users and the guides have."""
        if timing.profile == "equal":
            lease_s = timing.lease_s
            return cls(lease_s, 2 * lease_s / 3, lease_s / 5)
        return cls(15.0, 10.0, 2.0)

    @property
    def call_s(self) -> float:
        """The longest that one call may take."""
        return self.deadline_s / 2

    @property
    def longest_retry_s(self) -> float:
        """The jittered maximum between two looks of a candidate."""
        return self.retry_s * (1 + JITTER)

    @property
    def failover_s(self) -> float:
        """The longest from a holder's death to a candidate's winning write.

        A last renewal is seen up to one look later, and so is the end of its lease.
        """
        return self.duration_s + 2 * self.longest_retry_s


@dataclass(frozen=True)
class Record:
    """The Lease as read: `renewed` is a mark, not a time; `version` is its resourceVersion."""

    holder: str = NOBODY
    transitions: int = 0
    renewed: str = ""
    log: Mapping[str, int] = field(default_factory=dict)
    version: str = ""

    @property
    def claim(self) -> tuple[str, int, str]:
        """What a holder changes by renewing."""
        return self.holder, self.transitions, self.renewed


class LeaseStore(Protocol):
    """One Lease object. Raises ServiceLost where the answer is unknown."""

    async def prepare(self) -> None:
        """Make the Lease, held by nobody; keeps one that is there."""

    async def read(self) -> Record:
        """The Lease as it is now."""

    async def write(self, record: Record) -> Record | None:
        """Write `record` with a new mark if its version still is the Lease's; None if not."""

    async def clean_up(self) -> None:
        """Remove everything under the namespace."""

    async def close(self) -> None:
        """Close every connection."""


class LeaseElection:
    """Both ports of the election on one Lease."""

    def __init__(self, store: LeaseStore, timing: LeaseTiming, rng: random.Random) -> None:
        self._store, self._timing, self._rng = store, timing, rng
        self._turn = asyncio.Lock()  # one write at a time: each needs its predecessor's version
        self._record = Record()
        self._changed_s = 0.0  # monotonic: when the record was first seen as it is
        self._tried = self._leading = self._outrun = False

    async def prepare(self, jobs: Sequence[str]) -> None:
        needed = sum(len(job.encode()) + BYTES_PER_ENTRY for job in jobs)
        if needed > MOST_LOG_BYTES:
            raise StrategyError(
                f"{len(jobs)} jobs: their fire log takes {needed} bytes, and a Lease's annotations "
                f"have room for {MOST_LOG_BYTES}: use fewer jobs or shorter names"
            )
        await self._store.prepare()

    async def clean_up(self) -> None:
        await self._store.clean_up()

    async def close(self) -> None:
        await self._store.close()

    async def enter(self, name: str) -> Place:
        """Stand for the term after the present one."""
        async with self._turn:
            self._tried = self._leading = self._outrun = False
            record = await self._look()
        key = f"{name}_{self._rng.getrandbits(64):016x}"
        # A place is trusted for its TTL less the margin: that is to be the renew deadline.
        trusted_s = self._timing.deadline_s / (1 - MARGIN)
        return Place(key, record.transitions + 1, trusted_s, self._timing.retry_s)

    async def ahead(self, place: Place) -> str | None:
        """Take the Lease if it is free or has expired; else its holder."""
        async with self._turn:
            record = await self._look()
            if record.holder != place.key:
                if record.transitions >= place.fence:
                    self._outrun = True
                if self._outrun or self._is_held(record):
                    return record.holder or "the next"
            # Held by us: the answer to an earlier try was lost. Written again, because trust is
            # counted from the start of this try.
            self._tried = True
            mine = replace(record, holder=place.key, transitions=place.fence)
            self._leading = await self._write(mine)
            return None if self._leading else "another candidate"

    async def gone(self, key: str) -> None:
        """Wait for the next look, as long as client-go does."""
        await asyncio.sleep(self._timing.retry_s * (1 + JITTER * self._rng.random()))

    async def confirm(self, place: Place) -> bool:
        """Renew while leading; a candidate only has to know that the term is still open."""
        async with self._turn:
            if not self._leading:
                return not self._outrun
            return await self._write_as(place, {})

    async def leave(self, place: Place) -> None:
        async with self._turn:
            leading, self._leading = self._leading or self._tried, False
            if leading and (await self._look()).holder == place.key:
                await self._write(replace(self._record, holder=NOBODY))

    async def begin(self, fires: Sequence[Fire], place: Place) -> bool:
        async with self._turn:
            return self._leading and await self._write_as(
                place, {fire.job: fire.due_ms for fire in fires}
            )

    async def last(self, jobs: Sequence[str]) -> Mapping[str, int]:
        async with self._turn:
            return dict((await self._look()).log)

    async def _write_as(self, place: Place, begun: Mapping[str, int]) -> bool:
        """Renew and log in one write; False, for good, when the Lease is not ours any more."""
        if await self._write(self._with(begun)):
            return True
        if (await self._look()).holder == place.key:  # an earlier write of ours came late
            return await self._write(self._with(begun))
        self._leading, self._outrun = False, True
        return False

    def _with(self, begun: Mapping[str, int]) -> Record:
        return replace(self._record, log={**self._record.log, **begun}) if begun else self._record

    async def _write(self, record: Record) -> bool:
        written = await self._store.write(record)
        if written is None:
            return False
        self._observe(written)
        return True

    async def _look(self) -> Record:
        record = await self._store.read()
        self._observe(record)
        return record

    def _observe(self, record: Record) -> None:
        if record.claim != self._record.claim or not self._record.version:
            self._changed_s = asyncio.get_running_loop().time()
        self._record = record

    def _is_held(self, record: Record) -> bool:
        """Whether its holder may still believe in it, by our own clock."""
        quiet_s = asyncio.get_running_loop().time() - self._changed_s
        return record.holder != NOBODY and quiet_s < self._timing.duration_s
