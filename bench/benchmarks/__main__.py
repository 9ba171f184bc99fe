"""`make benchmark`: the speed of our own parts, on servers of their own, one after another.

python -m bench.benchmarks [harness] [checks] [lock] [quartz] [queue]
"""

import asyncio
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.leftovers import Registration
from bench.services import provide

SERVICE_OF = {"lock": "redis", "quartz": "postgres", "queue": "redis"}
MODULES = {
    "harness": "bench.benchmarks.harness",
    "checks": "bench.benchmarks.checks_speed",
    "lock": "bench.benchmarks.lock_overhead",
    "quartz": "bench.benchmarks.quartz_throughput",
    "queue": "bench.benchmarks.queue_throughput",
}


async def run(name: str) -> int:
    """Run one benchmark, with the server it needs; its exit code."""
    command = [sys.executable, "-m", MODULES[name]]
    if name not in SERVICE_OF:
        return await _exec(command)
    with tempfile.TemporaryDirectory() as folder, Registration() as registration:
        service = provide(SERVICE_OF[name], Path(folder), registration=registration)
        await service.start()
        try:
            return await _exec([*command, "--url", service.url])
        finally:
            await service.stop()


async def _exec(command: list[str]) -> int:
    process = await asyncio.create_subprocess_exec(*command, stdin=subprocess.DEVNULL)
    return await process.wait()


def main() -> int:
    """Run the named benchmarks, or all of them; the worst exit code."""
    names = sys.argv[1:] or list(MODULES)
    if unknown := [name for name in names if name not in MODULES]:
        print(f"no benchmark {unknown[0]!r}: there are {', '.join(MODULES)}", file=sys.stderr)
        return 64
    worst = 0
    for name in names:
        print(f"\n== {name}", flush=True)
        worst = max(worst, asyncio.run(run(name)))
    return worst


if __name__ == "__main__":
    sys.exit(main())
