"""What a finding is measured on: a control plane, and what runs against it in one namespace.

Node agents and CronJobs (`cron_scene`), or whatever processes a finding starts itself.
"""

import asyncio
import random
import secrets
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from bench.config import InstanceConfig, Work, write_config
from bench.events import Platform, decode
from bench.recorder import epoch_offset, host_clock
from bench.services.kubernetes import access
from bench.services.kubernetes.control_plane import ControlPlane
from bench.services.kubernetes.observer import observing
from strategies.cronjob.manifests import Settings
from strategies.cronjob.strategy import CronJobStrategy
from strategies.model import Cron, Job, Timing
from strategies.notes import Event, Skipped

EVERY_MINUTE = Cron("* * * * *")
E = TypeVar("E", bound=Event)


@dataclass
class Scene:
    """A control plane, some processes, and what is told of them, for one measurement."""

    plane: ControlPlane
    folder: Path
    jobs: Sequence[Job]
    duration_s: float
    timing: Timing = field(default_factory=Timing)
    namespace: str = field(default_factory=lambda: f"cb_{secrets.token_hex(4)}")
    offset_s: float = field(default_factory=epoch_offset)
    told: list[Platform] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    processes: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)

    def clock(self) -> float:
        """The scene's clock: host monotonic, reading as seconds since 1970."""
        return host_clock(self.offset_s)()

    def tell(self, event: Platform | Skipped) -> None:
        """Keep what the platform did, with its time."""
        event.t = self.clock()
        if isinstance(event, Skipped):
            self.skipped.append(event)
        else:
            self.told.append(event)

    def history(self, kind: type[E]) -> list[E]:
        """The events of one kind that the processes have written, in time order."""
        files = self.folder.glob("*.jsonl")
        lines = [line for path in files for line in path.read_bytes().splitlines()]
        found = [event for event in map(decode, lines) if isinstance(event, kind)]
        return sorted(found, key=lambda event: event.t)

    def times(self, what: str, after_s: float = 0.0) -> list[float]:
        """When the platform did `what`."""
        return [event.t for event in self.told if event.what == what and event.t > after_s]

    async def until(self, fact: Callable[[], Any], seconds: float) -> bool:
        """Wait until `fact` gives something true; False if it did not within `seconds`."""
        end_s = self.clock() + seconds
        while not fact() and self.clock() < end_s:
            await asyncio.sleep(0.02)
        return bool(fact())

    async def until_minute(self, plus_s: float = 0.0) -> float:
        """Sleep until `plus_s` after the next full minute; that minute in seconds."""
        minute = (self.clock() // 60 + 1) * 60
        await asyncio.sleep(minute + plus_s - self.clock())
        return minute

    async def start(self, module: str, name: str, strategy: str, source: str, role: str) -> None:
        """Start one instance: a node agent, or a member of the fleet."""
        config = InstanceConfig(
            name=name, strategy=strategy, source=source, namespace=self.namespace, seed=1,
            endpoints={"kubernetes": self.plane.url_for(role)}, timing=self.timing,
            jobs=list(self.jobs), work={job.name: Work(self.duration_s) for job in self.jobs},
            events=str(self.folder / f"{name}.jsonl"),
            ledger=str(self.folder / "ledger") if source else "",
            offset_s=self.offset_s,
        )  # fmt: skip
        write_config(config, self.folder / f"{name}.json")
        self.processes[name] = await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, str(self.folder / f"{name}.json"), start_new_session=True
        )

    async def start_nodes(self, count: int = 3) -> None:
        """Start node agents and wait until all are ready."""
        for number in range(count):
            name = f"i{number}-{secrets.token_hex(3)}"
            await self.start("bench.node_agent", name, "cronjob", "", access.NODE)
        await self.until(lambda: len(self.times("node-ready")) >= count, 30)

    def end(self) -> Iterator[Awaitable[int]]:
        """Kill what still runs."""
        for process in self.processes.values():
            if process.returncode is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            yield process.wait()


@asynccontextmanager
async def cron_scene(
    plane: ControlPlane,
    jobs: Sequence[Job],
    duration_s: float,
    settings: Settings,
    nodes: int = 3,
) -> AsyncIterator[Scene]:
    """CronJobs whose pods run for `duration_s`, node agents that are ready, and an observer."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="coordbench-")))
        scene = Scene(plane, folder, jobs, duration_s)
        observer = plane.url_for(access.OBSERVER)
        look = observing(observer, scene.namespace, scene.tell, random.Random(0), jobs)
        await stack.enter_async_context(look)
        endpoints = {"kubernetes": plane.url_for(access.CRONJOB)}
        strategy = CronJobStrategy(
            endpoints, scene.namespace, scene.timing, random.Random(0), settings
        )
        await strategy.prepare(jobs)
        try:
            await scene.start_nodes(nodes)
            yield scene
        finally:
            await asyncio.gather(*scene.end())
            await strategy.clean_up()


def cron_jobs(count: int, **changes: Any) -> list[Job]:
    """Jobs due every minute; `changes` are fields that all of them have otherwise."""
    return [
        Job(**{"name": f"job-{n:03}", "schedule": EVERY_MINUTE, **changes}) for n in range(count)
    ]
