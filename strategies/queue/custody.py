"""What one worker holds: each message is extended while it runs, and given up on doubt.

1. A message is trusted until the start of the call that began or extended it + 3/4 of the
   visibility, on the monotonic clock.
2. Everything held is extended in one call every quarter of the visibility; sooner after a call that
   got no answer.
3. A refused extension, or the end of the trusted time, cancels the run and is noted (Lost).

The margin covers a call that hangs until its timeout and the pause after it, so that a run is
cancelled at the latest at 7/8 of the visibility. Not guaranteed: a process that is paused cancels
nothing until it wakes up.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from strategies.errors import ServiceLost
from strategies.interface import Member
from strategies.notes import Lost
from strategies.queue.calls import Outcome, coordinated
from strategies.queue.port import JobQueue, Message
from strategies.queue.timing import QueueTiming


@dataclass(eq=False)
class Held:
    """A message that is ours until `trusted_until` (monotonic seconds)."""

    message: Message
    trusted_until: float
    run: "asyncio.Task[None] | None" = None
    failed: bool = False
    settling: bool = False
    lost: bool = False


class Custody:
    """The messages of one worker, by id."""

    def __init__(self, queue: JobQueue, member: Member, timing: QueueTiming) -> None:
        self._queue = queue
        self._member = member
        self._timing = timing
        self._held: dict[str, Held] = {}
        self._freed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, held: Held) -> bool:
        return self._held.get(held.message.id) is held

    async def until_under(self, limit: int) -> None:
        """Return once fewer than `limit` messages are held."""
        while len(self._held) >= limit:
            self._freed.clear()
            await self._freed.wait()

    def hold(self, message: Message, since: float) -> Held:
        """Take custody of a message that a call started at `since` made ours."""
        earlier = self._held.get(message.id)
        if earlier is not None:  # we were paused, and then claimed what had been ours
            self.lose(earlier, "claimed again")
        held = self._held[message.id] = Held(message, since + self._timing.trusted_s)
        return held

    def free(self, held: Held) -> bool:
        """End custody; False if it had ended."""
        if held not in self:
            return False
        del self._held[held.message.id]
        self._freed.set()
        return True

    def lose(self, held: Held, reason: str) -> None:
        """Stop acting on a message that is, or may soon be, somebody else's."""
        if not self.free(held):
            return
        held.lost = True
        if held.run is not None:
            held.run.cancel()
        self._member.note(Lost(subject=held.message.fire.job, reason=reason))

    async def extend(self, messages: Sequence[Message], action: str) -> list[bool]:
        """Start (`begin`) or restart (`extend`) visibilities; which are ours. Noted."""
        began, clock = self._member.clock.monotonic(), self._member.clock
        fires = [one.fire for one in messages]
        try:
            ours = await self._queue.extend(messages)
        except ServiceLost:
            self._member.note(coordinated(action, clock.monotonic() - began, "error", fires))
            raise
        outcome: Outcome = "won" if action == "begin" else "ok"
        seconds = clock.monotonic() - began
        self._member.note(coordinated(action, seconds, outcome if any(ours) else "lost", fires))
        return ours

    async def keep(self) -> None:
        """Extend what is held, for ever."""
        wait_s = self._timing.extend_s
        while True:
            await asyncio.sleep(wait_s)
            self._drop_expired()
            if self._held:
                wait_s = await self._extend_all()

    async def _extend_all(self) -> float:
        """Extend everything held, once; how long to wait before the next time."""
        held, began = list(self._held.values()), self._member.clock.monotonic()
        try:
            ours = await self.extend([one.message for one in held], "extend")
        except ServiceLost:
            self._drop_expired()
            return self._timing.call_s
        for one, is_ours in zip(held, ours, strict=True):
            if is_ours:
                one.trusted_until = began + self._timing.trusted_s
            elif not one.settling:  # else its acknowledgement may have come first, and will tell
                self.lose(one, "extension refused: the message is another delivery's")
        return self._timing.extend_s

    def _drop_expired(self) -> None:
        now = self._member.clock.monotonic()
        for one in list(self._held.values()):
            if now >= one.trusted_until:
                self.lose(one, "not extended in time")
