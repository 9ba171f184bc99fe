"""Race for every fire: whoever takes the job's lock runs it, and the others skip or wait.

The algorithm, in every instance and for every job
 1. Sleep until the job's next fire is due by the instance's own clock. Of several overdue fires
    the misfire policy chooses one; a fire that began somewhere and never ended goes first.
 2. Ask the store for the job's lock, with a token unique to this attempt. The store grants it with
    a fence, or says that it is held, or that the asker is behind: this fire or a later one has
    ended already (it is not run again), or another fire was interrupted (it is run first).
 3. The owner notes the fires that its choice passes over (where losers wait), and runs the fire.
    Meanwhile it renews the lock every third of the lease. When a renewal is refused, or none has
    succeeded until a margin before the lease can end, it cancels the run.
 4. When the run has ended, well or badly, the owner releases the lock with its token; a store
    with a memory records in the same step that the fire is settled. A release without an answer is
    repeated, and the lock renewed meanwhile, for as long as a waiter waits; an owner that is told
    to stop renews no more, and repeats it until the lease has ended.
 5. Losers *skip* (the fire is somebody else's business) or *wait*: they ask again every tenth of a
    lease, for a bounded time, until the store says that the fire is settled, or grants it because
    its owner died.

Clocks. Due times come from the instance's wall clock; leases are measured by the owner on its own
monotonic clock from the start of the attempt, and by the store on the store's clock. What is
assumed is that the two run equally fast within the margin; wall clocks need not agree where the
store remembers. Without a memory an instance later than the lock is held runs the fire again.

On failure. A dead owner's lock expires after at most one lease; a waiter then runs the interrupted
fire, then the overdue ones by the misfire policy. An unreachable store means that no fire begins,
unless the manner says otherwise (strategies.lock.lost); errors are answered by asking again, never
by going on. A failed run counts as settled.

NOT guaranteed. A run that is paused past its lease may act beside its successor's: only a
resource that checks the fence is safe. An owner that ends its run but cannot record it (killed,
cut off for a lease) leaves a fire that is run again. An instance whose clock is early settles
fires early, and the ones it passes over are not run by the others. A store that loses its memory
(a restarted Redis without persistence) forgets locks, fences and fires. The lock is per job:
`overlap = allow` is treated as `forbid`, and `retries` are not made.

After Redis' "Distributed Locks with Redis" pattern, Redisson's lock watchdog (a third of the
lease), ShedLock's lockAtLeastFor, and Kleppmann's fencing tokens ("How to do distributed locking").
"""

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import msgspec

from strategies.errors import JobFailed, ServiceLost
from strategies.interface import Endpoints, Member
from strategies.lock.lost import Circuit, WhenLost
from strategies.lock.ownership import Owner
from strategies.lock.port import Behind, Grant, LockStore, Serves
from strategies.lock.timing import LockTiming
from strategies.model import Fire, Job, Timing
from strategies.notes import Coordinated, Skipped
from strategies.pacing import now_ms, until_stopped
from strategies.schedule import due_after, fires_between, split_misfires

# What one instance asks at most while it waits, so that its own renewals are never late for it; up
# to a hundred jobs waited for at a lease of 2 s make no difference.
POLLS_PER_S = 500

_End = Literal["decided", "held", "unknown"]  # what an attempt leaves of the fire it asked for


@dataclass(frozen=True, slots=True)
class Manner:
    """What losers do, and for how long a lock is held at least.

    To wait takes a store that remembers; else a waiter would run a fire that has ended.
    `hold_share` is a share of the time to the job's next fire (ShedLock's lockAtLeastFor).
    `when_lost` is what is done while the store cannot be reached (strategies.lock.lost).
    """

    losers: Literal["skip", "wait"] = "wait"
    hold_share: float = 0.0
    when_lost: WhenLost = "skip"


