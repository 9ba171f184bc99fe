"""A task that was told to end ends, though the call it was in has swallowed that."""

import asyncio
from contextlib import suppress

from bench.until_signalled import heed_cancellation


async def swallows_a_cancellation() -> None:
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(60)


async def test_who_was_told_to_end_ends_at_the_next_look() -> None:
    reached = []

    async def work() -> None:
        await swallows_a_cancellation()
        reached.append("after the call")
        heed_cancellation()
        reached.append("after the look")

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    assert reached == ["after the call"]


async def test_a_bound_that_ran_out_is_no_such_order() -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(0):
            await asyncio.sleep(60)
    heed_cancellation()
