"""Is the cluster lock of the SQL scheduler held while its jobs run? Row 12."""

import asyncio
import random
from typing import Any

import psycopg
from psycopg import sql

from bench.claims.experiments.experiment import Experiment, Servers
from bench.claims.experiments.member import Performer
from strategies.catalogue import design
from strategies.model import Every, Fire, Job, Timing

RUN_S, PERIOD_MS, LOOKS_S, EVERY_S = 2.0, 3_000, 8.0, 0.02
NAMESPACE = "trigger_lock"


async def trigger_lock(servers: Servers) -> dict[str, Any]:
    """Look at the lock row every 20 ms, and count the looks while a job is running."""
    url = await servers.url("postgres")
    open_runs: set[Fire] = set()

    async def job(fire: Fire) -> None:
        open_runs.add(fire)
        try:
            await asyncio.sleep(RUN_S)
        finally:
            open_runs.discard(fire)

    jobs = [Job(name=f"job-{n}", schedule=Every(PERIOD_MS, 700 * n)) for n in range(3)]
    strategy = design("quartz").make({"postgres": url}, NAMESPACE, Timing(), random.Random(0))
    member = Performer("i1", job)
    await strategy.prepare(jobs)
    taking_part = asyncio.create_task(strategy.participate(member, jobs))
    try:
        looks = await _look(url, open_runs)
    finally:
        member.stopping.set()
        await taking_part
        await strategy.clean_up()
    return {"run_s": RUN_S, "samples": len(looks), "locked": sum(looks)}


async def _look(url: str, open_runs: set[Fire]) -> list[bool]:
    """For each look while a run was open: whether the lock row was held."""
    looks: list[bool] = []
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as db:
        await db.execute(sql.SQL("SET search_path TO {}").format(sql.Identifier(NAMESPACE)))
        loop = asyncio.get_running_loop()
        until_s = loop.time() + LOOKS_S
        while loop.time() < until_s:
            before = bool(open_runs)
            held = await _is_held(db)
            if before and open_runs:
                looks.append(held)
            await asyncio.sleep(EVERY_S)
    return looks


async def _is_held(db: psycopg.AsyncConnection[Any]) -> bool:
    try:
        await db.execute("SELECT name FROM lock WHERE name = 'TRIGGER_ACCESS' FOR UPDATE NOWAIT")
    except psycopg.errors.LockNotAvailable:
        return True
    return False


EXPERIMENTS = (
    Experiment("trigger-lock", "Quartz' lock row while jobs run", LOOKS_S + 3, trigger_lock),
)
