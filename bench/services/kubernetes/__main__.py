"""`python -m bench.services.kubernetes`: build the control plane now, with progress.

`make test` begins with it, so that no test's time limit has the minutes of a first build in it.
Where it cannot be built it says why and ends well: the tests that need it are skipped.
"""

from rich.console import Console

from bench.progress import LineProgress
from bench.services.base import ServiceUnavailable
from bench.services.kubernetes import build

if __name__ == "__main__":
    progress = LineProgress(Console(stderr=True))
    try:
        build.build(progress)
    except ServiceUnavailable as error:
        progress.step(f"not built, and skipped: {error}")
