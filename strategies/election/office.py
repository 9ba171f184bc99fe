"""What a leader does in its term: follow every schedule, write down each fire, run it.

Open runs and the memory of what is open are local to the term: a lost term cancels its runs and
waits for them before the instance may enter the contest again, so that `forbid` holds without a
word to the service.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress

from strategies.election.candidacy import Candidacy, Outcome
from strategies.election.ports import FireLog
from strategies.errors import JobFailed, ServiceLost
from strategies.interface import Member
from strategies.model import Fire, Job
from strategies.notes import Coordinated, Skipped
from strategies.pacing import now_ms, until_stopped
from strategies.schedule import due_after, fires_between, split_misfires

MOST_PER_COMMIT = 100  # etcd takes 128 operations in a transaction, by default


class GroupCommit:
    """Writes fires into the log; those that come due during one transaction share the next.

    One transaction at a time also keeps a job's fires in order. A call whose answer is unknown is
    repeated as it was: only the leader writes, so writing it twice is writing it once.
    """

    def __init__(self, log: FireLog, member: Member, candidacy: Candidacy, retry_s: float) -> None:
        self._log, self._member, self._candidacy = log, member, candidacy
        self._retry_s = retry_s
        self._waiting: asyncio.Queue[tuple[Fire, asyncio.Future[bool]]] = asyncio.Queue()

    async def begin(self, fire: Fire) -> bool:
        """True once the fire is written down; False when this instance leads no more."""
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.put_nowait((fire, answer))
        return await answer

    async def write(self) -> None:
        """Serve `begin`, until cancelled."""
        while True:
            batch = [await self._waiting.get()]
            while not self._waiting.empty() and len(batch) < MOST_PER_COMMIT:
                batch.append(self._waiting.get_nowait())
            latest = {fire.job: fire for fire, _ in batch}  # per job they wait in order
            begun = await self._until_answered(list(latest.values()), len(batch))
            for _, answer in batch:
                if not answer.done():
                    answer.set_result(begun)

    async def _until_answered(self, fires: list[Fire], served: int) -> bool:
        while self._candidacy.trusted():
            began_s = self._member.clock.monotonic()
            try:
                begun = await self._log.begin(fires, self._candidacy.place)
            except ServiceLost:
                self._note(began_s, "error", fires, served)
                await asyncio.sleep(self._retry_s)
                continue
            self._note(began_s, "won" if begun else "lost", fires, served)
            return begun
        return False

    def _note(self, began_s: float, outcome: Outcome, fires: list[Fire], served: int) -> None:
        seconds = self._member.clock.monotonic() - began_s
        event = Coordinated(action="begin", seconds=seconds, outcome=outcome, fires=served)
        if served == 1:
            event.job, event.due_ms, event.fires = fires[0].job, fires[0].due_ms, 0
        self._member.note(event)


class Office:
    """One term: runs every due fire of `jobs` until the member stops or the term is lost."""

    def __init__(self, member: Member, candidacy: Candidacy, log: GroupCommit | None) -> None:
        self._member, self._candidacy, self._log = member, candidacy, log
        self._open: set[asyncio.Task[None]] = set()

    async def serve(self, jobs: Sequence[Job], last_ms: Mapping[str, int]) -> None:
        """Run the fires after `last_ms` (by job name); on stop, finish the open ones and return.

        When cancelled, all open runs are cancelled and waited for.
        """
        writer = asyncio.ensure_future(self._log.write()) if self._log else None
        try:
            await until_stopped(
                self._member, *(self._follow(job, last_ms[job.name]) for job in jobs)
            )
            await self._member.stopping.wait()  # a leader whose schedules have ended still leads
            while self._open:
                await asyncio.wait(self._open)
        finally:
            ending = [*self._open, *([writer] if writer else [])]
            for task in ending:
                task.cancel()
            await asyncio.gather(*ending, return_exceptions=True)

    async def _follow(self, job: Job, last_ms: int) -> None:
        """Start each of the job's fires when it is due, by its overlap and misfire policies."""
        while (due_ms := due_after(job, last_ms)) is not None:
            await self._member.clock.sleep_until(due_ms / 1000)
            overdue = list(fires_between(job, last_ms, max(due_ms, now_ms(self._member))))
            last_ms = overdue[-1].due_ms
            runs, passed = split_misfires(job, overdue)
            for fire in runs:
                started = self._start(fire, passed)
                if job.overlap == "forbid":
                    await asyncio.wait({started})  # being cancelled here leaves the run alone

    def _start(self, fire: Fire, passed: Sequence[Fire]) -> asyncio.Task[None]:
        task = asyncio.create_task(self._perform(fire, passed))
        self._open.add(task)
        task.add_done_callback(self._open.discard)
        return task

    async def _perform(self, fire: Fire, passed: Sequence[Fire]) -> None:
        """Begin the fire and run it, if this instance certainly leads before and after begin.

        Beginning a fire passes over the job's earlier ones for good: only then are they skipped.
        """
        if not self._candidacy.trusted():
            return
        if self._log and not await self._log.begin(fire):
            self._candidacy.lose("begin refused")
        if not self._candidacy.trusted():
            return
        for earlier in passed:
            self._member.note(Skipped(job=earlier.job, due_ms=earlier.due_ms, reason="misfire"))
        with suppress(JobFailed):
            await self._member.run(fire, self._candidacy.place.fence)
