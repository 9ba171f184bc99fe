"""Servers that a trial starts for itself, because its fault needs one of a particular manner.

failover         has somebody to take over             (bench.services.replicated)
parted           has members in networks of their own  (bench.services.ensemble)
few-connections  has few, so that they run out         (bench.services.crowded)
false-clock      has a clock that can be stepped       (libfaketime)
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.leftovers import Registration
from bench.services.base import Probe, Service
from bench.services.crowded import CrowdedServer, FewPostgres, FewRedis
from bench.services.embedded import Access, EmbeddedService, Recipe
from bench.services.ensemble import SplitEnsemble, ZooKeeperEnsemble
from bench.services.postgres import PostgresProbe, PostgresRecipe
from bench.services.redis import RedisProbe, RedisRecipe
from bench.services.redis_pair import RedisPair
from bench.services.replicated import Single
from bench.services.zookeeper import ZooKeeperRecipe
from chaos.services import faketime

START_S = {"redis": 0.5, "postgres": 2.5, "zookeeper": 7.0}  # to be told beforehand

RECIPES: dict[str, Callable[[], Recipe]] = {
    "redis": RedisRecipe,
    "postgres": PostgresRecipe,
    "zookeeper": ZooKeeperRecipe,
}


class FalseClock:
    """A server that reads its wall clock through libfaketime; also a chaos.services.Stepped."""

    def __init__(self, server: EmbeddedService, told: Path) -> None:
        self._server = server
        self._told = told
        self.name = server.name

    def __getattr__(self, name: str) -> Any:  # in all else it is the server
        return getattr(self._server, name)

    async def step(self, seconds: float) -> None:
        draft = self._told.with_suffix(".draft")
        draft.write_text(f"{seconds:+.6f}s\n")
        draft.replace(self._told)


def own(name: str, manner: str, directory: Path, registration: Registration) -> Service:
    """The service `name` of one manner, not started yet; its log goes to `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    match manner, name:
        case "failover", "redis":
            return RedisPair(directory, registration)
        case "failover", "zookeeper":
            return ZooKeeperEnsemble(directory, registration)
        case "parted", "zookeeper":
            return SplitEnsemble(directory, registration)
        case "failover", "postgres":
            server = EmbeddedService(PostgresRecipe(), PostgresProbe(), directory, registration)
            return Single(server)
        case "few-connections", "redis":
            server = EmbeddedService(FewRedis(), RedisProbe(), directory, registration)
            return CrowdedServer(server)
        case "few-connections", "postgres":
            server = EmbeddedService(FewPostgres(), PostgresProbe(), directory, registration)
            return CrowdedServer(server)
        case "false-clock", ("redis" | "postgres"):
            return _with_false_clock(name, directory, registration)
    raise ValueError(f"no {name} of the manner {manner!r}")


def missing(name: str, manner: str) -> str | None:
    """What is missing to start the service `name` for a trial; None if nothing."""
    return RECIPES[name]().missing() if manner else None


def _with_false_clock(name: str, directory: Path, registration: Registration) -> Service:
    told = directory / "clock"
    told.write_text("+0s\n")
    recipe = _FalseRedis(told) if name == "redis" else _FalsePostgres(told)
    probe: Probe = RedisProbe() if name == "redis" else PostgresProbe()
    server = EmbeddedService(recipe, probe, directory, registration)
    return FalseClock(server, told)


class _FalseRedis(RedisRecipe):
    def __init__(self, told: Path) -> None:
        self._told = told

    async def lay_out(self, access: Access) -> list[str]:
        return [*_environment(self._told), *await super().lay_out(access)]


class _FalsePostgres(PostgresRecipe):
    def __init__(self, told: Path) -> None:
        self._told = told

    async def lay_out(self, access: Access) -> list[str]:
        return [*_environment(self._told), *await super().lay_out(access)]


def _environment(told: Path) -> list[str]:
    return [
        "/usr/bin/env",
        f"LD_PRELOAD={faketime()}",
        f"FAKETIME_TIMESTAMP_FILE={told}",
        "FAKETIME_NO_CACHE=1",  # a step is seen at the next look at the clock
        "DONT_FAKE_MONOTONIC=1",
    ]
