"""How many fires a second the clustered scheduler's store claims and completes.

    python -m bench.benchmarks.quartz_throughput --url postgresql://user:password@host:port/db

The store's real steps, with a job that does nothing: acquire a batch, begin it, complete it.
Workers are processes of their own, each with its own connection. `skip-locked` in batches of 100
is held against 10,000 fires/s with 4 workers; the single-lock mode stands beside it with its
decline from 1 to 16 workers, in batches and one by one, as Quartz ships (maxBatchSize 1).
"""

import argparse
import asyncio
import multiprocessing
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier

from strategies.quartz.port import Begin, Grant
from strategies.quartz.postgres import PostgresTriggers

TARGET_PER_S = 10_000
TRIGGERS = 20_000
READY_S = 60.0
ALWAYS_DUE_MS = 2**62


@dataclass(frozen=True)
class Case:
    """One measurement."""

    mode: str
    batch: int
    workers: int


CASES = (
    Case("skip-locked", 100, 4),
    Case("skip-locked", 100, 1),
    Case("skip-locked", 1, 4),
    Case("single-lock", 100, 1),
    Case("single-lock", 100, 4),
    Case("single-lock", 100, 16),
    Case("single-lock", 1, 1),
    Case("single-lock", 1, 4),
    Case("single-lock", 1, 16),
)


@dataclass(frozen=True)
class Order:
    """What a worker process is told."""

    url: str
    namespace: str
    case: Case
    number: int
    seconds: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure every case and print it; 1 when the target is missed."""
    parser = argparse.ArgumentParser(description="fires/s of the clustered scheduler")
    parser.add_argument("--url", required=True, help="postgresql://user:password@host:port/db")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of each measurement")
    options = parser.parse_args(arguments)
    print("mode         batch  workers   fires/s")
    rates: dict[Case, float] = {}
    for case in CASES:
        rate = rates[case] = asyncio.run(measure(options.url, case, options.seconds))
        print(f"{case.mode:<12} {case.batch:>5} {case.workers:>8} {rate:>9,.0f}")
    for batch in (100, 1):
        one, many = (rates[Case("single-lock", batch, workers)] for workers in (1, 16))
        print(f"single-lock, batches of {batch}: 16 workers reach {many / one:.2f} x one worker")
    ratio = rates[CASES[0]] / TARGET_PER_S
    print(f"skip-locked, batches of 100, 4 workers: {ratio:.2f} x the target")
    return 0 if ratio >= 1 else 1


async def measure(url: str, case: Case, seconds: float) -> float:
    """Fires per second of all workers together."""
    namespace = f"benchmark-{uuid.uuid4().hex[:12]}"
    store = _store(url, namespace, case)
    await store.prepare()
    try:
        await store.schedule([(f"job-{number}", number) for number in range(TRIGGERS)])
        orders = [Order(url, namespace, case, n, seconds) for n in range(case.workers)]
        return sum(await asyncio.to_thread(_in_processes, orders))
    finally:
        await store.close()
        await store.clean_up()


def _in_processes(orders: Sequence[Order]) -> list[float]:
    context = multiprocessing.get_context("spawn")
    together, rates = context.Barrier(len(orders)), context.SimpleQueue()
    workers = [context.Process(target=work, args=(order, together, rates)) for order in orders]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        if worker.exitcode:
            raise RuntimeError(f"a worker ended with exit code {worker.exitcode}")
    return [rates.get() for _ in workers]


def work(order: Order, together: Barrier, rates: "SimpleQueue[float]") -> None:
    """One worker process: its completed fires per second, once all workers are ready."""
    rates.put(asyncio.run(_work(order, together)))


async def _work(order: Order, together: Barrier) -> float:
    store = _store(order.url, order.namespace, order.case)
    name = f"worker-{order.number}"
    await store.register(name, 0)
    await _fire(store, name, order.case.batch)  # opens the connections, prepares the statements
    await asyncio.to_thread(together.wait, READY_S)
    fires = 0
    began_s = time.monotonic()
    while time.monotonic() < began_s + order.seconds:
        fires += await _fire(store, name, order.case.batch)
    took_s = time.monotonic() - began_s
    await store.close()
    return fires / took_s


async def _fire(store: PostgresTriggers, name: str, batch: int) -> int:
    grants = await store.acquire(name, ALWAYS_DUE_MS, batch)
    await store.begin(name, [_begin(grant) for grant in grants])
    return len(await store.complete(name, [grant.ticket for grant in grants]))


def _begin(grant: Grant) -> Begin:
    return Begin(grant.ticket, grant.due_ms, grant.due_ms + TRIGGERS, blocks=True)


def _store(url: str, namespace: str, case: Case) -> PostgresTriggers:
    skip_locked = case.mode == "skip-locked"
    return PostgresTriggers(url, namespace, skip_locked=skip_locked, call_s=10, connect_s=10)


if __name__ == "__main__":
    raise SystemExit(main())
