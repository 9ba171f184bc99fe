"""Servers in containers, through testcontainers; the same images as docker-compose.yml.

`IMAGES` is the one place that pins them for this provider; tests/unit/test_compose.py keeps the
compose file equal to it.
"""

import asyncio
import contextlib
import os
import secrets
import socket
import time
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.errors import told
from bench.leftovers import Registration
from bench.services.base import NoAnswer, Probe, Probed, ServiceUnavailable
from bench.services.container import Container
from bench.services.ports import free_ports

START_TIMEOUT_S = 120.0
_ENGINE_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class Image:
    """A pinned image and how its container is run.

    `password` is the environment variable through which the container gets its password; `url`
    is filled with `password` and `port`.
    """

    reference: str
    port: int
    url: str
    password: str = ""
    user: str | None = None
    environment: dict[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ()


# The password goes through a file that the container writes for itself, not through the arguments
# of redis-server, which every process list shows.
_REDIS_START = (
    "umask 077; printf 'requirepass %s\\nsave \"\"\\nappendonly no\\nmaxclients 10000\\n' "
    '"$REDIS_PASSWORD" > /tmp/redis.conf; exec redis-server /tmp/redis.conf'
)

_POSTGRES_SETTINGS = (
    "shared_preload_libraries=pg_stat_statements",
    "pg_stat_statements.max=20000",
    "max_connections=500",
    "fsync=off",
    "full_page_writes=off",
)

IMAGES: dict[str, Image] = {
    "redis": Image(
        "redis:7.4.2",
        6379,
        "redis://:{password}@127.0.0.1:{port}/0",
        password="REDIS_PASSWORD",  # noqa: S106 - the name of a variable
        user="redis",
        command=("sh", "-c", _REDIS_START),
    ),
    "postgres": Image(
        "postgres:18.1",
        5432,
        "postgresql://coordbench:{password}@127.0.0.1:{port}/postgres",
        password="POSTGRES_PASSWORD",  # noqa: S106 - the name of a variable
        environment={"POSTGRES_USER": "coordbench", "POSTGRES_DB": "postgres"},
        command=(
            "postgres",
            *(word for setting in _POSTGRES_SETTINGS for word in ("-c", setting)),
        ),
    ),
    "zookeeper": Image(
        "zookeeper:3.9.4",
        2181,
        "zookeeper://coordbench:{password}@127.0.0.1:{port}",
        environment={
            "ZOO_TICK_TIME": "200",
            "ZOO_MAX_CLIENT_CNXNS": "0",
            "ZOO_ADMINSERVER_ENABLED": "false",
            "ZOO_4LW_COMMANDS_WHITELIST": "srvr,mntr,ruok",
            "ZOO_CFG_EXTRA": "minSessionTimeout=400 maxSessionTimeout=60000 forceSync=no",
        },
    ),
    "etcd": Image(
        "rancher/mirrored-coreos-etcd:v3.5.21",
        2379,
        "http://root:{password}@127.0.0.1:{port}",
        command=(
            "etcd",
            "--name=bench",
            "--listen-client-urls=http://0.0.0.0:2379",
            "--advertise-client-urls=http://127.0.0.1:2379",
            "--log-level=warn",
            "--bcrypt-cost=4",
            "--unsafe-no-fsync",
        ),
    ),
}


class DockerService(Container, Probed):
    """A server in a container of our own; see bench.services.base.Service."""

    durability = "fsync off: survives a killed server, not a power cut; Redis keeps nothing"

    def __init__(self, name: str, probe: Probe) -> None:
        super().__init__()
        self.name = name
        self._image = IMAGES[name]
        self._probe = probe

    async def start(self) -> None:
        port = free_ports(1)[0]
        password = secrets.token_urlsafe(18)
        self.url = self._image.url.format(password=password, port=port)
        try:
            self._container = self._make(port, password)
            await asyncio.to_thread(self._container.start)
            await self._until_healthy()
            await self._probe.introduce(self.url)
        except NoAnswer as error:
            await self.stop()
            raise ServiceUnavailable(f"{self.name}: its set-up failed: {error}") from None
        except ServiceUnavailable:
            await self.stop()
            raise
        except Exception as error:  # testcontainers and docker raise many kinds
            await self.stop()
            reason = (str(error) or told(error)).replace(password, "***").partition("\n")[0]
            raise ServiceUnavailable(f"{self.name}: its container: {reason}") from None

    def _make(self, port: int, password: str) -> Any:
        # Imported here: it is an extra, and takes a while.
        from testcontainers.core.container import DockerContainer

        image = self._image
        container = DockerContainer(image.reference)
        container.ports[str(image.port)] = ("127.0.0.1", port)
        container.with_envs(**image.environment)
        if image.password:
            container.with_env(image.password, password)
        if image.command:
            container.with_command(list(image.command))
        if image.user:
            container.with_kwargs(user=image.user)
        return container

    async def _until_healthy(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            with contextlib.suppress(NoAnswer):
                self.version = await self._probe.version(self.url)
                return
            await asyncio.sleep(0.1)
        raise ServiceUnavailable(
            f"{self.name}: no answer from its container within {START_TIMEOUT_S:.0f} s"
        )


class DockerProvider:
    """The provider of one kind of server in a container."""

    name = "docker"

    def __init__(self, service: str, probe: Probe) -> None:
        self._service = service
        self._probe = probe

    def missing(self) -> str | None:
        return missing_engine()

    def where(self) -> str:
        return IMAGES[self._service].reference

    def make(self, directory: Path, registration: Registration | None) -> DockerService:
        # testcontainers' own reaper removes the containers of a bench that was killed.
        return DockerService(self._service, self._probe)


def missing_engine() -> str | None:
    """Why containers cannot be started here, and the way out; None if they can."""
    if find_spec("docker") is None or find_spec("testcontainers") is None:
        return "no testcontainers: install coordbench[docker]"
    host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if not _answers(host):
        return "no Docker engine answers: start Docker, or set DOCKER_HOST"
    return None


def _answers(host: str) -> bool:
    """Whether somebody listens at a Docker host; docker's own client leaks a socket if not."""
    split = urlsplit(host)
    try:
        if split.scheme == "unix":
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(_ENGINE_TIMEOUT_S)
                connection.connect(split.path)
        elif split.scheme == "tcp":
            address = (split.hostname or "", split.port or 2375)
            socket.create_connection(address, _ENGINE_TIMEOUT_S).close()
    except (OSError, ValueError):
        return False
    return True  # for ssh and others there is no telling before the start
