"""One ZooKeeper session through kazoo, bridged to asyncio. No thread of kazoo's is seen outside."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import unquote, urlsplit

from kazoo.client import KazooClient
from kazoo.exceptions import KazooException, NodeExistsError, NoNodeError
from kazoo.protocol.states import KazooState
from kazoo.security import CREATOR_ALL_ACL

from strategies.errors import ServiceLost

RECONNECT_S = 0.05  # kazoo's first pause between two tries; it doubles up to `retry_s`


class Session:
    """A client with a session of its own; opened once, closed once, never used again."""

    def __init__(self, url: str, lease_s: float, call_s: float, retry_s: float) -> None:
        parts = urlsplit(url)
        self._call_s = call_s
        self._loop = asyncio.get_running_loop()
        self._connected = asyncio.Event()
        self._client = KazooClient(
            hosts=parts.netloc.rpartition("@")[2] + parts.path.rstrip("/"),
            timeout=lease_s,
            connection_retry={"max_tries": -1, "delay": RECONNECT_S, "max_delay": retry_s},
            **_identity(parts.username, parts.password),
        )
        self.timeout_s = lease_s
        self._learn_timeout()

    async def open(self) -> None:
        """Connect, within `call_s`. Raises ServiceLost; close it in any case."""
        self._client.add_listener(self._on_state)
        self._client.start_async()
        try:
            async with asyncio.timeout(self._call_s):
                await self._connected.wait()
        except TimeoutError:
            raise ServiceLost("zookeeper: no connection") from None

    async def call(self, operation: str, *args: Any, **named: Any) -> Any:
        """Do one of the client's `<operation>_async`, within `call_s`.

        Raises ServiceLost, except for the two answers that are about the znode itself: kazoo's
        NoNodeError and NodeExistsError.
        """
        return await self.result(getattr(self._client, f"{operation}_async")(*args, **named))

    async def transaction(self, fill: Callable[[Any], None]) -> list[Any]:
        """Do in one transaction what `fill` adds to it; each operation's result or exception."""
        transaction = self._client.transaction()
        fill(transaction)
        results: list[Any] = await self.result(transaction.commit_async())
        return results

    async def result(self, pending: Any) -> Any:
        """The value of kazoo's asynchronous result."""
        future: asyncio.Future[Any] = self._loop.create_future()

        def settle() -> None:
            if future.done():
                return
            if pending.exception is not None:
                future.set_exception(pending.exception)
            else:
                future.set_result(pending.value)

        pending.rawlink(lambda _: self._in_loop(settle))
        try:
            async with asyncio.timeout(self._call_s):
                return await future
        except TimeoutError:
            raise ServiceLost("zookeeper: no answer in time") from None
        except (NoNodeError, NodeExistsError):
            raise
        except KazooException as error:
            raise ServiceLost(f"zookeeper: {type(error).__name__}") from None

    def event(self) -> tuple[asyncio.Event, Callable[[Any], None]]:
        """An event, and the watch that sets it: on the znode's change or the connection's loss."""
        event = asyncio.Event()
        return event, lambda _: self._in_loop(event.set)

    async def close(self) -> None:
        """End the session, and with it its ephemeral znodes, or leave it to expire."""
        await asyncio.shield(asyncio.to_thread(self._stop))

    def _stop(self) -> None:
        with suppress(KazooException):
            self._client.stop()
        self._client.close()

    def _on_state(self, state: str) -> None:
        if state == KazooState.CONNECTED:
            self._in_loop(self._connected.set)

    def _in_loop(self, action: Callable[[], object]) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(action)

    def _learn_timeout(self) -> None:
        """Keep the session timeout that the server grants, which may be shorter than asked for.

        kazoo tells it to nobody: it is taken from what its `_connect` returns, two thirds of it
        as the time to wait for an answer, in ms.
        """
        connect = self._client._connection._connect

        def connect_and_learn(*args: Any) -> Any:
            read_ms, connect_ms = connect(*args)
            self.timeout_s = read_ms / 1000 * 1.5
            return read_ms, connect_ms

        self._client._connection._connect = connect_and_learn


def _identity(user: str | None, password: str | None) -> dict[str, Any]:
    if not user:
        return {}
    credential = f"{unquote(user)}:{unquote(password or '')}"
    return {"auth_data": [("digest", credential)], "default_acl": CREATOR_ALL_ACL}
