"""Why a PostgreSQL could not be laid out: the line that says it, and a full disk as what it is."""

import errno
from pathlib import Path

import pytest

from bench.services import ServiceUnavailable, postgres
from bench.services.embedded import Access
from bench.services.postgres import PostgresRecipe

TIDIES_UP = 'initdb: removing data directory "cluster"'


@pytest.fixture
def initdb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Lay a cluster out with a program in initdb's place that says something and fails."""

    async def failing(*says: str) -> None:
        program = tmp_path / "initdb"
        program.write_text("#!/bin/sh\ncat >&2 <<'END'\n" + "\n".join(says) + "\nEND\nexit 1\n")
        program.chmod(0o700)
        monkeypatch.setattr(postgres, "_program", lambda name: program)
        monkeypatch.setattr(PostgresRecipe, "user", lambda self: None)
        access = Access(data=tmp_path, ports=(1,), user="coordbench", password="secret")
        await PostgresRecipe().lay_out(access)

    return failing


async def test_the_line_that_says_why_is_told_and_not_the_last(initdb) -> None:
    with pytest.raises(ServiceUnavailable) as error:
        await initdb("running bootstrap script", "FATAL:  no shared memory", TIDIES_UP)
    assert str(error.value) == "postgres: initdb failed: FATAL:  no shared memory"


async def test_where_no_line_says_why_the_last_is_told(initdb) -> None:
    with pytest.raises(ServiceUnavailable, match="removing data directory"):
        await initdb(TIDIES_UP)


async def test_a_full_disk_is_one_though_what_filled_it_was_removed(initdb) -> None:
    full = 'FATAL:  could not write to file "pg_wal/xlogtemp.7": No space left on device'
    with pytest.raises(OSError, match="No space left on device") as error:
        await initdb(full, "child process exited with exit code 1", TIDIES_UP)
    assert error.value.errno == errno.ENOSPC