class LockStrategy:
    """A race for every fire over the locks of one service."""

    def __init__(
        self,
        serves: Serves,
        manner: Manner,
        endpoints: Endpoints,
        namespace: str,
        timing: Timing,
        rng: random.Random,
    ) -> None:
        self._manner = manner
        self._timing = LockTiming.of(timing)
        self._rng = rng
        self._service = serves(endpoints, namespace, self._timing.call_s)

    async def prepare(self, jobs: Sequence[Job]) -> None:
        """Make what the locks need; raises ServiceLost when the service cannot be reached."""
        await self._service.set_up(list(jobs))

    async def participate(self, member: Member, jobs: Sequence[Job]) -> None:
        """Race for the fires of `jobs` until told to stop; own runs are finished first."""
        async with self._service.connect() as store:
            racer = _Racer(member, store, self._manner, self._timing, self._rng)
            await racer.race(jobs)
        await member.stopping.wait()

    async def clean_up(self) -> None:
        """Remove the locks and the memory; raises ServiceLost."""
        await self._service.tear_down()


@dataclass(slots=True)
class _View:
    """What one instance knows of one job. Epoch milliseconds; 0 where nothing is known."""

    job: Job
    since_ms: int  # fires before are only of interest when the store says so
    settled_ms: int = 0
    open_ms: int = 0

    @property
    def after_ms(self) -> int:
        return self.settled_ms or self.since_ms

    def learn(self, settled_ms: int, open_ms: int) -> bool:
        """Take over what the store knows; True if that was news."""
        before = (self.settled_ms, self.open_ms)
        self.settled_ms = max(self.settled_ms, settled_ms)
        self.open_ms = open_ms if open_ms > self.settled_ms else 0
        return before != (self.settled_ms, self.open_ms)

    def choose(self, now_ms: int) -> tuple[Fire, list[Fire]]:
        """(the fire to ask for, the fires passed over); one must be due or open."""
        if self.open_ms > self.settled_ms:
            chosen = Fire(self.job.name, self.open_ms)
            return chosen, list(fires_between(self.job, self.after_ms, self.open_ms - 1))
        overdue = list(fires_between(self.job, self.after_ms, now_ms))
        to_run, passed_over = split_misfires(self.job, overdue)
        return to_run[0], passed_over


