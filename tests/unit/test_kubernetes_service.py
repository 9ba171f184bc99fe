"""The parts of the Kubernetes service that need no server: rights, flags, kubeconfigs, counters."""

import base64
from pathlib import Path

import msgspec
import pytest

from bench.platforms import HasTiming
from bench.services.base import ServiceUnavailable
from bench.services.kubernetes import access, components, k3s, kubeconfig
from bench.services.kubernetes.control_plane import requests
from strategies.kubernetes.endpoint import Endpoint
from strategies.model import Timing

PLACE = components.Place(Path("/state"), 6443)


def test_every_role_has_a_token_of_its_own_and_only_the_bench_is_master() -> None:
    tokens = access.new_tokens()
    assert len(set(tokens.values())) == len(tokens)
    lines = access.token_file(tokens).splitlines()
    assert [line.split(",")[2] for line in lines if "system:masters" in line] == ["admin"]


def test_nobody_but_the_bench_may_read_secrets_or_change_the_rules() -> None:
    layers = (access.EVERYWHERE, access.IN_TRIAL, access.IN_NAMESPACE)
    rules = [rule for layer in layers for given in layer.values() for rule in given]
    for rule in rules:
        assert "*" not in (*rule.resources, *rule.verbs)
        assert not {"secrets", "configmaps"} & set(rule.resources)
    # To bind is not to change: and only what is meant for the namespaces of trials.
    [*bound] = [rule for rule in rules if "clusterroles" in rule.resources]
    assert {verb for rule in bound for verb in rule.verbs} == {"bind"}
    assert all(name.endswith(":trial") for rule in bound for name in rule.names)
    assert all(rule.names for rule in bound)


def test_who_is_let_into_a_trials_namespace_has_a_role_there() -> None:
    admitted = {user for users in access.ADMITS.values() for user in users}
    assert admitted == {access.user(role) for role in access.IN_TRIAL}


def test_an_election_may_touch_its_lease_and_nothing_else() -> None:
    assert access.ELECTION not in access.EVERYWHERE
    [rule] = access.IN_TRIAL[access.ELECTION]
    assert (rule.resources, rule.verbs, rule.names) == (("leases",), ("get", "update"), ("leader",))


def test_equal_timing_gives_nodes_the_lease_as_grace() -> None:
    flags = components.node_flags(Timing(lease_s=2))
    assert "--node-monitor-grace-period=2.000s" in flags
    assert "--node-monitor-period=0.500s" in flags
    assert "--unhealthy-zone-threshold=1" in flags


def test_vendor_timing_leaves_upstreams_defaults() -> None:
    assert components.node_flags(Timing("vendor")) == []


def test_controllers_have_upstreams_request_limits_for_each_trial_that_shares_them() -> None:
    alone, shared = (components.controller_manager(PLACE, Timing(), count) for count in (1, 4))
    assert {"--kube-api-qps=20", "--kube-api-burst=30"} <= set(alone)
    assert {"--kube-api-qps=80", "--kube-api-burst=120"} <= set(shared)


def test_every_component_aims_at_so_much_memory_that_all_fit_with_their_program_text() -> None:
    limits = [components.environment(name)["GOMEMLIMIT"] for name in components.MEMORY]
    assert set(components.MEMORY) == {"etcd", "apiserver", "controllers", "scheduler"}
    assert sum(int(limit.removesuffix("MiB")) for limit in limits) + 4 * 70 < 0.8 * 1024


def test_k3s_follows_the_timing_and_the_limits_like_the_embedded_one() -> None:
    equal, vendor = (k3s.arguments(timing, 4) for timing in (Timing(lease_s=3), Timing("vendor")))
    assert "--kube-controller-manager-arg=node-monitor-grace-period=3.000s" in equal
    assert not [one for one in vendor if "node-monitor" in one]
    for one in (equal, vendor):
        assert "--kube-controller-manager-arg=kube-api-qps=80" in one


async def test_k3s_is_another_container_for_another_timing(tmp_path: Path) -> None:
    done: list[str] = []

    class Noted(k3s.K3s):
        async def start(self) -> None:
            done.append("start")

        async def stop(self) -> None:
            done.append("stop")

    plane = Noted(tmp_path, None)
    assert isinstance(plane, HasTiming)
    await plane.retime(Timing())
    assert done == []
    await plane.retime(Timing("vendor"))
    await plane.retime(Timing("vendor"))
    assert done == ["stop", "start"]


