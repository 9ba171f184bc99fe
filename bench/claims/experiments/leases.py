"""Locks and leases against time: rows 9, 11, 19 and 20."""

import asyncio
from typing import Any

from redis.asyncio import Redis

from bench.claims.experiments.experiment import Experiment, Servers, spin_until
from bench.claims.listings.listing import Seen
from bench.claims.listings.locks import Runs, lease_scene, replicas, run_if_free
from strategies.lock.port import Behind
from strategies.lock.redis import RedisService
from strategies.model import Job

WINDOW_ROUNDS, OFFSET_ROUNDS = 300, 60
OFFSETS_MS = (0.0, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0)
LEASE_ROUNDS = 10
DEPLOYMENT_ROUNDS = 5
# A heartbeat of 30 s and a retry period of 2 s under a lease of 15 s, all a tenth as long.
HEARTBEAT_LEASE_S, HEARTBEATS_S, WATCH_S = 1.5, (3.0, 0.2), 12.0


async def check_then_set(servers: Servers) -> dict[str, Any]:
    """How long the window between GET and SET is, and who falls into it."""
    url = await servers.url("redis")
    loop = asyncio.get_running_loop()
    window_ms: list[float] = []
    async with replicas(url, 2) as (one, two):
        for number in range(WINDOW_ROUNDS):
            await one.get(f"k{number}")
            checked_s = loop.time()
            await one.set(f"k{number}", "a", px=30_000)
            window_ms.append(1000 * (loop.time() - checked_s))
        offsets = [
            {"offset_ms": offset, "rounds": OFFSET_ROUNDS, "both": await _both(one, two, offset)}
            for offset in OFFSETS_MS
        ]
    return {"window_ms": [round(value, 4) for value in window_ms], "offsets": offsets}


async def _both(one: Redis, two: Redis, offset_ms: float) -> int:
    both = 0
    for number in range(OFFSET_ROUNDS):
        key = f"race:{offset_ms}:{number}"
        start_s = asyncio.get_running_loop().time() + 0.001
        won = await asyncio.gather(
            _checked(one, key, start_s), _checked(two, key, start_s + offset_ms / 1000)
        )
        both += all(won)
    return both


async def _checked(redis: Redis, key: str, at_s: float) -> bool:
    await spin_until(at_s)
    if await redis.get(key) is not None:
        return False
    await redis.set(key, "x", px=30_000)
    return True


async def short_ttl(servers: Servers) -> dict[str, Any]:
    """Jobs of more than 0.3 s under TTLs that are shorter and longer, without renewal."""
    url = await servers.url("redis")
    shorter = [await _overrun(url, ttl_ms) for ttl_ms in (100, 200)]
    return {"expires": _sum(shorter), "fits": await _overrun(url, 1000)}


async def _overrun(url: str, ttl_ms: int) -> dict[str, int]:
    seen = await lease_scene(url, ttl_ms, LEASE_ROUNDS)
    return {"rounds": seen.of, "twice": seen.hits}


def _sum(found: list[dict[str, int]]) -> dict[str, int]:
    return {key: sum(one[key] for one in found) for key in ("rounds", "twice")}


async def explicit_lease(servers: Servers) -> dict[str, Any]:
    """The same job under a lease that was given, and one that is left to the watchdog."""
    url = await servers.url("redis")
    explicit, watchdog = await lease_scene(url, 200), await lease_scene(url, None)
    return {"explicit": _rounds(explicit), "watchdog": _rounds(watchdog)}


def _rounds(seen: Seen) -> dict[str, int]:
    return {"rounds": seen.of, "twice": seen.hits}


async def deployment(servers: Servers) -> dict[str, Any]:
    """A deployment replaces the instance that runs a job longer than the TTL."""
    url = await servers.url("redis")
    draining = await lease_scene(url, 200, DEPLOYMENT_ROUNDS)
    renewed = await lease_scene(url, None, DEPLOYMENT_ROUNDS)
    beside = "ran on the old and the new instance at once"
    return {
        "draining": {"rounds": draining.of, "wrong": draining.hits, "what": beside},
        "renewed": {"rounds": renewed.of, "wrong": renewed.hits, "what": beside},
        "killed": await _killed(url),
        "killed-remembered": await _killed_remembered(url),
    }


async def _killed(url: str) -> dict[str, Any]:
    """The new instance asks for the next fire: nothing tells it of the interrupted one."""
    lost = 0
    for fire in range(DEPLOYMENT_ROUNDS):
        old, new = Runs(5), Runs(0.05)
        async with replicas(url, 2) as (first, second):
            await first.set("job", "old", nx=True, px=200)  # its holder dies: no release
            old.runs[fire] += 1
            await asyncio.sleep(0.3)
            await run_if_free(second, "job", fire + 1, new.work)
        lost += new.runs[fire] == 0
    return {"rounds": DEPLOYMENT_ROUNDS, "wrong": lost, "what": "were never finished"}


async def _killed_remembered(url: str) -> dict[str, Any]:
    """`redis-lock`: the store tells the new instance which fire began and did not end."""
    lost = 0
    service = RedisService(url, "deployment", 2.0)
    await service.set_up([Job(name="job", schedule=_hourly())])
    for number in range(DEPLOYMENT_ROUNDS):
        job, fire_ms = f"job-{number}", 1_000
        async with service.connect() as store:
            await store.acquire(job, "old", 0.2, fire_ms, 0)
            await asyncio.sleep(0.3)
            reply = await store.acquire(job, "new", 0.2, fire_ms + 1_000, 0)
        lost += not (isinstance(reply, Behind) and reply.open_ms == fire_ms)
    await service.tear_down()
    return {"rounds": DEPLOYMENT_ROUNDS, "wrong": lost, "what": "were never finished"}


def _hourly() -> Any:
    from strategies.model import Every

    return Every(3_600_000)


async def heartbeat(servers: Servers) -> dict[str, Any]:
    """Leaders that prolong a lease of 1.5 s every 3 s and every 0.2 s."""
    url = await servers.url("redis")
    async with replicas(url, 2) as clients:
        beats = await asyncio.gather(
            *(_lead(one, every_s) for one, every_s in zip(clients, HEARTBEATS_S, strict=True))
        )
    return {"lease_s": HEARTBEAT_LEASE_S, "heartbeats": beats}


async def _lead(redis: Redis, every_s: float) -> dict[str, Any]:
    key, ttl_ms = f"leader:{every_s}", round(1000 * HEARTBEAT_LEASE_S)
    beats, lapsed = max(3, round(WATCH_S / every_s)), 0
    await redis.set(key, "me", px=ttl_ms)
    for _ in range(beats):
        await asyncio.sleep(every_s)
        if not await redis.pexpire(key, ttl_ms):
            lapsed += 1
            await redis.set(key, "me", px=ttl_ms)
    return {"every_s": every_s, "beats": beats, "lapsed": lapsed}


EXPERIMENTS = (
    Experiment(
        "check-then-set", "the window between checking and setting a lock", 6, check_then_set
    ),
    Experiment("short-ttl", "a TTL shorter than the job, not renewed", 15, short_ttl),
    Experiment("explicit-lease", "the watchdog under an explicit lease", 17, explicit_lease),
    Experiment("deployment", "in-flight jobs in a deployment", 12, deployment),
    Experiment("heartbeat", "a heartbeat of two leases", 13, heartbeat),
)
