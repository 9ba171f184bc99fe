"""The timeline tells each fact of a trial once."""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from bench.errors import BenchError
from bench.events import Platform
from bench.services.kubernetes import observer
from bench.services.kubernetes.observer import SCHEDULED, Timeline, _Job, fire_of
from strategies.kubernetes.errors import Refused
from strategies.kubernetes.follow import Change
from strategies.kubernetes.objects import Condition, Meta, Node, NodeStatus, Pod, PodSpec, PodStatus
from strategies.notes import Skipped


def told() -> tuple[Timeline, list[tuple[str, str]]]:
    events: list[tuple[str, str]] = []

    def tell(event: Platform | Skipped) -> None:
        assert isinstance(event, Platform)
        events.append((event.what, event.reason))

    return Timeline(tell), events


def a_node(ready: str, reason: str = "") -> Node:
    conditions = [Condition(type="Ready", status=ready, reason=reason)]
    return Node(metadata=Meta(name="i1"), status=NodeStatus(conditions=conditions))


def test_a_node_is_told_when_it_changes() -> None:
    timeline, events = told()
    for node in (a_node("True"), a_node("True"), a_node("Unknown", "silent"), a_node("True")):
        timeline.node(node, gone=False)
    assert events == [("node-ready", ""), ("node-not-ready", "silent"), ("node-ready", "")]


def test_a_pods_life_is_told_in_order_and_once() -> None:
    timeline, events = told()
    meta = Meta(name="a-1-x", uid="u", labels={"batch.kubernetes.io/job-name": "a-1"})
    spec = PodSpec(containers=[])
    timeline.pod(Pod(metadata=meta, spec=spec), gone=False)
    spec.node_name = "i1"
    timeline.pod(Pod(metadata=meta, spec=spec), gone=False)
    timeline.pod(Pod(metadata=meta, spec=spec, status=PodStatus(phase="Running")), gone=False)
    meta.deletion_timestamp = "2027-01-15T08:00:00Z"
    timeline.pod(Pod(metadata=meta, spec=spec, status=PodStatus(phase="Running")), gone=True)
    names = [what for what, _ in events]
    assert names == ["pod-created", "pod-bound", "pod-running", "pod-deleted", "pod-gone"]


def test_a_jobs_name_and_its_annotation_must_say_the_same_fire() -> None:
    timeline, events = told()
    for uid, scheduled in (("1", "2027-01-15T08:00:00Z"), ("2", "2027-01-15T08:01:00Z")):
        meta = Meta(name="a-30000000", uid=uid, annotations={SCHEDULED: scheduled})
        timeline.job(_Job(metadata=meta), gone=False)
    assert [what for what, _ in events] == ["job-created", "job-created"]
    assert [reason for _, reason in events] == ["", "its annotation says 1800000060000"]
    assert timeline.doubts == ["a-30000000: its annotation says 1800000060000"]


def test_a_fire_is_read_from_its_jobs_name() -> None:
    assert fire_of("my-report-30000480") == ("my-report", 1_800_028_800_000)
    assert fire_of("by-hand") == ("by-hand", None)


class NoApi:
    """Opens and closes; nobody asks it anything."""

    def __init__(self, url: str, *, timeout_s: float) -> None: ...

    async def __aenter__(self) -> "NoApi":
        return self

    async def __aexit__(self, *_: object) -> None: ...


class Blind:
    """Sees nothing, and for one collection stops seeing at all."""

    broken = ""

    def __init__(self, api: NoApi, path: str, query: object, rng: random.Random) -> None:
        self._path = path

    async def changes(self) -> AsyncIterator[Change]:
        if self.broken and self._path.endswith(self.broken):
            raise Refused("no such thing")
        await asyncio.Event().wait()
        yield Change("there", b"")


async def looked(monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    monkeypatch.setattr(observer, "KubernetesApi", NoApi)
    monkeypatch.setattr(observer, "Follower", Blind)
    monkeypatch.setattr(Blind, "broken", broken)
    async with observer.observing("url", "n", lambda event: None, random.Random(0)):
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("broken", ["nodes", "pods", "jobs", "events"])
async def test_an_observer_that_went_blind_spoils_the_trial(
    monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """What the platform did is not known from then on, nor which fires it left out."""
    with pytest.raises(BenchError, match=r"observer of .*: Refused: no such thing"):
        await looked(monkeypatch, broken)


async def test_an_observer_that_saw_everything_ends_without_a_word(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await looked(monkeypatch, "")
