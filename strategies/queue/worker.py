"""The consuming half of the queue: `concurrency` messages at once, each held while it runs.

1. Receive no more messages than can run at once; every quarter of the visibility look for those
   that a dead worker left (claim), and for failed fires whose back-off is over (promote).
2. Begin: extend what was received. Only what the queue then says is ours is run, and it is trusted
   until the start of that call + 3/4 of the visibility, on the monotonic clock. (Behind a backlog
   one call takes and begins.)
3. Run. Meanwhile extend everything held; what can no longer be trusted is cancelled (custody.py).
4. Afterwards acknowledge (finished runs together, in one call). A failed run goes to the retry set
   with the next back-off, or becomes a dead letter once its tries are used up. A message whose
   worker vanished is delivered again without back-off, and that counts as a try.
5. Told to stop: receive no more, let the runs end, acknowledge them, return.

Clock: monotonic only. On failure of the queue: runs in progress are cancelled before their message
can be given to somebody else. Not guaranteed: a worker that is paused past the visibility wakes up
in the middle of its run, which another worker has begun meanwhile; a finished run whose
acknowledgement is lost is run again.
"""

import asyncio
import random
from collections.abc import Mapping, Sequence
from typing import Literal

from strategies.errors import JobFailed, ServiceLost
from strategies.interface import Member
from strategies.model import Fire, Job
from strategies.notes import Republished
from strategies.pacing import stopped_within
from strategies.queue.calls import Outcome, coordinated
from strategies.queue.custody import Custody, Held
from strategies.queue.port import JobQueue, Message
from strategies.queue.timing import QueueTiming

TRIES = 3  # of a fire whose job this worker does not know


