"""What the lock's safety costs: `python -m bench.benchmarks.lock_overhead --url redis://...`.

One uncontended acquire and release of `redis-lock`, against the two bare redis-py calls that any
such lock needs (SET NX PX, and a compare-and-delete by EVALSHA), and against redis-py's own
asyncio Lock. Blocks of the three take turns, so that a slow moment of the machine meets all of
them; ratios are taken within a round and their median is reported. Targets: at most 1.3 times the
bare calls, and less than redis-py's Lock. All three talk over redis-py's connections; the other two
borrow theirs from its client for each call, and `redis-lock` keeps its own (see RedisLink), which
is most of what it saves.
"""

import argparse
import asyncio
import itertools
import json
import random
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass

from redis.asyncio import Redis

from strategies.lock.port import Grant, LockStore
from strategies.lock.redis import DELETE, RedisService

NAMESPACE = "lock-overhead"
TTL_S = 30.0
CALL_S = 2.0

Pair = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Overhead:
    """Medians per acquire-and-release, in microseconds, and the ratios to them."""

    ours_us: float
    bare_us: float
    redis_py_lock_us: float
    ratio_to_bare: float
    ratio_to_redis_py_lock: float


async def measure(url: str, rounds: int, pairs: int, seed: int) -> Overhead:
    """Run `rounds` rounds of one block of `pairs` pairs each, in random order."""
    service = RedisService(url, NAMESPACE, CALL_S)
    async with Redis.from_url(url) as client, service.connect() as store:
        contestants = {
            "ours": _ours(store),
            "bare": await _bare(client),
            "redis-py": _redis_py_lock(client),
        }
        blocks: dict[str, list[float]] = {name: [] for name in contestants}
        rng = random.Random(seed)
        for turn in range(rounds + 1):
            for name in rng.sample(sorted(contestants), len(contestants)):
                seconds = await _block(contestants[name], pairs)
                if turn:  # the first round connects and loads the scripts
                    blocks[name].append(seconds * 1e6)
    await service.tear_down()
    return _overhead(blocks)


def _overhead(blocks: dict[str, list[float]]) -> Overhead:
    def ratio(other: str) -> float:
        return statistics.median(
            ours / theirs for ours, theirs in zip(blocks["ours"], blocks[other], strict=True)
        )

    return Overhead(
        ours_us=statistics.median(blocks["ours"]),
        bare_us=statistics.median(blocks["bare"]),
        redis_py_lock_us=statistics.median(blocks["redis-py"]),
        ratio_to_bare=ratio("bare"),
        ratio_to_redis_py_lock=ratio("redis-py"),
    )


async def _block(pair: Pair, pairs: int) -> float:
    """The median seconds of one pair over a block."""
    seconds = []
    for _ in range(pairs):
        began_s = time.perf_counter()
        await pair()
        seconds.append(time.perf_counter() - began_s)
    return statistics.median(seconds)


def _ours(store: LockStore) -> Pair:
    fires = itertools.count(int(time.time() * 1000))

    async def pair() -> None:
        due_ms = next(fires)
        reply = await store.acquire("job", f"instance:{due_ms}", TTL_S, due_ms, due_ms - 1)
        if not isinstance(reply, Grant):
            raise RuntimeError(f"the lock was not free: {reply}; is another benchmark running?")
        await store.release("job", f"instance:{due_ms}", due_ms, 0.0)

    return pair


async def _bare(client: Redis) -> Pair:
    await client.script_load(DELETE.text)
    numbers = itertools.count()

    async def pair() -> None:
        token = f"instance:{next(numbers)}"
        await client.set(f"{NAMESPACE}:lock:bare", token, nx=True, px=int(TTL_S * 1000))
        await client.evalsha(DELETE.sha, 1, f"{NAMESPACE}:lock:bare", token)

    return pair


def _redis_py_lock(client: Redis) -> Pair:
    async def pair() -> None:
        async with client.lock(f"{NAMESPACE}:lock:redis-py", timeout=TTL_S):
            pass

    return pair


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", required=True, help="redis://:password@host:port/0")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--pairs", type=int, default=200, help="acquire-release pairs per block")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    chosen = parser.parse_args(arguments)
    result = asyncio.run(measure(chosen.url, chosen.rounds, chosen.pairs, chosen.seed))
    sys.stdout.write(json.dumps(asdict(result)) + "\n" if chosen.json else _table(result))
    return 0 if result.ratio_to_bare <= 1.3 and result.ratio_to_redis_py_lock < 1 else 1


def _table(result: Overhead) -> str:
    return (
        f"redis-lock, acquire + release    {result.ours_us:8.1f} us\n"
        f"SET NX PX + compare-and-delete   {result.bare_us:8.1f} us   "
        f"ratio {result.ratio_to_bare:.2f} (target <= 1.30)\n"
        f"redis-py's Lock                  {result.redis_py_lock_us:8.1f} us   "
        f"ratio {result.ratio_to_redis_py_lock:.2f} (target < 1.00)\n"
    )


if __name__ == "__main__":
    sys.exit(main())
