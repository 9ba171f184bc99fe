"""Bugs planted in the clustered SQL scheduler."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from bench.oracle.mutant import Change, Mutant
from strategies.errors import ServiceLost
from strategies.schedule import due_after

Original = Callable[..., Any]
SCHEDULER = "strategies.quartz.algorithm:Scheduler"


class _Namesake:
    """A member that calls itself as every other member does."""

    name = "node"

    def __init__(self, member: Any) -> None:
        self._member = member

    def __getattr__(self, name: str) -> Any:
        return getattr(self._member, name)


def _under_one_name(original: Original) -> Original:
    async def participate(self: Any, member: Any, jobs: Any) -> None:
        await original(self, _Namesake(member), jobs)

    return participate


def _recovers_nothing(original: Original) -> Original:
    async def recover(self: Any, failed_before_ms: int) -> None:
        """The dead are left with what they had."""

    return recover


def _moves_on_one_too_far(original: Original) -> Original:
    def choose(self: Any, grant: Any, now: int) -> Any:
        begin, passed_over = original(self, grant, now)
        if begin.next_due_ms is None:
            return begin, passed_over
        job = self._jobs[grant.ticket.job]
        return begin._replace(next_due_ms=due_after(job, begin.next_due_ms)), passed_over

    return choose


def _creates_the_tables_anew(original: Original) -> Original:
    async def participate(self: Any, member: Any, jobs: Any) -> None:
        with suppress(ServiceLost):  # another instance is at it
            await self.clean_up()
            await self.prepare(jobs)
        await original(self, member, jobs)

    return participate


def _mutant(name: str, planted: str, scenario: str, breaks: str, *changes: Change) -> Mutant:
    return Mutant(name, "quartz", "quartz", planted, scenario, breaks, changes)


MUTANTS = (
    _mutant(
        "one-identity",
        "all instances give the same name, as hosts made from one image do",
        "steady",
        "no duplicates",
        Change("strategies.quartz.designs:Quartz.participate", _under_one_name),
    ),
    _mutant(
        "recovery-dropped",
        "nobody looks for dead instances and what they had begun",
        "crash",
        "none left interrupted",
        Change(f"{SCHEDULER}._recover", _recovers_nothing),
    ),
    _mutant(
        "due-off-by-one",
        "a trigger moves on to the fire after its next one",
        "steady",
        "none missed",
        Change(f"{SCHEDULER}._choose", _moves_on_one_too_far),
    ),
    _mutant(
        "schema-made-anew",
        "every instance drops and creates the tables when it starts",
        "rolling-deploy",
        "no duplicates",
        Change("strategies.quartz.designs:Quartz.participate", _creates_the_tables_anew),
    ),
)

DESIGNS = tuple(mutant.design for mutant in MUTANTS)
