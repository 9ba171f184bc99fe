"""The machine as the workers of a test run share it, so that one of them can have it for itself."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Machine:
    """Two locks on files of the run, as one worker sees them.

    `use` is held by all who run a test (shared) or by one (exclusive); `turn` keeps newcomers out
    while that one waits, else it might wait for ever.
    """

    def __init__(self, folder: Path) -> None:
        self._use, self._turn = (
            os.open(folder / name, os.O_CREAT | os.O_RDWR) for name in ("use.lock", "turn.lock")
        )

    @contextmanager
    def shared(self) -> Iterator[None]:
        with _locked(self._turn, fcntl.LOCK_EX):
            fcntl.flock(self._use, fcntl.LOCK_SH)
        try:
            yield
        finally:
            fcntl.flock(self._use, fcntl.LOCK_UN)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """For one that shares it now; what holds on to it must not wait for another's turn."""
        fcntl.flock(self._use, fcntl.LOCK_UN)
        with _locked(self._turn, fcntl.LOCK_EX), _locked(self._use, fcntl.LOCK_EX):
            yield
        with _locked(self._turn, fcntl.LOCK_EX):
            fcntl.flock(self._use, fcntl.LOCK_SH)


@contextmanager
def _locked(file: int, how: int) -> Iterator[None]:
    fcntl.flock(file, how)
    try:
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)
