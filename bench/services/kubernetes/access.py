"""Who may do what on the control plane: one token per role, and just the rights of its work.

`admin` is the bench itself as it starts: it tells the server these rules. `observer` looks, and
changes nothing. The others belong to what they are named after. Three layers, each Kubernetes' own:

1. Cluster roles, as narrow as RBAC can say it.
2. What belongs into one namespace is granted there only: a node's Lease in `kube-node-lease`, and
   a trial's objects in the trial's namespace. There whoever prepares the trial lets the users in
   that its endpoint names (`admits`); RBAC's verb `bind` limits that to the roles meant for it.
3. What RBAC cannot say, as it knows no labels, admission policies do: who may delete namespaces,
   nodes or pods, may do it to a trial's only, and a node removes pods only that are being deleted.

One token serves all node agents, so that the rights are those of any node: upstream's Node
authorizer and NodeRestriction, which give each node its own objects, need an identity per node.

The components have the roles that Kubernetes itself defines for them
(plugin/pkg/auth/authorizer/rbac/bootstrappolicy/controller_policy.go).
"""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from strategies.kubernetes.objects import TRIAL_LABEL
from strategies.kubernetes.tenancy import binding, role_in_trial

RBAC = "/apis/rbac.authorization.k8s.io/v1"
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
ADMIN, OBSERVER, CONTROLLERS, SCHEDULER = "admin", "observer", "controllers", "scheduler"
NODE, CRONJOB, ELECTION_PLANNER, ELECTION = "node", "cronjob", "election-planner", "election"
NODE_LEASES = "kube-node-lease"

# The user names that Kubernetes' own bindings speak of.
USERS = {
    CONTROLLERS: "system:kube-controller-manager",
    SCHEDULER: "system:kube-scheduler",
}
CONTROLLER_ROLES = (
    "cronjob-controller", "job-controller", "generic-garbage-collector", "namespace-controller",
    "node-controller", "pod-garbage-collector", "ttl-after-finished-controller",
)  # fmt: skip
LOOK = ("list", "watch")
LEASES, RBAC_GROUP = "coordination.k8s.io", "rbac.authorization.k8s.io"


@dataclass(frozen=True)
class Rule:
    """What a role may do with which resources of one API group, or with these objects of them."""

    group: str
    resources: Sequence[str]
    verbs: Sequence[str]
    names: Sequence[str] = ()

    def as_json(self) -> dict[str, Any]:
        """A PolicyRule."""
        return {
            "apiGroups": [self.group],
            "resources": list(self.resources),
            "verbs": list(self.verbs),
            **({"resourceNames": list(self.names)} if self.names else {}),
        }


def user(role: str) -> str:
    """The name by which the API server knows a role."""
    return USERS.get(role, f"coordbench:{role}")


# Whom the role lets into the namespaces that it makes. Cron jobs need nobody there but itself.
ADMITS = {CRONJOB: (user(CRONJOB),), ELECTION_PLANNER: (user(ELECTION_PLANNER), user(ELECTION))}


def _provisioning(role: str) -> tuple[Rule, ...]:
    """To make namespaces, and to let some users into them by the roles meant for that."""
    roles = [role_in_trial(one) for one in ADMITS[role]]
    return (
        Rule("", ("namespaces",), ("get", "create", "delete")),
        Rule(RBAC_GROUP, ("rolebindings",), ("create",)),
        Rule(RBAC_GROUP, ("clusterroles",), ("bind",), roles),
    )


EVERYWHERE: Mapping[str, Sequence[Rule]] = {
    OBSERVER: (
        Rule("", ("nodes", "pods", "events"), LOOK),
        Rule("batch", ("jobs",), LOOK),
    ),
    NODE: (
        Rule("", ("nodes",), ("get", "create", "delete")),
        Rule("", ("nodes/status",), ("patch",)),
        Rule("", ("pods",), (*LOOK, "delete")),
        Rule("", ("pods/status",), ("patch",)),
    ),
    CRONJOB: (
        *_provisioning(CRONJOB),
        # What a trial's lost nodes leave behind is removed with its namespace; this cannot be left
        # to a role in it, which may go before the pods do.
        Rule("", ("pods", "nodes"), ("deletecollection",)),
    ),
    ELECTION_PLANNER: _provisioning(ELECTION_PLANNER),
}
IN_TRIAL: Mapping[str, Sequence[Rule]] = {
    CRONJOB: (Rule("batch", ("cronjobs",), ("create",)),),
    ELECTION_PLANNER: (
        Rule(LEASES, ("leases",), ("create",)),  # of a creation RBAC knows no name
        Rule(LEASES, ("leases",), ("delete",), ("leader",)),
    ),
    ELECTION: (Rule(LEASES, ("leases",), ("get", "update"), ("leader",)),),
}
IN_NAMESPACE: Mapping[tuple[str, str], Sequence[Rule]] = {
    (NODE, NODE_LEASES): (Rule(LEASES, ("leases",), ("create", "patch", "delete")),),
    # A dry run says what is wrong with a manifest before a namespace is made for it.
    (CRONJOB, "default"): (Rule("batch", ("cronjobs",), ("create",)),),
}


