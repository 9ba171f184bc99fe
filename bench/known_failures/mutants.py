"""Modes of our strategies with a known failure that no strategy, control or other mutant has."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from bench.oracle.election_mutants import CANDIDACY, trusts_for_a_thousand_leases
from bench.oracle.mutant import Change, Mutant
from strategies.errors import ServiceLost
from strategies.postgres import Session, statement
from strategies.quartz.port import Grant, Ticket

Original = Callable[..., Any]
PACKAGE = "bench.known_failures"
ALWAYS_TRUSTED = Change(f"{CANDIDACY}.trusted_until_s", trusts_for_a_thousand_leases)


def _reads_and_then_takes(original: Original) -> Original:
    async def acquire(self: Any, instance: str, until_ms: int, limit: int) -> list[Grant]:
        rows = await _run(self._triggers, "read_waiting", {"until": until_ms, "batch": limit})
        taking = {"instance": instance, "jobs": [job for (job,) in rows]}
        taken = await _run(self._triggers, "take_what_was_read", taking) if rows else []
        return [Grant(Ticket(job, fence), due_ms, begun=False) for job, fence, due_ms in taken]

    return acquire


async def _run(session: Session, name: str, parameters: Any) -> Any:
    async with session._connected() as connection:
        cursor = await connection.execute(statement(PACKAGE, name), parameters)
        return await cursor.fetchall()


def _is_known_by_name(original: Original) -> Original:
    async def confirm(self: Any, place: Any) -> bool:
        await original(self, place)
        return True

    return confirm


def _trusts_its_old_path(original: Original) -> Original:
    async def confirm(self: Any, place: Any) -> bool:
        try:
            return bool(await original(self, place)) or True
        except ServiceLost:
            return True

    return confirm


def _matches_the_clocks_face(original: Original) -> Original:
    def next_cron(schedule: Any, after_ms: int) -> int:
        minute, hour = (int(field) for field in schedule.line.split()[:2])
        zone = ZoneInfo(schedule.zone)
        then = datetime.fromtimestamp(after_ms // 60_000 * 60, UTC) + timedelta(minutes=1)
        while (face := then.astimezone(zone)).minute != minute or face.hour != hour:
            then += timedelta(minutes=1 if face.minute != minute else 60)
        return round(then.timestamp() * 1000)

    return next_cron


MUTANTS = (
    Mutant(
        "acquired-without-lock",
        "quartz",
        "quartz",
        "waiting triggers are read, and then taken without looking again",
        "burst",
        "no duplicates",
        (Change("strategies.quartz.postgres:PostgresTriggers.acquire", _reads_and_then_takes),),
    ),
    Mutant(
        "leader-by-name",
        "election",
        "etcd-election-memory",
        "a leader's renewal succeeds as long as its name is known",
        "pause",
        "no duplicates",
        (
            ALWAYS_TRUSTED,
            Change("strategies.election.etcd:EtcdElection.confirm", _is_known_by_name),
        ),
    ),
    Mutant(
        "path-of-a-dead-session",
        "election",
        "zookeeper-election-memory",
        "a reconnected leader takes the path of its old session for its own",
        "partition",
        "no duplicates",
        (
            ALWAYS_TRUSTED,
            Change("strategies.election.zookeeper:ZooKeeperElection.confirm", _trusts_its_old_path),
        ),
    ),
    Mutant(
        "by-the-clocks-face",
        "lock",
        "redis-lock",
        "due times are matched minute by minute against the local clock's face",
        "steady",
        "none missed",
        (Change("strategies.schedule:_next_cron", _matches_the_clocks_face),),
    ),
)

DESIGNS = tuple(mutant.design for mutant in MUTANTS)
