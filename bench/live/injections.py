"""Faults by hand: injected on request, listed while they last, healed on time or on request.

Each victim's fault has a number of its own, which is its id in the history too. Two faults of one
kind of thing (processes, links, clock, server) on one victim would undo each other, so the second
is refused. The run that made a victim the holder is written down only if it was still open once the
fault was in force.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from bench.events import FaultBegan, FaultHealed, Platform
from bench.fleet import Instance
from bench.live.asked import GROUPS, ROLES, Victims, host_of, made
from bench.live.control import Refused
from bench.live.protocol import Strike
from bench.live.words import lasting
from bench.recorder import Recorder
from bench.services import Service, ServiceUnavailable
from bench.targets import Aimed, Targets
from chaos.faults import Fault
from chaos.links.client import RelayLost

READY_S = 10.0
AT_ONCE = ("reset", "service-restart")  # over as soon as they can be, whatever is asked


@dataclass
class Injection:
    """One fault in force on one victim. `heals_at` is on the fleet's clock, None: when asked."""

    id: int
    asked: str
    fault: Fault[Any]
    victim: Instance | Service
    why: str
    since: float
    heals_at: float | None
    timer: asyncio.Task[None] | None = None
    healing: asyncio.Task[None] | None = None

    @property
    def kind(self) -> str:
        """The fault's name, as histories have it."""
        return self.fault.kind


