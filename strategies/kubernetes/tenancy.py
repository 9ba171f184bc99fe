"""A namespace of a trial's own, and who is let into it.

Where a cluster gives each part of a trial a user of its own, whoever prepares the trial may make
namespaces, and may let certain users into them: those that its endpoint `admits`. The user U gets
the rights of the cluster role `U:trial` there, and nowhere else. Where one user does everything,
as with a kubeconfig, nobody has to be let in.
"""

import asyncio
from contextlib import suppress
from typing import Any

import msgspec

from strategies.errors import ServiceLost
from strategies.kubernetes.api import KubernetesApi
from strategies.kubernetes.errors import Conflict, Forbidden
from strategies.kubernetes.objects import TRIAL_LABEL

RBAC_GROUP = "rbac.authorization.k8s.io"
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
KNOWN_S, LOOK_S = 5.0, 0.01  # until the server has read a new binding: some milliseconds


def role_in_trial(user: str) -> str:
    """The cluster role that a user has in the namespaces of trials."""
    return f"{user}:trial"


def binding(role: str, kind: str, user: str) -> dict[str, Any]:
    """A binding of `role` (a Role or ClusterRole, as `kind` says) to one user."""
    return {
        "metadata": {"name": role},
        "roleRef": {"apiGroup": RBAC_GROUP, "kind": kind, "name": role},
        "subjects": [{"apiGroup": RBAC_GROUP, "kind": "User", "name": user}],
    }


def namespace_of(name: str) -> dict[str, Any]:
    """The namespace `name` of a trial."""
    return {"metadata": {"name": name, "labels": {TRIAL_LABEL: name}}}


async def admit(api: KubernetesApi, namespace: str, group: str, resource: str) -> None:
    """Let into `namespace` whom the endpoint admits; on return we may create `resource` there.

    Raises ServiceLost, Forbidden.
    """
    users = api.admits
    for user in users:
        body = binding(role_in_trial(user), "ClusterRole", user)
        with suppress(Conflict):  # by an earlier attempt
            await api.create(f"/apis/{RBAC_GROUP}/v1/namespaces/{namespace}/rolebindings", body)
    asked = {"namespace": namespace, "verb": "create", "group": group, "resource": resource}
    try:
        async with asyncio.timeout(KNOWN_S):
            while users and not await may(api, asked):
                await asyncio.sleep(LOOK_S)
    except TimeoutError:
        raise Forbidden(f"no right to create {resource} in {namespace}") from None


async def may(api: KubernetesApi, attributes: dict[str, str]) -> bool:
    """Whether this role may do it, as the API server sees it. Raises ServiceLost.

    `attributes` are those of a SelfSubjectAccessReview: verb, group, resource, namespace, name.
    """
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    answer = msgspec.json.decode(await api.create(REVIEWS, review))
    if "status" not in answer:
        raise ServiceLost("a review without an answer")
    return bool(answer["status"]["allowed"])
