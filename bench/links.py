"""The links of a trial: each instance's own way to each service, where a scenario breaks links.

A healthy trial goes through no relay: its instances get the services' own URLs. Links are made by
a user-space relay (anywhere, the default), or through network namespaces, where the kernel itself
drops packets (docs/chaos.md says what differs).
"""

from collections.abc import Collection, Mapping
from typing import Literal
from urllib.parse import urlsplit

from bench.errors import BenchError
from chaos.links import namespaces
from chaos.links.client import Relay, RelayedLink

LinkKind = Literal["relay", "namespaces"]

PORTS = {"redis": 6379, "postgresql": 5432, "zookeeper": 2181, "http": 80, "https": 443}


class LinkError(BenchError):
    """A service whose URL leads to no single host and port cannot be reached through a link."""


BY_RELAY_ONLY = {"kubernetes"}  # its certificate names the addresses it may be reached by


def unavailable(kind: LinkKind, services: Collection[str] = ()) -> str | None:
    """Why links of this kind to these services cannot be had here; None where they can."""
    if kind == "relay":
        return None
    if by_relay := BY_RELAY_ONLY & set(services):
        return f"{' and '.join(by_relay)} can only be cut by the relay (its certificate)"
    return namespaces.missing()


async def relayed(
    relay: Relay, host: str, endpoints: Mapping[str, str], kind: LinkKind = "relay"
) -> tuple[dict[str, str], list[RelayedLink]]:
    """The endpoints of the instance `host` through links of its own, and these links."""
    leaf = host if kind == "namespaces" else ""
    through: dict[str, str] = {}
    links: list[RelayedLink] = []
    for service, url in endpoints.items():
        link = await relay.link(f"{host}>{service}", *_address(service, url), leaf)
        links.append(link)
        through[service] = _redirected(url, f"{link.address}:{link.port}")
    return through, links


def _address(service: str, url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    try:
        port = parts.port or PORTS.get(parts.scheme)
    except ValueError:  # several hosts, separated by commas
        port = None
    if not parts.hostname or not port:
        raise LinkError(f"{service}: no link to a server without one host and port in its URL")
    return parts.hostname, port


def _redirected(url: str, address: str) -> str:
    parts = urlsplit(url)
    user, at, _ = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user}{at}{address}").geturl()
