"""What all servers in containers of our own do alike, through testcontainers."""

import asyncio
from collections.abc import Callable
from typing import Any

from bench.services.base import ServiceUnavailable


class Container:
    """Stops, hurts and restarts one container; whoever inherits makes it and knows its health."""

    name: str
    provider = "docker"
    owned = True

    def __init__(self) -> None:
        self.version = ""
        self.url = ""
        self._container: Any = None

    @property
    def pids(self) -> list[int]:
        return []

    async def stop(self) -> None:
        if self._container is not None:
            await asyncio.to_thread(self._container.stop)
            self._container = None

    async def kill(self) -> None:
        await self._do("kill")

    async def pause(self) -> None:
        await self._do("pause")

    async def resume(self) -> None:
        await self._do("unpause")

    async def restart(self) -> None:
        await self._do("restart")
        await self._until_healthy()

    async def _until_healthy(self) -> None:
        """Return when the server answers; ServiceUnavailable when it takes too long."""
        raise NotImplementedError

    async def _do(self, action: str) -> None:
        if self._container is None:
            raise ServiceUnavailable(f"{self.name}: {action} before it was started")
        call: Callable[[], object] = getattr(self._container.get_wrapped_container(), action)
        await asyncio.to_thread(call)
