"""One stay in the contest: a place, how long it can be trusted, and what ended it.

A place is trusted until *start of the last confirmed call + TTL - margin* on the local monotonic
clock. The service counts its TTL from when that call arrived, which is later: so trust ends
before the place can be anybody else's. Nothing else extends trust, and no error ever does.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal, TypeVar

from strategies.election.ports import Election, Place
from strategies.election.timing import MARGIN, RENEWALS, ElectionTiming
from strategies.errors import ServiceLost
from strategies.interface import Member
from strategies.notes import Coordinated, Granted, Lost, Released

LEADER = "leader"
Outcome = Literal["won", "lost", "ok", "error"]
T = TypeVar("T")


class Candidacy:
    """A place in the contest as its owner sees it. Made by `enter`."""

    def __init__(
        self,
        election: Election,
        member: Member,
        timing: ElectionTiming,
        place: Place,
        asked_s: float,
    ) -> None:
        self.place = place
        self.lost = asyncio.Event()
        self._election, self._member, self._timing = election, member, timing
        self._asked_s = asked_s  # monotonic: when the last confirmed call began
        self._leading = False

    @classmethod
    async def enter(cls, election: Election, member: Member, timing: ElectionTiming) -> "Candidacy":
        """Take a new place. Raises ServiceLost; what may be left of the place then expires."""
        asked_s = member.clock.monotonic()
        place = await noted(member, "campaign", election.enter(member.name))
        return cls(election, member, timing, place, asked_s)

    @property
    def trusted_until_s(self) -> float:
        """The monotonic time after which the place may be somebody else's."""
        return self._asked_s + self.place.ttl_s * (1 - MARGIN)

    @property
    def renew_s(self) -> float:
        """From one confirmation to the next: three times a lease, or as the service's rule says."""
        return self.place.renew_s or self.place.ttl_s / RENEWALS

    def trusted(self) -> bool:
        """Whether the place is certainly ours now; if not, it is given up for good."""
        if not self.lost.is_set() and self._member.clock.monotonic() >= self.trusted_until_s:
            self.lose("not confirmed in time")
        return not self.lost.is_set()

    def lose(self, reason: str) -> None:
        """Step down: nothing is begun from now on, and whoever runs `while_kept` cancels."""
        if self.lost.is_set():
            return
        self.lost.set()
        if self._leading:
            self._member.note(Lost(subject=LEADER, reason=reason))

    def lead(self) -> None:
        """Nobody is ahead: the term begins."""
        self._leading = True
        self._member.note(Granted(subject=LEADER, fence=self.place.fence))

    async def first(self) -> bool:
        """Wait until nobody is ahead; False when the member is told to stop before."""
        while not self._member.stopping.is_set():
            try:
                ahead = await noted(
                    self._member,
                    "campaign",
                    self._election.ahead(self.place),
                    lambda ahead: "lost" if ahead else "won",
                )
                if ahead is None:
                    return True
                await self._wait_for(ahead)
            except ServiceLost:
                await asyncio.sleep(self._timing.retry_s)
        return False

    async def _wait_for(self, ahead: str) -> None:
        """Wait until `ahead` may be gone, the member stops, or a lease has passed.

        A watch can be lost without a sign; a look once a lease bounds what that costs.
        """
        gone = asyncio.ensure_future(self._election.gone(ahead))
        stop = asyncio.ensure_future(self._member.stopping.wait())
        try:
            await asyncio.wait(
                {gone, stop}, timeout=self.place.ttl_s, return_when=asyncio.FIRST_COMPLETED
            )
            if gone.done():
                gone.result()
        finally:
            gone.cancel()
            stop.cancel()
            await asyncio.gather(gone, stop, return_exceptions=True)

    async def while_kept(self, work: Awaitable[None]) -> None:
        """Do `work` and keep the place meanwhile; cancel it the moment the place is lost."""
        keeping = asyncio.ensure_future(self._keep())
        working = asyncio.ensure_future(work)
        try:
            done, _ = await asyncio.wait({keeping, working}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            keeping.cancel()
            working.cancel()
            await asyncio.gather(keeping, working, return_exceptions=True)

    async def _keep(self) -> None:
        """Confirm the place every `renew_s` until it is lost."""
        monotonic = self._member.clock.monotonic
        next_s = self._asked_s + self.renew_s
        while self.trusted():
            await _within(min(next_s, self.trusted_until_s) - monotonic(), self.lost.wait())
            if self.trusted():
                next_s = await self._confirm()

    async def _confirm(self) -> float:
        """One confirmation, given up when trust ends; when to do the next."""
        asked_s = self._member.clock.monotonic()
        try:
            async with asyncio.timeout(self.trusted_until_s - asked_s):
                kept = await noted(self._member, "renew", self._election.confirm(self.place))
        except (ServiceLost, TimeoutError):
            return self._member.clock.monotonic() + self._timing.retry_s
        if kept:
            self._asked_s = asked_s
        else:
            self.lose("renewal refused")
        return asked_s + self.renew_s

    async def leave(self) -> None:
        """Give the place up, as far as the service can be reached."""
        try:
            await noted(self._member, "release", self._election.leave(self.place))
        except ServiceLost:
            self.lose("release unknown")  # it expires by itself
        if self._leading and not self.lost.is_set():
            self._member.note(Released(subject=LEADER))
        self.lost.set()


async def noted(
    member: Member,
    action: str,
    call: Awaitable[T],
    outcome: Callable[[T], Outcome] = lambda result: "ok",
) -> T:
    """Await a call to the service and record how long it took and what came of it."""
    began_s = member.clock.monotonic()
    try:
        result = await call
    except ServiceLost:
        seconds = member.clock.monotonic() - began_s
        member.note(Coordinated(action=action, seconds=seconds, outcome="error"))
        raise
    seconds = member.clock.monotonic() - began_s
    member.note(Coordinated(action=action, seconds=seconds, outcome=outcome(result)))
    return result


async def _within(seconds: float, fact: Awaitable[object]) -> None:
    """Wait for `fact`, at most `seconds`."""
    try:
        async with asyncio.timeout(max(0.0, seconds)):
            await fact
    except TimeoutError:
        return
