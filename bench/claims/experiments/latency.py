"""How long a lock takes, alone and among many others: row 13."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
from redis.asyncio import Redis

from bench.claims.experiments.experiment import Experiment, Servers
from bench.claims.listings.locks import replicas
from strategies.election.gateway import Gateway, encoded

BLOCKS, PAIRS = 7, 200
TTL_MS = 600_000
REDIS_LOCKS = (1_000, 10_000, 100_000)
ETCD_LOCKS = (1_000, 10_000)
ETCD_PAIRS = 60
CALL_S = 5.0

Pair = Callable[[], Awaitable[None]]


async def lock_latency(servers: Servers) -> dict[str, Any]:
    """SET NX PX from one asyncio client, and what the server itself says it took."""
    url = await servers.url("redis")
    async with replicas(url, 1) as (redis,):
        await redis.config_resetstat()
        blocks = [await _block(_redis_acquire(redis), PAIRS) for _ in range(BLOCKS)]
        stats: Any = await redis.info("commandstats")
    return {
        "acquire_ms": [round(float(np.quantile(block, 0.5)), 4) for block in blocks],
        "acquire_p99_ms": [round(float(np.quantile(block, 0.99)), 4) for block in blocks],
        "server_us": float(stats["cmdstat_set"]["usec_per_call"]),
    }


async def lock_count(servers: Servers) -> dict[str, Any]:
    """One more lock beside many: Redis to 100,000, etcd to 10,000."""
    redis_url = await servers.url("redis")
    async with replicas(redis_url, 1) as (redis,):
        in_redis = [await _among(redis, locks) for locks in REDIS_LOCKS]
    gateway = Gateway(await servers.url("etcd"), CALL_S)
    try:
        in_etcd = await _in_etcd(gateway)
    finally:
        await gateway.close()
    return {"redis": in_redis, "etcd": in_etcd}


async def _among(redis: Redis, locks: int) -> dict[str, Any]:
    held = int(await redis.dbsize())
    for start in range(held, locks, 5_000):
        pipe = redis.pipeline(transaction=False)
        for number in range(start, min(start + 5_000, locks)):
            pipe.set(f"held:{number}", "owner", nx=True, px=TTL_MS)
        await pipe.execute()
    blocks = [await _block(_redis_acquire(redis), PAIRS) for _ in range(BLOCKS)]
    return {"locks": locks, "p50_ms": [round(float(np.quantile(one, 0.5)), 4) for one in blocks]}


def _redis_acquire(redis: Redis) -> Pair:
    async def acquire() -> None:
        if not await redis.set(f"one:{secrets.token_hex(6)}", "me", nx=True, px=1_000):
            raise RuntimeError("a fresh key was taken already")

    return acquire


async def _in_etcd(gateway: Gateway) -> list[dict[str, Any]]:
    """Locks as etcd's clients make them: create if absent, attached to a lease."""
    lease = (await gateway.call("lease/grant", {"TTL": "600"}))["ID"]
    found, held = [], 0
    for locks in ETCD_LOCKS:
        while held < locks:
            some = range(held, min(held + 100, locks))
            await asyncio.gather(*(gateway.call("kv/txn", _create(f"h{n}", lease)) for n in some))
            held += len(some)

        async def acquire() -> None:
            await gateway.call("kv/txn", _create(f"one-{secrets.token_hex(6)}", lease))

        blocks = [await _block(acquire, ETCD_PAIRS) for _ in range(BLOCKS)]
        p50s = [round(float(np.quantile(one, 0.5)), 4) for one in blocks]
        found.append({"locks": locks, "p50_ms": p50s})
    await gateway.call("lease/revoke", {"ID": lease})
    return found


def _create(name: str, lease: str) -> dict[str, Any]:
    key = encoded(f"lock-count/{name}")
    return {
        "compare": [{"key": key, "target": "CREATE", "create_revision": "0"}],
        "success": [{"request_put": {"key": key, "value": encoded("me"), "lease": lease}}],
    }


async def _block(pair: Pair, count: int) -> list[float]:
    """Milliseconds of `count` calls, one after another."""
    took = []
    for _ in range(count):
        began_s = time.perf_counter()
        await pair()
        took.append(1000 * (time.perf_counter() - began_s))
    return took


EXPERIMENTS = (
    Experiment("lock-latency", "one Redis lock, asked for by one client", 3, lock_latency),
    Experiment(
        "lock-count", "one more lock beside 100,000 in Redis, 10,000 in etcd", 25, lock_count
    ),
)