class Worker:
    """One instance's runs. `concurrency` runs at once; `batch` bounds one receive."""

    def __init__(
        self,
        queue: JobQueue,
        member: Member,
        jobs: Sequence[Job],
        timing: QueueTiming,
        rng: random.Random,
        *,
        concurrency: int,
        batch: int,
    ) -> None:
        self._queue = queue
        self._member = member
        self._tries: Mapping[str, int] = {job.name: job.retries + 1 for job in jobs}
        self._timing = timing
        self._rng = rng
        self._concurrency = concurrency
        self._batch = batch
        self._custody = Custody(queue, member, timing)
        self._backlog = False  # the last answer was as long as it could be
        self._ended: asyncio.Queue[Held] = asyncio.Queue()
        self._poll_at = member.clock.monotonic()

    async def run(self) -> None:
        """Consume until the member is told to stop, and all runs have ended."""
        async with asyncio.TaskGroup() as group:
            helpers = [
                group.create_task(self._custody.keep()),
                group.create_task(self._settle_all()),
            ]
            await self._consume(group)
            await self._custody.until_under(1)
            for helper in helpers:
                helper.cancel()

    async def _consume(self, group: asyncio.TaskGroup) -> None:
        while True:
            await self._custody.until_under(self._concurrency)
            if self._member.stopping.is_set():
                return
            room = min(self._batch, self._concurrency - len(self._custody))
            began = self._member.clock.monotonic()
            try:
                await self._next(room, group)
            except ServiceLost:
                self._note("receive", began, "error", [])
                await stopped_within(self._member, self._pause_s())

    async def _next(self, room: int, group: asyncio.TaskGroup) -> None:
        """Get at most `room` messages, from wherever it is time to look, and begin them."""
        now = self._member.clock.monotonic()
        if now >= self._poll_at:
            self._poll_at = now + self._timing.claim_s
            await self._begin(await self._poll(room), group)
        elif self._backlog:
            await self._take(room, group)
        else:
            await self._begin(await self._receive(room, now), group)

    async def _take(self, room: int, group: asyncio.TaskGroup) -> None:
        began = self._member.clock.monotonic()
        messages = await self._queue.take(room)
        self._note("begin", began, "won" if messages else "lost", [one.fire for one in messages])
        self._backlog = len(messages) == room
        for message in messages:
            self._hold(message, began, group)

    async def _receive(self, room: int, now: float) -> list[Message]:
        messages = await self._queue.receive(room, min(self._timing.wait_s, self._poll_at - now))
        # Its length is that of an idle wait, not a cost: the seconds of `begin` are the cost.
        fires = [one.fire for one in messages]
        if fires:
            self._member.note(coordinated("receive", 0.0, "ok", fires))
        else:
            self._member.note(coordinated("wait-poll", 0.0, "lost", fires))
        self._backlog = len(messages) == room
        return messages

    async def _poll(self, room: int) -> list[Message]:
        began = self._member.clock.monotonic()
        await self._queue.promote(self._concurrency)
        messages = await self._queue.claim(room)  # last: what it gives must not be lost to an error
        seconds = self._member.clock.monotonic() - began
        fires = [one.fire for one in messages]
        self._member.note(coordinated("recover", seconds, "ok" if fires else "lost", fires))
        for fire in fires:
            self._member.note(Republished(job=fire.job, due_ms=fire.due_ms, what="redelivered"))
        return messages

    async def _begin(self, messages: Sequence[Message], group: asyncio.TaskGroup) -> None:
        """Start the runs of those that are ours and have a try left; bury the others."""
        runnable = [one for one in messages if one.tried <= self._limit(one)]
        if runnable:
            began = self._member.clock.monotonic()
            ours = await self._custody.extend(runnable, "begin")
            for message, is_ours in zip(runnable, ours, strict=True):
                if is_ours:
                    self._hold(message, began, group)
        for message in messages:
            if message.tried > self._limit(message) and await self._queue.bury(
                message, "interrupted"
            ):
                self._note_moved(message, "dead")

    def _hold(self, message: Message, began: float, group: asyncio.TaskGroup) -> None:
        held = self._custody.hold(message, began)
        held.run = group.create_task(self._work(held))

    def _limit(self, message: Message) -> int:
        return self._tries.get(message.fire.job, TRIES)

    async def _work(self, held: Held) -> None:
        try:
            await self._member.run(held.message.fire, held.message.fence)
        except JobFailed:
            held.failed = True
        except asyncio.CancelledError:
            if held.lost:
                return
            raise
        self._ended.put_nowait(held)

    async def _settle_all(self) -> None:
        while True:
            ended = [await self._ended.get()]
            while not self._ended.empty():
                ended.append(self._ended.get_nowait())
            try:
                await self._settle([one for one in ended if one in self._custody])
            except ServiceLost:
                # Still extended meanwhile; given up, as lost, when that fails for too long.
                for one in ended:
                    one.settling = False
                    self._ended.put_nowait(one)
                await asyncio.sleep(self._pause_s())

    async def _settle(self, ended: Sequence[Held]) -> None:
        for one in ended:
            one.settling = True
        done = [one for one in ended if not one.failed]
        if done:
            await self._ack(done)
        for one in ended:
            if one.failed:
                await self._give_back(one)

    async def _ack(self, done: Sequence[Held]) -> None:
        began, fires = self._member.clock.monotonic(), [one.message.fire for one in done]
        try:
            acked = await self._queue.ack([one.message for one in done])
        except ServiceLost:
            self._note("ack", began, "error", fires)
            raise
        self._note("ack", began, "ok" if any(acked) else "lost", fires)
        for one, was_ours in zip(done, acked, strict=True):
            self._settled(one, was_ours)

    async def _give_back(self, held: Held) -> None:
        message, began = held.message, self._member.clock.monotonic()
        last = message.tried >= self._limit(message)
        try:
            if last:
                was_ours = await self._queue.bury(message, "failed")
            else:
                delay_s = self._timing.backoff(message.tried)
                was_ours = await self._queue.retry(message, delay_s)
        except ServiceLost:
            self._note("retry", began, "error", [message.fire])
            raise
        self._note("retry", began, "ok" if was_ours else "lost", [message.fire])
        self._settled(held, was_ours)
        if was_ours:
            self._note_moved(message, "dead" if last else "retried")

    def _settled(self, held: Held, was_ours: bool) -> None:
        if was_ours:
            self._custody.free(held)
        else:
            self._custody.lose(held, "acknowledgement refused: the message is another delivery's")

    def _note(self, action: str, began: float, outcome: Outcome, fires: Sequence[Fire]) -> None:
        seconds = self._member.clock.monotonic() - began
        self._member.note(coordinated(action, seconds, outcome, fires))

    def _note_moved(self, message: Message, what: Literal["retried", "dead"]) -> None:
        fire = message.fire
        self._member.note(Republished(job=fire.job, due_ms=fire.due_ms, what=what))

    def _pause_s(self) -> float:
        return self._timing.call_s * self._rng.uniform(0.5, 1.5)
