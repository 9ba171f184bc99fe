"""The fleet of a trial: a nursery, its N instances, and their end.

Everything started here is a session of its own, registered for clean-up on disk, dies with the
bench, and is ended by process id.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from bench.config import skew_file, still_file
from bench.errors import BenchError
from bench.leftovers import Registration
from bench.nursery import Birth, tied_to_us
from chaos.links.traffic import Link
from strategies.catalogue import source
from strategies.interface import Design

FORK_S = 10.0  # a nursery that has not forked an instance by then never will


class FleetError(BenchError):
    """The fleet's processes could not be started; the message has their last words."""


@dataclass
class Instance:
    """One running replica: its name, and what faults act on: group, links, clock."""

    name: str
    group: int
    config: Path
    links: Sequence[Link] = ()
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    status: int | None = None

    @property
    def skew_file(self) -> Path:
        """Where it is told how far its clock is wrong (docs/instances.md)."""
        return skew_file(self.config)

    @property
    def still_file(self) -> Path:
        """Where it is told how long its monotonic clock has stood still (docs/instances.md)."""
        return still_file(self.config)

    def end(self) -> None:
        """Tell it to end (SIGTERM); no effect once it has ended."""
        _signal(self, signal.SIGTERM)


class Fleet:
    """Instances forked from one nursery. Use as a context: nothing is left behind."""

    def __init__(self, design: Design, registration: Registration, logs: Path) -> None:
        self.instances: dict[str, Instance] = {}
        self._design = design
        self._registration = registration
        self._logs = logs
        self._by_pid: dict[int, Instance] = {}
        self._born: dict[str, asyncio.Future[int]] = {}
        self._ready = asyncio.Event()
        self._nursery: asyncio.subprocess.Process
        self._listening: asyncio.Task[None]
        self.on_end: Callable[[Instance], None] = lambda instance: None

    async def __aenter__(self) -> "Fleet":
        log = self._logs / "nursery.log"
        with log.open("ab") as out:
            self._nursery = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "bench.nursery", source(self._design.name), self._design.name,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=out,
                start_new_session=True, preexec_fn=tied_to_us(),
            )  # fmt: skip
        self._registration.process(self._nursery.pid, "bench.nursery")
        self._listening = asyncio.create_task(self._listen())
        try:
            await self._wait_ready(log)
        except BaseException:  # also when told to end: nobody else knows of it yet
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        for instance in self.instances.values():
            _signal(instance, signal.SIGCONT)
            _signal(instance, signal.SIGKILL)
        with suppress(ProcessLookupError):
            self._nursery.kill()
        await self._nursery.wait()
        self._listening.cancel()

    async def start(self, name: str, config: Path, links: Sequence[Link] = ()) -> Instance:
        """Fork one instance that reads `config` and reaches its services through `links`."""
        network = next((link.network for link in links), 0)
        birth = Birth(str(config), str(self._logs / f"{name}.log"), network)
        born = self._born[birth.config] = asyncio.get_running_loop().create_future()
        assert self._nursery.stdin is not None
        self._nursery.stdin.write(msgspec.json.encode(birth) + b"\n")
        try:
            async with asyncio.timeout(FORK_S):
                pid = await born
        except TimeoutError:
            raise FleetError(f"{name} was not forked within {FORK_S:g} s") from None
        self._registration.process(pid, name)
        instance = self.instances[name] = Instance(name, pid, config, links)
        self._by_pid[pid] = instance
        return instance

    async def stop(self, within_s: float) -> list[str]:
        """SIGTERM every instance and wait; the names of those that had to be killed."""
        for instance in self.instances.values():
            instance.end()
        ends = [asyncio.create_task(one.ended.wait()) for one in self.instances.values()]
        if ends:
            await asyncio.wait(ends, timeout=within_s)
        for end in ends:
            end.cancel()
        late = [one for one in self.instances.values() if not one.ended.is_set()]
        for instance in late:
            _signal(instance, signal.SIGKILL)
        return [instance.name for instance in late]

    async def _wait_ready(self, log: Path) -> None:
        ready = asyncio.create_task(self._ready.wait())
        try:
            await asyncio.wait({ready, self._listening}, timeout=30, return_when="FIRST_COMPLETED")
        finally:
            ready.cancel()
        if not self._ready.is_set():
            words = last_words([log]) or "it said nothing"
            raise FleetError(f"the fleet of {self._design.name} did not start: {words}")

    async def _listen(self) -> None:
        assert self._nursery.stdout is not None
        while line := await self._nursery.stdout.readline():
            said = msgspec.json.decode(line)
            if "config" in said:
                self._born[said["config"]].set_result(said["pid"])
            elif "ended" in said and (instance := self._by_pid.get(said["ended"])):
                instance.status = said["status"]
                instance.ended.set()
                self.on_end(instance)
            elif "ready" in said:
                self._ready.set()


def last_words(logs: Sequence[Path]) -> str:
    """The last line that any of the log files holds, to be shown in an error."""
    for log in logs:
        lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
        if lines:
            return f"{log.stem}: {lines[-1]}"
    return ""


def _signal(instance: Instance, number: signal.Signals) -> None:
    if not instance.ended.is_set():
        with suppress(ProcessLookupError):
            os.killpg(instance.group, number)
