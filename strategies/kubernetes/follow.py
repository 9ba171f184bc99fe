"""Following a collection: list, watch from there, and go on for ever, whatever breaks.

1. List, and tell what is new, what changed and, after a gap, what is gone.
2. Watch from the list's resourceVersion; tell each change once (an object's resourceVersion says
   whether it was told), and remember the place, also from bookmarks.
3. When the watch ends or breaks, watch again from the remembered place, with a back-off while
   the server does not answer.
4. When the server has forgotten the place (410), begin again at 1.

So nothing is lost and nothing is told twice; what was made and deleted within one gap was never
there for us. Same design as client-go's reflector (tools/cache/reflector.go).
"""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal

import msgspec

from strategies.errors import ServiceLost
from strategies.kubernetes.api import KubernetesApi, Query
from strategies.kubernetes.errors import Expired, Forbidden

WATCH_S = 20
SHORTEST_WAIT_S, LONGEST_WAIT_S = 0.05, 1.0


class _Meta(msgspec.Struct, rename="camel"):
    uid: str = ""
    resource_version: str = ""


class _Identity(msgspec.Struct):
    metadata: _Meta


@dataclass(frozen=True)
class Change:
    """`raw` is the object as JSON, or, for `gone` found by a list, as last told."""

    what: Literal["there", "gone"]
    raw: bytes


class Follower:
    """The state of following one collection: what was told, and the place in the history."""

    def __init__(
        self,
        api: KubernetesApi,
        path: str,
        query: Query,
        rng: random.Random,
        *,
        watch_s: int = WATCH_S,
    ) -> None:
        self.lists = 0
        self._api = api
        self._path = path
        self._query = query
        self._rng = rng
        self._watch_s = watch_s
        self._place = ""
        self._told: dict[str, tuple[str, bytes]] = {}  # uid -> resourceVersion, object

    async def changes(self) -> AsyncIterator[Change]:
        """Changes, for ever. Raises Forbidden where the first list shows that a right is missing.

        Later on that is a server which has just restarted and has not read its rules yet.
        """
        wait_s = SHORTEST_WAIT_S
        while True:
            try:
                if not self._place:
                    for change in await self._list():
                        yield change
                async for change in self._watch():
                    wait_s = SHORTEST_WAIT_S
                    yield change
            except Expired:
                self._place = ""
            except (ServiceLost, Forbidden) as error:
                if isinstance(error, Forbidden) and not self.lists:
                    raise
                await asyncio.sleep(wait_s * self._rng.uniform(0.5, 1.5))
                wait_s = min(2 * wait_s, LONGEST_WAIT_S)

    async def _list(self) -> list[Change]:
        listed = await self._api.list(self._path, self._query)
        self.lists += 1
        found = {_identity(raw).uid: bytes(raw) for raw in listed.items}
        gone = [uid for uid in self._told if uid not in found]
        changes = [Change("gone", self._told.pop(uid)[1]) for uid in gone]
        changes += [Change("there", raw) for raw in found.values() if self._is_news(raw)]
        self._place = listed.metadata.resource_version
        return changes

    async def _watch(self) -> AsyncIterator[Change]:
        query = {**self._query, "resourceVersion": self._place}
        async for line in self._api.watch(self._path, query, self._watch_s):
            raw = bytes(line.object)
            identity = _identity(raw)
            self._place = identity.resource_version
            if line.type == "DELETED":
                if self._told.pop(identity.uid, None):
                    yield Change("gone", raw)
            elif line.type in ("ADDED", "MODIFIED") and self._is_news(raw):
                yield Change("there", raw)

    def _is_news(self, raw: bytes) -> bool:
        identity = _identity(raw)
        known = self._told.get(identity.uid)
        self._told[identity.uid] = (identity.resource_version, raw)
        return known is None or known[0] != identity.resource_version


def _identity(raw: bytes | msgspec.Raw) -> _Meta:
    return msgspec.json.decode(raw, type=_Identity).metadata
