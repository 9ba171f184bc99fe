"""The timeline tells each fact of a trial once."""

from bench.events import Platform
from bench.services.kubernetes.observer import SCHEDULED, Timeline, _Job, fire_of
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


def test_a_fire_is_read_from_its_jobs_name() -> None:
    assert fire_of("my-report-30000480") == ("my-report", 1_800_028_800_000)
    assert fire_of("by-hand") == ("by-hand", None)
