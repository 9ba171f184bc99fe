"""The claim control's steps on a real PostgreSQL."""

import asyncio
import uuid

import pytest

from strategies.controls.claim_postgres import PostgresClaims
from strategies.model import Fire

pytestmark = pytest.mark.servers


async def test_one_of_many_claims_a_fire_also_after_it_has_ended(postgres_url: str) -> None:
    namespace = f"claim-{uuid.uuid4().hex[:12]}"
    racers = [PostgresClaims(postgres_url, namespace, 8.0) for _ in range(4)]
    await racers[0].prepare()
    for due_ms in range(20):
        fire = Fire("a", due_ms)
        won = await asyncio.gather(*(racer.claim(fire) for racer in racers))
        assert sum(won) == 1
        await racers[won.index(True)].end(fire, "COMPLETED")
        assert not await racers[0].claim(fire)
    for racer in racers:
        await racer.close()
    await racers[0].clean_up()
