"""Servers that can fail over, started for one trial: what takes over when the first one dies.

| service | what stands by | what a failover is |
|---|---|---|
| redis | a replica, fed by asynchronous replication | the primary is killed, the replica promoted |
| zookeeper | two more of an ensemble | the leader of three is killed, the others elect one |
| postgres | nothing | the server is killed and started again at once, with the data it had |

Each is a Service (bench.services.base) and a chaos.services.Replicated. The first two
have modules of their own, bench.services.redis_pair and bench.services.ensemble.
"""

import asyncio
from typing import Any

from bench.services.embedded import EmbeddedService
from chaos.services import runs


class Single:
    """A server without a stand-by: killed, and started again at once with the data it had."""

    def __init__(self, server: EmbeddedService) -> None:
        self._server = server
        self._coming: asyncio.Task[None] | None = None
        self.name = server.name

    def __getattr__(self, name: str) -> Any:  # in all else it is the server
        return getattr(self._server, name)

    async def hold_back(self) -> None:
        """There is nobody to hold anything back from."""

    async def fail_over(self) -> None:
        killing = await dead(self._server)
        self._coming = asyncio.create_task(self._come_back(killing))

    async def rejoin(self) -> None:
        if self._coming:
            await self._coming
            self._coming = None

    async def _come_back(self, killing: asyncio.Task[None]) -> None:
        await killing
        await self._server.restart()


async def dead(server: EmbeddedService) -> asyncio.Task[None]:
    """Kill a server; return when none of its processes runs, with what clears them away."""
    pids = server.pids
    killing = asyncio.create_task(server.kill())
    while not killing.done() and any(runs(pid) for pid in pids):
        await asyncio.sleep(0.001)
    return killing
