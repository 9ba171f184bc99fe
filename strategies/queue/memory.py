"""The queue in memory, for virtual time: it answers as the Redis scripts do, one by one.

Its idle times and back-offs follow the simulated server's clock, which never steps.
"""

import asyncio
import itertools
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from strategies.memory import MemoryLink
from strategies.model import Fire
from strategies.queue.port import (
    DeadLetter,
    JobState,
    Message,
    Publication,
    Published,
    Reason,
)
from strategies.queue.timing import QueueTiming


@dataclass
class _Delivery:
    """A pending entry: who was given the message, when it was last extended."""

    message: Message
    consumer: str
    since_s: float


@dataclass
class _Server:
    """The state that lives on the server."""

    ids: Iterator[int] = field(default_factory=itertools.count)
    new: deque[Message] = field(default_factory=deque)
    pending: dict[str, _Delivery] = field(default_factory=dict)
    published: dict[str, tuple[int, str, Published]] = field(default_factory=dict)
    open: dict[str, Fire] = field(default_factory=dict)
    waiting: dict[str, deque[Message]] = field(default_factory=dict)
    retries: list[tuple[float, Message]] = field(default_factory=list)
    dead: dict[str, DeadLetter] = field(default_factory=dict)
    buried: dict[str, Message] = field(default_factory=dict)
    states: dict[str, JobState] = field(default_factory=dict)
    readers: list[asyncio.Event] = field(default_factory=list)

    def add(self, message: Message) -> None:
        self.new.append(replace(message, id=str(next(self.ids)), deliveries=1))
        for reader in self.readers:
            reader.set()

    def occupy(self, message: Message) -> None:
        """Publish a message whose job has no other unfinished one."""
        if message.overlap == "forbid":
            self.open[message.fire.job] = message.fire
        self.add(message)

    def release(self, job: str) -> None:
        waiting = self.waiting.get(job)
        if waiting:
            self.occupy(waiting.popleft())
        else:
            self.open.pop(job, None)


