"""`python -m bench.services.introduce`: make fresh servers that run by URL ready for a bench.

What the docker provider does for its containers, for those of docker-compose.yml: for each
COORDBENCH_<SERVICE>_URL that is set, wait until the server answers, close it to everyone without
the URL's credentials (ZooKeeper's root, etcd's users) and have PostgreSQL count statements.
Meant for throw-away servers only: it changes who may use them. Running it again changes nothing.
"""

import asyncio
import os
import sys
import time

from bench.services import PROBES
from bench.services.base import NoAnswer, Probe
from bench.services.url import place, variable

WAIT_S = 60.0


async def introduce(probe: Probe, url: str, wait_s: float = WAIT_S) -> None:
    """Wait for the server at `url` and introduce the URL's credentials to it; NoAnswer if late."""
    deadline = time.monotonic() + wait_s
    while True:
        try:
            await probe.version(url)
            break
        except NoAnswer:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.2)
    await probe.introduce(url)


async def main() -> int:
    """Introduce every URL of the environment; 1 if one of them failed."""
    failed = 0
    for name, probe in PROBES.items():
        url = os.environ.get(variable(name))
        if not url:
            continue
        try:
            await introduce(probe, url)
        except NoAnswer as error:
            failed = 1
            sys.stderr.write(f"{name}: {place(url)} is not ready: {error}\n")
    return failed


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
