"""Faults strike what they are given, and are healed however the block around them ends."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from bench.instance import HostClock
from chaos.clock import DriftClock, StepClock
from chaos.faults import injected
from chaos.links import namespaces
from chaos.processes import Kill, Pause, Relocate, Terminate
from chaos.services import (
    ExhaustConnections,
    FailOver,
    KillService,
    PartServers,
    PauseService,
    RestartService,
    SlowDisk,
    StepServiceClock,
)
from chaos.squeeze import SqueezeCpu, SqueezeMemory

SOON_S = 5.0


@dataclass
class Child:
    """A process with a child of its own, in a session of its own."""

    process: subprocess.Popen[bytes]
    name: str = "i1"

    @property
    def group(self) -> int:
        return self.process.pid

    @property
    def tree(self) -> list[psutil.Process]:
        root = psutil.Process(self.group)
        return [root, *root.children(recursive=True)]


@pytest.fixture
def child() -> Iterator[Child]:
    process = subprocess.Popen(["sh", "-c", "sleep 60 & wait"], start_new_session=True)
    made = Child(process)
    while len(made.tree) < 2:
        time.sleep(0.002)
    yield made
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture
def gone() -> Child:
    process = subprocess.Popen(["true"], start_new_session=True)
    process.wait()
    return Child(process)


def states(processes: list[psutil.Process]) -> set[str]:
    return {process.status() for process in processes}


async def until(true) -> None:
    async with asyncio.timeout(SOON_S):
        while not true():
            await asyncio.sleep(0.002)


async def test_a_pause_stops_the_whole_tree_and_lets_it_go_on(child: Child) -> None:
    async with injected(Pause(), child):
        await until(lambda: states(child.tree) == {psutil.STATUS_STOPPED})
    await until(lambda: psutil.STATUS_STOPPED not in states(child.tree))


async def test_a_kill_ends_the_whole_tree_for_good(child: Child) -> None:
    tree = child.tree
    async with injected(Kill(), child):
        assert child.process.wait(SOON_S) == -signal.SIGKILL
        await until(lambda: not any(process.is_running() for process in tree[1:]))


async def test_an_instance_told_to_end_gets_a_sigterm(child: Child) -> None:
    await Terminate().inject(child)
    assert child.process.wait(SOON_S) == -signal.SIGTERM


async def test_a_relocated_instance_stands_still_and_then_ends(child: Child) -> None:
    tree = child.tree
    async with injected(Relocate(), child):
        await until(lambda: states(tree) == {psutil.STATUS_STOPPED})
    assert child.process.wait(SOON_S) == -signal.SIGKILL


async def test_a_squeezed_processor_stops_and_goes_on_by_turns(child: Child) -> None:
    seen: list[str] = []
    async with injected(SqueezeCpu(0.5), child):
        async with asyncio.timeout(SOON_S):
            while len(set(seen)) < 2 or seen.count(psutil.STATUS_STOPPED) < 3:
                seen.append(child.tree[0].status())
                await asyncio.sleep(0.02)
    await until(lambda: psutil.STATUS_STOPPED not in states(child.tree))


async def test_a_squeezed_processor_gets_its_share_of_the_time() -> None:
    process = await asyncio.to_thread(
        subprocess.Popen, [sys.executable, "-c", "while True: pass"], start_new_session=True
    )
    burning = psutil.Process(process.pid)
    await until(lambda: burning.cpu_times().user > 0.1)
    async with injected(SqueezeCpu(0.2), Child(process)):
        before, began_s = burning.cpu_times().user, time.monotonic()
        await asyncio.sleep(0.6)
        share = (burning.cpu_times().user - before) / (time.monotonic() - began_s)
    process.kill()
    process.wait()
    assert share < 0.4


HUNGRY = """
import sys
print("ready", flush=True)
for line in sys.stdin:
    try:
        print(len(bytearray(64 << 20)), flush=True)
    except MemoryError:
        print("refused", flush=True)
