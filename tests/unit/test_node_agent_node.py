"""A node that registers: new, or again under a name that the control plane has given up."""

import asyncio
from typing import Any

from bench.node_agent.node import Heartbeat, Node
from strategies.kubernetes.errors import Conflict
from strategies.kubernetes.objects import Meta
from strategies.kubernetes.objects import Node as NodeObject


class FakeApi:
    """Knows the objects in `there` already; keeps what is created and patched."""

    def __init__(self, there: set[str]) -> None:
        self.there = there
        self.patched: list[tuple[str, Any]] = []

    async def create(self, path: str, body: dict[str, Any]) -> bytes:
        if f"{path}/{body['metadata']['name']}" in self.there:
            raise Conflict("it exists")
        return b""

    async def get(self, path: str, kind: type) -> NodeObject:
        return NodeObject(metadata=Meta(uid="u"))

    async def merge(self, path: str, patch: Any) -> bytes:
        self.patched.append((path, patch))
        return b""


def registered(api: FakeApi) -> list[str]:
    node = Node(api, "i1", "t", Heartbeat(2.0, 0.5), lambda: 1.8e9)  # type: ignore[arg-type]
    asyncio.run(node.register())
    return [path for path, _ in api.patched]


def test_a_new_node_says_all_of_itself_when_it_is_made() -> None:
    assert registered(FakeApi(set())) == []


def test_a_node_that_comes_back_under_its_name_says_at_once_that_it_is_ready() -> None:
    """It may have been given up: ten seconds until its next regular status would be ours."""
    api = FakeApi({"/api/v1/nodes/i1"})
    assert registered(api) == ["/api/v1/nodes/i1/status"]
    [(_, patch)] = api.patched
    assert {"Ready": "True"}.items() <= {
        one["type"]: one["status"] for one in patch["status"]["conditions"]
    }.items()
