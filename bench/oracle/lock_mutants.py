"""Bugs planted in the Redis lock."""

from collections.abc import Callable
from typing import Any

from bench.oracle.mutant import Change, Mutant
from strategies.lock.port import Grant, Kept
from strategies.notes import Skipped

Original = Callable[..., Any]
LATER_MS = 10**15  # after every due time
ACQUIRES = (
    "strategies.lock.redis:RedisLocks.acquire",
    "strategies.lock.memory:MemoryLocks.acquire",
)
OWNER = "strategies.lock.ownership:Owner"


def _says_it_renewed(original: Original) -> Original:
    async def renew(self: Any) -> Kept:
        self._renewed_s = self._now_s()
        return Kept.OURS

    return renew


def _takes_an_error_for_yes(original: Original) -> Original:
    async def renew(self: Any) -> Kept:
        kept: Kept | None = await original(self)
        if kept is None:
            self._renewed_s = self._now_s()
        return kept or Kept.OURS

    return renew


def _grants_the_same_fence(original: Original) -> Original:
    async def acquire(*arguments: Any) -> Any:
        reply = await original(*arguments)
        return Grant(1) if isinstance(reply, Grant) else reply

    return acquire


def _asks_as_if_it_knew_all(original: Original) -> Original:
    async def acquire(
        self: Any, job: str, token: str, ttl_s: float, fire_ms: int, settled_ms: int
    ) -> Any:
        return await original(self, job, token, ttl_s, fire_ms, LATER_MS)

    return acquire


def _deletes_whoever_owns_it(original: Original) -> Original:
    async def release(self: Any, job: str, token: str, settled_ms: int, hold_s: float) -> Kept:
        tag = "{" + job + "}"
        await self._link.command("DEL", self._lock + tag)
        if settled_ms:
            await self._link.command("HSET", self._memory + tag, "settled", settled_ms)
        return Kept.OURS

    return release


def _releases_and_then_runs(original: Original) -> Original:
    async def run(self: Any, hold_s: float) -> bool:
        await self._give_back(hold_s)
        await self._member.run(self._fire, self._fence)
        return True

    return run


def _skips_every_fifth_with_a_lie(original: Original) -> Original:
    async def run(self: Any, hold_s: float) -> bool:
        if self._fire.due_ms // 1000 % 5:
            return bool(await original(self, hold_s))
        note = Skipped(job=self._fire.job, due_ms=self._fire.due_ms, reason="overlap")
        self._member.note(note)
        await self._give_back(hold_s)
        return True

    return run


def _mutant(name: str, planted: str, scenario: str, breaks: str, *changes: Change) -> Mutant:
    return Mutant(name, "lock", "redis-lock", planted, scenario, breaks, changes)


MUTANTS = (
    _mutant(
        "renew-dropped",
        "the watchdog says that it renewed the lock and asks nobody",
        "long-job",
        "no duplicates",
        Change(f"{OWNER}._renew", _says_it_renewed),
    ),
    _mutant(
        "error-is-yes",
        "a renewal without an answer counts as renewed",
        "partition-long-job",
        "no overlaps",
        Change(f"{OWNER}._renew", _takes_an_error_for_yes),
    ),
    _mutant(
        "fence-not-raised",
        "every grant of a lock carries the same fence",
        "steady",
        "fences grow",
        *(Change(acquire, _grants_the_same_fence) for acquire in ACQUIRES),
    ),
    _mutant(
        "release-without-owner-check",
        "the lock is deleted by key, whoever owns it by now",
        "pause",
        "no foreign releases",
        Change("strategies.lock.redis:RedisLocks.release", _deletes_whoever_owns_it),
    ),
    _mutant(
        "memory-not-asked",
        "what the store remembers of ended fires is ignored: free means not yet run",
        "steady",
        "no duplicates",
        *(Change(acquire, _asks_as_if_it_knew_all) for acquire in ACQUIRES),
    ),
    _mutant(
        "settled-before-the-run",
        "the fire is recorded as settled, and its lock released, before it runs",
        "crash",
        "none left interrupted",
        Change(f"{OWNER}.run", _releases_and_then_runs),
    ),
    _mutant(
        "skip-is-a-lie",
        "every fifth fire is not run, and noted as skipped for an overlap that was not",
        "steady",
        "none left interrupted",
        Change(f"{OWNER}.run", _skips_every_fifth_with_a_lie),
    ),
)

DESIGNS = tuple(mutant.design for mutant in MUTANTS)
