"""A clustered scheduler over shared tables, after Quartz's JDBC job store.

Algorithm, in every instance:

1. Register; then check in every interval: write the own time into the own row.
2. Acquire the waiting triggers that fall due within the look-ahead, at most a batch of them. Each
   grant raises the trigger's fence and writes a fired row with the instance's name.
3. Sleep until they are due. Then begin them in one step: the fired rows say so from now on, each
   trigger moves on to its next fire, and is blocked where overlap is forbidden. A trigger later
   than the misfire threshold follows its job's misfire policy first.
4. Run the job. A failed run is run again at once, as often as the job's retries say: Quartz's
   "refire immediately", here done for every job.
5. Complete ended fires in one step: delete the fired rows, unblock the triggers.
6. After every check-in, declare dead whose check-in is too old and take over its fired rows: what
   it had only acquired waits again, what it had begun is run again here, under a new fence.
   Also look for rows that are the instance's own without its knowledge (the answer was lost).
7. On stop: give back what is not begun, finish and complete what is, leave.

Clock assumptions: due times and check-ins are read from each instance's own wall clock, as Quartz
does; "within a second of each other" is its documentation's condition. A clock that is ahead fires
early and takes others for dead; one that is behind fires late and is taken for dead.

On failure: a lost answer is never read as success or refusal: every step is asked again until it
is answered, and asked twice it does what it does once. No row is left behind: a fired row always
belongs to a registered instance, which knows of it or finds it at its next check-in.

Not guaranteed: that a fire runs only once. An instance that is paused or cut off is declared dead
while its runs go on; it learns of that at its next check-in and cancels them. As in Quartz, it does
not stop by itself when it cannot check in. A run that ended just before a crash, not yet completed,
is run again. The retries of an interrupted run start anew. The effect needs the fence.

Sources: Quartz 2.5, JobStoreSupport (acquireNextTriggers, triggersFired, doCheckin,
clusterRecover) and QuartzSchedulerThread; its issues 635 and 1516 for what must not happen.
"""

import asyncio
import random
from collections.abc import Iterable, Iterator, Sequence

from strategies.errors import JobFailed, ServiceLost
from strategies.interface import Member
from strategies.model import Fire, Job
from strategies.notes import Granted, Lost, Released, Skipped
from strategies.pacing import now_ms, stopped_within
from strategies.quartz.asking import Asking
from strategies.quartz.port import Begin, Grant, QuartzStore, Ticket
from strategies.quartz.timing import QuartzTiming
from strategies.schedule import due_after, fires_between, split_misfires


