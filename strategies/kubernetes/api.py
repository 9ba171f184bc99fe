"""Five verbs and a watch on the Kubernetes REST API, as typed JSON over one connection pool.

Every call has a timeout and makes one attempt (but for aiohttp's own second one where a kept
connection turns out closed, within the same timeout): how often to try again is the caller's
decision, because only the caller knows its lease. What was refused (`http-409`, `http-429`,
`http-503`, ...) or not answered (`no-answer`, `watch-broke`) is counted in `counts`.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, MutableMapping
from types import MappingProxyType, TracebackType
from typing import Any, Self, TypeVar

import aiohttp
import msgspec

from strategies.errors import ServiceLost
from strategies.kubernetes.endpoint import parse
from strategies.kubernetes.errors import BY_STATUS, Busy, Expired, Refused

T = TypeVar("T")
Query = Mapping[str, str | int]
NOTHING: Query = MappingProxyType({})
MERGE_PATCH = "application/merge-patch+json"


class Status(msgspec.Struct, rename="camel"):
    """The server's reason for a refusal (meta/v1 Status)."""

    message: str = ""
    reason: str = ""
    code: int = 0


class ListMeta(msgspec.Struct, rename="camel"):
    """A list's place in the server's history."""

    resource_version: str = ""


class Listed(msgspec.Struct):
    """The items of a list, still encoded, and where a watch goes on from."""

    items: list[msgspec.Raw]
    metadata: ListMeta


class WatchLine(msgspec.Struct):
    """One line of a watch."""

    type: str
    object: msgspec.Raw


class KubernetesApi:
    """A role's connection to an API server. Use as a context; opened and closed with it."""

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float,
        connections: int = 20,
        counts: MutableMapping[str, float] | None = None,
    ) -> None:
        self.counts: MutableMapping[str, float] = {} if counts is None else counts
        self._endpoint = parse(url)
        self._timeout_s = timeout_s
        self._connections = connections
        self._session: aiohttp.ClientSession

    @property
    def admits(self) -> list[str]:
        """The users that whoever prepares a trial lets into its namespace."""
        return [user for user in self._endpoint.admits.split(",") if user]

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(
            ssl=self._endpoint.tls(), limit=self._connections, keepalive_timeout=60
        )
        self._session = aiohttp.ClientSession(
            self._endpoint.base, connector=connector, headers=self._endpoint.headers
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._session.close()

    async def get(self, path: str, kind: type[T], query: Query = NOTHING) -> T:
        """One object. Raises NotFound, ServiceLost."""
        return msgspec.json.decode(await self._call("GET", path, query=query), type=kind)

    async def list(self, path: str, query: Query = NOTHING) -> Listed:
        """The objects of a collection."""
        return await self.get(path, Listed, query)

    async def create(self, path: str, body: object, query: Query = NOTHING) -> bytes:
        """Make an object; the server's version of it. Raises Conflict where it exists."""
        return await self._call("POST", path, body, query=query)

    async def replace(self, path: str, body: object) -> bytes:
        """Put an object; with a resourceVersion in it, raises Conflict where it has changed."""
        return await self._call("PUT", path, body)

    async def merge(self, path: str, patch: object, query: Query = NOTHING) -> bytes:
        """Merge `patch` into an object (RFC 7386)."""
        return await self._call("PATCH", path, patch, query=query, content=MERGE_PATCH)

    async def delete(
        self, path: str, options: Mapping[str, Any] = NOTHING, query: Query = NOTHING
    ) -> None:
        """Delete an object, or what `query` selects of a collection, with DeleteOptions.

        Raises NotFound; Conflict where a precondition does not hold.
        """
        body = {"apiVersion": "v1", "kind": "DeleteOptions", **options}
        await self._call("DELETE", path, body, query=query)

    async def text(self, path: str) -> str:
        """A page that is no object: /readyz, /metrics."""
        return (await self._call("GET", path)).decode()

    async def watch(self, path: str, query: Query, lasting_s: int) -> AsyncIterator[WatchLine]:
        """Changes as they come, for about `lasting_s`; then it ends and the caller goes on.

        Raises Expired when the server has forgotten that far back, ServiceLost when the line is
        cut: also when it is silent for longer than it may last, as a half-open connection is.
        """
        asked = {**query, "watch": 1, "allowWatchBookmarks": "true", "timeoutSeconds": lasting_s}
        timeout = aiohttp.ClientTimeout(
            total=lasting_s + self._timeout_s, sock_connect=self._timeout_s
        )
        try:
            async with self._request("GET", path, query=asked, timeout=timeout) as answer:
                await _refuse(answer, self.counts)
                async for line in _lines(answer):
                    change = msgspec.json.decode(line, type=WatchLine)
                    if change.type == "ERROR":
                        status = msgspec.json.decode(change.object, type=Status)
                        _count(self.counts, f"http-{status.code}")
                        raise _error(status)
                    yield change
        except (aiohttp.ClientError, TimeoutError, OSError, msgspec.DecodeError) as error:
            _count(self.counts, "watch-broke")
            raise ServiceLost(f"the watch broke: {type(error).__name__}") from None

    async def _call(
        self,
        method: str,
        path: str,
        body: object = None,
        query: Query = NOTHING,
        content: str = "application/json",
    ) -> bytes:
        timeout = aiohttp.ClientTimeout(total=self._timeout_s)
        data = None if body is None else msgspec.json.encode(body)
        headers = {"Content-Type": content} if data is not None else {}
        try:
            async with self._request(
                method, path, query=query, timeout=timeout, data=data, headers=headers
            ) as answer:
                await _refuse(answer, self.counts)
                read: bytes = await answer.read()
                return read
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            _count(self.counts, "no-answer")
            # The client's own text may hold the URL; its type says enough.
            raise ServiceLost(f"{method} got no answer: {type(error).__name__}") from None

    def _request(
        self, method: str, path: str, *, query: Query, timeout: aiohttp.ClientTimeout, **more: Any
    ) -> Any:
        return self._session.request(
            method, path, params=query, timeout=timeout, server_hostname=self._endpoint.name, **more
        )


def _count(counts: MutableMapping[str, float], what: str) -> None:
    counts[what] = counts.get(what, 0) + 1


async def _refuse(answer: aiohttp.ClientResponse, counts: MutableMapping[str, float]) -> None:
    """Raise what an unsuccessful answer means."""
    if answer.status < 400:
        return
    body = await answer.read()
    try:
        status = msgspec.json.decode(body, type=Status)
    except msgspec.DecodeError:
        status = Status(message=body[:200].decode(errors="replace"))
    status.code = answer.status
    _count(counts, f"http-{answer.status}")
    wish = answer.headers.get("Retry-After", "")
    raise _error(status, float(wish) if wish.isdigit() else None)


def _error(status: Status, retry_after_s: float | None = None) -> Busy | Refused:
    if status.code == 429 or status.code >= 500:
        return Busy(f"the API server is busy ({status.code})", retry_after_s)
    words = status.message or f"the API server refused ({status.code})"
    if status.reason in ("Expired", "Gone"):
        return Expired(words)
    return BY_STATUS.get(status.code, Refused)(words)


async def _lines(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Whole lines of any length; aiohttp's own reader stops at 64 KB."""
    rest = b""
    async for chunk in answer.content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line
    await asyncio.sleep(0)
