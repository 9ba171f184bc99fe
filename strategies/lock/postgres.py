"""Locks on PostgreSQL: one row per job, and the database's clock decides what has expired.

One statement per call, each a transaction of its own. The row is locked only while its statement
runs, so nothing is held in the database during a run.

NOT guaranteed: with asynchronous replication a promoted standby may know neither lock nor memory.
Expiry follows the database host's wall clock.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any

import psycopg
from psycopg import sql
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from strategies.errors import ServiceLost
from strategies.lock.port import HELD, Behind, Grant, Kept, LockStore, Reply
from strategies.model import Job

CONNECTIONS = 2  # per instance: PostgreSQL's default is 100 for all

Row = tuple[Any, ...]


class PostgresLocks:
    """A LockStore that remembers each job's fires, in one table."""

    def __init__(self, pool: AsyncConnectionPool, schema: str, call_s: float) -> None:
        self._pool = pool
        self._call_s = call_s
        self._abandoned: set[asyncio.Task[Row | None]] = set()
        self._acquire = statement("acquire", schema)
        self._renew = statement("renew", schema)
        self._release = statement("release", schema)

    async def acquire(
        self, job: str, token: str, ttl_s: float, fire_ms: int, settled_ms: int
    ) -> Reply:
        row = await self._one(
            self._acquire,
            {"job": job, "token": token, "ttl_s": ttl_s, "fire_ms": fire_ms,
             "settled_ms": settled_ms},
        )  # fmt: skip
        if row is None:
            raise ServiceLost(f"postgres: no lock row for job {job!r}")
        fence, seen_settled_ms, seen_open_ms = row
        if fence is not None:
            return Grant(fence)
        if seen_settled_ms > settled_ms or (seen_open_ms > settled_ms and seen_open_ms != fire_ms):
            return Behind(seen_settled_ms, seen_open_ms)
        return HELD

    async def renew(self, job: str, token: str, ttl_s: float) -> Kept:
        row = await self._one(self._renew, {"job": job, "token": token, "ttl_s": ttl_s})
        return Kept.OURS if row else Kept.REFUSED

    async def release(self, job: str, token: str, settled_ms: int, hold_s: float) -> Kept:
        row = await self._one(self._release, {"job": job, "token": token, "settled_ms": settled_ms})
        return Kept.OURS if row else Kept.REFUSED

    async def _one(self, query: sql.Composed, values: Mapping[str, object]) -> Row | None:
        """Run one statement within the bound; its first row.

        psycopg answers a cancellation only after the server has: a call that is late is left to
        end by itself, so that the bound holds also when the server does not answer at all.
        """
        call = asyncio.create_task(self._execute(query, values))
        try:
            await asyncio.wait({call}, timeout=self._call_s)
        finally:
            if not call.done():
                self._abandon(call)
        if not call.done():
            raise ServiceLost("postgres: no answer in time")
        return call.result()

    async def _execute(self, query: sql.Composed, values: Mapping[str, object]) -> Row | None:
        try:
            async with self._pool.connection() as connection:
                cursor = await connection.execute(query, values)
                row: Row | None = await cursor.fetchone()
                return row
        except (psycopg.Error, PoolTimeout, OSError) as error:
            raise ServiceLost(f"postgres: {type(error).__name__}") from None

    def _abandon(self, call: asyncio.Task[Row | None]) -> None:
        call.cancel()
        self._abandoned.add(call)
        call.add_done_callback(self._forget)

    def _forget(self, call: asyncio.Task[Row | None]) -> None:
        self._abandoned.discard(call)
        if not call.cancelled():
            call.exception()  # looked at, so that the loop does not complain


class PostgresService:
    """The locks of one namespace in the database at `url`; a LockService."""

    def __init__(self, url: str, namespace: str, call_s: float) -> None:
        self._url = url
        self._schema = namespace
        self._call_s = call_s

    async def set_up(self, jobs: list[Job]) -> None:
        async with self._connection() as connection:
            await connection.execute(statement("create", self._schema))
            await connection.cursor().executemany(
                statement("add_job", self._schema), [{"job": job.name} for job in jobs]
            )

    async def tear_down(self) -> None:
        async with self._connection() as connection:
            await connection.execute(statement("drop", self._schema))

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[LockStore]:
        # The server ends what the caller has given up on, so that it takes no lock for nobody.
        limit_ms = round(self._call_s * 1000)
        pool: AsyncConnectionPool = AsyncConnectionPool(
            self._url,
            min_size=1,
            max_size=CONNECTIONS,
            open=False,
            timeout=self._call_s,
            # The pool waits a second and then longer from try to try; here it gives up, and the
            # next call makes it try anew: who races for a fire keeps the pace.
            reconnect_timeout=self._call_s / 4,
            kwargs={
                "autocommit": True,
                "connect_timeout": max(2, round(self._call_s)),  # libpq knows no less than 2 s
                "options": f"-c statement_timeout={limit_ms}",
            },
        )
        await pool.open(wait=False)
        try:
            yield PostgresLocks(pool, self._schema, self._call_s)
        finally:
            await pool.close(timeout=self._call_s)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[psycopg.AsyncConnection[Row]]:
        try:
            async with await psycopg.AsyncConnection.connect(
                self._url, autocommit=True, connect_timeout=5
            ) as connection:
                yield connection
        except (psycopg.Error, OSError) as error:
            raise ServiceLost(f"postgres: {type(error).__name__}") from None


def statement(name: str, schema: str) -> sql.Composed:
    """The statement in sql/<name>.sql, on the tables of `schema`."""
    text = files("strategies.lock").joinpath("sql", f"{name}.sql").read_text()
    return sql.SQL(text).format(schema=sql.Identifier(schema))
