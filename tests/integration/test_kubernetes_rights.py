"""What each role may do, asked of the real API server: its own work, and nothing beside it.

RBAC is asked by SelfSubjectAccessReview, as the role itself. What the admission policies add shows
in real calls only; those that are to be refused are dry runs, so that a hole here harms nobody.
"""

import random
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from bench.services.kubernetes import access
from bench.services.kubernetes.access import CRONJOB, ELECTION, ELECTION_PLANNER, NODE, OBSERVER
from bench.services.kubernetes.control_plane import ControlPlane
from strategies.catalogue import design
from strategies.kubernetes.api import KubernetesApi
from strategies.kubernetes.errors import Forbidden
from strategies.kubernetes.tenancy import RBAC_GROUP, binding, may, role_in_trial
from strategies.model import Cron, Job, Timing

pytestmark = pytest.mark.servers

DRY = {"dryRun": "All"}
JOB = Job(name="report", schedule=Cron("* * * * *"))
LEASE, ROLEBINDING = "coordination.k8s.io/leases", f"{RBAC_GROUP}/rolebindings"
CLUSTERROLE, CRONJOBS = f"{RBAC_GROUP}/clusterroles", "batch/cronjobs"
ELECTIONS, CRONJOBS_PLACE, LEASES = "an election's", "a cronjob trial's", "kube-node-lease"
EVERYWHERE = ""

# (role, verbs, [group/]resource[/subresource][:name], namespace)
ALLOWED = [
    (OBSERVER, "list watch", "nodes", EVERYWHERE),
    (OBSERVER, "list watch", "pods", EVERYWHERE),
    (OBSERVER, "list watch", "events", EVERYWHERE),
    (OBSERVER, "list watch", "batch/jobs", EVERYWHERE),
    (NODE, "get create delete", "nodes", EVERYWHERE),
    (NODE, "patch", "nodes/status", EVERYWHERE),
    (NODE, "list watch delete", "pods", EVERYWHERE),
    (NODE, "patch", "pods/status", EVERYWHERE),
    (NODE, "create patch delete", LEASE, LEASES),
    (CRONJOB, "get create delete", "namespaces", EVERYWHERE),
    (CRONJOB, "create", CRONJOBS, "default"),
    (CRONJOB, "create", CRONJOBS, CRONJOBS_PLACE),
    (CRONJOB, "deletecollection", "pods", EVERYWHERE),
    (CRONJOB, "deletecollection", "nodes", EVERYWHERE),
    (CRONJOB, "bind", f"{CLUSTERROLE}:{role_in_trial(access.user(CRONJOB))}", EVERYWHERE),
    (ELECTION_PLANNER, "create delete", "namespaces", EVERYWHERE),
    (ELECTION_PLANNER, "create", ROLEBINDING, EVERYWHERE),
    (ELECTION_PLANNER, "bind", f"{CLUSTERROLE}:{role_in_trial(access.user(ELECTION))}", EVERYWHERE),
    (ELECTION_PLANNER, "create", LEASE, ELECTIONS),
    (ELECTION_PLANNER, "delete", f"{LEASE}:leader", ELECTIONS),
    (ELECTION, "get update", f"{LEASE}:leader", ELECTIONS),
]
ANYTHING = "get list watch create update patch delete deletecollection"
CHANGES = "create update patch delete deletecollection"
REFUSED = [
    (OBSERVER, CHANGES, "nodes", EVERYWHERE),
    (OBSERVER, CHANGES, "pods", EVERYWHERE),
    (OBSERVER, ANYTHING, LEASE, LEASES),
    (NODE, "list watch update patch deletecollection", "nodes", EVERYWHERE),
    (NODE, "get create update patch deletecollection", "pods", EVERYWHERE),
    (NODE, "get list watch update deletecollection", LEASE, LEASES),
    (NODE, ANYTHING, LEASE, ELECTIONS),
    (NODE, ANYTHING, LEASE, "kube-system"),
    (NODE, ANYTHING, "batch/jobs", EVERYWHERE),
    (NODE, ANYTHING, "namespaces", EVERYWHERE),
    (CRONJOB, "list watch update patch", "namespaces", EVERYWHERE),
    (CRONJOB, ANYTHING, CRONJOBS, ELECTIONS),
    (CRONJOB, "get list update patch delete", CRONJOBS, CRONJOBS_PLACE),
    (CRONJOB, ANYTHING, LEASE, EVERYWHERE),
    (CRONJOB, "get list watch create update patch delete", "pods", CRONJOBS_PLACE),
    (CRONJOB, "bind", f"{CLUSTERROLE}:cluster-admin", EVERYWHERE),
    (CRONJOB, "bind", f"{CLUSTERROLE}:{role_in_trial(access.user(ELECTION))}", EVERYWHERE),
    (ELECTION_PLANNER, ANYTHING, LEASE, CRONJOBS_PLACE),
    (ELECTION_PLANNER, "get list watch update patch", f"{LEASE}:leader", ELECTIONS),
    (ELECTION_PLANNER, "delete", f"{LEASE}:another", ELECTIONS),
    (ELECTION_PLANNER, "bind", f"{CLUSTERROLE}:cluster-admin", EVERYWHERE),
    (ELECTION_PLANNER, ANYTHING, "pods", EVERYWHERE),
    (ELECTION, "list watch create patch delete deletecollection", f"{LEASE}:leader", ELECTIONS),
    (ELECTION, ANYTHING, f"{LEASE}:another", ELECTIONS),
    (ELECTION, ANYTHING, f"{LEASE}:leader", CRONJOBS_PLACE),
    (ELECTION, ANYTHING, f"{LEASE}:leader", "default"),
    (ELECTION, ANYTHING, LEASE, LEASES),
    (ELECTION, ANYTHING, "namespaces", EVERYWHERE),
    *((role, "get list", "secrets", "kube-system") for role in access.new_tokens()
      if role not in (access.ADMIN, access.CONTROLLERS, access.SCHEDULER)),
    *((role, "create escalate", CLUSTERROLE, EVERYWHERE) for role in access.new_tokens()
      if role not in (access.ADMIN, access.CONTROLLERS, access.SCHEDULER)),
]  # fmt: skip


