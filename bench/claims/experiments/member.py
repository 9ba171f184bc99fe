"""An instance inside an experiment: the host's clocks, and a job that the experiment gives."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from strategies.model import Fire
from strategies.notes import Note


class HostClocks:
    """The host's two clocks."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep_until(self, now_s: float) -> None:
        await asyncio.sleep(max(0.0, now_s - time.time()))


@dataclass
class Performer:
    """A Member whose job is `job(fire)`; what the strategy notes is not kept."""

    name: str
    job: Callable[[Fire], Awaitable[None]]
    clock: HostClocks = field(default_factory=HostClocks)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, fire: Fire, fence: int | None) -> None:
        await self.job(fire)

    def note(self, event: Note) -> None:
        pass
