"""Claims on PostgreSQL: a row per fire, the claim a conditional update."""

from strategies.model import Fire
from strategies.postgres import Session

PACKAGE = "strategies.controls"
PREPARE_S = 10.0  # making and dropping tables is no part of what is measured


class PostgresClaims:
    """Claims in the PostgreSQL schema `namespace`; a call may take a quarter of the lease."""

    def __init__(self, url: str, namespace: str, lease_s: float) -> None:
        self._session = Session(url, PACKAGE, namespace, lease_s / 4, lease_s)
        self._schema = Session(url, PACKAGE, namespace, PREPARE_S, PREPARE_S)

    async def prepare(self) -> None:
        await self._schema.run_script("claim_create_namespace")
        await self._schema.run_script("claim_schema")
        await self._schema.close()

    async def claim(self, fire: Fire) -> bool:
        key = {"job": fire.job, "due": fire.due_ms}
        await self._session.run("claim_add", key)
        return bool(await self._session.run("claim_take", key))

    async def end(self, fire: Fire, state: str) -> None:
        key = {"job": fire.job, "due": fire.due_ms}
        await self._session.run("claim_end", {**key, "state": state})

    async def clean_up(self) -> None:
        await self._schema.run_script("claim_drop_namespace")
        await self._schema.close()

    async def close(self) -> None:
        await self._session.close()
