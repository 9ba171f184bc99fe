"""Strategies under virtual time: the same code, a simulated service, and no waiting.

`simulate` runs a small fleet in one event loop whose clock jumps from timer to timer. Everything
that could differ between two runs comes from the seed, so that the same seed gives the same
history, event for event. Costs are never taken from a simulation; outcomes are.
"""

import asyncio
import random
import selectors
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from bench.events import RunEnded, RunStarted
from strategies.errors import JobFailed
from strategies.interface import Design
from strategies.memory import MemoryLink, MemoryServer
from strategies.model import Fire, Job, Timing
from strategies.notes import Event, Note

EPOCH_S = 1_800_000_000.0  # where virtual time begins: far from 0, as real epochs are


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop that never waits: when nothing is ready, time jumps to the next timer."""

    def __init__(self) -> None:
        super().__init__(_JumpingSelector(self))
        self.virtual_s = 0.0
        # After some months a nanosecond is lost in rounding, and a timer would never be due.
        self._clock_resolution = 1e-6

    def time(self) -> float:
        return self.virtual_s


class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("deadlock in virtual time: every task waits, and no timer is set")
        self._loop.virtual_s += max(0.0, timeout)
        return super().select(0)


@dataclass
class SimulatedClock:
    """A member's clock on virtual time; `skew_s` is what chaos adds to its wall time.

    Its monotonic clock can be made to stand still, as that of a suspended machine does.
    """

    skew_s: float = 0.0
    still_s: float = 0.0
    still_since_s: float | None = None

    def now(self) -> float:
        return EPOCH_S + asyncio.get_running_loop().time() + self.skew_s

    def monotonic(self) -> float:
        now_s = asyncio.get_running_loop().time()
        return (now_s if self.still_since_s is None else self.still_since_s) - self.still_s

    def stands_still(self) -> None:
        """From now on the monotonic clock does not move."""
        self.still_since_s = asyncio.get_running_loop().time()

    def goes_on(self) -> None:
        """It moves again, from where it stood."""
        if self.still_since_s is not None:
            self.still_s += asyncio.get_running_loop().time() - self.still_since_s
            self.still_since_s = None

    async def sleep_until(self, now_s: float) -> None:
        while (left_s := now_s - self.now()) > 0:
            await asyncio.sleep(left_s)


@dataclass
class SimulatedMember:
    """One instance of the simulated fleet. Its runs sleep, and fail when `work` says so."""

    name: str
    links: Mapping[str, MemoryLink]
    history: list[Event]
    work: Callable[[Fire], float]
    clock: SimulatedClock = field(default_factory=SimulatedClock)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    dead: bool = False
    _runs: int = 0

    def note(self, event: Note) -> None:
        self._record(event)

    async def run(self, fire: Fire, fence: int | None) -> None:
        """Sleep for as long as `work(fire)` says; a negative length fails after its size."""
        self._runs += 1
        run = f"{self.name}:{self._runs}"
        self._record(RunStarted(run=run, job=fire.job, due_ms=fire.due_ms, fence=fence))
        length_s = self.work(fire)
        try:
            await asyncio.sleep(abs(length_s))
        except asyncio.CancelledError:
            self._record(RunEnded(run=run, status="cancelled"))
            raise
        self._record(RunEnded(run=run, status="succeeded" if length_s >= 0 else "failed"))
        if length_s < 0:
            raise JobFailed(fire.id)

    def _record(self, event: Event) -> None:
        if self.dead:
            return
        event.t, event.instance = self.clock.now() - self.clock.skew_s, self.name
        self.history.append(event)


@dataclass
class SimulatedFleet:
    """What a test's script acts on while the fleet runs."""

    members: dict[str, SimulatedMember]
    tasks: dict[str, asyncio.Task[None]]
    history: list[Event]

    def kill(self, name: str) -> None:
        """End an instance as SIGKILL does: nothing it does afterwards reaches the service."""
        member = self.members[name]
        member.dead = True
        for link in member.links.values():
            link.cut = True
        self.tasks[name].cancel()

    def stop(self, name: str) -> None:
        """Ask an instance to stop, as SIGTERM does."""
        self.members[name].stopping.set()

    def holder(self, job: str) -> str | None:
        """The live instance with the job's open run."""
        ended = {event.run for event in self.history if isinstance(event, RunEnded)}
        for event in reversed(self.history):
            if not isinstance(event, RunStarted) or event.run in ended:
                continue
            if event.job == job and not self.members[event.instance].dead:
                return event.instance
        return None


Script = Callable[[SimulatedFleet], Awaitable[None]]


def simulate(
    design: Design,
    jobs: Sequence[Job],
    *,
    instances: int = 3,
    seconds: float = 30.0,
    seed: int = 0,
    timing: Timing = Timing(),
    work: Callable[[Fire], float] = lambda fire: 0.4,
    delay_s: tuple[float, float] = (0.0002, 0.002),
    script: Script | None = None,
) -> list[Event]:
    """Run `design` on simulated services for `seconds` of virtual time; the history, in order.

    `script` acts on the fleet meanwhile (kill, cut, skew). The fleet is told to stop at the end
    and has another minute to do so; a strategy's own error is raised.
    """
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(
            _simulate(design, jobs, instances, seconds, seed, timing, work, delay_s, script)
        )


async def _simulate(
    design: Design,
    jobs: Sequence[Job],
    instances: int,
    seconds: float,
    seed: int,
    timing: Timing,
    work: Callable[[Fire], float],
    delay_s: tuple[float, float],
    script: Script | None,
) -> list[Event]:
    rng = random.Random(seed)
    loop = asyncio.get_running_loop()
    servers = {name: MemoryServer(loop.time, rng, delay_s) for name in design.services}
    history: list[Event] = []

    def links() -> dict[str, MemoryLink]:
        return {name: MemoryLink(server) for name, server in servers.items()}

    await design.make(links(), "sim", timing, rng).prepare(jobs)
    members = {
        name: SimulatedMember(name, links(), history, work)
        for name in (f"i{number}" for number in range(1, instances + 1))
    }
    tasks = {
        name: asyncio.create_task(
            design.make(member.links, "sim", timing, random.Random(f"{seed}/{name}")).participate(
                member, jobs
            )
        )
        for name, member in members.items()
    }
    fleet = SimulatedFleet(members, tasks, history)
    acting = asyncio.ensure_future(script(fleet)) if script else None
    await asyncio.wait(tasks.values(), timeout=seconds)
    if acting:
        await acting
    for name in members:
        fleet.stop(name)
    await _end(tasks, members)
    return history


async def _end(
    tasks: Mapping[str, asyncio.Task[None]], members: Mapping[str, SimulatedMember]
) -> None:
    """Wait for every instance, and raise what a living one died of."""
    async with asyncio.timeout(60):
        await asyncio.wait(tasks.values())
    for name, task in tasks.items():
        with suppress(asyncio.CancelledError):
            if (error := task.exception()) and not members[name].dead:
                raise error
