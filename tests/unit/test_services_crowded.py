"""Who takes all connections gives them back, also when a client library loses a cancellation."""

import asyncio
from typing import Any

from bench.services.crowded import CrowdedServer


class Server:
    """As much of a server as is asked for when nobody has begun."""

    name = "redis"


async def deaf_once() -> None:
    """Loses its first cancellation, as a client may that was just about to time out."""
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        await asyncio.sleep(60)


async def test_the_crowd_leaves_though_a_cancellation_was_lost() -> None:
    server: Any = Server()
    crowded = CrowdedServer(server)
    tasks = [asyncio.create_task(deaf_once()) for _ in range(3)]
    crowded._tasks.extend(tasks)
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await crowded.leave()
    assert all(task.done() for task in tasks)