@pytest_asyncio.fixture
async def places(control_plane: ControlPlane) -> AsyncIterator[dict[str, str]]:
    """The namespaces of two trials, made by those who make them in a bench."""
    made, suffix = {}, secrets.token_hex(3)
    async with AsyncExitStack() as stack:
        for place, name, role in (
            (ELECTIONS, "lease-election", ELECTION_PLANNER),
            (CRONJOBS_PLACE, "cronjob", CRONJOB),
        ):
            made[place] = f"cb-{name}-{suffix}"
            strategy = design(name).make(
                {"kubernetes": control_plane.url_for(role)}, made[place], Timing(), random.Random(0)
            )
            await strategy.prepare([JOB])
            stack.push_async_callback(strategy.clean_up)
        yield made


def attributes(verb: str, what: str, namespace: str) -> dict[str, str]:
    """Those of a SelfSubjectAccessReview."""
    resource, _, name = what.partition(":")
    parts = resource.split("/")
    group = parts.pop(0) if "." in parts[0] or parts[0] == "batch" else ""
    asked = {"verb": verb, "group": group, "resource": parts[0], "namespace": namespace}
    return {**asked, "name": name, "subresource": parts[1] if len(parts) > 1 else ""}


async def test_each_role_may_do_its_own_work_and_nothing_beside_it(
    control_plane: ControlPlane, places: dict[str, str]
) -> None:
    wrong = []
    for table, expected in ((ALLOWED, True), (REFUSED, False)):
        for role, verbs, what, where in table:
            async with KubernetesApi(control_plane.url_for(role), timeout_s=5) as api:
                for verb in verbs.split():
                    asked = attributes(verb, what, places.get(where, where))
                    if await may(api, asked) != expected:
                        wrong.append(f"{role} {verb} {what} in {where!r}: expected {expected}")
    assert not wrong


