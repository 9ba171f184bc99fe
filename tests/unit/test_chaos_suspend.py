"""Suspension: stopped like a pause, and afterwards the monotonic clock has not moved."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from chaos.faults import injected
from chaos.suspend import STILL_S, Suspend

TELLS_ITS_TIMES = """
import asyncio, pathlib, sys, time
from bench.instance import InstanceLoop, Monotonic
loop = InstanceLoop(Monotonic(pathlib.Path(sys.argv[1])))
for line in sys.stdin:
    print(time.monotonic() - loop.time(), flush=True)
"""


@dataclass
class Machine:
    """A process that tells how far its monotonic clock is behind the host's."""

    name: str
    process: "subprocess.Popen[str]"
    still_file: Path

    @property
    def group(self) -> int:
        return self.process.pid

    def behind_s(self) -> float:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write("?\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    still = tmp_path / "i1.still"
    command = [sys.executable, "-c", TELLS_ITS_TIMES, str(still)]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        one = Machine("i1", process, still)
        assert one.behind_s() == pytest.approx(0.0, abs=0.01)
        yield one
        os.killpg(process.pid, signal.SIGKILL)


async def test_a_suspended_machines_monotonic_clock_has_not_moved(machine: Machine) -> None:
    total_s = 0.0
    for _ in range(2):
        began_s = time.monotonic()
        async with injected(Suspend(), machine):
            await asyncio.sleep(0.2)
        total_s += time.monotonic() - began_s
    assert 0.4 <= machine.behind_s() <= total_s


async def test_what_keeps_no_such_file_is_not_stopped(machine: Machine) -> None:
    machine.still_file.rename(machine.still_file.with_suffix(".gone"))
    with pytest.raises(FileNotFoundError):
        await Suspend().inject(machine)
    machine.still_file.with_suffix(".gone").rename(machine.still_file)
    assert machine.behind_s() == pytest.approx(0.0, abs=0.01)


async def test_healing_twice_counts_once(machine: Machine) -> None:
    fault = Suspend()
    await fault.inject(machine)
    await asyncio.sleep(0.1)
    await fault.heal(machine)
    behind_s = machine.behind_s()
    await fault.heal(machine)
    assert machine.behind_s() == pytest.approx(behind_s, abs=0.01)
    assert STILL_S.unpack(machine.still_file.read_bytes())[0] == pytest.approx(behind_s, abs=0.01)
