"""Who may do what on the control plane: one token per role, and RBAC that allows just its work.

`admin` is the bench itself: it makes namespaces, reads everything and changes the rules. The
others belong to what they are named after. The components have the roles that Kubernetes itself
defines for them (plugin/pkg/auth/authorizer/rbac/bootstrappolicy/controller_policy.go).
"""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

RBAC = "/apis/rbac.authorization.k8s.io/v1"
ADMIN, CONTROLLERS, SCHEDULER = "admin", "controllers", "scheduler"
NODE, CRONJOB, ELECTION = "node", "cronjob", "election"

# The user names that Kubernetes' own bindings speak of.
USERS = {
    CONTROLLERS: "system:kube-controller-manager",
    SCHEDULER: "system:kube-scheduler",
}
CONTROLLER_ROLES = (
    "cronjob-controller", "job-controller", "generic-garbage-collector", "namespace-controller",
    "node-controller", "pod-garbage-collector", "ttl-after-finished-controller",
)  # fmt: skip
ALL_VERBS = ("get", "list", "watch", "create", "update", "patch", "delete")
READ = ("get", "list", "watch")


@dataclass(frozen=True)
class Rule:
    """What a role may do with which resources of one API group."""

    group: str
    resources: Sequence[str]
    verbs: Sequence[str]

    def as_json(self) -> dict[str, Any]:
        """A PolicyRule."""
        return {
            "apiGroups": [self.group],
            "resources": list(self.resources),
            "verbs": list(self.verbs),
        }


NAMESPACES = Rule("", ("namespaces",), ("get", "create", "delete"))
RULES: Mapping[str, Sequence[Rule]] = {
    NODE: (
        Rule("", ("nodes",), ("get", "create", "delete")),
        Rule("", ("nodes/status",), ("patch",)),
        Rule("", ("pods",), (*READ, "delete")),
        Rule("", ("pods/status",), ("patch",)),
        Rule("coordination.k8s.io", ("leases",), ("get", "create", "patch", "delete")),
    ),
    CRONJOB: (
        NAMESPACES,
        Rule("batch", ("cronjobs",), ALL_VERBS),
        Rule("batch", ("jobs",), READ),
        Rule("", ("events",), READ),
        # What a trial's lost nodes leave behind is removed with its namespace.
        Rule("", ("pods", "nodes"), (*READ, "deletecollection")),
    ),
    ELECTION: (
        NAMESPACES,
        Rule("coordination.k8s.io", ("leases",), ("get", "create", "update", "delete")),
    ),
}


def new_tokens() -> dict[str, str]:
    """A fresh random token for every role."""
    roles = (ADMIN, CONTROLLERS, SCHEDULER, *RULES)
    return {role: secrets.token_urlsafe(24) for role in roles}


def token_file(tokens: Mapping[str, str]) -> str:
    """The API server's static token file: token,user,uid,groups."""
    lines = []
    for role, token in tokens.items():
        group = '"system:masters"' if role == ADMIN else '"coordbench"'
        lines.append(f"{token},{_user(role)},{role},{group}")
    return "\n".join(lines) + "\n"


def grants() -> Iterator[tuple[str, dict[str, Any]]]:
    """(path, object) of everything that RBAC must know beside Kubernetes' own rules."""
    for role, rules in RULES.items():
        name = f"coordbench:{role}"
        yield (
            f"{RBAC}/clusterroles",
            {"metadata": {"name": name}, "rules": [rule.as_json() for rule in rules]},
        )
        yield _binding(name, name, role)
    for controller in CONTROLLER_ROLES:
        name = f"system:controller:{controller}"
        yield _binding(f"coordbench:{controller}", name, CONTROLLERS)


def _binding(name: str, cluster_role: str, role: str) -> tuple[str, dict[str, Any]]:
    return (
        f"{RBAC}/clusterrolebindings",
        {
            "metadata": {"name": name},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": cluster_role,
            },
            "subjects": [
                {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": _user(role)}
            ],
        },
    )


def _user(role: str) -> str:
    return USERS.get(role, f"coordbench:{role}")
