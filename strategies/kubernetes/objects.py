"""The parts of Kubernetes objects that this project reads or writes, as types.

Fields are named as in the API reference (snake case here, camel case on the wire); what is not
named here is ignored when read. Times are RFC 3339 text: whole seconds, except a Lease's.
"""

from typing import Literal

import msgspec

TRIAL_LABEL = "coordbench.dev/trial"  # on whatever exists for one trial: its namespace's name


class Part(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """A part of an object; fields left at their default are not sent."""


class OwnerReference(Part):
    """Which object this one belongs to."""

    kind: str
    name: str
    uid: str = ""


class Meta(Part):
    """ObjectMeta."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    owner_references: list[OwnerReference] = []
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    deletion_grace_period_seconds: int | None = None


class FieldRef(Part):
    """A field of the pod itself, for the downward API."""

    field_path: str


class ValueFrom(Part):
    """Where an environment variable comes from."""

    field_ref: FieldRef


class EnvVar(Part):
    """One environment variable of a container."""

    name: str
    value: str | None = None
    value_from: ValueFrom | None = None


class Container(Part):
    """What a pod runs. `image` names it on a real cluster; a node agent runs `command`."""

    name: str
    image: str = ""
    command: list[str] = []
    args: list[str] = []
    env: list[EnvVar] = []
    image_pull_policy: str | None = None


class Toleration(Part):
    """How long a pod stays on a node with a taint."""

    key: str
    operator: Literal["Exists", "Equal"]
    effect: str = ""
    toleration_seconds: int | None = None


class PodSpec(Part):
    """What to run, where, and what to do when it ends."""

    containers: list[Container]
    restart_policy: Literal["Always", "OnFailure", "Never"] = "Always"
    node_name: str = ""
    node_selector: dict[str, str] = {}
    automount_service_account_token: bool | None = None
    enable_service_links: bool | None = None
    termination_grace_period_seconds: int | None = None
    active_deadline_seconds: int | None = None
    tolerations: list[Toleration] = []


class Terminated(Part):
    """How a container ended."""

    exit_code: int
    reason: str = ""
    started_at: str | None = None
    finished_at: str | None = None


class Running(Part):
    """Since when a container runs."""

    started_at: str | None = None


class ContainerState(Part):
    """Exactly one of these is set."""

    running: Running | None = None
    terminated: Terminated | None = None


class ContainerStatus(Part, omit_defaults=False, kw_only=True):
    """A container's state as the node reports it."""

    name: str
    ready: bool
    restart_count: int
    image: str = ""
    image_id: str = msgspec.field(default="", name="imageID")
    state: ContainerState
    started: bool = False


class Condition(Part):
    """A condition of a pod, a node or a job."""

    type: str
    status: str
    reason: str = ""
    message: str = ""
    last_heartbeat_time: str | None = None
    last_transition_time: str | None = None


class PodStatus(Part):
    """What the node reports of a pod."""

    phase: str = "Pending"
    reason: str = ""
    message: str = ""
    start_time: str | None = None
    conditions: list[Condition] = []
    container_statuses: list[ContainerStatus] = []


class Pod(Part):
    """A pod."""

    metadata: Meta
    spec: PodSpec
    status: PodStatus = msgspec.field(default_factory=PodStatus)


class NodeStatus(Part):
    """A node's conditions."""

    conditions: list[Condition] = []


class Node(Part):
    """A node."""

    metadata: Meta
    status: NodeStatus = msgspec.field(default_factory=NodeStatus)


class LeaseSpec(Part):
    """Who holds a lease and until when, by the holder's own account."""

    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: str | None = None
    renew_time: str | None = None
    lease_transitions: int | None = None


class Lease(Part):
    """coordination.k8s.io/v1 Lease."""

    api_version: str
    kind: str
    metadata: Meta
    spec: LeaseSpec = msgspec.field(default_factory=LeaseSpec)
