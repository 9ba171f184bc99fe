"""What a link does with its traffic, and the link as faults see it.

`outbound` is from the instance to the service, `inbound` from the service to the instance.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec


class Way(msgspec.Struct, frozen=True, omit_defaults=True):
    """One direction of a link.

    `cut`: nothing arrives, nobody is told. Otherwise bytes arrive `delay_s` later, plus up to
    `jitter_s`, in order; a share `loss` of the packets has to be sent again, which costs those
    behind them a retransmission timeout.
    """

    cut: bool = False
    delay_s: float = 0.0
    jitter_s: float = 0.0
    loss: float = 0.0


CLEAR = Way()
CUT = Way(cut=True)


class Traffic(msgspec.Struct, frozen=True, omit_defaults=True):
    """A link's state. `connects`: new connections are accepted, even where nothing gets through."""

    outbound: Way = CLEAR
    inbound: Way = CLEAR
    connects: bool = True


HEALTHY = Traffic()


class Carried(msgspec.Struct, frozen=True):
    """What a link carries: `connections` open now, bytes each way, and those held back now."""

    connections: int = 0
    outbound_bytes: int = 0
    inbound_bytes: int = 0
    held_bytes: int = 0


class Link(Protocol):
    """One instance's way to one service."""

    @property
    def name(self) -> str:
        """`instance>service`."""

    @property
    def network(self) -> int:
        """A process in the network namespace that the instance must be in; 0: the host's own."""

    async def shape(self, traffic: Traffic) -> Carried:
        """Change the link's state; in force when this returns. What it carried at that moment."""

    async def reset(self) -> Carried:
        """Break every open connection with a TCP reset, towards both ends."""

    async def look(self) -> Carried:
        """What it carries now."""


class Linked(Protocol):
    """Who has links: an instance."""

    @property
    def name(self) -> str:
        """The instance's name."""

    @property
    def links(self) -> Sequence[Link]:
        """Its links, one per service."""
