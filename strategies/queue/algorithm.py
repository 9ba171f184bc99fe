"""A job queue: fires become messages, and whoever is given the message runs the fire.

1. Every instance publishes every due fire; the queue takes each once (publisher.py).
2. Under overlap `forbid` a job has at most one unfinished message. Fires that come due meanwhile
   wait behind it as the misfire policy says: `run-latest` keeps only the latest of them, `run-all`
   every one, `skip` drops a fire while a run of the job is open. Whatever ends the message lets
   the next waiting one go in the same atomic step. A fire in its back-off gives its place away.
3. Workers on every instance receive, hold, run and acknowledge (worker.py). A fire is PENDING,
   RUNNING, then COMPLETED, or FAILED until its retry, or DEAD once its tries are used up.
4. Dead letters can be listed and replayed; a replay has all its tries again.

Clock assumptions: due times by each instance's wall clock, leases by its monotonic clock;
visibility and back-off by the queue server's clock.

On failure: each step is one atomic statement on the server, so a process may die between any two.
Before publishing: another instance publishes, or the next one that starts. After publishing: the
message waits. After receiving, before or during the run: delivered again after the visibility, one
try used. After the run, before the acknowledgement: the same, and the fire runs twice. After a
decision to skip, before its note: the skip is not recorded.

Not guaranteed: exactly one run (delivery is at least once); order between the fires of a job once
one is retried; anything that the server forgets (a Redis without persistence, a failover).
The fence, the count of deliveries, orders the deliveries of one fire only.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from strategies.interface import Member
from strategies.model import Fire, Job
from strategies.queue.port import DeadLetter, JobState, Queue
from strategies.queue.publisher import Publisher
from strategies.queue.timing import QueueTiming
from strategies.queue.worker import Worker


class QueueStrategy:
    """Publishes and consumes in every instance. `connect` opens the queue for a named consumer.

    `concurrency`: how many runs at once in one instance. `batch`: how many messages one receive
    takes at most, so that a burst is spread over the instances.
    """

    def __init__(
        self,
        connect: Callable[[str], Queue],
        timing: QueueTiming,
        rng: random.Random,
        *,
        concurrency: int = 500,
        batch: int = 16,
    ) -> None:
        self._connect = connect
        self._timing = timing
        self._rng = rng
        self._concurrency = concurrency
        self._batch = batch

    async def prepare(self, jobs: Sequence[Job]) -> None:
        """Make the queue. Raises ServiceLost."""
        async with self._queue("prepare") as queue:
            await queue.create()

    async def participate(self, member: Member, jobs: Sequence[Job]) -> None:
        """Publish and consume until told to stop; returns when the runs begun have ended."""
        async with self._queue(member.name) as queue:
            publisher = Publisher(queue, member, jobs, self._timing, self._rng)
            worker = Worker(
                queue, member, jobs, self._timing, self._rng,
                concurrency=self._concurrency, batch=self._batch,
            )  # fmt: skip
            async with asyncio.TaskGroup() as group:
                publishing = group.create_task(publisher.run())
                await worker.run()
                async with publisher.offering:
                    publishing.cancel()

    async def clean_up(self) -> None:
        """Remove the queue. Raises ServiceLost."""
        async with self._queue("clean-up") as queue:
            await queue.drop()

    async def states(self, fires: Sequence[Fire]) -> list[JobState | None]:
        """The state of each fire, also while it runs. Raises ServiceLost."""
        async with self._queue("states") as queue:
            return await queue.states(fires)

    async def dead_letters(self, limit: int = 100) -> list[DeadLetter]:
        """The oldest dead letters. Raises ServiceLost."""
        async with self._queue("dead-letters") as queue:
            return await queue.dead_letters(limit)

    async def replay(self, letter: DeadLetter) -> bool:
        """Queue a dead letter's fire again; False if that was done. Raises ServiceLost."""
        async with self._queue("replay") as queue:
            return await queue.replay(letter)

    @asynccontextmanager
    async def _queue(self, consumer: str) -> AsyncIterator[Queue]:
        queue = self._connect(consumer)
        try:
            yield queue
        finally:
            await queue.close()
