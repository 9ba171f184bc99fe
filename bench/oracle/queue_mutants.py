"""Bugs planted in the Redis queue."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary

from bench.oracle.mutant import Change, Mutant
from strategies.errors import JobFailed

Original = Callable[..., Any]
WORKER = "strategies.queue.worker:Worker"
CUSTODY = "strategies.queue.custody:Custody"
FOR_EVER = 10**9


def _acknowledges_first(original: Original) -> Original:
    async def work(self: Any, held: Any) -> None:
        await self._queue.ack([held.message])
        self._custody.free(held)
        with suppress(JobFailed):
            await self._member.run(held.message.fire, held.message.fence)

    return work


_turns: WeakKeyDictionary[Any, asyncio.Lock] = WeakKeyDictionary()


def _runs_one_after_another(original: Original) -> Original:
    async def work(self: Any, held: Any) -> None:
        async with _turns.setdefault(self, asyncio.Lock()):
            await original(self, held)

    return work


def _extends_nothing(original: Original) -> Original:
    async def keep(self: Any) -> None:
        await asyncio.Event().wait()

    return keep


def _lets_the_run_go_on(original: Original) -> Original:
    def lose(self: Any, held: Any, reason: str) -> None:
        self.free(held)

    return lose


def _acknowledges_failures(original: Original) -> Original:
    async def give_back(self: Any, held: Any) -> None:
        await self._ack([held])

    return give_back


def _has_no_limit(original: Original) -> Original:
    def limit(self: Any, message: Any) -> int:
        return FOR_EVER

    return limit


def _mutant(name: str, planted: str, scenario: str, breaks: str, *changes: Change) -> Mutant:
    return Mutant(name, "queue", "redis-queue", planted, scenario, breaks, changes)


MUTANTS = (
    _mutant(
        "acknowledged-before-the-run",
        "a message is acknowledged when it is received, not when its run has ended",
        "crash",
        "none left interrupted",
        Change(f"{WORKER}._work", _acknowledges_first),
    ),
    _mutant(
        "visibility-shared",
        "ten messages are run one after another under one visibility time-out",
        "burst",
        "no duplicates",
        Change(f"{WORKER}._work", _runs_one_after_another),
        Change(f"{CUSTODY}.keep", _extends_nothing),
    ),
    _mutant(
        "lost-message-run-on",
        "the run of a message that is lost, or may be, is not cancelled",
        "partition-long-job",
        "no overlaps",
        Change(f"{CUSTODY}.lose", _lets_the_run_go_on),
    ),
    _mutant(
        "failure-acknowledged",
        "a failed run is acknowledged like any other",
        "failing-job",
        "failed runs are tried again",
        Change(f"{WORKER}._give_back", _acknowledges_failures),
    ),
    _mutant(
        "no-maximum-of-receives",
        "a failing message is tried again for ever: there is no dead-letter queue",
        "failing-job",
        "no more tries than declared",
        Change(f"{WORKER}._limit", _has_no_limit),
    ),
)

DESIGNS = tuple(mutant.design for mutant in MUTANTS)
