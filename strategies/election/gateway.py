"""etcd's JSON gateway, as far as an election needs it: calls, streams, authentication.

etcd serves its gRPC interface as JSON under /v3 (its docs, "gRPC gateway"): keys and values are
base64, 64-bit numbers are strings, a stream is one JSON object per line. No maintained asyncio
client of etcd exists, so aiohttp speaks to it directly.
"""

import asyncio
import base64
import json
from collections.abc import AsyncGenerator
from typing import Any
from urllib.parse import unquote, urlsplit

import aiohttp

from strategies.errors import ServiceLost

Message = dict[str, Any]
CLIENT_ERRORS = (aiohttp.ClientError, TimeoutError, OSError, ValueError)
# etcd says these with other codes: the token is of an older state of users and roles, or missing.
STALE_TOKEN = ("invalid auth token", "revision in header is old", "user name is empty")
AUTH_IS_OFF = "authentication is not enabled"


def encoded(text: str) -> str:
    """A key or value as the gateway wants it."""
    return base64.b64encode(text.encode()).decode()


def decoded(data: str) -> str:
    """The text of a key or value from the gateway."""
    return base64.b64decode(data).decode()


def range_end(prefix: str) -> str:
    """The end of the range of all keys that begin with `prefix` (the last byte plus one)."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)


class Refused(ServiceLost):
    """etcd answered with an error; `status` is the HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"etcd: {message or status}")
        self.status = status


class Gateway:
    """One instance's connections to etcd; each step of a call takes at most `call_s` seconds."""

    def __init__(self, url: str, call_s: float) -> None:
        parts = urlsplit(url)
        self._base = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        self._user, self._password = unquote(parts.username or ""), unquote(parts.password or "")
        self._token: str | None = None
        self._call_s = call_s
        self._session: aiohttp.ClientSession | None = None

    async def call(self, path: str, message: Message) -> Message:
        """One request, one answer. Raises ServiceLost."""
        try:
            async with await self._authorized(path, message) as response:
                async with asyncio.timeout(self._call_s):
                    return _answer((await response.read()).partition(b"\n")[0])
        except CLIENT_ERRORS as error:
            raise ServiceLost(f"etcd: {type(error).__name__}") from None

    async def stream(self, path: str, message: Message) -> AsyncGenerator[Message, None]:
        """A request whose answers come one by one, however late. Raises ServiceLost."""
        try:
            async with await self._authorized(path, message) as response:
                while line := await response.content.readline():
                    yield _answer(line)
        except CLIENT_ERRORS as error:
            raise ServiceLost(f"etcd: {type(error).__name__}") from None

    async def close(self) -> None:
        """Close every connection; the next call opens new ones."""
        session, self._session = self._session, None
        if session:
            await session.close()

    async def _authorized(self, path: str, message: Message) -> aiohttp.ClientResponse:
        """Post with a token, and once more with a new one when etcd knows the old one no more."""
        if self._user and self._token is None:
            await self._authenticate()
        try:
            return await self._post(path, message)
        except Refused as refusal:
            stale = refusal.status == 401 or any(why in str(refusal) for why in STALE_TOKEN)
            if not self._user or not stale:
                raise
        await self._authenticate()  # the refused call has not happened
        return await self._post(path, message)

    async def _authenticate(self) -> None:
        self._token = None
        message = {"name": self._user, "password": self._password}
        try:
            response = await self._post("auth/authenticate", message)
            self._token = (await response.json())["token"]
        except Refused as refusal:
            if AUTH_IS_OFF not in str(refusal):
                raise ServiceLost("etcd: authentication failed") from None
            self._token = ""
        except (*CLIENT_ERRORS, KeyError) as error:
            raise ServiceLost(f"etcd: {type(error).__name__}") from None

    async def _post(self, path: str, message: Message) -> aiohttp.ClientResponse:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=self._call_s)
            self._session = aiohttp.ClientSession(timeout=timeout)
        headers = {"Authorization": self._token} if self._token else {}
        try:
            async with asyncio.timeout(self._call_s):
                response = await self._session.post(
                    f"{self._base}/v3/{path}", json=message, headers=headers
                )
                if response.status != 200:
                    raise Refused(response.status, _reason(await response.text()))
        except Refused:
            raise
        except CLIENT_ERRORS as error:
            raise ServiceLost(f"etcd: {type(error).__name__}") from None
        return response


def _answer(line: bytes) -> Message:
    """An answer without the frame that a stream puts around it."""
    answer: Message = json.loads(line)
    if "error" in answer:
        raise ServiceLost(f"etcd: {answer['error']}")
    found: Message = answer.get("result", answer)
    return found


def _reason(body: str) -> str:
    """The words in which etcd refused."""
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return ""
