"""The two ends of the scale: everybody runs every fire, and nobody runs any. No service at all."""

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress

from strategies.errors import JobFailed
from strategies.interface import Bounds, Breaks, Design, Endpoints, Member, Promise
from strategies.model import Fire, Job, Timing
from strategies.pacing import due_fires, now_ms, until_stopped


class NeverRuns:
    """Takes part and does nothing: what a check that only looks for duplicates would praise."""

    def __init__(
        self, endpoints: Endpoints, namespace: str, timing: Timing, rng: random.Random
    ) -> None:
        pass

    async def prepare(self, jobs: Sequence[Job]) -> None:
        """Nothing to prepare."""

    async def participate(self, member: Member, jobs: Sequence[Job]) -> None:
        """Wait for the end."""
        await member.stopping.wait()

    async def clean_up(self) -> None:
        """Nothing to remove."""


class Uncoordinated(NeverRuns):
    """Every instance runs every fire: what a service does that was scaled out unawares.

    1. Every instance sleeps until a job is due by its own clock. 2. It runs the fire.

    One instance never runs two fires of a job at once; that is all it guarantees.
    """

    async def participate(self, member: Member, jobs: Sequence[Job]) -> None:
        """Run every fire of `jobs` until told to stop, and finish the open runs."""
        runs: set[asyncio.Task[None]] = set()
        try:
            await until_stopped(member, *(_follow(member, job, runs) for job in jobs))
            await asyncio.gather(*runs)
        finally:
            for run in runs:
                run.cancel()
            await asyncio.gather(*runs, return_exceptions=True)
        await member.stopping.wait()


async def _follow(member: Member, job: Job, runs: set[asyncio.Task[None]]) -> None:
    async for fire in due_fires(member, job, now_ms(member)):
        run = asyncio.create_task(_run(member, fire))
        runs.add(run)
        run.add_done_callback(runs.discard)
        await asyncio.shield(run)  # told to stop: no new fire, but this one ends


async def _run(member: Member, fire: Fire) -> None:
    with suppress(JobFailed):
        await member.run(fire, None)


def _no_bounds(timing: Timing) -> Bounds:
    return Bounds(failover_s=None)


DESIGNS: tuple[Design, ...] = (
    Design(
        name="uncoordinated",
        family="none",
        summary="every instance runs every fire",
        services=(),
        make=Uncoordinated,
        promise=Promise(),
        bounds=_no_bounds,
        kind="control",
        fence_scope=None,
        breaks=(Breaks("steady", "duplicate_fires", 10, "N instances make N runs of a fire"),),
    ),
    Design(
        name="never-runs",
        family="none",
        summary="takes part and runs nothing",
        services=(),
        make=NeverRuns,
        promise=Promise(),
        bounds=_no_bounds,
        kind="control",
        fence_scope=None,
        breaks=(Breaks("steady", "missed_fires", 10, "nobody runs anything"),),
    ),
)
