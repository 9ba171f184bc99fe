"""Locks on PostgreSQL: one row per job, and the database's clock decides what has expired.

One statement per call, each a transaction of its own. The row is locked only while its statement
runs, so nothing is held in the database during a run.

An instance has two connections, for PostgreSQL's default is 100 for all. What an owner says never
waits behind the many who only ask: an ask takes the owners' connection only while it is free.

NOT guaranteed: with asynchronous replication a promoted standby may know neither lock nor memory.
Expiry follows the database host's wall clock.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from strategies.errors import ServiceLost
from strategies.lock.port import HELD, Behind, Grant, Kept, LockStore, Reply
from strategies.model import Job
from strategies.postgres import Parameters, Rows, Session

PACKAGE = "strategies.lock"
SET_UP_S = 5.0  # for connecting, and for each statement that defines the namespace


class PostgresLocks:
    """A LockStore that remembers each job's fires, in one table."""

    def __init__(self, url: str, namespace: str, call_s: float) -> None:
        self._asking = Line(Session(url, PACKAGE, namespace, call_s, call_s), call_s)
        self._owning = Line(Session(url, PACKAGE, namespace, call_s, call_s), call_s)

    async def acquire(
        self, job: str, token: str, ttl_s: float, fire_ms: int, settled_ms: int
    ) -> Reply:
        line = self._owning if self._asking.busy and not self._owning.busy else self._asking
        rows = await line.run(
            "acquire",
            {"job": job, "token": token, "ttl_s": ttl_s, "fire_ms": fire_ms,
             "settled_ms": settled_ms},
        )  # fmt: skip
        if not rows:
            raise ServiceLost(f"PostgreSQL: no lock row for job {job!r}")
        ((fence, seen_settled_ms, seen_open_ms),) = rows
        if fence is not None:
            return Grant(fence)
        if seen_settled_ms > settled_ms or (seen_open_ms > settled_ms and seen_open_ms != fire_ms):
            return Behind(seen_settled_ms, seen_open_ms)
        return HELD

    async def renew(self, job: str, token: str, ttl_s: float) -> Kept:
        values = {"job": job, "token": token, "ttl_s": ttl_s}
        return _kept(await self._owning.run("renew", values))

    async def release(self, job: str, token: str, settled_ms: int, hold_s: float) -> Kept:
        values = {"job": job, "token": token, "settled_ms": settled_ms}
        return _kept(await self._owning.run("release", values))

    async def close(self) -> None:
        """Close the connections, once the calls that were given up have ended."""
        await self._asking.close()
        await self._owning.close()


class Line:
    """One connection, and those who wait for it; each waits for `call_s` at most.

    A bare Session lets them wait: a claim that gave up its turn would lose its fire.
    """

    def __init__(self, session: Session, call_s: float) -> None:
        self._session = session
        self._call_s = call_s
        self._turn = asyncio.Lock()

    @property
    def busy(self) -> bool:
        """Whether a call is under way."""
        return self._turn.locked()

    async def run(self, name: str, values: Parameters) -> Rows:
        """Run one statement; its rows.

        Who gives up waiting has asked nothing. A call that is given up under way (psycopg would
        answer a cancellation only after the server has) ends by itself, within the session's bound.
        """
        try:
            async with asyncio.timeout(self._call_s):
                await self._turn.acquire()
        except TimeoutError:
            raise ServiceLost("PostgreSQL: no connection was free in time") from None
        call = asyncio.create_task(self._session.run(name, values))
        call.add_done_callback(self._next)
        return await asyncio.shield(call)

    async def close(self) -> None:
        """Close the connection once it is free."""
        async with self._turn:
            await self._session.close()

    def _next(self, call: asyncio.Task[Rows]) -> None:
        self._turn.release()


class PostgresService:
    """The locks of one namespace in the database at `url`; a LockService."""

    def __init__(self, url: str, namespace: str, call_s: float) -> None:
        self._url = url
        self._namespace = namespace
        self._call_s = call_s

    async def set_up(self, jobs: list[Job]) -> None:
        async with self._session() as session:
            await session.run_script("create")
            await session.run("add_jobs", {"jobs": [job.name for job in jobs]})

    async def tear_down(self) -> None:
        async with self._session() as session:
            await session.run_script("drop")

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[LockStore]:
        locks = PostgresLocks(self._url, self._namespace, self._call_s)
        try:
            yield locks
        finally:
            await locks.close()

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[Session]:
        session = Session(self._url, PACKAGE, self._namespace, SET_UP_S, SET_UP_S)
        try:
            yield session
        finally:
            await session.close()


def _kept(rows: Rows) -> Kept:
    return Kept.OURS if rows else Kept.REFUSED
