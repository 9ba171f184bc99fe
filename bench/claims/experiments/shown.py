"""The guides' listings, each run once on its real server."""

from typing import Any

from bench.claims.experiments.experiment import Experiment, Servers
from bench.claims.listings import LISTINGS


async def listings(servers: Servers) -> dict[str, Any]:
    """Every listing's key with what its scene saw."""
    found: dict[str, Any] = {}
    for one in LISTINGS:
        seen = await one.scene(await servers.url(one.service))
        found[one.key] = {"hits": seen.hits, "of": seen.of, "what": seen.what}
    return found


EXPERIMENTS = (Experiment("listings", "the guides' code, run", 25, listings),)
