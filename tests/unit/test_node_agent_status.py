"""What a node reports of its pods."""

import pytest

from bench.node_agent import status
from bench.node_agent.node import Heartbeat
from bench.node_agent.status import End
from strategies.kubernetes.objects import (
    Container,
    EnvVar,
    FieldRef,
    Meta,
    Pod,
    PodSpec,
    ValueFrom,
)
from strategies.model import Timing

POD = Pod(
    metadata=Meta(name="a-1-x", namespace="t", uid="u", labels={"batch/job-name": "a-1"}),
    spec=PodSpec(containers=[Container(name="run", command=["true"])], node_name="i1"),
)


def test_a_running_pod_is_ready() -> None:
    told = status.running(POD, 1_800_000_000, 0)
    assert told.phase == "Running"
    assert {one.type: one.status for one in told.conditions}["Ready"] == "True"
    assert told.container_statuses[0].state.running is not None
    assert told.start_time == "2027-01-15T08:00:00Z"


def test_exit_code_0_is_success_and_any_other_is_failure() -> None:
    for code, phase, reason in ((0, "Succeeded", "Completed"), (3, "Failed", "Error")):
        told = status.ended(POD, 10, 11, 0, End(code))
        terminated = told.container_statuses[0].state.terminated
        assert terminated is not None
        assert (told.phase, terminated.exit_code, terminated.reason) == (phase, code, reason)


def test_a_pod_that_the_node_ended_has_failed_whatever_its_exit_code() -> None:
    told = status.ended(POD, 10, 11, 0, End(0, "DeadlineExceeded", "too long"))
    assert (told.phase, told.reason, told.message) == ("Failed", "DeadlineExceeded", "too long")


@pytest.mark.parametrize(
    ("policy", "code", "again"),
    [("Never", 1, False), ("OnFailure", 0, False), ("OnFailure", 1, True), ("Always", 0, True)],
)
def test_the_restart_policy_decides(policy: str, code: int, again: bool) -> None:
    assert status.restarts_after(policy, code) is again


def test_restarts_wait_10_s_and_then_twice_as_long_up_to_5_minutes() -> None:
    assert [status.backoff_s(number) for number in (1, 2, 3, 9)] == [10, 20, 40, 300]


def test_the_downward_api_gives_names_and_labels() -> None:
    def variable(name: str, path: str) -> EnvVar:
        return EnvVar(name=name, value_from=ValueFrom(field_ref=FieldRef(field_path=path)))

    container = Container(
        name="run",
        env=[
            EnvVar(name="PLAIN", value="1"),
            variable("POD", "metadata.name"),
            variable("NODE", "spec.nodeName"),
            variable("JOB", "metadata.labels['batch/job-name']"),
            variable("NONE", "metadata.annotations['absent']"),
        ],
    )
    assert status.environment(POD, container, {"ADDED": "x"}) == {
        "PLAIN": "1", "POD": "a-1-x", "NODE": "i1", "JOB": "a-1", "NONE": "", "ADDED": "x",
    }  # fmt: skip


def test_a_heartbeat_is_a_quarter_of_the_lease_as_the_kubelets_is() -> None:
    assert Heartbeat.of(Timing(lease_s=2)) == Heartbeat(2.0, 0.5)
    assert Heartbeat.of(Timing("vendor")) == Heartbeat(40.0, 10.0)


def test_lease_times_have_microseconds() -> None:
    assert status.rfc3339(1.25, micro=True) == "1970-01-01T00:00:01.250000Z"
