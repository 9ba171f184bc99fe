"""A pod's life on a node, in virtual time: its process restarted, ended, reported, removed."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import pytest

from bench.node_agent.pods import PodLife
from bench.simulation import VirtualLoop
from strategies.errors import ServiceLost
from strategies.kubernetes.errors import Forbidden, NotFound
from strategies.kubernetes.objects import Container, Meta, Pod, PodSpec, PodStatus


class FakeProcess:
    """Ends with `code` after `seconds`, or when it is stopped or killed."""

    def __init__(self, seconds: float, code: int) -> None:
        self.ended = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(seconds, self._end, code)

    async def wait(self) -> int:
        return int(await asyncio.shield(self.ended))

    async def stop(self, grace_s: float) -> int:
        self._end(143)
        return await self.wait()

    def kill(self) -> None:
        self._end(137)

    def _end(self, code: int) -> None:
        if not self.ended.done():
            self.ended.set_result(code)


class FakeNode:
    """Starts what the story says, one process after the other, and is the API server as well."""

    def __init__(self, story: Sequence[tuple[float, int]]) -> None:
        self.story = list(story)
        self.started_s: list[float] = []
        self.said: list[Mapping[str, Any]] = []
        self.removed = 0
        self.troubles: list[Exception] = []

    async def start(self, command: Sequence[str], environment: Mapping[str, str]) -> FakeProcess:
        self.started_s.append(asyncio.get_running_loop().time())
        return FakeProcess(*self.story.pop(0))

    async def merge(self, path: str, patch: Any) -> bytes:
        if self.troubles:
            raise self.troubles.pop(0)
        self.said.append(patch["status"])
        return b""

    async def delete(self, path: str, options: object) -> None:
        if self.troubles:
            raise self.troubles.pop(0)
        self.removed += 1

    @property
    def phases(self) -> list[tuple[str, str]]:
        return [(one["phase"], one.get("reason", "")) for one in self.said]


def a_pod(**spec: Any) -> Pod:
    container = Container(name="run", command=["work"])
    return Pod(
        metadata=Meta(name="p", namespace="n", uid="u"),
        spec=PodSpec(containers=[container], node_name="i1", **spec),
    )


def lived(
    node: FakeNode,
    pod: Pod,
    then: Callable[[PodLife], Awaitable[None]] | None = None,
    *,
    born_deleted: bool = False,
) -> None:
    """Let the pod live, do `then` to it meanwhile, and delete it after an hour."""

    async def live() -> None:
        loop = asyncio.get_running_loop()
        life = PodLife(node, pod, node, {}, loop.time)  # type: ignore[arg-type]
        if born_deleted:
            life.follow(pod)
        living = asyncio.create_task(life.run())
        if then is not None:
            await then(life)
        await asyncio.sleep(3600)
        life.follow(deleted(pod))
        await living

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(live())


def deleted(pod: Pod) -> Pod:
    meta = Meta(
        name="p", namespace="n", uid="u", deletion_timestamp="2027-01-15T08:00:00Z",
        deletion_grace_period_seconds=1,
    )  # fmt: skip
    return Pod(metadata=meta, spec=pod.spec)


def test_never_is_run_once_whatever_its_exit_code() -> None:
    node = FakeNode([(1, 1)])
    lived(node, a_pod(restart_policy="Never"))
    assert node.phases == [("Running", ""), ("Failed", "")]
    assert node.removed == 1


def test_on_failure_is_run_again_after_10_and_20_s_until_it_succeeds() -> None:
    node = FakeNode([(1, 1), (1, 1), (1, 0)])
    lived(node, a_pod(restart_policy="OnFailure"))
    assert node.started_s == pytest.approx([0, 11, 32])
    assert [phase for phase, _ in node.phases] == ["Running", "Running", "Running", "Succeeded"]
    assert node.said[-1]["containerStatuses"][0]["restartCount"] == 2


def test_a_deadline_counts_over_restarts_and_ends_the_wait_for_the_next() -> None:
    node = FakeNode([(1, 1), (1, 1), (1, 0)])
    lived(node, a_pod(restart_policy="OnFailure", active_deadline_seconds=15))
    assert node.started_s == pytest.approx([0, 11])
    assert node.phases[-1] == ("Failed", "DeadlineExceeded")


def test_a_deadline_ends_a_running_process() -> None:
    node = FakeNode([(600, 0)])
    lived(node, a_pod(restart_policy="Never", active_deadline_seconds=5))
    assert node.phases[-1] == ("Failed", "DeadlineExceeded")


def test_a_pod_that_is_deleted_while_it_waits_for_a_restart_is_not_started_again() -> None:
    node = FakeNode([(1, 1), (1, 0)])
    pod = a_pod(restart_policy="Always")

    async def delete(life: PodLife) -> None:
        await asyncio.sleep(5)
        life.follow(deleted(pod))

    lived(node, pod, delete)
    assert node.started_s == [0]
    assert node.removed == 1


def test_a_pod_that_is_deleted_before_its_node_hears_of_it_is_never_started() -> None:
    """Bound to a node that was cut off just then: its fire runs elsewhere by now."""
    node = FakeNode([(1, 0)])
    lived(node, deleted(a_pod(restart_policy="Never")), born_deleted=True)
    assert node.started_s == []
    assert node.phases == [("Failed", "")]
    assert node.removed == 1


def test_a_pod_whose_process_died_with_the_nodes_predecessor_has_failed() -> None:
    """A node that comes back under its name, as after a reboot: Never is not run again."""
    node = FakeNode([(1, 0)])
    pod = a_pod(restart_policy="Never")
    pod.status = PodStatus(phase="Running")
    lived(node, pod)
    assert node.started_s == []
    assert node.phases == [("Failed", "")]
    assert node.said[0]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 137


def test_a_pod_whose_process_died_with_the_nodes_predecessor_is_restarted_by_policy() -> None:
    node = FakeNode([(1, 0)])
    pod = a_pod(restart_policy="OnFailure")
    pod.status = PodStatus(phase="Running")
    lived(node, pod)
    assert node.phases == [("Running", ""), ("Succeeded", "")]
    assert node.said[-1]["containerStatuses"][0]["restartCount"] == 1


def test_what_became_of_a_pod_is_said_until_the_server_has_heard_it() -> None:
    node = FakeNode([(1, 0)])
    node.troubles = [ServiceLost("down"), Forbidden("just restarted"), ServiceLost("down")]
    lived(node, a_pod(restart_policy="Never"))
    assert node.phases[-1] == ("Succeeded", "")


def test_a_pod_that_the_server_does_not_know_any_more_is_killed() -> None:
    """Forgotten by force while the node was cut off: nobody waits for its process."""
    node = FakeNode([(600, 0)])
    node.troubles = [NotFound("no such pod")]
    lived(node, a_pod(restart_policy="Never"))
    assert node.phases == [("Failed", "")]
    assert node.started_s == [0]


def test_what_no_node_agent_can_run_fails_and_says_why() -> None:
    node = FakeNode([])
    pod = a_pod(restart_policy="Never")
    pod.spec.containers[0].command = []
    lived(node, pod)
    assert node.phases == [("Failed", "UnexpectedAdmissionError")]
    assert "runs no image" in node.said[0]["message"]
