"""What an experiment is, and the servers it may use."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from bench.leftovers import Registration
from bench.services import Service, ServiceUnavailable, provide

OWN = ("embedded", "docker")  # never the user's servers: experiments empty what they use


@dataclass
class Servers:
    """Servers of the experiments' own, started when first asked for, ended with the context."""

    folder: Path
    registration: Registration
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _running: dict[tuple[str, str], Service] = field(default_factory=dict)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def url(self, name: str, which: str = "") -> str:
        """The URL of a server; `which` tells several of a kind apart. ServiceUnavailable."""
        key = (name, which)
        if key not in self._running:
            service = self._provided(name, which)
            await service.start()
            self._stack.push_async_callback(service.stop)
            self._running[key] = service
        return self._running[key].url

    async def keep(self, service: Service) -> None:
        """Start a server that is none of the usual ones, and end it with the others."""
        await service.start()
        self._stack.push_async_callback(service.stop)

    def _provided(self, name: str, which: str) -> Service:
        folder = self.folder / f"{name}{which}"
        folder.mkdir(exist_ok=True)
        reasons = []
        for provider in OWN:
            try:
                return provide(name, folder, provider, registration=self.registration)
            except ServiceUnavailable as error:
                reasons.append(str(error))
        raise ServiceUnavailable(reasons[0])


@dataclass(frozen=True)
class Experiment:
    """`run(servers)` gives what is kept as JSON; docs/claims.md says what its fields mean."""

    name: str
    what: str
    expected_s: float
    run: Callable[[Servers], Awaitable[dict[str, Any]]]


async def spin_until(until_s: float) -> None:
    """Wait to a moment of the loop's clock more exactly than a timer does."""
    loop = asyncio.get_running_loop()
    while loop.time() < until_s:
        await asyncio.sleep(0)
