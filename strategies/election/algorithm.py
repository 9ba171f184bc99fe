"""Leader election: one leader runs all due fires, the others wait in line.

1. Every instance enters a contest on the service: it gets a place at the end of the line, kept by
   a lease, and a fence (a number that grows with every place).
2. Whoever has nobody ahead is the leader. The others watch the one place directly ahead of
   theirs, so that the end of a leader wakes one follower and not the herd.
3. Everybody confirms his place three times a lease (or as the service's rules say). It is trusted
   until *start of the last confirmed call + lease - margin* on the local monotonic clock; past
   that, or when the service says that it is gone, the instance steps down, cancels its open runs,
   and enters anew. A place is never taken up again.
4. A leader reads the fire log: each job's last begun fire. Fires that came due since then and
   were not begun are run late, as the job's misfire policy says.
5. It sleeps until the next due time of each job and writes the fire into the log, in one
   transaction that holds only while its place exists. Only then it runs the fire, and only if
   its place is still trusted. An unknown answer is asked again; it is never a yes.
6. Told to stop, the leader takes no new fire, lets its open runs end, and gives up its place.

Without the log (`-memory`) step 4 is "start from now", and step 5 asks nobody.

Clocks. Due times are read from the instance's wall clock: a leader whose clock is early runs
early. Leases use only differences of monotonic clocks; the holder's may be slower than the
server's by at most the margin (a tenth). No two clocks need to agree for a fire to begin once:
the log decides that.

On failure. A dead leader's place expires after lease + the server's grain, and the next in line
leads. A leader that cannot reach the service steps down before that, and nothing runs while the
service is away; afterwards the log tells what came due meanwhile.

Not guaranteed. A fire runs at most once: what a dead or deposed leader had begun is not run
again, whether its run had ended, was interrupted, or had not even started when it died. A leader
paused (SIGSTOP, a long garbage collection) beyond its lease finishes what it does at that instant
while its successor may already run the job's next fire: only the fence, checked by whatever the
job writes to, stops the late effect. Failed runs are not retried. Without the log, fires that
come due between two leaders are lost, and instances whose clocks differ can run one twice.

Sources: ZooKeeper's recipe for leader election (Hunt et al., "ZooKeeper", USENIX ATC 2010);
etcd's client/v3/concurrency/election.go; M. Burrows, "The Chubby lock service", OSDI 2006;
"Distributed Periodic Scheduling with Cron" in Google's SRE book (log the launch, then launch).
"""

import random
from collections.abc import Mapping, Sequence
from contextlib import suppress

from strategies.election.candidacy import Candidacy, noted
from strategies.election.office import GroupCommit, Office
from strategies.election.ports import Backend
from strategies.election.timing import ElectionTiming
from strategies.errors import ServiceLost
from strategies.interface import Member
from strategies.model import Job
from strategies.notes import Coordinated
from strategies.pacing import now_ms, stopped_within


class LeaderElection:
    """The strategy, on any backend; `remembers` says whether it keeps the fire log."""

    def __init__(
        self, backend: Backend, timing: ElectionTiming, rng: random.Random, *, remembers: bool
    ) -> None:
        self._backend, self._timing, self._rng = backend, timing, rng
        self._remembers = remembers

    async def prepare(self, jobs: Sequence[Job]) -> None:
        """Create the contest, and the log. Raises ServiceLost."""
        try:
            await self._backend.prepare([job.name for job in jobs])
        finally:
            await self._backend.close()

    async def participate(self, member: Member, jobs: Sequence[Job]) -> None:
        """Stand for election, again and again, until the member is told to stop."""
        try:
            while not member.stopping.is_set():
                with suppress(ServiceLost):  # noted where it happened; nothing to hold on to
                    await self._stand(member, jobs)
                await stopped_within(member, self._timing.retry_s * self._rng.uniform(0.5, 1))
        finally:
            await self._backend.close()

    async def clean_up(self) -> None:
        """Remove everything under the namespace. Raises ServiceLost."""
        try:
            await self._backend.clean_up()
        finally:
            await self._backend.close()

    async def _stand(self, member: Member, jobs: Sequence[Job]) -> None:
        """One candidacy, from entering to leaving."""
        candidacy = await Candidacy.enter(self._backend, member, self._timing)
        try:
            await candidacy.while_kept(self._wait_and_lead(member, candidacy, jobs))
        finally:
            await candidacy.leave()

    async def _wait_and_lead(
        self, member: Member, candidacy: Candidacy, jobs: Sequence[Job]
    ) -> None:
        if not await candidacy.first() or not candidacy.trusted():
            return
        candidacy.lead()
        last_ms = await self._last_ms(member, jobs)
        log = None
        if self._remembers:
            log = GroupCommit(self._backend, member, candidacy, self._timing.retry_s)
        await Office(member, candidacy, log).serve(jobs, last_ms)

    async def _last_ms(self, member: Member, jobs: Sequence[Job]) -> Mapping[str, int]:
        """For each job, the time after which its fires are this leader's."""
        now = now_ms(member)
        if not self._remembers:
            return {job.name: now for job in jobs}
        begun = await noted(member, "recover", self._backend.last([job.name for job in jobs]))
        for name, due_ms in begun.items():
            # Whoever judges the history can tell a fire that was begun from one that was missed.
            member.note(
                Coordinated(action="recover", seconds=0, outcome="ok", job=name, due_ms=due_ms)
            )
        # A job without a first day cannot be caught up with from the beginning of time.
        return {
            job.name: begun.get(job.name, job.start_ms - 1 if job.start_ms else now) for job in jobs
        }
