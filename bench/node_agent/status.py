"""What a node reports of a pod: pure functions from what happened to a PodStatus.

The words (phases, reasons, conditions) are those of the kubelet (pkg/kubelet/kubelet_pods.go).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from strategies.kubernetes.objects import (
    Condition,
    Container,
    ContainerState,
    ContainerStatus,
    Meta,
    Pod,
    PodStatus,
    Running,
    Terminated,
)

FIRST_BACKOFF_S, LONGEST_BACKOFF_S = 10.0, 300.0  # the kubelet's CrashLoopBackOff


@dataclass(frozen=True)
class End:
    """How a container ended: its exit code, and what the node had to do with it."""

    exit_code: int
    reason: str = ""  # of the pod: DeadlineExceeded, Terminated, ...
    message: str = ""


def rfc3339(t: float, *, micro: bool = False) -> str:
    """A time (seconds since the epoch) as the API writes it."""
    moment = datetime.fromtimestamp(t, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ" if micro else "%Y-%m-%dT%H:%M:%SZ")


def running(pod: Pod, started: float, restarts: int) -> PodStatus:
    """The container runs since `started`."""
    state = ContainerState(running=Running(started_at=rfc3339(started)))
    return _status(pod, "Running", started, state, restarts, ready=True)


def ended(pod: Pod, started: float, finished: float, restarts: int, end: End) -> PodStatus:
    """The pod is over for good."""
    code = end.exit_code
    succeeded = code == 0 and not end.reason
    terminated = Terminated(
        exit_code=code,
        reason="Completed" if code == 0 else "Error",
        started_at=rfc3339(started),
        finished_at=rfc3339(finished),
    )
    status = _status(
        pod, "Succeeded" if succeeded else "Failed", started,
        ContainerState(terminated=terminated), restarts, ready=False,
    )  # fmt: skip
    status.reason, status.message = end.reason, end.message
    return status


def refused(message: str, now: float) -> PodStatus:
    """The pod cannot run on such a node."""
    return PodStatus(
        phase="Failed", reason="UnexpectedAdmissionError", message=message, start_time=rfc3339(now)
    )


def restarts_after(policy: str, exit_code: int) -> bool:
    """Whether a container that ended so is started again."""
    return policy == "Always" or (policy == "OnFailure" and exit_code != 0)


def backoff_s(restarts: int) -> float:
    """How long the node waits before restart number `restarts` (from 1)."""
    return min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2.0 ** (restarts - 1))


def environment(pod: Pod, container: Container, added: Mapping[str, str]) -> dict[str, str]:
    """The container's variables, the downward API's among them, then what the node adds."""
    given = {}
    for variable in container.env:
        if variable.value_from is not None:
            given[variable.name] = _field(pod, variable.value_from.field_ref.field_path)
        else:
            given[variable.name] = variable.value or ""
    return {**given, **added}


def _field(pod: Pod, path: str) -> str:
    """A field as the downward API names it; empty where the pod has none such."""
    section, _, key = path.partition("['")
    if section in ("metadata.labels", "metadata.annotations"):
        values = pod.metadata.labels if section == "metadata.labels" else pod.metadata.annotations
        return values.get(key.removesuffix("']"), "")
    meta: Meta = pod.metadata
    known = {
        "metadata.name": meta.name,
        "metadata.namespace": meta.namespace,
        "metadata.uid": meta.uid,
        "spec.nodeName": pod.spec.node_name,
    }
    return known.get(path, "")


def _status(
    pod: Pod, phase: str, started: float, state: ContainerState, restarts: int, *, ready: bool
) -> PodStatus:
    container = pod.spec.containers[0]
    truth = "True" if ready else "False"
    since = rfc3339(started)
    conditions = [Condition(type="PodScheduled", status="True", last_transition_time=since)]
    conditions += [
        Condition(type=kind, status=truth, last_transition_time=since)
        for kind in ("Initialized", "ContainersReady", "Ready")
    ]
    conditions[1].status = "True"
    return PodStatus(
        phase=phase,
        start_time=since,
        conditions=conditions,
        container_statuses=[
            ContainerStatus(
                name=container.name,
                ready=ready,
                started=ready,
                restart_count=restarts,
                image=container.image or "none",
                state=state,
            )
        ],
    )
