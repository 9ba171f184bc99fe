"""Faults as values: what they are called, whether they can be had here, how they strike and heal.

A fault acts on a victim: a process group (chaos.processes), an instance's links (chaos.links), a
server (chaos.services) or an instance's clock (chaos.clock). It knows no strategy. Whoever
injects one heals it: `injected` does so on the way out, whether by end, error or Ctrl-C.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal, Protocol, TypeVar

V = TypeVar("V", contravariant=True)

ActsOn = Literal["process", "link", "service", "clock"]


class Fault(Protocol[V]):
    """One way to break something.

    `kind` is its name in histories; `hint` says how a plot draws it (line: a moment, band: it
    lasts); `heals` whether it can end; `acts_on` what it needs of its victim.
    """

    @property
    def kind(self) -> str:
        """Its name, as histories and plots have it."""

    @property
    def hint(self) -> Literal["line", "band"]:
        """How a plot draws it."""

    @property
    def heals(self) -> bool:
        """Whether it can end by being healed."""

    @property
    def acts_on(self) -> ActsOn:
        """What kind of victim it takes."""

    def unavailable(self) -> str | None:
        """Why this fault cannot be had on this machine; None where it can."""

    async def inject(self, victim: V) -> None:
        """Strike; in force when this returns. Raises ProcessLookupError when the victim is gone."""

    async def heal(self, victim: V) -> None:
        """Undo; no effect where there is nothing to undo."""


@asynccontextmanager
async def injected(fault: Fault[V], victim: V) -> AsyncIterator[None]:
    """The fault is in force inside, and healed on the way out: end, error, cancellation."""
    try:
        await fault.inject(victim)
        yield
    finally:
        await fault.heal(victim)