@dataclass
class Injections:
    """All that is injected into one fleet now.

    `fork` starts a successor on a host; `tell` gets a line about each beginning and end.
    """

    targets: Targets
    recorder: Recorder
    fork: Callable[[str], Awaitable[Instance]]
    tell: Callable[[str], None]
    active: dict[int, Injection] = field(default_factory=dict)
    kinds: set[str] = field(default_factory=set)
    _ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def strike(self, asked: Strike) -> list[str]:
        """Inject what is asked for into whoever it is aimed at; one line per victim.

        Raises Refused or BadArguments with the one line that says why not.
        """
        fault = made(asked)
        async with self._turn:
            aimed = await Victims(self.targets, self._struck()).of(asked, fault)
            for one in aimed:
                self._refuse_overlap(fault, one.victim)
            return [await self._inject(asked, fault, one) for one in aimed]

    async def heal(self, ids: Sequence[int]) -> list[str]:
        """Heal the faults of these numbers, or all; one line each. Raises Refused for none."""
        if not self.active:
            raise Refused("nothing to heal: no fault is injected")
        for number in ids:
            if number not in self.active:
                there = ", ".join(str(one) for one in self.active)
                raise Refused(f"no fault #{number} is injected: there are {there}")
        chosen = [self.active[number] for number in ids] if ids else list(self.active.values())
        return list(await asyncio.gather(*(self._heal(one) for one in chosen)))

    async def heal_for_good(self) -> None:
        """Undo everything on the way out; who was killed is not started again."""
        for one in list(self.active.values()):
            if one.timer:
                one.timer.cancel()
            if one.healing:
                one.healing.cancel()
        for one in list(self.active.values()):
            asked_s = self._now()
            await self._undo(one.fault, one.victim)
            if one.kind != "kill":
                self._healed(one, asked_s)

    def on(self, name: str) -> list[Injection]:
        """What is injected into the victim of that name."""
        return [one for one in self.active.values() if one.victim.name == name]

    def _struck(self) -> dict[str, int]:
        """Who is under a fault, and the number of the first of these."""
        return {one.victim.name: one.id for one in reversed(self.active.values())}

    def _refuse_overlap(self, fault: Fault[Any], victim: Instance | Service) -> None:
        for one in self.on(victim.name):
            paused = one.kind == "pause" and fault.acts_on == "clock"
            if one.fault.acts_on == fault.acts_on or paused:
                raise Refused(
                    f"{victim.name} is under #{one.id} ({one.kind}, "
                    f"{lasting(one.kind, one.heals_at, self._now())}): "
                    f"heal it first (coordbench chaos heal {one.id})"
                )

    async def _inject(self, asked: Strike, fault: Fault[Any], one: Aimed) -> str:
        asked_s = self._now()
        try:
            await fault.inject(one.victim)
        except (ProcessLookupError, RelayLost, ServiceUnavailable, TimeoutError) as error:
            await self._undo(fault, one.victim)
            raise Refused(
                f"{fault.kind} of {one.victim.name} failed: {error or type(error).__name__}"
            ) from error
        injection = self._began(asked, fault, one, asked_s)
        self.active[injection.id] = injection
        self.kinds.add(asked.fault)
        if injection.heals_at is not None:
            injection.timer = asyncio.create_task(self._later(injection))
        line = f"{self._said(injection)}: {self._until(injection)}"
        self.tell(line)
        return line

    async def _undo(self, fault: Fault[Any], victim: Instance | Service) -> None:
        with suppress(OSError, ServiceUnavailable, TimeoutError):
            await fault.heal(victim)

    def _began(self, asked: Strike, fault: Fault[Any], one: Aimed, asked_s: float) -> Injection:
        """Write the fault down, with the run that it broke into, if that was still open."""
        now_s = self._now()
        live = self.targets.live
        live.read()
        held = one.run is not None and one.run.run in live.open_runs
        target = asked.target if held or one.run is None else "one"
        began = FaultBegan(
            fault=fault.kind, id=next(self._ids), target=target,
            instance=one.victim.name, asked_s=asked_s,
        )  # fmt: skip
        why = asked.target if asked.target in (*ROLES, *GROUPS) else ""
        if one.run is not None:
            began.job, began.run = (one.run.job, one.run.run) if held else ("", "")
            why = f"holder of {one.run.job}" if held else f"{one.run.job} had just ended"
        self.recorder.record(began, now_s)
        if fault.kind == "kill":
            live.forget(one.victim.name)
        lasts_s = 0.0 if asked.fault in AT_ONCE else asked.for_s
        heals_at = None if lasts_s is None else now_s + lasts_s
        return Injection(began.id, asked.fault, fault, one.victim, why, now_s, heals_at)

    async def _later(self, one: Injection) -> None:
        assert one.heals_at is not None
        await asyncio.sleep(max(0.0, one.heals_at - self._now()))
        one.timer = None
        with suppress(Refused):  # it has been told
            await self._heal(one)

    async def _heal(self, one: Injection) -> str:
        """Heal once, whoever asks how often; what was said of it."""
        if one.timer:
            one.timer.cancel()
        if one.healing is None:
            one.healing = asyncio.create_task(self._end(one))
        await asyncio.shield(one.healing)
        return f"#{one.id} {one.kind} of {one.victim.name}: {_ended_word(one)}"

    async def _end(self, one: Injection) -> None:
        asked_s = self._now()
        try:
            if one.kind == "kill":
                await self._start_again(one)
            else:
                await one.fault.heal(one.victim)
        except (OSError, ServiceUnavailable, TimeoutError) as error:
            one.healing, one.heals_at = None, None
            said = f"{error}" or "no answer"
            line = f"#{one.id} {one.kind} of {one.victim.name} could not be healed: {said}"
            self.tell(line)
            raise Refused(line) from error
        self._healed(one, asked_s)
        if one.kind == "reset":
            return  # said when it struck
        self.tell(f"#{one.id} {one.kind} of {one.victim.name}: {_ended_word(one)}")

    async def _start_again(self, one: Injection) -> None:
        """A successor on the killed instance's host, once that is gone; back when it is ready."""
        assert isinstance(one.victim, Instance)
        await one.victim.ended.wait()
        new = await self.fork(host_of(one.victim))
        live = self.targets.live
        if not await live.until(lambda: new.name in live.ready, READY_S):
            raise TimeoutError(f"{new.name} was not ready within {READY_S:g} s")

    def _healed(self, one: Injection, asked_s: float) -> None:
        self.recorder.record(FaultHealed(id=one.id, instance=one.victim.name, asked_s=asked_s))
        if one.fault.acts_on == "service":
            self.recorder.record(Platform(what="ready", subject=one.victim.name))
        self.active.pop(one.id, None)

    def _said(self, one: Injection) -> str:
        of = f" ({one.why})" if one.why else ""
        return f"#{one.id} {one.kind} of {one.victim.name}{of}"

    def _until(self, one: Injection) -> str:
        return lasting(one.kind, one.heals_at, self._now())

    def _now(self) -> float:
        return self.targets.clock()


def _ended_word(one: Injection) -> str:
    if one.kind == "kill":
        return "its host has a new instance, which is ready"
    return "answers again" if one.fault.acts_on == "service" else "healed"
