"""The election's ports on a simulated server: leases end on the server's clock."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from strategies.election.ports import Place
from strategies.election.timing import ElectionTiming
from strategies.memory import MemoryLink
from strategies.model import Fire


@dataclass
class _Contest:
    """What the server holds: places in order of arrival, and the log."""

    taken: int = 0
    expires_s: dict[int, float] = field(default_factory=dict)
    gone: dict[int, asyncio.Event] = field(default_factory=dict)
    last_ms: dict[str, int] = field(default_factory=dict)

    def remove(self, number: int) -> None:
        if self.expires_s.pop(number, None) is not None:
            self.gone.pop(number).set()


class MemoryElection:
    """Both ports behind one `link`; what a client asks for is decided on the server, atomically."""

    def __init__(self, link: MemoryLink, namespace: str, timing: ElectionTiming) -> None:
        self._link, self._namespace, self._timing = link, namespace, timing

    async def prepare(self, jobs: Sequence[str]) -> None:
        await self._link.call(self._contest)

    async def clean_up(self) -> None:
        await self._link.call(lambda: self._link.server.drop(self._namespace))

    async def close(self) -> None:
        """Nothing is open."""

    async def enter(self, name: str) -> Place:
        return await self._link.call(self._take_place)

    async def ahead(self, place: Place) -> str | None:
        def number_ahead() -> int | None:
            contest = self._contest()
            return max((n for n in contest.expires_s if n < place.fence), default=None)

        number = await self._link.call(number_ahead)
        return None if number is None else str(number)

    async def gone(self, key: str) -> None:
        number = int(key)
        while (left_s := await self._link.call(lambda: self._left_s(number))) > 0:
            event = self._contest().gone.get(number)
            if event is None:
                return  # it ended while the answer was on its way
            try:
                async with asyncio.timeout(left_s):
                    await event.wait()
            except TimeoutError:
                continue  # expired, or extended meanwhile: look

    async def confirm(self, place: Place) -> bool:
        def extend() -> bool:
            contest = self._contest()
            if place.fence not in contest.expires_s:
                return False
            contest.expires_s[place.fence] = self._link.server.clock() + place.ttl_s
            return True

        return await self._link.call(extend)

    async def leave(self, place: Place) -> None:
        await self._link.call(lambda: self._contest().remove(place.fence))

    async def begin(self, fires: Sequence[Fire], place: Place) -> bool:
        def write() -> bool:
            contest = self._contest()
            if place.fence not in contest.expires_s:
                return False
            for fire in fires:
                contest.last_ms[fire.job] = max(fire.due_ms, contest.last_ms.get(fire.job, 0))
            return True

        return await self._link.call(write)

    async def last(self, jobs: Sequence[str]) -> Mapping[str, int]:
        last_ms = await self._link.call(lambda: dict(self._contest().last_ms))
        return {job: last_ms[job] for job in jobs if job in last_ms}

    def _contest(self) -> _Contest:
        """The contest as it is now: places whose lease has ended are gone."""
        contest = self._link.server.table(self._namespace, "election", _Contest)
        now_s = self._link.server.clock()
        for number in [n for n, end_s in contest.expires_s.items() if end_s <= now_s]:
            contest.remove(number)
        return contest

    def _take_place(self) -> Place:
        contest = self._contest()
        contest.taken += 1
        ttl_s = self._timing.lease_s
        contest.expires_s[contest.taken] = self._link.server.clock() + ttl_s
        contest.gone[contest.taken] = asyncio.Event()
        return Place(str(contest.taken), contest.taken, ttl_s)

    def _left_s(self, number: int) -> float:
        return self._contest().expires_s.get(number, 0.0) - self._link.server.clock()