class Scheduler:
    """One instance of the cluster, from joining to leaving."""

    def __init__(
        self,
        store: QuartzStore,
        member: Member,
        jobs: Sequence[Job],
        timing: QuartzTiming,
        rng: random.Random,
        rerun: bool,
    ) -> None:
        self._store = store
        self._member = member
        self._jobs = {job.name: job for job in jobs}
        self._timing = timing
        self._rng = rng
        self._ask = Asking(member, timing.retry_s, rng)
        self._rerun = rerun
        self._tasks = asyncio.TaskGroup()
        self._wake = asyncio.Event()  # something to do before the sleep of step 2 or 3 is over
        self._sooner = False  # a trigger was unblocked that is due before all that is acquired
        self._recovery_ms: int | None = None  # who checked in before this is to be declared dead
        self._acquired: list[Grant] = []
        self._beginning: list[tuple[Begin, list[Fire]]] = []  # not answered; the fires passed over
        self._running: dict[Ticket, asyncio.Task[None]] = {}  # until completed
        self._ended: dict[Ticket, Fire] = {}  # to be completed
        self._completing = asyncio.Event()

    async def take_part(self) -> None:
        """Be an instance of the cluster until told to stop, then hand over and leave."""
        if not await self._join():
            return
        async with self._tasks as tasks:
            loops = [
                tasks.create_task(self._check_in_forever()),
                tasks.create_task(self._complete_forever()),
                tasks.create_task(self._wake_on_stop()),
            ]
            await self._fire_until_stopped()
            await self._hand_over()
            for loop in loops:
                loop.cancel()
        await self._ask.insist(lambda: self._store.leave(self._member.name), self._timing.lease_s)

    async def _join(self) -> bool:
        """Create missing triggers and register; False when told to stop before that succeeded."""
        while not self._member.stopping.is_set():
            now = now_ms(self._member)
            try:
                await self._store.schedule(list(first_dues(self._jobs.values(), now)))
                await self._store.register(self._member.name, now)
            except ServiceLost:
                await stopped_within(self._member, self._ask.retry_s())
            else:
                self._recovery_ms = self._timing.failed_before_ms(now, now)
                return True
        return False

    # Check-in: step 1, and when to recover.

    async def _check_in_forever(self) -> None:
        clock = self._member.clock
        previous_ms = now_ms(self._member)
        next_s = clock.monotonic()
        while True:
            next_s = max(next_s + self._timing.check_in_s, clock.monotonic())
            await asyncio.sleep(next_s - clock.monotonic())
            now = now_ms(self._member)
            try:
                await self._check_in(now)
            except ServiceLost:
                next_s = clock.monotonic() + self._ask.retry_s() - self._timing.check_in_s
                continue
            self._recovery_ms = self._timing.failed_before_ms(now, previous_ms)
            self._wake.set()
            previous_ms = now

    async def _check_in(self, now: int) -> None:
        name = self._member.name
        alive = await self._ask.timed("checkin", self._store.check_in(name, now), lambda _: ())
        if not alive:
            self._was_declared_dead()
            await self._store.register(name, now)

    def _was_declared_dead(self) -> None:
        """All that was this instance's is another's by now: stop working on it."""
        for ticket, task in self._running.items():
            task.cancel()
            self._member.note(Lost(subject=ticket.job, reason="declared dead"))
        self._running.clear()
        self._ended.clear()
        self._acquired.clear()

    # Acquire, wait, begin: steps 2 and 3, and recovery, step 6, in one line of action: what is
    # granted while another grant's answer is awaited could be mistaken for a forgotten one.

    async def _fire_until_stopped(self) -> None:
        while not self._member.stopping.is_set():
            self._wake.clear()
            try:
                await self._turn()
            except ServiceLost:
                await stopped_within(self._member, self._ask.retry_s())

    async def _turn(self) -> None:
        if self._beginning:
            await self._begin()
        if self._recovery_ms is not None:
            await self._recover(self._recovery_ms)
            self._recovery_ms = None
        if self._sooner or not self._acquired:
            await self._acquire()
        if not self._acquired:
            await self._sleep(self._timing.idle_s * self._rng.uniform(0.75, 1.0))
            return
        await self._sleep(self._acquired[0].due_ms / 1000 - self._member.clock.now())
        await self._begin_due()

    async def _acquire(self) -> None:
        until_ms = now_ms(self._member) + int(self._timing.idle_s * 1000)
        grants = await self._ask.timed(
            "acquire",
            self._store.acquire(self._member.name, until_ms, self._timing.batch),
            _granted,
        )
        self._sooner = False
        self._hold(grants)

    def _hold(self, grants: Sequence[Grant]) -> None:
        self._acquired = sorted([*self._acquired, *grants], key=lambda grant: grant.due_ms)

    async def _begin_due(self) -> None:
        now = now_ms(self._member)
        due = [grant for grant in self._acquired if grant.due_ms <= now]
        self._acquired = [grant for grant in self._acquired if grant.due_ms > now]
        self._beginning = [self._choose(grant, now) for grant in due]
        if self._beginning:
            await self._begin()

    def _choose(self, grant: Grant, now: int) -> tuple[Begin, list[Fire]]:
        """(which fire of a due trigger is run, which are not): misfires follow the job's policy."""
        job = self._jobs[grant.ticket.job]
        due_ms, to_skip = grant.due_ms, list[Fire]()
        if now - due_ms > self._timing.misfire_s * 1000:
            to_run, to_skip = split_misfires(job, list(fires_between(job, due_ms - 1, now)))
            due_ms = to_run[0].due_ms
        begin = Begin(grant.ticket, due_ms, due_after(job, due_ms), job.overlap == "forbid")
        return begin, to_skip

    async def _begin(self) -> None:
        begins = [begin for begin, _ in self._beginning]
        mine = await self._ask.timed(
            "begin",
            self._store.begin(self._member.name, begins),
            lambda _: [begin.fire for begin in begins],
        )
        answered, self._beginning = self._beginning, []
        for begin, passed_over in answered:
            if begin.ticket not in mine:
                self._member.note(Lost(subject=begin.ticket.job, reason="declared dead"))
                continue
            for fire in passed_over:  # only now does the trigger not come back to them
                self._member.note(Skipped(job=fire.job, due_ms=fire.due_ms, reason="misfire"))
            self._start(begin.ticket, begin.fire)

    async def _recover(self, failed_before_ms: int) -> None:
        before = self._known()
        grants = await self._ask.timed(
            "recover",
            self._store.recover(self._member.name, failed_before_ms, self._rerun),
            _granted,
        )
        for grant in grants:
            self._start(grant.ticket, grant.fire)
        # What was completed while this is answered was known before, what was taken over is now.
        held = await self._store.held(self._member.name)
        for grant in held:
            if grant.ticket not in before | self._known():
                self._adopt(grant)

    def _known(self) -> set[Ticket]:
        return {grant.ticket for grant in self._acquired} | self._running.keys()

    def _adopt(self, grant: Grant) -> None:
        if grant.begun:
            self._start(grant.ticket, grant.fire)
        else:
            self._hold([grant])

    # Run and complete: steps 4 and 5.

    def _start(self, ticket: Ticket, fire: Fire) -> None:
        self._member.note(Granted(subject=ticket.job, fence=ticket.fence))
        self._running[ticket] = self._tasks.create_task(self._run(ticket, fire))

    async def _run(self, ticket: Ticket, fire: Fire) -> None:
        for _ in range(1 + self._jobs[fire.job].retries):
            try:
                await self._member.run(fire, ticket.fence)
            except JobFailed:
                continue
            break
        self._ended[ticket] = fire
        self._completing.set()

    async def _complete_forever(self) -> None:
        while True:
            await self._completing.wait()
            self._completing.clear()
            try:
                await self._complete(dict(self._ended))
            except ServiceLost:
                await asyncio.sleep(self._ask.retry_s())
                self._completing.set()

    async def _complete(self, ended: dict[Ticket, Fire]) -> None:
        if not ended:
            return
        mine = await self._ask.timed(
            "end",
            self._store.complete(self._member.name, list(ended)),
            lambda _: list(ended.values()),
        )
        for ticket in ended:
            self._running.pop(ticket, None)
            if self._ended.pop(ticket, None) and ticket in mine:
                self._member.note(Released(subject=ticket.job))
        self._look_sooner(ended.values())

    def _look_sooner(self, completed: Iterable[Fire]) -> None:
        """Acquire at once what completion has unblocked, if it is due before all that is held."""
        until_ms = now_ms(self._member) + int(self._timing.idle_s * 1000)
        if self._acquired:
            until_ms = min(until_ms, self._acquired[0].due_ms - 1)
        for fire in completed:
            next_ms = due_after(self._jobs[fire.job], fire.due_ms)
            if next_ms is not None and next_ms <= until_ms:
                self._sooner = True
                self._wake.set()

    # Stop: step 7.

    async def _hand_over(self) -> None:
        name, lease_s = self._member.name, self._timing.lease_s
        await self._ask.insist(lambda: self._store.release(name), lease_s)
        if self._running:
            await asyncio.wait(self._running.values())
        # The loop that completes goes on: give it as long as others take to recover the rest.
        until_s = self._member.clock.monotonic() + lease_s
        while self._running and self._member.clock.monotonic() < until_s:
            await asyncio.sleep(self._timing.call_s / 20)

    async def _wake_on_stop(self) -> None:
        await self._member.stopping.wait()
        self._wake.set()

    async def _sleep(self, seconds: float) -> None:
        """Sleep, at most until there is something to do."""
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._wake.wait()
        except TimeoutError:
            pass


def first_dues(jobs: Iterable[Job], now: int) -> Iterator[tuple[str, int]]:
    """Where new triggers begin: at the job's start, also a past one, or else from now on; ms."""
    for job in jobs:
        due_ms = due_after(job, 0 if job.start_ms else now)
        if due_ms is not None:
            yield job.name, due_ms


def _granted(grants: Sequence[Grant]) -> list[Fire]:
    return [grant.fire for grant in grants]
