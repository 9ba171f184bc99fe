"""Room for what is temporary: a disk that is full ends a bench in one line, whoever meets it first.

An instance on a full disk dies without a word, because its log lies there too, and a server that
cannot write may look like a strategy that misses fires. So a trial that ends where no room is left
is never judged.
"""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.errors import BenchError
from bench.leftovers import running_directory

FULL = (errno.ENOSPC, errno.EDQUOT)
NEEDED_BYTES = 16 * 1024  # a disk with less than this is as good as full


class NoRoom(BenchError):
    """What is temporary could not be written; the message names the place and the way out."""


def full(error: BaseException) -> OSError | None:
    """The error of a full disk that `error` is, or the first of its group; None if it is none."""
    if isinstance(error, BaseExceptionGroup):
        return next((found for one in error.exceptions if (found := full(one))), None)
    return error if isinstance(error, OSError) and error.errno in FULL else None


def require_room(directory: Path) -> None:
    """Raise the OSError of a full disk where less than NEEDED_BYTES can be written."""
    try:
        with tempfile.TemporaryFile(dir=directory, buffering=0) as file:
            written = file.write(bytes(NEEDED_BYTES))
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(directory)) from error
    if written < NEEDED_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(directory))


@contextmanager
def told_when_full(results: Path | None = None) -> Iterator[None]:
    """The error of a full disk as NoRoom; `results` is what can be resumed, if anything is."""
    try:
        yield
    except Exception as error:
        found = full(error)
        if found is None:
            raise
        raise NoRoom(no_room(found, results)) from error


def no_room(error: OSError, results: Path | None = None) -> str:
    """What is told of a full disk: where, what to do, and how to go on."""
    place, variable = tempfile.gettempdir(), "TMPDIR"
    if Path(error.filename or place).is_relative_to(running_directory()):
        place, variable = str(running_directory()), "XDG_STATE_HOME"
    way_out = f"make room there, or set {variable} to another place"
    if results is not None:
        way_out += f"; trials kept before are untouched: coordbench bench --resume {results}"
    return f"{place}: could not be written ({os.strerror(error.errno or errno.ENOSPC)}); {way_out}"
