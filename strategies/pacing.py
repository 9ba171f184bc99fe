"""The loops that strategies share: waiting without missing the order to stop, and due fires."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from strategies.interface import Member
from strategies.model import Fire, Job
from strategies.schedule import due_after


def now_ms(member: Member) -> int:
    """The member's wall time in whole milliseconds."""
    return int(member.clock.now() * 1000)


async def stopped_within(member: Member, seconds: float) -> bool:
    """Sleep for `seconds`, or less when the member is told to stop; True if it was."""
    try:
        async with asyncio.timeout(max(0.0, seconds)):
            await member.stopping.wait()
    except TimeoutError:
        return False
    return True


async def due_fires(member: Member, job: Job, after_ms: int) -> AsyncIterator[Fire]:
    """The job's fires after `after_ms`, each given out once it is due; ends with the schedule.

    A caller that is slow gets the overdue ones at once and decides about them itself.
    """
    due_ms = due_after(job, after_ms)
    while due_ms is not None:
        await member.clock.sleep_until(due_ms / 1000)
        yield Fire(job.name, due_ms)
        due_ms = due_after(job, due_ms)


async def until_stopped(member: Member, *loops: Coroutine[Any, Any, None]) -> None:
    """Run the loops side by side until all have ended or the member is told to stop.

    When one fails, the others are cancelled and its error is raised (in an ExceptionGroup). On
    stop all are cancelled and waited for; a loop that must finish something first shields it.
    """
    everything = asyncio.create_task(_together(loops))
    stop = asyncio.create_task(member.stopping.wait())
    try:
        await asyncio.wait({everything, stop}, return_when=asyncio.FIRST_COMPLETED)
        if everything.done():
            everything.result()
    finally:
        everything.cancel()
        stop.cancel()
        await asyncio.gather(everything, stop, return_exceptions=True)


async def _together(loops: tuple[Coroutine[Any, Any, None], ...]) -> None:
    async with asyncio.TaskGroup() as group:
        for loop in loops:
            group.create_task(loop)
