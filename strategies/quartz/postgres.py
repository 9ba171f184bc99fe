"""The port on PostgreSQL: one statement per step, whole batches as arrays.

Two ways to acquire. `skip_locked`: SELECT ... FOR UPDATE SKIP LOCKED, instances pass each other by.
Otherwise, as Quartz does it, each step that touches triggers first takes the cluster's lock row
FOR UPDATE, so that the instances take turns; the lock is held for one statement, never for a run.

Two connections per instance: a check-in must not wait behind a step that waits for a lock.
"""

from collections.abc import Sequence

from strategies.postgres import Parameters, Rows, Session
from strategies.quartz.port import Begin, Grant, Ticket

PACKAGE = "strategies.quartz"
PREPARE_S = 10.0  # making and dropping tables is no part of what is measured


class PostgresTriggers:
    """QuartzStore on the database at `url`, inside the PostgreSQL schema `namespace`."""

    def __init__(
        self, url: str, namespace: str, *, skip_locked: bool, call_s: float, connect_s: float
    ) -> None:
        self._skip_locked = skip_locked
        self._triggers = Session(url, PACKAGE, namespace, call_s, connect_s)
        self._instances = Session(url, PACKAGE, namespace, call_s, connect_s)
        self._schema = Session(url, PACKAGE, namespace, PREPARE_S, PREPARE_S)

    async def prepare(self) -> None:
        await self._schema.run_script("create_namespace")
        await self._schema.run_script("schema")
        await self._schema.close()

    async def clean_up(self) -> None:
        await self._schema.run_script("drop_namespace")
        await self._schema.close()

    async def close(self) -> None:
        await self._triggers.close()
        await self._instances.close()

    async def schedule(self, firsts: Sequence[tuple[str, int]]) -> None:
        await self._step(
            "schedule", {"jobs": [job for job, _ in firsts], "due": [due for _, due in firsts]}
        )

    async def acquire(self, instance: str, until_ms: int, limit: int) -> list[Grant]:
        name = "acquire" if self._skip_locked else "acquire_under_lock"
        parameters = {"instance": instance, "until": until_ms, "batch": limit}
        rows = await self._step(name, parameters)
        return [Grant(Ticket(job, fence), due_ms, begun=False) for job, fence, due_ms in rows]

    async def begin(self, instance: str, begins: Sequence[Begin]) -> set[Ticket]:
        parameters = {
            **_keys(instance, [begin.ticket for begin in begins]),
            "due": [begin.due_ms for begin in begins],
            "next_due": [begin.next_due_ms for begin in begins],
            "blocks": [begin.blocks for begin in begins],
        }
        return {Ticket(*row) for row in await self._step("begin", parameters)}

    async def complete(self, instance: str, tickets: Sequence[Ticket]) -> set[Ticket]:
        rows = await self._step("complete", _keys(instance, tickets))
        return {Ticket(*row) for row in rows}

    async def release(self, instance: str) -> None:
        await self._step("release", {"instance": instance})

    async def held(self, instance: str) -> list[Grant]:
        rows = await self._triggers.run("held", {"instance": instance})
        return [Grant(Ticket(job, fence), due_ms, begun) for job, fence, due_ms, begun in rows]

    async def register(self, instance: str, now_ms: int) -> None:
        await self._instances.run("register", {"instance": instance, "now": now_ms})

    async def check_in(self, instance: str, now_ms: int) -> bool:
        return bool(await self._instances.run("check_in", {"instance": instance, "now": now_ms}))

    async def recover(self, instance: str, failed_before_ms: int, rerun: bool) -> list[Grant]:
        async with self._triggers.transaction() as transaction:
            asking = {"instance": instance, "failed_before": failed_before_ms}
            dead = [name for (name,) in await transaction.run("declare_dead", asking)]
            if not dead:
                return []
            taking = {"instance": instance, "dead": dead, "rerun": rerun}
            rows = await transaction.run("take_over", taking)
        return [Grant(Ticket(job, fence), due_ms, begun=True) for job, fence, due_ms in rows]

    async def leave(self, instance: str) -> None:
        await self._instances.run("leave", {"instance": instance})

    async def _step(self, name: str, parameters: Parameters) -> Rows:
        if self._skip_locked:
            return await self._triggers.run(name, parameters)
        return await self._triggers.run_locked("lock", name, parameters)


def _keys(instance: str, tickets: Sequence[Ticket]) -> dict[str, object]:
    return {
        "instance": instance,
        "jobs": [ticket.job for ticket in tickets],
        "fences": [ticket.fence for ticket in tickets],
    }