@pytest_asyncio.fixture
async def bystander(control_plane: ControlPlane) -> AsyncIterator[str]:
    """A namespace, a Node and a pod of somebody else's."""
    name = f"bystander-{secrets.token_hex(3)}"
    pod = {
        "metadata": {"name": name},
        "spec": {"containers": [{"name": "c", "image": "none"}], "nodeSelector": {"none": "such"}},
    }
    async with KubernetesApi(control_plane.url_for(access.ADMIN), timeout_s=5) as api:
        await api.create("/api/v1/namespaces", {"metadata": {"name": name}})
        await api.create("/api/v1/nodes", {"metadata": {"name": name, "labels": {"b": name}}})
        await api.create(f"/api/v1/namespaces/{name}/pods", pod)
        yield name
        await api.delete(f"/api/v1/nodes/{name}")
        await api.delete(f"/api/v1/namespaces/{name}")


async def test_what_belongs_to_no_trial_is_not_deleted(
    control_plane: ControlPlane, bystander: str
) -> None:
    mine = {"labelSelector": f"b={bystander}", **DRY}
    for role, path, query in (
        (CRONJOB, f"/api/v1/namespaces/{bystander}", DRY),
        (ELECTION_PLANNER, f"/api/v1/namespaces/{bystander}", DRY),
        (CRONJOB, f"/api/v1/namespaces/{bystander}/pods", DRY),
        (CRONJOB, "/api/v1/nodes", mine),
        (NODE, f"/api/v1/nodes/{bystander}", DRY),
    ):
        async with KubernetesApi(control_plane.url_for(role), timeout_s=5) as api:
            with pytest.raises(Forbidden, match="belongs to no trial"):
                await api.delete(path, query=query)


async def test_a_node_removes_no_pod_before_somebody_has_asked_for_that(
    control_plane: ControlPlane, bystander: str
) -> None:
    path = f"/api/v1/namespaces/{bystander}/pods/{bystander}"
    async with KubernetesApi(control_plane.url_for(NODE), timeout_s=5) as api:
        with pytest.raises(Forbidden, match="nobody has asked"):
            await api.delete(path, {"gracePeriodSeconds": 0}, DRY)


async def test_planners_make_things_in_the_namespaces_of_trials_only(
    control_plane: ControlPlane, bystander: str
) -> None:
    admitted = access.user(ELECTION)
    bound = binding(role_in_trial(admitted), "ClusterRole", admitted)
    manifest = {
        "metadata": {"name": "x"},
        "spec": {
            "schedule": "* * * * *",
            "jobTemplate": {"spec": {"template": {"spec": {
                "restartPolicy": "Never", "containers": [{"name": "c", "image": "none"}],
            }}}},
        },
    }  # fmt: skip
    bindings = f"/apis/{RBAC_GROUP}/v1/namespaces/{bystander}/rolebindings"
    cron_jobs = "/apis/batch/v1/namespaces/default/cronjobs"
    async with KubernetesApi(control_plane.url_for(ELECTION_PLANNER), timeout_s=5) as api:
        with pytest.raises(Forbidden, match="belongs to no trial"):
            await api.create(bindings, bound)
    async with KubernetesApi(control_plane.url_for(CRONJOB), timeout_s=5) as api:
        await api.create(cron_jobs, manifest, DRY)
        with pytest.raises(Forbidden, match="belongs to no trial"):
            await api.create(cron_jobs, manifest)


async def test_a_planner_gives_nobody_more_than_the_roles_that_are_meant_for_trials(
    control_plane: ControlPlane, bystander: str
) -> None:
    bindings = f"/apis/{RBAC_GROUP}/v1/namespaces/{bystander}/rolebindings"
    too_much = binding("cluster-admin", "ClusterRole", access.user(ELECTION))
    async with KubernetesApi(control_plane.url_for(ELECTION_PLANNER), timeout_s=5) as api:
        with pytest.raises(Forbidden, match="attempting to grant"):
            await api.create(bindings, too_much)