class MemoryJobQueue:
    """JobQueue and DeadLetters for one consumer, on a simulated server.

    With `blindly` every call publishes again, as a control's random message ids do.
    """

    def __init__(
        self,
        link: MemoryLink,
        namespace: str,
        consumer: str,
        timing: QueueTiming,
        blindly: bool = False,
    ) -> None:
        self._link = link
        self._namespace = namespace
        self._consumer = consumer
        self._timing = timing
        self._blindly = blindly

    @property
    def _server(self) -> _Server:
        return self._link.server.table(self._namespace, "queue", _Server)

    def _now(self) -> float:
        return self._link.server.clock()

    async def create(self) -> None:
        await self._link.call(lambda: None)

    async def drop(self) -> None:
        await self._link.call(lambda: self._link.server.drop(self._namespace))

    async def close(self) -> None:
        return None

    async def last_published(self, jobs: Sequence[str]) -> Mapping[str, int]:
        marks = self._server.published
        return await self._link.call(lambda: {job: marks[job][0] for job in jobs if job in marks})

    async def publish(self, batch: Sequence[Publication]) -> list[Published]:
        publish = self._publish_blindly if self._blindly else self._publish
        return await self._link.call(lambda: [publish(one) for one in batch])

    def _publish_blindly(self, one: Publication) -> Published:
        message = Message("", Fire(one.job.name, one.due_ms), overlap="allow")
        self._server.add(message)
        answer = Published("published")
        self._server.published[one.job.name] = (one.due_ms, self._consumer, answer)
        self._server.states[message.fire.id] = "PENDING"
        return answer

    def _publish(self, one: Publication) -> Published:
        due_ms, publisher, answer = self._server.published.get(
            one.job.name, (None, "", Published("known"))
        )
        if due_ms == one.due_ms and publisher == self._consumer:
            return answer
        if due_ms is not None and one.due_ms <= due_ms:
            return Published("known")
        answer = replace(self._enqueue(one), previous_ms=due_ms)
        self._server.published[one.job.name] = (one.due_ms, self._consumer, answer)
        return answer

    def _enqueue(self, one: Publication) -> Published:
        server, job = self._server, one.job
        message = Message("", Fire(job.name, one.due_ms), overlap=job.overlap)
        unfinished = server.open.get(job.name) if job.overlap == "forbid" else None
        if unfinished and job.misfire == "skip" and server.states[unfinished.id] == "RUNNING":
            return Published("skipped")
        server.states[message.fire.id] = "PENDING"
        if unfinished is None:
            server.occupy(message)
            return Published("published")
        waiting = server.waiting.setdefault(job.name, deque())
        if job.misfire != "run-all" and waiting and waiting[-1].before == 0:
            replaced = waiting.pop().fire
            del server.states[replaced.id]
            waiting.append(message)
            return Published("waiting", replaced_ms=replaced.due_ms)
        waiting.append(message)
        return Published("waiting")

    async def receive(self, limit: int, wait_s: float) -> list[Message]:
        server, until_s = self._server, self._now() + wait_s
        arrived = asyncio.Event()
        server.readers.append(arrived)
        try:
            while not (messages := await self._link.call(lambda: self._deliver(limit))):
                try:
                    async with asyncio.timeout(until_s - self._now()):
                        await arrived.wait()
                except TimeoutError:
                    return []
                arrived.clear()
        finally:
            server.readers.remove(arrived)
        return messages

    async def take(self, limit: int) -> list[Message]:
        def statement() -> list[Message]:
            taken = self._deliver(limit)
            for message in taken:
                self._server.states[message.fire.id] = "RUNNING"
            return taken

        return await self._link.call(statement)

    def _deliver(self, limit: int) -> list[Message]:
        new = self._server.new
        taken = [new.popleft() for _ in range(min(limit, len(new)))]
        for message in taken:
            self._server.pending[message.id] = _Delivery(message, self._consumer, self._now())
        return taken

    async def claim(self, limit: int) -> list[Message]:
        return await self._link.call(lambda: self._take_over(limit))

    def _take_over(self, limit: int) -> list[Message]:
        left_at = self._now() - self._timing.visibility_s
        left = [one for one in self._server.pending.values() if one.since_s <= left_at][:limit]
        for one in left:
            one.message = replace(one.message, deliveries=one.message.deliveries + 1)
            one.consumer, one.since_s = self._consumer, self._now()
        return [one.message for one in left]

    async def extend(self, messages: Sequence[Message]) -> list[bool]:
        return await self._link.call(lambda: [self._extend(one) for one in messages])

    def _extend(self, message: Message) -> bool:
        if not self._owns(message):
            return False
        self._server.pending[message.id].since_s = self._now()
        self._server.states[message.fire.id] = "RUNNING"
        return True

    def _owns(self, message: Message) -> bool:
        found = self._server.pending.get(message.id)
        return (
            found is not None
            and found.consumer == self._consumer
            and found.message.deliveries == message.deliveries
        )

    async def ack(self, messages: Sequence[Message]) -> list[bool]:
        return await self._link.call(lambda: [self._settle(one, "COMPLETED") for one in messages])

    def _settle(self, message: Message, state: JobState) -> bool:
        if not self._owns(message):
            return False
        del self._server.pending[message.id]
        self._server.states[message.fire.id] = state
        if message.overlap == "forbid":
            self._server.release(message.fire.job)
        return True

    async def retry(self, message: Message, delay_s: float) -> bool:
        def statement() -> bool:
            settled = self._settle(message, "FAILED")
            if settled:
                used = replace(message, before=message.fence, tries=message.tried)
                self._server.retries.append((self._now() + delay_s, used))
            return settled

        return await self._link.call(statement)

    async def bury(self, message: Message, reason: Reason) -> bool:
        def statement() -> bool:
            settled = self._settle(message, "DEAD")
            if settled:
                letter = DeadLetter(message.id, message.fire, message.fence, reason)
                self._server.dead[message.id] = letter
                self._server.buried[message.id] = replace(message, before=message.fence, tries=0)
            return settled

        return await self._link.call(statement)

    async def promote(self, limit: int) -> int:
        return await self._link.call(lambda: self._promote(limit))

    def _promote(self, limit: int) -> int:
        server, now_s = self._server, self._now()
        ready = sorted((at_s, one.fire, one) for at_s, one in server.retries if at_s <= now_s)
        for at_s, fire, message in ready[:limit]:
            server.retries.remove((at_s, message))
            server.states[fire.id] = "PENDING"
            if message.overlap == "forbid" and fire.job in server.open:
                server.waiting.setdefault(fire.job, deque()).appendleft(message)
            else:
                server.occupy(message)
        return len(ready[:limit])

    async def states(self, fires: Sequence[Fire]) -> list[JobState | None]:
        return await self._link.call(lambda: [self._server.states.get(fire.id) for fire in fires])

    async def dead_letters(self, limit: int = 100) -> list[DeadLetter]:
        return await self._link.call(lambda: list(self._server.dead.values())[:limit])

    async def replay(self, letter: DeadLetter) -> bool:
        def statement() -> bool:
            if self._server.dead.pop(letter.id, None) is None:
                return False
            self._server.retries.append((self._now(), self._server.buried.pop(letter.id)))
            return True

        return await self._link.call(statement)
