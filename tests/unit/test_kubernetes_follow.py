"""Following a collection: whatever breaks, no object is lost and none is told twice."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from bench.simulation import VirtualLoop
from strategies.errors import ServiceLost
from strategies.kubernetes.api import Listed, ListMeta, WatchLine
from strategies.kubernetes.errors import Expired, Forbidden, Refused
from strategies.kubernetes.follow import Change, Follower

Line = tuple[str, str, int]  # type, uid, resourceVersion


class ScriptedApi:
    """Answers lists and watches from a script; the places that watches began at are kept."""

    def __init__(self, lists: list[Any], watches: list[list[Line | Exception]]) -> None:
        self.lists, self.watches, self.places = lists, watches, []

    async def list(self, path: str, query: object) -> Listed:
        answer = self.lists.pop(0)
        if isinstance(answer, Exception):
            raise answer
        place, objects = answer
        items = [msgspec.Raw(_object(uid, version)) for uid, version in objects]
        return Listed(items, ListMeta(resource_version=str(place)))

    async def watch(self, path: str, query: Any, lasting_s: int) -> AsyncIterator[WatchLine]:
        self.places.append(query["resourceVersion"])
        if not self.watches:
            raise Refused("the script is over")
        for line in self.watches.pop(0):
            if isinstance(line, Exception):
                raise line
            kind, uid, version = line
            yield WatchLine(kind, msgspec.Raw(_object(uid, version)))


def _object(uid: str, version: int) -> bytes:
    return msgspec.json.encode({"metadata": {"uid": uid, "resourceVersion": str(version)}})


def followed(api: ScriptedApi) -> list[tuple[str, str]]:
    """(what, uid) of every change, until the script is over."""

    told: list[Change] = []

    async def follow() -> None:
        follower = Follower(api, "/pods", {}, random.Random(0))  # type: ignore[arg-type]
        async for change in follower.changes():
            told.append(change)  # noqa: PERF401 - it ends with an error, and what came is wanted

    with (
        asyncio.Runner(loop_factory=VirtualLoop) as runner,
        pytest.raises(Refused, match="over"),
    ):
        runner.run(follow())
    return [(one.what, msgspec.json.decode(one.raw)["metadata"]["uid"]) for one in told]


def test_a_list_and_then_changes() -> None:
    api = ScriptedApi([(5, [("a", 3)])], [[("ADDED", "b", 6), ("DELETED", "a", 7)]])
    assert followed(api) == [("there", "a"), ("there", "b"), ("gone", "a")]


def test_a_watch_that_ends_goes_on_from_its_last_place() -> None:
    api = ScriptedApi([(5, [])], [[("ADDED", "a", 6)], [("BOOKMARK", "", 9)], []])
    followed(api)
    assert api.places == ["5", "6", "9", "9"]


def test_a_watch_that_breaks_goes_on_from_its_last_place() -> None:
    broken = [("ADDED", "a", 6), ServiceLost("cut")]
    api = ScriptedApi([(5, [])], [broken, [("ADDED", "b", 7)]])
    assert followed(api) == [("there", "a"), ("there", "b")]
    assert api.places == ["5", "6", "7"]


def test_an_expired_place_is_listed_again_and_nothing_is_told_twice() -> None:
    api = ScriptedApi([(5, [("a", 3)]), (20, [("a", 3), ("b", 15)])], [[Expired("410")], []])
    assert followed(api) == [("there", "a"), ("there", "b")]


def test_what_went_while_nobody_looked_is_told_as_gone() -> None:
    api = ScriptedApi([(5, [("a", 3), ("b", 4)]), (20, [("b", 4)])], [[Expired("410")], []])
    assert followed(api) == [("there", "a"), ("there", "b"), ("gone", "a")]


def test_an_object_that_changed_in_the_gap_is_told_again() -> None:
    api = ScriptedApi([(5, [("a", 3)]), (20, [("a", 8)])], [[Expired("410")], []])
    assert followed(api) == [("there", "a"), ("there", "a")]


def test_a_server_that_has_just_restarted_and_knows_nobody_yet_is_asked_again() -> None:
    api = ScriptedApi([(5, [("a", 3)])], [[Forbidden("403")], [("ADDED", "b", 6)]])
    assert followed(api) == [("there", "a"), ("there", "b")]


def test_a_right_that_is_missing_from_the_start_is_said() -> None:
    async def follow() -> None:
        api = ScriptedApi([Forbidden("403")], [])
        follower = Follower(api, "/pods", {}, random.Random(0))  # type: ignore[arg-type]
        async for _ in follower.changes():
            pass

    with asyncio.Runner(loop_factory=VirtualLoop) as runner, pytest.raises(Forbidden):
        runner.run(follow())


def test_a_server_that_does_not_answer_is_asked_again() -> None:
    api = ScriptedApi([ServiceLost("down"), ServiceLost("down"), (5, [("a", 3)])], [[]])
    assert followed(api) == [("there", "a")]
