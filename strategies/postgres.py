"""One PostgreSQL connection that is made when needed, given up when in doubt, and never waits long.

A pool would hold more connections than an instance has work for (a fleet of 50 would meet the
server's limit), and it waits exponentially longer after each failed attempt, up to minutes, where
an instance must be back within a check-in interval. So the strategy keeps the pace itself.
"""

import asyncio
import contextlib
import functools
import importlib.resources
import os
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import psycopg
from psycopg import sql

from strategies.errors import ServiceLost

Parameters = Mapping[str, object]
Rows = list[tuple[Any, ...]]
Connection = psycopg.AsyncConnection[tuple[Any, ...]]
Cursor = psycopg.AsyncCursor[tuple[Any, ...]]


# Every statement looks rows up by key or walks one index in order. The tables churn faster than
# the server takes statistics of them, and a plan made from stale ones would scan or sort instead.
PLANNING = (
    "-c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c enable_bitmapscan=off "
    "-c enable_sort=off -c enable_hashjoin=off -c enable_mergejoin=off"
)


@functools.cache
def statement(package: str, name: str) -> str:
    """The text of `sql/<name>.sql` in `package`."""
    return (importlib.resources.files(package) / "sql" / f"{name}.sql").read_text("utf-8")


class Session:
    """A connection to `url` whose search path is `namespace`, opened at the first call.

    A call takes at most `call_s`, a connection attempt at most `connect_s`; both in seconds. After
    any error the connection is closed and the next call opens a new one. Raises ServiceLost only.
    """

    def __init__(
        self, url: str, package: str, namespace: str, call_s: float, connect_s: float
    ) -> None:
        self._url = url
        self._package = package
        self._namespace = namespace
        self._call_s = call_s
        self._connect_s = connect_s
        self._turn = asyncio.Lock()
        self._connection: Connection | None = None

    async def run(self, name: str, parameters: Parameters | None = None) -> Rows:
        """Run one statement in a transaction of its own; its rows, if it gives any."""
        async with self._connected() as connection:
            return await _rows(await self._execute(connection, name, parameters))

    async def run_locked(self, lock: str, name: str, parameters: Parameters) -> Rows:
        """Run `name` in a transaction that first takes `lock`; all sent at once."""
        async with self._connected() as connection:
            async with connection.pipeline(), connection.transaction():
                await self._execute(connection, lock, None)
                cursor = await self._execute(connection, name, parameters)
            return await _rows(cursor)

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator["Transaction"]:
        """Several statements in one transaction."""
        async with self._connected() as connection, connection.transaction():
            yield Transaction(self, connection)

    async def run_script(self, name: str) -> None:
        """Run statements that define the namespace, `{namespace}`, or what is in it."""
        script = sql.SQL(statement(self._package, name))
        async with self._connected() as connection:
            await connection.execute(
                script.format(namespace=sql.Identifier(self._namespace)), prepare=False
            )

    async def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await connection.close()

    async def _execute(
        self,
        connection: Connection,
        name: str,
        parameters: Parameters | None,
    ) -> Cursor:
        text = statement(self._package, name)
        return await connection.execute(text, parameters)

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[Connection]:
        async with self._turn:
            try:
                connection = self._connection = self._connection or await self._connect()
                with _deadline(connection, self._call_s):
                    yield connection
            except BaseException as error:
                # Also when cancelled: what the server does with the statement is not known.
                with contextlib.suppress(psycopg.Error):
                    await self.close()
                if isinstance(error, psycopg.Error | OSError | TimeoutError):
                    raise ServiceLost(f"PostgreSQL: {type(error).__name__}") from None
                raise

    async def _connect(self) -> Connection:
        # The server gives up before the client does, so that an answer in doubt is rare.
        server_ms = max(1, int(self._call_s * 900))
        options = (
            f'-c search_path="{self._namespace}" {PLANNING} '
            f"-c statement_timeout={server_ms} -c lock_timeout={server_ms} "
            f"-c idle_in_transaction_session_timeout={server_ms}"
        )
        async with asyncio.timeout(self._connect_s):
            return await psycopg.AsyncConnection.connect(
                self._url, autocommit=True, prepare_threshold=0, options=options
            )


class Transaction:
    """Statements of one open transaction."""

    def __init__(self, session: Session, connection: Connection) -> None:
        self._session = session
        self._connection = connection

    async def run(self, name: str, parameters: Parameters) -> Rows:
        """Run one statement of the transaction."""
        return await _rows(await self._session._execute(self._connection, name, parameters))


async def _rows(cursor: Cursor) -> Rows:
    return await cursor.fetchall() if cursor.description else []


@contextlib.contextmanager
def _deadline(connection: Connection, seconds: float) -> Iterator[None]:
    """Cut the connection after `seconds`: whoever waits on it then gets an error at once.

    Cancelling would not do: psycopg answers it by asking the server to cancel, and waits for that.
    """
    cut = asyncio.get_running_loop().call_later(seconds, _shut_down, connection)
    try:
        yield
    finally:
        cut.cancel()


def _shut_down(connection: Connection) -> None:
    if not connection.closed:
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as end:
            end.shutdown(socket.SHUT_RDWR)