@dataclass(frozen=True)
class Policy:
    """A ValidatingAdmissionPolicy: `users` may do `verb` to `resources` only if `expression`."""

    name: str
    users: Sequence[str]
    verb: str
    resources: Sequence[tuple[str, str]]  # (group, resource)
    expression: str
    message: str

    def as_json(self) -> dict[str, Any]:
        """The policy; it fails closed."""
        who = " || ".join(f"request.userInfo.username == '{one}'" for one in self.users)
        matched = [
            {
                "apiGroups": [group], "apiVersions": ["*"], "operations": [self.verb],
                "resources": [resource],
            }
            for group, resource in self.resources
        ]  # fmt: skip
        said = {"expression": self.expression, "message": self.message, "reason": "Forbidden"}
        return {
            "metadata": {"name": self.name},
            "spec": {
                "failurePolicy": "Fail",
                "matchConstraints": {"resourceRules": matched},
                "matchConditions": [{"name": "who", "expression": who}],
                "validations": [said],
            },
        }


def _of_trial(what: str) -> str:
    labels = f"{what}.metadata.labels"
    return f"has({labels}) && '{TRIAL_LABEL}' in {labels}"


PLANNERS = [user(role) for role in ADMITS]
POLICIES = (
    Policy(
        "coordbench-deletes-only-of-trials", [*PLANNERS, user(NODE)], "DELETE",
        [("", "namespaces"), ("", "nodes")], _of_trial("oldObject"), "it belongs to no trial",
    ),
    Policy(
        "coordbench-pods-only-of-trials", [user(CRONJOB)], "DELETE", [("", "pods")],
        _of_trial("namespaceObject"), "its namespace belongs to no trial",
    ),
    Policy(
        "coordbench-makes-only-in-trials", PLANNERS, "CREATE",
        [(RBAC_GROUP, "rolebindings"), ("batch", "cronjobs")],
        f"(has(request.dryRun) && request.dryRun) || ({_of_trial('namespaceObject')})",
        "its namespace belongs to no trial",
    ),
    Policy(
        "coordbench-nodes-end-deletions", [user(NODE)], "DELETE", [("", "pods")],
        "has(oldObject.metadata.deletionTimestamp)", "nobody has asked for the pod's deletion",
    ),
)  # fmt: skip


def new_tokens() -> dict[str, str]:
    """A fresh random token for every role."""
    roles = (ADMIN, CONTROLLERS, SCHEDULER, *EVERYWHERE, ELECTION)
    return {role: secrets.token_urlsafe(24) for role in roles}


def token_file(tokens: Mapping[str, str]) -> str:
    """The API server's static token file: token,user,uid,groups."""
    lines = []
    for role, token in tokens.items():
        group = '"system:masters"' if role == ADMIN else '"coordbench"'
        lines.append(f"{token},{user(role)},{role},{group}")
    return "\n".join(lines) + "\n"


def grants() -> Iterator[tuple[str, dict[str, Any]]]:
    """(path, object) of everything that the server must know beside Kubernetes' own rules."""
    for role, rules in EVERYWHERE.items():
        yield f"{RBAC}/clusterroles", _role(user(role), rules)
        yield _bound_everywhere(user(role), role)
    metrics = {"nonResourceURLs": ["/metrics"], "verbs": ["get"]}
    pages = f"{user(OBSERVER)}:pages"
    yield f"{RBAC}/clusterroles", {"metadata": {"name": pages}, "rules": [metrics]}
    yield _bound_everywhere(pages, OBSERVER)
    for role, rules in IN_TRIAL.items():
        yield f"{RBAC}/clusterroles", _role(role_in_trial(user(role)), rules)
    for (role, namespace), rules in IN_NAMESPACE.items():
        within = f"{RBAC}/namespaces/{namespace}"
        yield f"{within}/roles", _role(user(role), rules)
        yield f"{within}/rolebindings", binding(user(role), "Role", user(role))
    for controller in CONTROLLER_ROLES:
        yield _bound_everywhere(f"system:controller:{controller}", CONTROLLERS)
    for policy in POLICIES:
        yield f"{ADMISSION}/validatingadmissionpolicies", policy.as_json()
        yield (
            f"{ADMISSION}/validatingadmissionpolicybindings",
            {
                "metadata": {"name": policy.name},
                "spec": {"policyName": policy.name, "validationActions": ["Deny"]},
            },
        )


def _role(name: str, rules: Sequence[Rule]) -> dict[str, Any]:
    return {"metadata": {"name": name}, "rules": [rule.as_json() for rule in rules]}


def _bound_everywhere(cluster_role: str, role: str) -> tuple[str, dict[str, Any]]:
    """Under a name of our own: Kubernetes' own bindings stay as they are."""
    bound = binding(cluster_role, "ClusterRole", user(role))
    bound["metadata"] = {"name": f"coordbench:{cluster_role.removeprefix('coordbench:')}"}
    return f"{RBAC}/clusterrolebindings", bound