class _Racer:
    """One instance in the race, for as long as it takes part."""

    def __init__(
        self,
        member: Member,
        store: LockStore,
        manner: Manner,
        timing: LockTiming,
        rng: random.Random,
    ) -> None:
        self._member = member
        self._store = store
        self._manner = manner
        self._timing = timing
        self._rng = rng
        self._tokens = 0
        self._waiting = 0
        self._attempts: set[asyncio.Task[_End]] = set()
        self._circuit = Circuit(manner.when_lost, member.name, timing.ttl_s)

    async def race(self, jobs: Sequence[Job]) -> None:
        """Follow every job until told to stop, then let what was won come to its end."""
        try:
            await until_stopped(self._member, *(self._follow(job) for job in jobs))
            await asyncio.gather(*self._attempts)
        finally:
            for attempt in self._attempts:
                attempt.cancel()
            await asyncio.gather(*self._attempts, return_exceptions=True)

    async def _follow(self, job: Job) -> None:
        view = _View(job, since_ms=now_ms(self._member))
        while True:
            due_ms = 0 if view.open_ms else await self._until_due(job, view.after_ms)
            if due_ms is None:
                return
            # The clock may have been stepped back since: what was due stays due.
            fire, passed_over = view.choose(max(due_ms, now_ms(self._member)))
            await self._contend(view, fire, passed_over)

    async def _until_due(self, job: Job, after_ms: int) -> int | None:
        """Sleep until the job's next fire after `after_ms` is due; None if there is none."""
        due_ms = due_after(job, after_ms)
        if due_ms is not None:
            await self._member.clock.sleep_until(due_ms / 1000)
        return due_ms

    async def _contend(self, view: _View, fire: Fire, passed_over: list[Fire]) -> None:
        """Ask for `fire` until it is decided, once where losers skip, at most for `wait_s`."""
        clock, timing = self._member.clock, self._timing
        give_up_s = clock.monotonic() + timing.wait_s
        pause_s, action = timing.poll_s, "acquire"
        while (end := await self._unbroken(view, fire, passed_over, action)) != "decided":
            if self._manner.losers == "skip":
                view.learn(fire.due_ms, 0)
                return
            if clock.monotonic() >= give_up_s:
                await self._until_due(view.job, now_ms(self._member))
                return
            pause_s = timing.poll_s if end == "held" else min(2 * pause_s, timing.backoff_s)
            await self._wait(pause_s)
            action = "wait-poll"

    async def _wait(self, pause_s: float) -> None:
        """Pause between two polls, for longer when many jobs are waited for."""
        self._waiting += 1
        try:
            pause_s = max(pause_s, self._waiting / POLLS_PER_S)
            await asyncio.sleep(pause_s * self._rng.uniform(0.8, 1.0))
        finally:
            self._waiting -= 1

    async def _unbroken(
        self, view: _View, fire: Fire, passed_over: list[Fire], action: str
    ) -> _End:
        """An attempt that is not torn apart when the instance is told to stop meanwhile."""
        attempt = asyncio.create_task(self._attempt(view, fire, passed_over, action))
        self._attempts.add(attempt)
        attempt.add_done_callback(self._attempts.discard)
        return await asyncio.shield(attempt)

    async def _attempt(self, view: _View, fire: Fire, passed_over: list[Fire], action: str) -> _End:
        """Ask once for the lock, and own it to the end of the run when it is granted."""
        asked_s = self._member.clock.monotonic()
        self._tokens += 1
        token = f"{self._member.name}:{self._tokens}"
        try:
            reply = await self._store.acquire(
                fire.job, token, self._timing.ttl_s, fire.due_ms, view.settled_ms
            )
        except ServiceLost:
            self._note(action, asked_s, "error", fire)
            self._circuit.failed(asked_s)
            return await self._without_lock(view, fire)
        self._circuit.answered()
        self._note(action, asked_s, "won" if isinstance(reply, Grant) else "lost", fire)
        if isinstance(reply, Behind):
            return "decided" if view.learn(reply.settled_ms, reply.open_ms) else "held"
        if not isinstance(reply, Grant):
            return "held"
        self._note_skipped(passed_over)
        owner = Owner(self._member, self._store, self._timing, fire, token, reply.fence, asked_s)
        if not await owner.run(self._hold_s(view.job, fire)):
            return "unknown"
        view.learn(fire.due_ms, 0)
        return "decided"

    async def _without_lock(self, view: _View, fire: Fire) -> _End:
        """Run the fire alone where that is the manner, the service being lost for long enough."""
        if not self._circuit.runs_alone(self._member.clock.monotonic()):
            return "unknown"
        with suppress(JobFailed):  # a failed run counts as settled
            await self._member.run(fire, None)
        view.learn(fire.due_ms, 0)
        return "decided"

    def _note_skipped(self, passed_over: list[Fire]) -> None:
        """Say which fires the misfire policy passes over, where the store has proved them undone.

        Losers that skip cannot know: somebody else may have run what this instance slept through.
        """
        if self._manner.losers == "skip":
            return
        for fire in passed_over:
            self._member.note(Skipped(job=fire.job, due_ms=fire.due_ms, reason="misfire"))

    def _hold_s(self, job: Job, fire: Fire) -> float:
        """How long after its grant a lock is kept at least."""
        if not self._manner.hold_share:
            return 0.0
        # The last fire of a schedule that ends is held like any other.
        next_ms = due_after(msgspec.structs.replace(job, end_ms=None), fire.due_ms)
        if next_ms is None:
            return 0.0
        return (next_ms - fire.due_ms) / 1000 * self._manner.hold_share

    def _note(
        self, action: str, asked_s: float, outcome: Literal["won", "lost", "error"], fire: Fire
    ) -> None:
        self._member.note(
            Coordinated(
                action=action,
                seconds=self._member.clock.monotonic() - asked_s,
                outcome=outcome,
                job=fire.job,
                due_ms=fire.due_ms,
            )
        )
