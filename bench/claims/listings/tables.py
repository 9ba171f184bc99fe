"""Tables as guides print them, on a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import psycopg

from bench.claims.listings.listing import Listing, Seen

Connection = psycopg.AsyncConnection[Any]
Work = Callable[[int], Awaitable[None]]
FIRES = 10


async def claim_and_run(db: Connection, fire: int, work: Work) -> str:
    """PENDING -> IN_PROGRESS by a conditional update; nobody looks at IN_PROGRESS again."""
    claimed = await db.execute(
        "UPDATE fires SET state = 'IN_PROGRESS' WHERE id = %s AND state = 'PENDING'", (fire,)
    )
    if not claimed.rowcount:
        return "already claimed"
    await work(fire)
    await db.execute("UPDATE fires SET state = 'DONE' WHERE id = %s", (fire,))
    return "done"


async def recover_without_rerun(db: Connection) -> None:
    """The dead instance's fired rows are removed, its triggers wait again: for the next fire."""
    await db.execute("DELETE FROM fired WHERE instance NOT IN (SELECT name FROM alive)")
    await db.execute("UPDATE triggers SET state = 'WAITING', fire = fire + 1 WHERE state = 'BUSY'")


async def start_with_fresh_schema(db: Connection) -> None:
    """initialize-schema: always - every instance that starts makes the tables anew."""
    await db.execute("DROP TABLE IF EXISTS fires")
    await db.execute("CREATE TABLE fires (id int PRIMARY KEY, state text DEFAULT 'PENDING')")


@asynccontextmanager
async def database(url: str) -> AsyncIterator[Connection]:
    """A connection to a schema that is gone afterwards."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as db:
        await db.execute("CREATE SCHEMA listing")
        try:
            await db.execute("SET search_path TO listing")
            yield db
        finally:
            await db.execute("DROP SCHEMA listing CASCADE")


async def _dies(fire: int) -> None:
    raise asyncio.CancelledError


async def _redelivered(url: str) -> Seen:
    """The owner dies in the middle of its run; the message is delivered again."""
    stuck = 0
    async with database(url) as db:
        await start_with_fresh_schema(db)
        for fire in range(FIRES):
            await db.execute("INSERT INTO fires VALUES (%s)", (fire,))
            try:
                await claim_and_run(db, fire, _dies)
            except asyncio.CancelledError:
                stuck += await claim_and_run(db, fire, _dies) == "already claimed"
    return Seen(hits=stuck, of=FIRES, what="redelivered fires were called already claimed")


async def _without_recovery(url: str) -> Seen:
    """Ten triggers busy on an instance that dies, and what becomes of their fires."""
    async with database(url) as db:
        await db.execute("CREATE TABLE alive (name text)")
        await db.execute("CREATE TABLE fired (job int, fire int, instance text)")
        await db.execute("CREATE TABLE triggers (job int, fire int, state text)")
        for job in range(FIRES):
            await db.execute("INSERT INTO triggers VALUES (%s, 1, 'BUSY')", (job,))
            await db.execute("INSERT INTO fired VALUES (%s, 1, 'dead')", (job,))
        await recover_without_rerun(db)
        cursor = await db.execute("SELECT count(*) FROM triggers WHERE fire > 1")
        row = await cursor.fetchone()
    lost = int(row[0]) if row else 0
    return Seen(hits=lost, of=FIRES, what="interrupted fires were forgotten for the next ones")


async def _second_start(url: str) -> Seen:
    """Ten fires are waiting when the second instance of a deployment starts."""
    async with database(url) as db:
        await start_with_fresh_schema(db)
        for fire in range(FIRES):
            await db.execute("INSERT INTO fires VALUES (%s)", (fire,))
        await start_with_fresh_schema(db)
        cursor = await db.execute("SELECT count(*) FROM fires")
        row = await cursor.fetchone()
    left = int(row[0]) if row else 0
    return Seen(hits=FIRES - left, of=FIRES, what="waiting fires were gone after the next start")


LISTINGS = (
    Listing(
        key="claim-without-lease",
        title="A conditional update PENDING -> IN_PROGRESS, without a lease",
        says="the database lets one succeed",
        instead="write the owner and a time until when it is believed, and recover what is past it",
        service="postgres",
        code=claim_and_run,
        scene=_redelivered,
        matrix="claim-without-lease",
    ),
    Listing(
        key="without-recovery",
        title="Quartz jobs without recovery",
        says="the cluster recovers",
        instead="requestsRecovery for every job that must be finished",
        service="postgres",
        code=recover_without_rerun,
        scene=_without_recovery,
        matrix="quartz-without-recovery",
    ),
    Listing(
        key="schema-at-every-start",
        title="The schema created anew at every start",
        says="the tables are there",
        instead="migrations, run once by the deployment",
        service="postgres",
        code=start_with_fresh_schema,
        scene=_second_start,
    ),
)
