"""Endpoints through links: only host and port change."""

from dataclasses import dataclass, field

import pytest

from bench.links import LinkError, relayed, unavailable
from chaos.links.client import RelayedLink


@dataclass
class Relaying:
    """A relay that opens ports from 4001 on."""

    opened: list[tuple[str, str, int]] = field(default_factory=list)

    async def link(self, name: str, host: str, port: int, leaf: str) -> RelayedLink:
        self.opened.append((name, host, port))
        if leaf:
            return RelayedLink(name, 4001, self, "10.77.0.1", 4711)  # type: ignore[arg-type]
        return RelayedLink(name, 4000 + len(self.opened), self)  # type: ignore[arg-type]


async def redirected(url: str) -> str:
    endpoints, _ = await relayed(Relaying(), "i1", {"service": url})  # type: ignore[arg-type]
    return endpoints["service"]


@pytest.mark.parametrize(
    ("url", "through"),
    [
        ("redis://:p%40w@127.0.0.1:6380/0", "redis://:p%40w@127.0.0.1:4001/0"),
        ("postgresql://u:p@127.0.0.1:5433/db?x=1", "postgresql://u:p@127.0.0.1:4001/db?x=1"),
        ("zookeeper://u:p@127.0.0.1:2182", "zookeeper://u:p@127.0.0.1:4001"),
        ("http://127.0.0.1:2379", "http://127.0.0.1:4001"),
        ("https://r:t@[::1]:6443/?ca=/f&name=n", "https://r:t@127.0.0.1:4001/?ca=/f&name=n"),
    ],
)
async def test_credentials_and_path_stay(url: str, through: str) -> None:
    assert await redirected(url) == through


async def test_each_service_gets_a_link_of_its_own_named_after_both_ends() -> None:
    relay = Relaying()
    urls = {"redis": "redis://localhost", "etcd": "http://10.0.0.7:2379"}
    endpoints, links = await relayed(relay, "i1-ab", urls)  # type: ignore[arg-type]
    assert relay.opened == [
        ("i1-ab>redis", "localhost", 6379),
        ("i1-ab>etcd", "10.0.0.7", 2379),
    ]
    assert [link.name for link in links] == ["i1-ab>redis", "i1-ab>etcd"]
    assert endpoints["etcd"] == "http://127.0.0.1:4002"


async def test_an_instance_in_a_namespace_of_its_own_is_told_the_address_seen_from_there() -> None:
    urls = {"redis": "redis://:p@localhost/0"}
    endpoints, [link] = await relayed(Relaying(), "i1", urls, "namespaces")  # type: ignore[arg-type]
    assert endpoints["redis"] == "redis://:p@10.77.0.1:4001/0"
    assert link.network == 4711


def test_kubernetes_is_cut_by_the_relay_only() -> None:
    assert unavailable("relay", ["kubernetes"]) is None
    assert "certificate" in str(unavailable("namespaces", ["kubernetes"]))


@pytest.mark.parametrize("url", ["zookeeper://u:secret@a:1,b:2", "/run/redis.sock"])
async def test_a_url_without_one_host_and_port_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(LinkError, match="one host and port") as refused:
        await redirected(url)
    assert "secret" not in str(refused.value)
