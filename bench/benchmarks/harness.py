"""What the harness itself costs: `python -m bench.benchmarks.harness`.

Recording an event (at most 20 microseconds), the help text (0.3 s), an instance's memory (60 MB),
a fleet of fifty (ready in 10 s), and the probe's lag at N = 10, M = 100 (p99 at most 10 ms). The
last three come from a short trial of `redis-lock` on a server of their own.
"""

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.checks.lag import lag_p99_s
from bench.checks.reading import columns
from bench.events import Counters, InstanceReady, Phase, RunStarted, decode
from bench.history import to_table
from bench.leftovers import Registration
from bench.plan import Plan
from bench.recorder import Recorder, host_clock
from bench.scenarios import scenario
from bench.services import provide
from bench.trial import conduct
from bench.workload import default_workload, period_for
from strategies.catalogue import design
from strategies.model import Timing
from strategies.notes import Event

EVENTS = 20_000


def event_us() -> float:
    """Microseconds to record one event, the median of blocks."""
    with tempfile.TemporaryDirectory() as folder:
        recorder = Recorder(Path(folder) / "events.jsonl", "i1", host_clock(0.0))
        blocks = []
        for _ in range(10):
            began_s = time.perf_counter()
            for number in range(EVENTS // 10):
                recorder.record(RunStarted(run=f"i1:{number}", job="job-0001", due_ms=number))
            blocks.append((time.perf_counter() - began_s) / (EVENTS // 10) * 1e6)
        recorder.close()
    return statistics.median(blocks)


def help_s() -> float:
    """Seconds until `coordbench --help` has answered, the least of five."""
    took = []
    for _ in range(5):
        began_s = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "bench.cli", "--help"], stdout=subprocess.DEVNULL, check=True
        )
        took.append(time.perf_counter() - began_s)
    return min(took)


async def trial(instances: int, jobs: int) -> list[Event]:
    """The events of a short steady trial of `redis-lock`."""
    plan = Plan(
        design=design("redis-lock"),
        scenario=scenario("steady"),
        instances=instances,
        workload=default_workload(jobs, period_for(instances, jobs, 1.0)),
        timing=Timing(),
        k=1,
        seed=1,
    )
    with Registration() as registration, tempfile.TemporaryDirectory() as folder:
        service = provide("redis", Path(folder), registration=registration)
        await service.start()
        try:
            done = await conduct(plan, {"redis": service}, registration, Path(folder) / "trial")
        finally:
            await service.stop()
        files = [path.read_bytes().splitlines() for path in done.events.glob("*.jsonl")]
    return sorted((decode(line) for lines in files for line in lines), key=lambda event: event.t)


def ready_s(events: list[Event]) -> float:
    """Seconds from the first preparation of a trial until its last instance was ready."""
    began_s = next(event.t for event in events if isinstance(event, Phase))
    return max(event.t for event in events if isinstance(event, InstanceReady)) - began_s


def memory_mb(events: list[Event]) -> float:
    """The most resident memory of any instance, shared pages included, in MiB."""
    counted = [event.counts for event in events if isinstance(event, Counters)]
    return max(counts.get("rss_mb", 0.0) for counts in counted)


def lag_p99_ms(events: list[Event]) -> float:
    """The probe's lag under load, p99 in milliseconds, as a trial is judged by it."""
    return 1000 * (lag_p99_s(columns(to_table(events))) or 0.0)


def main() -> None:
    """Measure all of it and print a line each."""
    print(f"recording an event          {event_us():8.1f} us   (at most 20)")
    print(f"coordbench --help           {help_s():8.2f} s    (at most 0.3)")
    fifty = asyncio.run(trial(50, 10))
    print(f"a fleet of 50 ready after   {ready_s(fifty):8.2f} s    (at most 10)")
    print(f"an instance's memory        {memory_mb(fifty):8.1f} MiB  (at most 60)")
    hundred = asyncio.run(trial(10, 100))
    print(f"lag p99, N=10 M=100 P=1s    {lag_p99_ms(hundred):8.2f} ms   (at most 10)")


if __name__ == "__main__":
    main()
