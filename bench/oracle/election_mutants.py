"""Bugs planted in the leader election, with and without its log of fires."""

import asyncio
from collections.abc import Callable
from typing import Any

from bench.oracle.mutant import Change, Mutant
from strategies.notes import Skipped
from strategies.pacing import now_ms
from strategies.schedule import fires_between

Original = Callable[..., Any]
CANDIDACY = "strategies.election.candidacy:Candidacy"
LAST = "strategies.election.algorithm:LeaderElection._last_ms"
TERM_LEASES = 1000


def trusts_for_a_thousand_leases(original: Any) -> property:
    """A term is not given up for want of a renewal."""

    def trusted_until_s(self: Any) -> float:
        return float(self._asked_s + self.place.ttl_s * TERM_LEASES)

    return property(trusted_until_s)


def _does_not_step_down(original: Original) -> Original:
    def lose(self: Any, reason: str) -> None:
        """Whatever the reason."""

    return lose


def _leaves_its_work_running(original: Original) -> Original:
    async def while_kept(self: Any, work: Any) -> None:
        keeping = asyncio.ensure_future(self._keep())
        working = asyncio.ensure_future(work)
        await asyncio.wait({keeping, working}, return_when=asyncio.FIRST_COMPLETED)
        keeping.cancel()
        if working.done():
            working.result()
        else:
            _survivors.add(working)

    return while_kept


_survivors: set[asyncio.Future[None]] = set()  # what nobody ends: that is the bug


def _says_that_it_was_written(original: Original) -> Original:
    async def begin(*arguments: Any) -> bool:
        await original(*arguments)
        return True

    return begin


def _reads_one_less(original: Original) -> Original:
    async def last_ms(self: Any, member: Any, jobs: Any) -> dict[str, int]:
        found = await original(self, member, jobs)
        return {job: ms - 1 for job, ms in found.items()}

    return last_ms


def _begins_a_period_ago(original: Original) -> Original:
    async def last_ms(self: Any, member: Any, jobs: Any) -> dict[str, int]:
        found = await original(self, member, jobs)
        return {job.name: found[job.name] - job.schedule.period_ms for job in jobs}

    return last_ms


def _skips_what_came_due_meanwhile(original: Original) -> Original:
    async def last_ms(self: Any, member: Any, jobs: Any) -> dict[str, int]:
        found, now = await original(self, member, jobs), now_ms(member)
        for job in jobs:
            for fire in fires_between(job, found[job.name], now):
                member.note(Skipped(job=job.name, due_ms=fire.due_ms, reason="misfire"))
        return {job: max(ms, now) for job, ms in found.items()}

    return last_ms


def _drops_its_runs_on_stop(original: Original) -> Original:
    async def serve(self: Any, jobs: Any, last_ms: Any) -> None:
        serving = asyncio.ensure_future(original(self, jobs, last_ms))
        stop = asyncio.ensure_future(self._member.stopping.wait())
        try:
            await asyncio.wait({serving, stop}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (serving, stop):
                task.cancel()
            await asyncio.gather(serving, stop, return_exceptions=True)

    return serve


def _mutant(
    name: str, of: str, planted: str, scenario: str, breaks: str, *changes: Change
) -> Mutant:
    return Mutant(name, "election", of, planted, scenario, breaks, changes)


MUTANTS = (
    _mutant(
        "stale-term-trusted",
        "etcd-election-memory",
        "a leader that cannot confirm its term goes on trusting it",
        "partition",
        "no duplicates",
        Change(f"{CANDIDACY}.trusted_until_s", trusts_for_a_thousand_leases),
    ),
    _mutant(
        "never-steps-down",
        "etcd-election",
        "told that its term is over, a leader goes on",
        "pause",
        "no duplicates",
        Change(f"{CANDIDACY}.lose", _does_not_step_down),
        Change(f"{CANDIDACY}.trusted_until_s", trusts_for_a_thousand_leases),
    ),
    _mutant(
        "executor-survives-its-term",
        "zookeeper-election",
        "open runs are not cancelled when the term is lost",
        "partition-long-job",
        "no overlaps",
        Change(f"{CANDIDACY}.while_kept", _leaves_its_work_running),
    ),
    _mutant(
        "begin-always-true",
        "etcd-election",
        "the log's refusal of a fire is read as its consent",
        "suspend",
        "no duplicates",
        Change("strategies.election.etcd:EtcdElection.begin", _says_that_it_was_written),
        Change("strategies.election.memory:MemoryElection.begin", _says_that_it_was_written),
    ),
    _mutant(
        "log-read-off-by-one",
        "zookeeper-election",
        "a new leader takes the last begun fire for the first that was not",
        "rolling-deploy",
        "no duplicates",
        Change(LAST, _reads_one_less),
    ),
    _mutant(
        "fires-at-every-election",
        "zookeeper-election-memory",
        "a new leader fires at once, as scheduleAtFixedRate(0, period) does",
        "rolling-deploy",
        "no duplicates",
        Change(LAST, _begins_a_period_ago),
    ),
    _mutant(
        "misfire-always-skipped",
        "etcd-election",
        "what came due between two leaders is skipped, though the policy says run-latest",
        "crash",
        "none missed",
        Change(LAST, _skips_what_came_due_meanwhile),
    ),
    _mutant(
        "runs-dropped-on-stop",
        "zookeeper-election",
        "told to stop, a leader cancels its open runs and does not wait for them",
        "rolling-deploy",
        "none left interrupted",
        Change("strategies.election.office:Office.serve", _drops_its_runs_on_stop),
    ),
)

DESIGNS = tuple(mutant.design for mutant in MUTANTS)