"""


async def test_squeezed_memory_refuses_what_is_large_and_gives_it_back() -> None:
    process = await asyncio.to_thread(
        subprocess.Popen, [sys.executable, "-c", HUNGRY], text=True, start_new_session=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    ask, answers = process.stdin, process.stdout

    def asked() -> str:
        ask.write("more\n")
        ask.flush()
        return answers.readline().strip()

    assert answers.readline() == "ready\n"
    fault, child = SqueezeMemory(), Child(process)
    async with injected(fault, child):
        assert asked() == "refused"
    assert asked() == str(64 << 20)
    await fault.heal(child)
    process.communicate()


@pytest.mark.parametrize(
    "fault", [Kill(), Pause(), Terminate(), Relocate(), SqueezeCpu(), SqueezeMemory()]
)
async def test_striking_who_has_gone_says_so(gone: Child, fault) -> None:
    with pytest.raises(ProcessLookupError):
        await fault.inject(gone)
    await fault.heal(gone)


@dataclass
class Recorded:
    """A fault that writes down what is done to it."""

    done: list[str] = field(default_factory=list)
    kind = "recorded"
    hint = "band"
    heals = True
    acts_on = "process"
    fails = False

    def unavailable(self) -> str | None:
        return None

    async def inject(self, victim: str) -> None:
        self.done.append(f"inject {victim}")
        if self.fails:
            raise ProcessLookupError

    async def heal(self, victim: str) -> None:
        self.done.append(f"heal {victim}")


async def test_a_fault_is_healed_when_its_block_ends() -> None:
    fault = Recorded()
    async with injected(fault, "i1"):
        assert fault.done == ["inject i1"]
    assert fault.done == ["inject i1", "heal i1"]


async def test_a_fault_is_healed_when_its_block_fails() -> None:
    fault = Recorded()
    with pytest.raises(ValueError):
        async with injected(fault, "i1"):
            raise ValueError
    assert fault.done[-1] == "heal i1"


async def test_a_fault_is_healed_when_its_block_is_cancelled() -> None:
    fault = Recorded()

    async def hold() -> None:
        async with injected(fault, "i1"):
            await asyncio.Event().wait()

    task = asyncio.create_task(hold())
    await until(lambda: fault.done)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert fault.done[-1] == "heal i1"


async def test_a_fault_that_failed_half_way_is_healed() -> None:
    fault = Recorded()
    fault.fails = True
    with pytest.raises(ProcessLookupError):
        async with injected(fault, "i1"):
            raise AssertionError("never reached")
    assert fault.done == ["inject i1", "heal i1"]


class Served:
    """A server that writes down what is done to it; a restart takes until it is let go on."""

    name = "redis"

    def __init__(self) -> None:
        self.done: list[str] = []
        self.up = asyncio.Event()
        self.reaped = asyncio.Event()
        self.processes: list[subprocess.Popen[bytes]] = []

    @property
    def pids(self) -> list[int]:
        return [process.pid for process in self.processes]

    async def kill(self) -> None:
        self.done.append("kill")
        for process in self.processes:
            process.kill()
        await self.reaped.wait()

    async def pause(self) -> None:
        self.done.append("pause")

    async def resume(self) -> None:
        self.done.append("resume")

    async def restart(self) -> None:
        self.done.append("restart")
        await self.up.wait()
        self.done.append("up")


async def test_a_killed_server_is_healed_by_a_start() -> None:
    server = Served()
    server.up.set()
    server.reaped.set()
    fault = KillService()
    async with injected(fault, server):
        assert server.done == ["kill"]
    assert server.done == ["kill", "restart", "up"]
    await fault.heal(server)
    assert server.done == ["kill", "restart", "up"]


async def test_a_kill_is_in_force_before_its_processes_are_cleared_away() -> None:
    server = Served()
    server.up.set()
    server.processes = [await asyncio.to_thread(subprocess.Popen, ["sleep", "60"])]
    fault = KillService()
    await fault.inject(server)  # returns although nobody has reaped the process
    server.reaped.set()
    await fault.heal(server)
    assert server.done == ["kill", "restart", "up"]
    server.processes[0].wait()


async def test_a_server_that_may_not_be_killed_says_so() -> None:
    class Foreign(Served):
        async def kill(self) -> None:
            raise PermissionError("not ours")

    with pytest.raises(PermissionError):
        await KillService().inject(Foreign())


async def test_a_paused_server_goes_on() -> None:
    server = Served()
    async with injected(PauseService(), server):
        assert server.done == ["pause"]
    assert server.done == ["pause", "resume"]


async def test_a_restart_is_in_force_at_once_and_healed_when_the_server_is_up() -> None:
    server = Served()
    fault = RestartService()
    await fault.inject(server)
    healing = asyncio.create_task(fault.heal(server))
    await until(lambda: server.done == ["restart"])
    assert not healing.done()
    server.up.set()
    await healing
    assert server.done == ["restart", "up"]
    await fault.heal(server)
    assert server.done == ["restart", "up"]


LISTENER = """
import os, pathlib, signal, sys
told = pathlib.Path(sys.argv[1])
def step(*_):  # also while "ready" is still being printed: nothing buffered here
    os.write(1, told.read_bytes() + b"\\n")
    told.unlink()
signal.signal(signal.SIGUSR1, step)
print("ready", flush=True)
while True:
    signal.pause()
