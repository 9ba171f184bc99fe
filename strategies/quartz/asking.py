"""Asking the database: every call is noted with its length, and asked again when in doubt."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, TypeVar

from strategies.errors import ServiceLost
from strategies.interface import Member
from strategies.model import Fire
from strategies.notes import Coordinated

T = TypeVar("T")

GRANTING = ("acquire", "recover")  # the calls that make the instance the owner of fires


class Asking:
    """The calls of one instance; `retry_s` is the longest wait after an error, in seconds."""

    def __init__(self, member: Member, retry_s: float, rng: random.Random) -> None:
        self._member = member
        self._retry_s = retry_s
        self._rng = rng

    def retry_s(self) -> float:
        """How long to wait before asking again; spread, so that not all come at once."""
        return self._retry_s * self._rng.uniform(0.5, 1.0)

    async def insist(self, ask: Callable[[], Awaitable[None]], seconds: float) -> None:
        """Ask until it is answered, or others take the instance for dead anyway."""
        until_s = self._member.clock.monotonic() + seconds
        while self._member.clock.monotonic() < until_s:
            try:
                await ask()
            except ServiceLost:
                await asyncio.sleep(self.retry_s())
            else:
                return

    async def timed(
        self, action: str, call: Awaitable[T], served: Callable[[T], Sequence[Fire]]
    ) -> T:
        """Await a call and note how long it took and which fires it served."""
        began_s = self._member.clock.monotonic()
        try:
            answer = await call
        except ServiceLost:
            self._note(action, began_s, "error", ())
            raise
        fires = served(answer)
        if action in GRANTING:
            self._note(action, began_s, "won" if fires else "lost", fires)
        else:
            self._note(action, began_s, "ok", fires)
        return answer

    def _note(
        self,
        action: str,
        began_s: float,
        outcome: Literal["won", "lost", "ok", "error"],
        fires: Sequence[Fire],
    ) -> None:
        seconds = self._member.clock.monotonic() - began_s
        event = Coordinated(action=action, seconds=seconds, outcome=outcome, fires=len(fires))
        if len(fires) == 1:
            event.job, event.due_ms = fires[0].job, fires[0].due_ms
        self._member.note(event)
