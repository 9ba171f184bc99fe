"""A cluster that the user names: by kubeconfig, or from within. Tried on the embedded one.

It is a real API server with real certificates and tokens, so that all is checked here but what
needs nodes of a real cluster: that its pods pull the image and run.
"""

import base64
import random
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
import yaml  # type: ignore[import-untyped]  # one call: no package of stubs for it

from bench.services import Service, ServiceUnavailable, provide
from bench.services.kubernetes import access, kubeconfig
from bench.services.kubernetes.control_plane import ControlPlane
from bench.services.kubernetes.provider import IMAGE, IN_CLUSTER, URL
from strategies.catalogue import design
from strategies.cronjob.strategy import CronJobStrategy
from strategies.kubernetes.api import KubernetesApi
from strategies.kubernetes.endpoint import Endpoint, parse
from strategies.model import Cron, Job, Timing

pytestmark = pytest.mark.servers

EVERY_MINUTE = Cron("* * * * *")


def write_kubeconfig(known: Endpoint, path: Path) -> str:
    """A kubeconfig of two clusters in the form that kubectl writes; its path."""
    authority = base64.b64encode(Path(known.ca).read_bytes()).decode()
    mine = {"server": known.base, "certificate-authority-data": authority}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "elsewhere", "cluster": {"server": "https://127.0.0.1:1"}},
            {"name": "mine", "cluster": mine},
        ],
        "users": [{"name": "me", "user": {"token": known.token}}],
        "contexts": [{"name": "here", "context": {"cluster": "mine", "user": "me"}}],
        "current-context": "here",
    }
    path.write_text(yaml.safe_dump(document))
    return str(path)


def lay_out_as_in_a_pod(folder: Path, ca: str, token: str) -> None:
    (folder / "token").write_text(token + "\n")
    (folder / "ca.crt").write_bytes(Path(ca).read_bytes())


@pytest_asyncio.fixture
async def cluster(
    control_plane: ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Service]:
    """The embedded control plane as a cluster that a kubeconfig names."""
    known = parse(control_plane.url_for(access.ADMIN))
    monkeypatch.setenv(URL, write_kubeconfig(known, tmp_path / "kubeconfig.yaml"))
    monkeypatch.setenv(IMAGE, "registry.example/coordbench-pod:7")
    service = provide("kubernetes", tmp_path / "service")
    await service.start()
    yield service
    await service.stop()


async def test_a_kubeconfigs_cluster_is_used_and_never_hurt(
    cluster: Service, control_plane: ControlPlane
) -> None:
    assert (cluster.provider, cluster.owned, cluster.pids) == ("url", False, [])
    assert cluster.version == control_plane.version
    assert await cluster.health()
    assert (await cluster.counters())["operations"] > 0
    for hurt in (cluster.kill, cluster.pause, cluster.resume, cluster.restart):
        with pytest.raises(ServiceUnavailable, match=f"unset {URL}"):
            await hurt()
    await cluster.stop()
    assert await control_plane.health()


async def test_what_the_kubeconfig_holds_inline_lies_in_private_files(
    cluster: Service, tmp_path: Path
) -> None:
    files = list((tmp_path / "service").glob("*.pem"))
    assert [str(path) for path in files] == [parse(cluster.url).ca]
    assert all(path.stat().st_mode & 0o077 == 0 for path in files)


async def test_lease_election_runs_on_it_as_on_any_other(cluster: Service) -> None:
    namespace = f"cb_{secrets.token_hex(4)}"
    strategy = design("lease-election").make(
        {"kubernetes": cluster.url}, namespace, Timing(), random.Random(0)
    )
    await strategy.prepare([Job(name="j", schedule=EVERY_MINUTE)])
    place = namespace.replace("_", "-")
    async with KubernetesApi(cluster.url, timeout_s=5) as api:
        leases = f"/apis/coordination.k8s.io/v1/namespaces/{place}/leases"
        assert len((await api.list(leases)).items) == 1
    await strategy.clean_up()


async def test_cronjobs_on_it_run_the_image_on_any_node_and_need_no_node_of_ours(
    cluster: Service,
) -> None:
    """Up to the pods that the API server has taken in: nobody here would run them."""
    namespace = f"cb_{secrets.token_hex(4)}"
    strategy = design("cronjob").make(
        {"kubernetes": cluster.url}, namespace, Timing(), random.Random(0)
    )
    assert isinstance(strategy, CronJobStrategy)
    assert not strategy.uses_node_agents
    await strategy.prepare([Job(name="report", schedule=EVERY_MINUTE)])
    batch = f"/apis/batch/v1/namespaces/{strategy.namespace}"
    async with KubernetesApi(cluster.url, timeout_s=5) as api:
        made = await api.get(f"{batch}/cronjobs/report", dict[str, Any])
        template = made["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        [container] = template["containers"]
        assert container["image"] == "registry.example/coordbench-pod:7"
        assert container["command"] == ["coordbench-pod", "run"]
        assert "nodeSelector" not in template
        nodes = len((await api.list("/api/v1/nodes")).items)
        await strategy.clean_up()
        assert len((await api.list("/api/v1/nodes")).items) == nodes


async def test_from_within_a_cluster_the_service_accounts_token_is_used(
    control_plane: ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token that this API server has issued for a service account, laid out as in a pod."""
    name = f"bench-{secrets.token_hex(4)}"
    known = parse(control_plane.url_for(access.ADMIN))
    async with KubernetesApi(known.url, timeout_s=5) as api:
        accounts = "/api/v1/namespaces/default/serviceaccounts"
        await api.create(accounts, {"metadata": {"name": name}})
        asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        issued = msgspec.json.decode(await api.create(f"{accounts}/{name}/token", asked))
        try:
            lay_out_as_in_a_pod(tmp_path, known.ca, issued["status"]["token"])
            host, _, port = known.base.removeprefix("https://").rpartition(":")
            monkeypatch.setattr(kubeconfig, "IN_CLUSTER", tmp_path)
            monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
            monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
            monkeypatch.setenv(URL, IN_CLUSTER)
            service = provide("kubernetes", tmp_path / "service")
            await service.start()
            assert service.version == control_plane.version
        finally:
            await api.delete(f"{accounts}/{name}")


async def test_a_cluster_that_does_not_answer_is_one_line_without_its_token(
    cluster: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = parse(cluster.url)
    nowhere = replace(known, base="https://127.0.0.1:1")
    monkeypatch.setenv(URL, write_kubeconfig(nowhere, tmp_path / "down.yaml"))
    with pytest.raises(ServiceUnavailable, match=r"does not answer.*start it, or unset") as error:
        await provide("kubernetes", tmp_path / "down").start()
    assert known.token not in str(error.value)
    assert len(str(error.value).splitlines()) == 1
