"""Faults of links: what an instance and its service can lose between them.

All act on every link of the victim, and leave all other instances' links alone.
"""

import asyncio
from dataclasses import dataclass
from typing import ClassVar, Literal

from chaos.faults import ActsOn
from chaos.links.traffic import CLEAR, CUT, HEALTHY, Linked, Traffic, Way

Direction = Literal["both", "in", "out"]


@dataclass(frozen=True)
class _OnLinks:
    acts_on: ClassVar[ActsOn] = "link"
    hint: ClassVar[Literal["line", "band"]] = "band"
    heals: ClassVar[bool] = True

    def unavailable(self) -> str | None:
        return None  # the relay works wherever Python does

    async def heal(self, victim: Linked) -> None:
        await _shape(victim, HEALTHY)


@dataclass(frozen=True)
class Partition(_OnLinks):
    """Nothing arrives and nobody is told: `in` loses what the service says, `out` what it is told.

    Connections stay open, attempts to connect get no answer. What was sent meanwhile arrives after
    the heal, as TCP sends it again.
    """

    direction: Direction = "both"

    @property
    def kind(self) -> str:
        return "partition" if self.direction == "both" else f"partition-{self.direction}"

    async def inject(self, victim: Linked) -> None:
        outbound = CLEAR if self.direction == "in" else CUT
        inbound = CLEAR if self.direction == "out" else CUT
        await _shape(victim, Traffic(outbound, inbound, connects=False))


@dataclass(frozen=True)
class HalfOpen(_OnLinks):
    """Connections are accepted and never answered: a server behind a dead load balancer."""

    kind: ClassVar[str] = "half-open"

    async def inject(self, victim: Linked) -> None:
        await _shape(victim, Traffic(CUT, CUT, connects=True))


@dataclass(frozen=True)
class Delay(_OnLinks):
    """Every byte arrives `seconds` later each way, plus up to `jitter_s`, in order."""

    seconds: float
    jitter_s: float = 0.0
    kind: ClassVar[str] = "delay"

    def __post_init__(self) -> None:
        if min(self.seconds, self.jitter_s) < 0:
            raise ValueError(
                f"a delay of {self.seconds:g} s +{self.jitter_s:g}: expected 0 or more"
            )

    async def inject(self, victim: Linked) -> None:
        way = Way(delay_s=self.seconds, jitter_s=self.jitter_s)
        await _shape(victim, Traffic(way, way))


@dataclass(frozen=True)
class Drop(_OnLinks):
    """A `share` of the packets is lost and sent again, 0.2 s later at the earliest, each way."""

    share: float
    kind: ClassVar[str] = "drop"

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ValueError(f"share is {self.share:g}: expected more than 0 and at most 1")

    async def inject(self, victim: Linked) -> None:
        way = Way(loss=self.share)
        await _shape(victim, Traffic(way, way))


@dataclass(frozen=True)
class Reset(_OnLinks):
    """Every open connection breaks at once with a TCP reset; new ones are welcome."""

    kind: ClassVar[str] = "reset"
    hint: ClassVar[Literal["line", "band"]] = "line"
    heals: ClassVar[bool] = False

    async def inject(self, victim: Linked) -> None:
        await asyncio.gather(*(link.reset() for link in victim.links))


async def _shape(victim: Linked, traffic: Traffic) -> None:
    await asyncio.gather(*(link.shape(traffic) for link in victim.links))
