"""A stand-in for a server under virtual time: shared state behind per-instance links.

The simulation and the unit tests give a `MemoryLink` where a URL would stand; a family's
in-memory adapter keeps its state in `link.table(...)` and passes every operation through
`link.call`, so that latency, order and loss are the simulation's to decide.
"""

import asyncio
import random
from collections.abc import Callable
from typing import Any, TypeVar

from strategies.errors import ServiceLost

T = TypeVar("T")


class MemoryServer:
    """The state of one simulated service and its clock (seconds, never skewed)."""

    def __init__(
        self, clock: Callable[[], float], rng: random.Random, delay_s: tuple[float, float]
    ) -> None:
        self.clock = clock
        self.rng = rng
        self.delay_s = delay_s
        self.operations = 0
        self._tables: dict[tuple[str, str], Any] = {}

    def table(self, namespace: str, name: str, new: Callable[[], T]) -> T:
        """The one object called `name` in `namespace`, made by `new` when first asked for."""
        key = (namespace, name)
        if key not in self._tables:
            self._tables[key] = new()
        table: T = self._tables[key]
        return table

    def drop(self, namespace: str) -> None:
        """Forget a namespace."""
        for key in [key for key in self._tables if key[0] == namespace]:
            del self._tables[key]


class MemoryLink:
    """What one instance reaches a simulated server through. `cut` makes it unreachable."""

    def __init__(self, server: MemoryServer) -> None:
        self.server = server
        self.cut = False

    async def call(self, operation: Callable[[], T]) -> T:
        """Run `operation` atomically on the server, after the delay of the way there and back.

        Raises ServiceLost when the link is cut on the way there (nothing happened) or on the way
        back (it did happen, and the caller cannot know).
        """
        await self._travel()
        self.server.operations += 1
        result = operation()
        await self._travel()
        return result

    async def _travel(self) -> None:
        if self.cut:
            raise ServiceLost("the link is cut")
        await asyncio.sleep(self.server.rng.uniform(*self.server.delay_s) / 2)
        if self.cut:
            raise ServiceLost("the link is cut")
