"""A claim without a lease: PENDING -> IN_PROGRESS by a conditional update, as many guides print it.

Algorithm:

1. When a fire is due, every instance adds its row as PENDING, unless it is there already.
2. Every instance tries PENDING -> IN_PROGRESS; the database lets one succeed.
3. The winner runs the job and writes COMPLETED, or FAILED.

Clock assumptions: none beyond the due times themselves; a late instance finds the row claimed.

On failure: an answer that is lost leaves a claim of which nobody knows. Nothing ever reads an
IN_PROGRESS row again, so that a claim whose owner died stays as it is for ever.

Not guaranteed: that a claimed fire is ever finished. That is the defect: the claim has no owner's
name and no time in it by which somebody could know that it is dead.
"""

import asyncio
import random
from collections.abc import Sequence
from typing import Protocol

from strategies.errors import JobFailed, ServiceLost
from strategies.interface import NOTHING, Bounds, Breaks, Design, Endpoints, Member, Promise
from strategies.memory import MemoryLink
from strategies.model import Fire, Job, Timing
from strategies.notes import Coordinated
from strategies.pacing import due_fires, now_ms, until_stopped

SERVICE = "postgres"


class Claims(Protocol):
    """A row per fire. Every method raises ServiceLost when the answer is unknown."""

    async def prepare(self) -> None:
        """Create the table in its namespace."""

    async def claim(self, fire: Fire) -> bool:
        """Add the fire if nobody has, then claim it; True for the one who did."""

    async def end(self, fire: Fire, state: str) -> None:
        """Record how the claimed fire ended."""

    async def clean_up(self) -> None:
        """Remove the namespace."""

    async def close(self) -> None:
        """Close the connection."""


class MemoryClaims:
    """Claims on a simulated database."""

    def __init__(self, link: MemoryLink, namespace: str) -> None:
        self._link = link
        self._namespace = namespace

    @property
    def states(self) -> dict[Fire, str]:
        """The table, as it is on the server now."""
        return self._link.server.table(self._namespace, "execution", dict[Fire, str])

    async def prepare(self) -> None:
        await self._link.call(lambda: self.states)

    async def claim(self, fire: Fire) -> bool:
        return await self._link.call(lambda: self._claim(fire))

    def _claim(self, fire: Fire) -> bool:
        won = self.states.setdefault(fire, "PENDING") == "PENDING"
        if won:
            self.states[fire] = "IN_PROGRESS"
        return won

    async def end(self, fire: Fire, state: str) -> None:
        await self._link.call(lambda: self.states.update({fire: state}))

    async def clean_up(self) -> None:
        await self._link.call(lambda: self._link.server.drop(self._namespace))

    async def close(self) -> None:
        pass


class ClaimWithoutLease:
    """Every instance claims every due fire, one row per fire."""

    def __init__(
        self, endpoints: Endpoints, namespace: str, timing: Timing, rng: random.Random
    ) -> None:
        self._endpoint = endpoints[SERVICE]
        self._namespace = namespace
        self._timing = timing
        self._rng = rng

    async def prepare(self, jobs: Sequence[Job]) -> None:
        """Create the table."""
        await self._claims().prepare()

    async def participate(self, member: Member, jobs: Sequence[Job]) -> None:
        """Claim and run fires until told to stop; open runs are finished."""
        claims = self._claims()
        runs: set[asyncio.Task[None]] = set()
        try:
            await until_stopped(member, *(self._follow(member, claims, job, runs) for job in jobs))
            await asyncio.gather(*runs)
        finally:
            await claims.close()

    async def clean_up(self) -> None:
        """Drop the table."""
        await self._claims().clean_up()

    async def _follow(
        self, member: Member, claims: Claims, job: Job, runs: set[asyncio.Task[None]]
    ) -> None:
        async for fire in due_fires(member, job, 0 if job.start_ms else now_ms(member)):
            # Shielded: on stop the claim must not be left without its run.
            run = asyncio.create_task(self._claim_and_run(member, claims, fire))
            runs.add(run)
            run.add_done_callback(runs.discard)
            await asyncio.shield(run)

    async def _claim_and_run(self, member: Member, claims: Claims, fire: Fire) -> None:
        try:
            if not await self._claim(member, claims, fire):
                return
            await claims.end(fire, await _run(member, fire))
        except ServiceLost:
            return  # as the guides' code does: the exception is logged, and the row stays

    async def _claim(self, member: Member, claims: Claims, fire: Fire) -> bool:
        began_s = member.clock.monotonic()
        note = Coordinated(action="acquire", seconds=0, outcome="error", job=fire.job)
        note.due_ms = fire.due_ms
        try:
            won = await claims.claim(fire)
            note.outcome = "won" if won else "lost"
        finally:
            note.seconds = member.clock.monotonic() - began_s
            member.note(note)
        return won

    def _claims(self) -> Claims:
        if isinstance(self._endpoint, MemoryLink):
            return MemoryClaims(self._endpoint, self._namespace)
        # Imported here, so that the catalogue lists names without loading a client library.
        from strategies.controls.claim_postgres import PostgresClaims

        return PostgresClaims(self._endpoint, self._namespace, self._timing.lease_s)


async def _run(member: Member, fire: Fire) -> str:
    try:
        await member.run(fire, None)
    except JobFailed:
        return "FAILED"
    return "COMPLETED"


def _bounds(timing: Timing) -> Bounds:
    return Bounds(failover_s=None)


DESIGNS: tuple[Design, ...] = (
    Design(
        name="claim-without-lease",
        family="controls",
        summary="a row per fire, PENDING -> IN_PROGRESS by a conditional update, never recovered",
        services=(SERVICE,),
        make=ClaimWithoutLease,
        promise=Promise(under={"steady": NOTHING}),
        bounds=_bounds,
        kind="control",
        adapters=("strategies.controls.claim_postgres",),
        fence_scope=None,
        breaks=(
            Breaks(
                "crash",
                "interrupted_fires",
                1,
                "a killed owner's row stays IN_PROGRESS and nobody looks at it again",
            ),
        ),
    ),
)
