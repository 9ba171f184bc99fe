"""The probe: a process that does nothing but wake up, and records how late it woke.

Its lag bounds what the harness (the machine, the scheduler, Python's timers) adds to every figure
of a trial. Its wake-ups are spread in phase, so that it also sees the moments when fires are due.
"""

import asyncio
import random
import signal
import sys
from pathlib import Path

from bench.events import PROBE_MEAN_S, Lag
from bench.recorder import Recorder, host_clock


async def watch(events: Path, offset_s: float, seed: int) -> None:
    """Record the lag of a timer about fifty times a second until SIGTERM."""
    rng = random.Random(seed)
    recorder = Recorder(events, "probe", host_clock(offset_s))
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    while not stop.is_set():
        due_s = loop.time() + rng.uniform(0.5, 1.5) * PROBE_MEAN_S
        await asyncio.sleep(due_s - loop.time())
        recorder.record(Lag(lag_s=max(0.0, loop.time() - due_s)))


def main() -> None:
    """`python -m bench.probe EVENTS OFFSET_S SEED`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    events, offset_s, seed = sys.argv[1:]
    asyncio.run(watch(Path(events), float(offset_s), int(seed)))


if __name__ == "__main__":
    main()
