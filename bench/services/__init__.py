"""The servers that strategies coordinate through, and where to get them.

    service = provide("redis", directory)      # the user's by URL, else embedded, else a container
    await service.start()
    ...
    await service.stop()

`SERVICES` is open: another service is one more entry, a name and its providers in the order in
which they are tried.
"""

from pathlib import Path

from bench.leftovers import Registration
from bench.services.base import NoAnswer, Probe, Provider, Service, ServiceUnavailable
from bench.services.docker import DockerProvider
from bench.services.embedded import EmbeddedProvider, Recipe
from bench.services.etcd import EtcdProbe, EtcdRecipe
from bench.services.kubernetes.provider import (
    DockerKubernetes,
    EmbeddedKubernetes,
    UrlKubernetes,
)
from bench.services.postgres import PostgresProbe, PostgresRecipe
from bench.services.redis import RedisProbe, RedisRecipe
from bench.services.url import UrlProvider
from bench.services.zookeeper import ZooKeeperProbe, ZooKeeperRecipe

# How to speak to each kind of server.
PROBES: dict[str, Probe] = {
    "redis": RedisProbe(),
    "postgres": PostgresProbe(),
    "zookeeper": ZooKeeperProbe(),
    "etcd": EtcdProbe(),
}


def _providers(recipe: Recipe) -> tuple[Provider, ...]:
    probe = PROBES[recipe.name]
    return (
        UrlProvider(recipe.name, probe),
        EmbeddedProvider(recipe, probe),
        DockerProvider(recipe.name, probe),
    )


SERVICES: dict[str, tuple[Provider, ...]] = {
    "redis": _providers(RedisRecipe()),
    "postgres": _providers(PostgresRecipe()),
    "zookeeper": _providers(ZooKeeperRecipe()),
    "etcd": _providers(EtcdRecipe()),
    "kubernetes": (UrlKubernetes(), EmbeddedKubernetes(), DockerKubernetes()),
}


def provide(
    name: str,
    directory: Path,
    provider: str | None = None,
    *,
    registration: Registration | None = None,
) -> Service:
    """The service `name`, not started yet, from the first provider that works or the named one.

    Its log goes to `directory`. What it starts is written to `registration`, or to one of its
    own. ServiceUnavailable says in one line what is missing and how to get it.
    """
    if name not in SERVICES:
        raise ServiceUnavailable(f"no service {name!r}: there are {', '.join(SERVICES)}")
    wanted = [one for one in SERVICES[name] if provider in (None, one.name)]
    if not wanted:
        names = ", ".join(one.name for one in SERVICES[name])
        raise ServiceUnavailable(f"{name}: no provider {provider!r}: there are {names}")
    reasons = []
    for one in wanted:
        missing = one.missing()
        if missing is None:
            return one.make(directory, registration)
        reasons.append(f"{one.name}: {missing}")
    raise ServiceUnavailable(f"{name}: {'; '.join(reasons)}")


__all__ = [
    "PROBES",
    "SERVICES",
    "NoAnswer",
    "Provider",
    "Service",
    "ServiceUnavailable",
    "provide",
]