"""


@dataclass
class Clocked:
    """A process that prints the skew it is told."""

    process: asyncio.subprocess.Process
    skew_file: Path
    name: str = "i1"

    @property
    def group(self) -> int:
        return self.process.pid

    async def said(self) -> str:
        assert self.process.stdout is not None
        return (await self.process.stdout.readline()).decode().strip()


@pytest.fixture
async def clocked(tmp_path: Path) -> AsyncIterator[Clocked]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", LISTENER, str(tmp_path / "i1.skew"), stdout=asyncio.subprocess.PIPE
    )
    made = Clocked(process, tmp_path / "i1.skew")
    assert await made.said() == "ready"
    yield made
    process.kill()
    await process.communicate()


async def test_a_stepped_clock_is_confirmed_by_its_instance_and_stepped_back(
    clocked: Clocked,
) -> None:
    async with injected(StepClock(-1.5), clocked):
        assert await clocked.said() == "-1.5"
        assert not clocked.skew_file.exists()
    assert await clocked.said() == "0.0"


async def test_a_drifting_clock_is_told_its_rate_and_set_right_again(clocked: Clocked) -> None:
    async with injected(DriftClock(0.1), clocked):
        assert await clocked.said() == "0.0 0.1"
    assert await clocked.said() == "0.0"


async def test_a_clock_that_drifts_is_slept_on_for_less(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    true_s = 100.0
    clock = HostClock(0.0, 0.0)

    async def sleep(seconds: float) -> None:
        nonlocal true_s
        slept.append(seconds)
        true_s += seconds

    monkeypatch.setattr(clock, "_true", lambda: true_s)
    monkeypatch.setattr("bench.instance.asyncio.sleep", sleep)
    clock.set(0.0, 0.25)
    assert clock.now() == 100.0
    await clock.sleep_until(102.5)
    assert clock.now() == pytest.approx(102.5)
    assert sum(slept) == pytest.approx(2.0)


@pytest.mark.parametrize("fault", [Pause(), SqueezeCpu(), SqueezeMemory()])
async def test_healing_twice_has_no_effect(child: Child, fault) -> None:
    await fault.inject(child)
    await fault.heal(child)
    await fault.heal(child)
    await until(lambda: psutil.STATUS_STOPPED not in states(child.tree))


async def test_an_instance_that_does_not_notice_is_an_error(
    clocked: Clocked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chaos.clock.NOTICE_S", 0.05)
    os.kill(clocked.group, signal.SIGSTOP)
    with pytest.raises(TimeoutError):
        await StepClock(1.0).inject(clocked)


class Manifold:
    """A service that can suffer anything, and writes down what."""

    name = "zookeeper"

    def __init__(self) -> None:
        self.done: list[str] = []

    def __getattr__(self, name: str):
        async def note(*values: float) -> None:
            self.done.append(" ".join([name, *(f"{value:g}" for value in values)]))

        return note


@pytest.mark.parametrize(
    ("fault", "prepared", "done"),
    [
        (FailOver(lag_s=0.0), ["hold_back"], ["fail_over", "rejoin"]),
        (PartServers(), ["hold_back"], ["part", "join"]),
        (ExhaustConnections(), ["crowd"], ["drop_clients", "leave"]),
        (StepServiceClock(1.5), [], ["step 1.5", "step 0"]),
    ],
)
async def test_faults_of_services_of_a_trial_s_own_prepare_strike_and_heal(
    fault, prepared: list[str], done: list[str]
) -> None:
    victim = Manifold()
    if prepared:
        await fault.prepare(victim)
    assert victim.done == prepared
    async with injected(fault, victim):
        assert victim.done == [*prepared, done[0]]
    assert victim.done == [*prepared, *done]


async def test_a_stand_by_falls_behind_before_anybody_dies() -> None:
    began = time.monotonic()
    await FailOver(lag_s=0.1).prepare(Manifold())
    assert time.monotonic() - began >= 0.1


async def test_a_fault_that_no_system_has_says_why_and_never_strikes() -> None:
    assert "fsync off" in str(SlowDisk().unavailable())
    with pytest.raises(OSError, match="fsync off"):
        await SlowDisk().inject(Manifold())


def test_a_service_s_clock_needs_libfaketime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chaos.services.faketime", lambda: None)
    assert "apt install libfaketime" in str(StepServiceClock(1.0).unavailable())


def test_namespaces_without_their_tools_say_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chaos.links.namespaces._program", lambda name: None)
    assert (
        namespaces.missing.__wrapped__() == "no ip: install iproute2 (Debian: apt install iproute2)"
    )
