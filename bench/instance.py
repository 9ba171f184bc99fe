"""One instance of the fleet: takes part in a strategy, executes runs, tells history and ledger.

    python -m bench.instance CONFIG.json

Ends on SIGTERM after handing over. Exits with 1 and one line on stderr when the strategy failed.
"""

import asyncio
import mmap
import os
import random
import signal
import sys
import time
import traceback
import zlib
from collections.abc import Callable
from pathlib import Path

from bench.config import InstanceConfig, Work, read_config, skew_file, still_file
from bench.errors import told
from bench.events import (
    InstanceReady,
    InstanceStarted,
    InstanceStopped,
    Platform,
    RunEnded,
    RunStarted,
)
from bench.ledger import LedgerClient
from bench.recorder import Recorder, host_clock
from chaos.suspend import STILL_S
from strategies.catalogue import from_source
from strategies.errors import JobFailed
from strategies.interface import Design
from strategies.model import Fire
from strategies.notes import Note


class Monotonic:
    """The instance's monotonic clock, which stands still while chaos has it suspended.

    `still` is the file that holds how long it has stood still (docs/instances.md).
    """

    def __init__(self, still: Path) -> None:
        still.write_bytes(STILL_S.pack(0.0))
        with still.open("r+b") as file:
            self._still = mmap.mmap(file.fileno(), STILL_S.size, access=mmap.ACCESS_READ)

    def __call__(self) -> float:
        still_s: float = STILL_S.unpack_from(self._still)[0]
        return time.monotonic() - still_s


class InstanceLoop(asyncio.SelectorEventLoop):
    """An event loop whose timers run by the instance's own monotonic clock."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        super().__init__()

    def time(self) -> float:
        return self._monotonic()


class HostClock:
    """The instance's two times: the trial's clock plus this instance's skew, and monotonic."""

    def __init__(
        self, offset_s: float, skew_s: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._true = host_clock(offset_s)
        self._monotonic = monotonic
        self.set(skew_s)

    def set(self, skew_s: float, rate: float = 0.0) -> None:
        """Be wrong by `skew_s` from now on, and by `rate` seconds more every second."""
        self._skew_s, self._rate, self._since_s = skew_s, rate, self._true()

    def now(self) -> float:
        true_s = self._true()
        return true_s + self._skew_s + self._rate * (true_s - self._since_s)

    def monotonic(self) -> float:
        return self._monotonic()

    async def sleep_until(self, now_s: float) -> None:
        while (left_s := now_s - self.now()) > 0:
            # Asked again at least once a second: a step of the clock must not be slept through.
            await asyncio.sleep(min(left_s / (1 + self._rate), 1.0))


class HostMember:
    """The Member that a real process hands to its strategy."""

    def __init__(
        self,
        config: InstanceConfig,
        clock: HostClock,
        design: Design,
        recorder: Recorder,
        ledger: LedgerClient,
    ) -> None:
        self.name = config.name
        self.clock = clock
        self.stopping = asyncio.Event()
        self._jobs = {job.name: job for job in config.jobs}
        self._work = config.work
        self._seed = config.seed
        self._fence_scope = design.fence_scope
        self._recorder = recorder
        self._ledger = ledger
        self._runs = 0
        self._life = "" if config.life == 1 else f"{config.life}."  # no two runs of one name

    def note(self, event: Note) -> None:
        self._recorder.note(event)

    def step_clock(self, told: Path) -> None:
        """Let the wall clock be as wrong as the file says, and confirm by removing the file."""
        skew_s, *rate = (float(number) for number in told.read_text().split())
        self.clock.set(skew_s, *rate)
        drift = f", {rate[0]:+g} s a second" if rate else ""
        self._recorder.record(Platform(what="clock", subject=f"{skew_s:+g} s{drift}"))
        told.unlink()

    async def run(self, fire: Fire, fence: int | None) -> None:
        """Execute one run: it lasts as its job's work says, then makes its one effect."""
        self._runs += 1
        run = f"{self.name}:{self._life}{self._runs}"
        work = self._work.get(fire.job, Work())
        luck = random.Random(zlib.crc32(f"{self._seed}/{run}/{fire.id}".encode()))
        self._recorder.record(RunStarted(run=run, job=fire.job, due_ms=fire.due_ms, fence=fence))
        try:
            held = bytearray(work.memory_mb << 20)
            async with asyncio.timeout(self._jobs[fire.job].timeout_s):
                await asyncio.sleep(work.duration_s * (1 + luck.uniform(-1, 1) * work.spread))
                if luck.random() < work.failure_rate or work.fails_at(fire.due_ms):
                    raise JobFailed(f"{fire.id}: failed as its failure_rate says")
                scope = fire.id if self._fence_scope == "fire" else fire.job
                await self._ledger.effect(run, fire, fence, scope)
        except asyncio.CancelledError:
            self._recorder.record(RunEnded(run=run, status="cancelled"))
            raise
        except (JobFailed, TimeoutError, MemoryError) as error:
            self._recorder.record(RunEnded(run=run, status="failed"))
            raise JobFailed(f"{fire.id}: {error or type(error).__name__}") from error
        del held
        self._recorder.record(RunEnded(run=run, status="succeeded"))


async def take_part(config: InstanceConfig, skew: Path, monotonic: Callable[[], float]) -> None:
    """Be one instance until told to stop; `skew` is the file that chaos may step its clock by."""
    design = from_source(config.source, config.strategy)
    recorder = Recorder(Path(config.events), config.name, host_clock(config.offset_s))
    recorder.record(InstanceStarted(pid=os.getpid()))
    async with LedgerClient(config.ledger) as ledger:
        clock = HostClock(config.offset_s, config.skew_s, monotonic)
        member = HostMember(config, clock, design, recorder, ledger)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, member.stopping.set)
        loop.add_signal_handler(signal.SIGUSR1, member.step_clock, skew)
        strategy = design.make(
            config.endpoints,
            config.namespace,
            config.timing,
            random.Random(f"{config.seed}/{config.name}"),
        )
        flushing = asyncio.create_task(recorder.flush_forever())
        recorder.record(InstanceReady())
        error = ""
        try:
            await strategy.participate(member, config.jobs)
            await member.stopping.wait()
        except Exception as failure:
            error = told(failure)
            raise
        finally:
            flushing.cancel()
            recorder.flush()
            recorder.record(InstanceStopped(error=error))


def main(config_path: str) -> int:
    """Run one instance to its end; its exit code."""
    # The harness ends a fleet with SIGTERM; a Ctrl-C in its terminal is the harness's to handle.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        path = Path(config_path)
        monotonic = Monotonic(still_file(path))
        with asyncio.Runner(loop_factory=lambda: InstanceLoop(monotonic)) as runner:
            runner.run(take_part(read_config(path), skew_file(path), monotonic))
    except Exception:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
