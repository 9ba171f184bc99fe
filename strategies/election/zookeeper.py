"""The election's ports on ZooKeeper, through kazoo's client.

A place is an ephemeral sequential znode of a session of its own: it is gone when the session is,
so no contender's node can leak, and no reconnection can take up an old path. The fence is the
znode's czxid, which grows over the whole ensemble. The log is one znode per job.

`begin` is one ZooKeeper transaction, "my place exists" and the writes; a client's requests are
done in the order they were sent, so that an old one cannot overtake. A new leader needs no sync
before it reads the log: its view shows the predecessor's place gone, hence everything written
under it.

Clock: the servers end a session at the first tick after its timeout, counted from when the last
request or ping arrived. In an ensemble a follower tells the leader of it up to half a tick later:
the margin (a tenth of the session) must be longer than that.

kazoo's states end nothing by themselves: when the connection is suspended, confirmations fail, and
the place is given up when trust in it runs out, always before the session can have expired. kazoo
may resume the session before that; the watches it lost are then set anew.

Source: the leader-election recipe of ZooKeeper's documentation; kazoo's client.py and
protocol/connection.py.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any
from urllib.parse import quote

from kazoo.exceptions import NodeExistsError, NoNodeError

from strategies.election.kazoo_session import Session
from strategies.election.ports import Place
from strategies.election.timing import ElectionTiming
from strategies.errors import ServiceLost
from strategies.model import Fire

ZNODES_PER_CALL = 100


class ZooKeeperElection:
    """Both ports on the ensemble at `url`, under the znode /`namespace`."""

    def __init__(self, url: str, namespace: str, timing: ElectionTiming) -> None:
        self._url, self._timing = url, timing
        self._root = f"/{namespace}"
        self._places, self._log = f"{self._root}/places", f"{self._root}/log"
        self._session: Session | None = None

    async def prepare(self, jobs: Sequence[str]) -> None:
        async with self._briefly() as session:
            for path in (self._root, self._places, self._log):
                with suppress(NodeExistsError):
                    await session.call("create", path)
            await self._create_missing(session, jobs)

    async def clean_up(self) -> None:
        async with self._briefly() as session:
            for parent in (self._places, self._log):
                names = await _children(session, parent)
                for some in _chunks([f"{parent}/{name}" for name in names]):
                    await asyncio.gather(*(_remove(session, path) for path in some))
                await _remove(session, parent)
            await _remove(session, self._root)

    async def close(self) -> None:
        session, self._session = self._session, None
        if session:
            await session.close()

    async def enter(self, name: str) -> Place:
        await self.close()
        session = self._session = self._new_session()
        try:
            await session.open()
            path, stat = await session.call(
                "create",
                f"{self._places}/place-",
                name.encode(),
                ephemeral=True,
                sequence=True,
                include_data=True,
            )
        except NoNodeError:
            raise ServiceLost("zookeeper: the contest is not prepared") from None
        return Place(path, stat.czxid, min(session.timeout_s, self._timing.lease_s))

    async def ahead(self, place: Place) -> str | None:
        names: list[str] = await self._call("get_children", self._places)
        own = place.key.rpartition("/")[2]
        name = max((name for name in names if name < own), default=None)
        return None if name is None else f"{self._places}/{name}"

    async def gone(self, key: str) -> None:
        event, watch = self._current().event()
        if await self._call("exists", key, watch=watch):
            await event.wait()

    async def confirm(self, place: Place) -> bool:
        stat = await self._call("exists", place.key)
        return stat is not None and stat.czxid == place.fence

    async def leave(self, place: Place) -> None:
        """Ends the session; a place whose session cannot be ended expires with it."""
        await self.close()

    async def begin(self, fires: Sequence[Fire], place: Place) -> bool:
        def fill(transaction: Any) -> None:
            transaction.check(place.key, 0)
            for fire in fires:
                transaction.set_data(self._entry(fire.job), str(fire.due_ms).encode())

        results = await self._current().transaction(fill)
        if isinstance(results[0], NoNodeError):
            return False
        for result in results:
            if isinstance(result, Exception):
                raise ServiceLost(f"zookeeper: {type(result).__name__} in the log")
        return True

    async def last(self, jobs: Sequence[str]) -> Mapping[str, int]:
        session = self._current()
        await self._create_missing(session, jobs)
        last_ms: dict[str, int] = {}
        for some in _chunks(jobs):
            found = await asyncio.gather(*(self._call("get", self._entry(job)) for job in some))
            last_ms.update(
                {job: int(data) for job, (data, _) in zip(some, found, strict=True) if data}
            )
        return last_ms

    async def _create_missing(self, session: Session, jobs: Sequence[str]) -> None:
        """Give every job its znode in the log, empty until its first fire; existing ones stay."""
        children = await _children(session, self._log)
        there = {f"{self._log}/{name}" for name in children}
        for some in _chunks([path for path in map(self._entry, jobs) if path not in there]):
            results = await session.transaction(partial(_create_all, some))
            if any(isinstance(result, Exception) for result in results):
                raise ServiceLost("zookeeper: the log is being created by somebody else")

    async def _call(self, operation: str, *args: Any, **named: Any) -> Any:
        try:
            return await self._current().call(operation, *args, **named)
        except NoNodeError:
            raise ServiceLost("zookeeper: the contest or the log is not there") from None

    def _entry(self, job: str) -> str:
        return f"{self._log}/job-{quote(job, safe='')}"

    def _current(self) -> Session:
        if self._session is None:
            raise ServiceLost("zookeeper: no session")
        return self._session

    def _new_session(self) -> Session:
        timing = self._timing
        return Session(self._url, timing.lease_s, timing.call_s, timing.retry_s)

    @asynccontextmanager
    async def _briefly(self) -> AsyncIterator[Session]:
        session = self._new_session()
        try:
            await session.open()
            yield session
        finally:
            await session.close()


async def _children(session: Session, path: str) -> list[str]:
    try:
        names: list[str] = await session.call("get_children", path)
    except NoNodeError:
        return []
    return names


async def _remove(session: Session, path: str) -> None:
    with suppress(NoNodeError):
        await session.call("delete", path)


def _create_all(paths: Sequence[str], transaction: Any) -> None:
    for path in paths:
        transaction.create(path)


def _chunks(items: Sequence[str]) -> Iterator[Sequence[str]]:
    """As many at a time as are answered well within a call's time."""
    for start in range(0, len(items), ZNODES_PER_CALL):
        yield items[start : start + ZNODES_PER_CALL]
