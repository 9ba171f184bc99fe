"""The publishing half of the queue: every instance offers every fire, the queue takes each once.

1. Ask the queue which fire of each job was published last and go on from there: what came due while
   no instance was up is found, and the misfire policy says which of it still runs. A job that was
   never published begins at its `start_ms`, or now.
2. Sleep until the next due time of any job. Offer all fires that are due in one call. The queue
   refuses a fire at or before its job's mark, so that of N publishers one succeeds.
3. The publisher that succeeded notes what its call skipped: the fires between the previous mark and
   this one, and the waiting fire whose place it took (misfire), or the fire itself (overlap).
4. When the answer is unknown, offer again what is due by then: the queue repeats its answer to the
   publisher that made the mark.

One loop per instance, whatever the number of jobs: with a task per job a burst of M fires would be
M calls. Clock: due times are read from this instance's wall clock, so the fastest clock of the
fleet decides when a fire is published. Not guaranteed: a publisher that dies between the queue's
decision and step 3 leaves a skip without its note.
"""

import asyncio
import heapq
import random
from collections.abc import Mapping, Sequence

from strategies.errors import ServiceLost
from strategies.interface import Member
from strategies.model import Fire, Job
from strategies.notes import Skipped
from strategies.pacing import now_ms
from strategies.queue.calls import Outcome, coordinated
from strategies.queue.port import JobQueue, Publication, Published
from strategies.queue.timing import QueueTiming
from strategies.schedule import due_after, fires_between, split_misfires

BATCH = 500  # fires offered in one call: a few milliseconds of the server's time


class Publisher:
    """One instance's offers. Hold `offering` to cancel `run`, so that no answer is lost."""

    def __init__(
        self,
        queue: JobQueue,
        member: Member,
        jobs: Sequence[Job],
        timing: QueueTiming,
        rng: random.Random,
    ) -> None:
        self._queue = queue
        self._member = member
        self._jobs = {job.name: job for job in jobs}
        self._timing = timing
        self._rng = rng
        self._due: list[tuple[int, str]] = []  # a heap of (next due ms, job)
        self.offering = asyncio.Lock()

    async def run(self) -> None:
        """Offer fires as they come due, until no job has one left."""
        for name, mark_ms in (await self._marks()).items():
            self._await_next(self._jobs[name], mark_ms)
        while self._due:
            await self._member.clock.sleep_until(self._due[0][0] / 1000)
            try:
                async with self.offering:
                    await self._offer_due()
            except ServiceLost:
                await self._pause()

    async def _marks(self) -> Mapping[str, int]:
        """Job -> the time (ms) after which its fires are to be offered."""
        asked_ms = now_ms(self._member)
        while True:
            try:
                marks = await self._queue.last_published(list(self._jobs))
            except ServiceLost:
                await self._pause()
                continue
            return {
                name: marks.get(name, _never(job, asked_ms)) for name, job in self._jobs.items()
            }

    def _await_next(self, job: Job, after_ms: int) -> None:
        due_ms = due_after(job, after_ms)
        if due_ms is not None:
            heapq.heappush(self._due, (due_ms, job.name))

    async def _offer_due(self) -> None:
        taken, batch = self._take_due()
        if not batch:
            return
        try:
            answers = await self._publish(batch)
        except ServiceLost:
            for entry in taken:
                heapq.heappush(self._due, entry)
            raise
        offered = {one.job.name: one for one in batch}
        for last in offered.values():
            self._await_next(last.job, last.due_ms)
        for one, answer in zip(batch, answers, strict=True):
            self._note_skips(one, answer)

    def _take_due(self) -> tuple[list[tuple[int, str]], list[Publication]]:
        """What was taken from the heap, and the fires to offer for it, each job's in order."""
        now, taken, batch = now_ms(self._member), [], list[Publication]()
        while self._due and self._due[0][0] <= now and len(batch) < BATCH:
            due_ms, name = heapq.heappop(self._due)
            taken.append((due_ms, name))
            batch += self._to_offer(self._jobs[name], due_ms, now)
        return taken, batch

    def _to_offer(self, job: Job, due_ms: int, now: int) -> list[Publication]:
        overdue: list[Fire] = list(fires_between(job, due_ms - 1, now))
        to_run, _ = split_misfires(job, overdue)
        return [Publication(job, fire.due_ms) for fire in to_run[:BATCH]]

    async def _publish(self, batch: Sequence[Publication]) -> list[Published]:
        began = self._member.clock.monotonic()
        try:
            answers = await self._queue.publish(batch)
        except ServiceLost:
            self._note(batch, began, "error")
            raise
        known = all(answer.outcome == "known" for answer in answers)
        self._note(batch, began, "lost" if known else "ok")
        return answers

    def _note_skips(self, one: Publication, answer: Published) -> None:
        note, name = self._member.note, one.job.name
        if answer.previous_ms is not None:
            for fire in fires_between(one.job, answer.previous_ms, one.due_ms - 1):
                note(Skipped(job=name, due_ms=fire.due_ms, reason="misfire"))
        if answer.replaced_ms is not None:
            note(Skipped(job=name, due_ms=answer.replaced_ms, reason="misfire"))
        if answer.outcome == "skipped":
            note(Skipped(job=name, due_ms=one.due_ms, reason="overlap"))

    def _note(self, batch: Sequence[Publication], began: float, outcome: Outcome) -> None:
        seconds = self._member.clock.monotonic() - began
        fires = [Fire(one.job.name, one.due_ms) for one in batch]
        self._member.note(coordinated("publish", seconds, outcome, fires))

    async def _pause(self) -> None:
        await asyncio.sleep(self._timing.call_s * self._rng.uniform(0.5, 1.5))


def _never(job: Job, asked_ms: int) -> int:
    """The mark of a job that was never published."""
    return job.start_ms - 1 if job.start_ms else asked_ms
