"""What the sides of a split do: row 14."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote, urlsplit

from kazoo.client import KazooClient
from kazoo.handlers.threading import KazooTimeoutError
from redis.asyncio import Redis

from bench.claims.experiments.experiment import Experiment, Servers
from bench.services import NoAnswer
from bench.services.embedded import Access, EmbeddedService
from bench.services.zookeeper import ZooKeeperProbe, ZooKeeperRecipe

ROUNDS = 10
ASKED = 3
_SILENT = logging.getLogger("coordbench.minority")  # a refusal is what is expected
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False
STANDALONE, MEMBER = "ZooKeeperServerMain", "quorum.QuorumPeerMain"


async def split(servers: Servers) -> dict[str, Any]:
    """A Redis and its replica lose sight of each other, and the replica is promoted."""
    first, second = await servers.url("redis", "primary"), await servers.url("redis", "replica")
    async with Redis.from_url(first) as one, Redis.from_url(second) as two:
        await _replicate(two, first)
        for number in range(ROUNDS):
            await one.set(f"before:{number}", "a", nx=True, px=600_000)
        await one.wait(1, 2000)
        await _say(two, "REPLICAOF", "NO", "ONE")
        known = [bool(await two.set(f"before:{n}", "b", nx=True)) for n in range(ROUNDS)]
        both = 0
        for number in range(ROUNDS):
            sides = [bool(await side.set(f"after:{number}", "x", nx=True)) for side in (one, two)]
            both += all(sides)
    return {"rounds": ROUNDS, "both": both, "granted_again_though_replicated": sum(known)}


async def _say(redis: Redis, *words: str) -> None:
    execute: Callable[..., Awaitable[Any]] = redis.execute_command
    await execute(*words)


async def _replicate(replica: Redis, of: str) -> None:
    parts = urlsplit(of)
    await replica.config_set("masterauth", unquote(parts.password or ""))
    await _say(replica, "REPLICAOF", str(parts.hostname), str(parts.port))
    async with asyncio.timeout(20):
        while (await replica.info("replication"))["master_link_status"] != "up":
            await asyncio.sleep(0.05)


class _Lonely(ZooKeeperRecipe):
    """One server of an ensemble of three whose other two are not there."""

    ports = 5

    async def lay_out(self, access: Access) -> list[str]:
        command = await super().lay_out(access)
        ports = access.ports[1:]
        members = [(ports[0], ports[1]), (ports[2], 1), (ports[3], 2)]  # nobody listens on the rest
        lines = [f"server.{n}=127.0.0.1:{a}:{b}" for n, (a, b) in enumerate(members, 1)]
        with (access.data / "zoo.cfg").open("a", encoding="utf-8") as file:
            file.write("\n".join(["initLimit=10", "syncLimit=5", *lines]) + "\n")
        folder = access.data / "zookeeper"
        folder.mkdir(exist_ok=True)
        (folder / "myid").write_text("1\n")
        return [word.replace(STANDALONE, MEMBER) for word in command]


class _Answers(ZooKeeperProbe):
    """Calls a server up that answers, be it that it serves nobody."""

    async def version(self, url: str) -> str:
        try:
            return await super().version(url)
        except NoAnswer as error:
            if "not currently serving" in str(error):
                return "alone"
            raise

    async def introduce(self, url: str) -> None:
        """Nobody can be introduced to it."""


async def minority(servers: Servers) -> dict[str, Any]:
    """One of three ZooKeeper servers, alone: whether it opens sessions."""
    service = EmbeddedService(_Lonely(), _Answers(), servers.folder, servers.registration)
    await servers.keep(service)
    refused = [await asyncio.to_thread(_refuses, service.url) for _ in range(ASKED)]
    return {"asked": ASKED, "refused": sum(refused), "says": service.version}


def _refuses(url: str) -> bool:
    parts = urlsplit(url)
    client = KazooClient(f"{parts.hostname}:{parts.port}", timeout=2, logger=_SILENT)
    try:
        client.start(timeout=3)
    except KazooTimeoutError:
        return True
    finally:
        client.stop()
        client.close()
    return False


EXPERIMENTS = (
    Experiment("split", "a Redis split from its promoted replica", 4, split),
    Experiment("minority", "one of three ZooKeeper servers, alone", 15, minority),
)
