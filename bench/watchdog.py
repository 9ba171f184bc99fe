"""The watchdog: heals what a bench has broken when the bench itself is killed.

    python -m bench.watchdog REGISTRATION

Most of what a bench starts dies with it by the kernel's word (PR_SET_PDEATHSIG). That is not enough
for a server that is stopped (SIGSTOP) while its death signal is one that it would have to handle,
and it removes no directory. So a process of its own waits on a pipe whose other end only the bench
holds: the pipe ends with the bench, however the bench ends, and everything in the bench's
registration is then ended and removed at once. After an orderly end the bench has closed its
registration itself, and the watchdog with it. Should it be killed too, the next start cleans up.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.leftovers import Registration, clean_one

LOOK_S = 0.01
PATIENCE_S = 5.0  # a killed process holds its pid until the kernel has cleared it away


@contextmanager
def watched(registration: Registration) -> Iterator[None]:
    """While inside, the death of this process removes what `registration` names."""
    watchdog = subprocess.Popen(
        [sys.executable, "-m", "bench.watchdog", str(registration.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        watchdog.kill()
        watchdog.communicate()


def keep(path: Path) -> None:
    """Wait until stdin ends, which is when the bench does; then clean up after it."""
    while os.read(0, 1):
        pass
    deadline = time.monotonic() + PATIENCE_S
    while clean_one(path) is None and time.monotonic() < deadline:
        time.sleep(LOOK_S)


def main() -> None:
    """`python -m bench.watchdog REGISTRATION`."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    keep(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