def test_no_component_listens_anywhere_but_on_loopback_and_no_secret_is_an_argument() -> None:
    store, server = components.etcd(PLACE), components.api_server(PLACE)
    assert "--bind-address=127.0.0.1" in server
    assert "--anonymous-auth=false" in server
    listening = [flag for flag in store if "listen" in flag]
    assert listening
    assert all("=unix://" in flag for flag in listening)
    for command in (components.scheduler(PLACE), components.controller_manager(PLACE, Timing())):
        assert "--secure-port=0" in command
    assert not [flag for flag in server if "token" in flag and "tokens.csv" not in flag]


ENDPOINT = Endpoint("https://127.0.0.1:6443", "/state/ca.crt", "127.0.0.1", "scheduler", "secret")


def test_a_kubeconfig_that_is_written_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    kubeconfig.write(path, ENDPOINT)
    assert path.stat().st_mode & 0o077 == 0
    found = kubeconfig.read(path, tmp_path)
    assert (found.base, found.ca, found.token) == (ENDPOINT.base, ENDPOINT.ca, ENDPOINT.token)


CLUSTER: dict[str, object] = {
    "server": "https://h:6443",
    "certificate-authority-data": base64.b64encode(b"CA").decode(),
}


def _document(user: dict[str, object], cluster: dict[str, object] = CLUSTER) -> bytes:
    return msgspec.json.encode(
        {
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": user}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
    )


def test_inline_certificates_go_to_private_files(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_bytes(_document({"token": "t"}))
    found = kubeconfig.read(path, tmp_path)
    assert Path(found.ca).read_text() == "CA"
    assert Path(found.ca).stat().st_mode & 0o077 == 0


def test_a_token_may_lie_in_a_file_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_bytes(_document({"tokenFile": "token"}))
    (tmp_path / "token").write_text("t\n")
    assert kubeconfig.read(path, tmp_path).token == "t"


@pytest.mark.parametrize(
    ("host", "base"), [("10.0.0.1", "https://10.0.0.1:443"), ("fd00::1", "https://[fd00::1]:443")]
)
def test_within_a_cluster_the_pods_own_account_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str, base: str
) -> None:
    monkeypatch.setattr(kubeconfig, "IN_CLUSTER", tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    assert kubeconfig.in_cluster() is None  # no account is mounted
    (tmp_path / "token").write_text("t\n")
    found = kubeconfig.in_cluster()
    assert found is not None
    assert (found.base, found.name, found.token) == (base, host, "t")
    assert found.ca == str(tmp_path / "ca.crt")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"[not yaml", "is no kubeconfig"),
        (b"{}", "is no kubeconfig"),
        (_document({"exec": {"command": "gcloud"}}), "another program"),
        (_document({}), "cannot be used"),
        (
            _document({"token": "t"}, {"server": "https://h", "insecure-skip-tls-verify": True}),
            "cannot be used: expected a cluster with a certificate authority",
        ),
        (_document({"token": "t"}, {**CLUSTER, "server": "http://h"}), "cannot be used"),
        (
            _document({"token": "t"}, {**CLUSTER, "certificate-authority-data": "?"}),
            "is no base64",
        ),
        (_document({"tokenFile": "absent"}), "tokenFile absent: No such file"),
    ],
)
def test_a_kubeconfig_that_cannot_be_used_is_one_line(
    tmp_path: Path, content: bytes, why: str
) -> None:
    path = tmp_path / "config"
    path.write_bytes(content)
    with pytest.raises(ServiceUnavailable, match=why):
        kubeconfig.read(path, tmp_path)


def test_requests_are_counted_by_resource() -> None:
    page = (
        'apiserver_request_total{code="200",resource="pods",verb="LIST"} 3\n'
        'apiserver_request_total{code="201",resource="pods",verb="POST"} 2\n'
        'apiserver_request_total{code="200",resource="leases",verb="PUT"} 7\n'
        'apiserver_request_total{code="200",resource="",verb="GET"} 9\n'
        'apiserver_request_total{code="200",resource="flowschemas",verb="GET"} 9\n'
    )
    assert requests(page) == {"pods": 5.0, "leases": 7.0}
