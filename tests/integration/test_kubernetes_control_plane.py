"""The embedded control plane: real TLS, narrow rights, quick, and gone without a trace."""

import ssl
import time
from dataclasses import replace
from pathlib import Path

import aiohttp
import psutil
import pytest

from bench.services import ServiceUnavailable
from bench.services.kubernetes import access
from bench.services.kubernetes.control_plane import ControlPlane
from strategies.errors import ServiceLost
from strategies.kubernetes.api import KubernetesApi
from strategies.kubernetes.endpoint import parse
from strategies.kubernetes.errors import Conflict, Invalid, NotFound, Refused
from strategies.model import Timing

pytestmark = pytest.mark.servers


async def test_it_is_the_real_thing_and_healthy(control_plane: ControlPlane) -> None:
    assert control_plane.version.startswith("v1.34.")
    assert await control_plane.health()
    assert len(control_plane.pids) == 4
    assert sum(control_plane.resident_mb().values()) < 0.8 * 1024


async def test_nothing_is_answered_to_strangers(control_plane: ControlPlane) -> None:
    known = parse(control_plane.url)
    async with (
        aiohttp.ClientSession() as session,
        session.get(known.base + "/version", ssl=known.tls()) as answer,
    ):
        assert answer.status == 401


async def test_a_client_that_does_not_know_the_authority_refuses_to_talk(
    control_plane: ControlPlane,
) -> None:
    known = parse(control_plane.url)
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await session.get(known.base + "/version", ssl=ssl.create_default_context())


@pytest.mark.parametrize(
    ("role", "path"),
    [
        (access.ELECTION, "/api/v1/pods"),
        (access.ELECTION, "/api/v1/secrets"),
        (access.NODE, "/apis/batch/v1/cronjobs"),
        (access.NODE, "/api/v1/namespaces/default/secrets"),
        (access.CRONJOB, "/apis/coordination.k8s.io/v1/leases"),
        (access.CRONJOB, "/apis/rbac.authorization.k8s.io/v1/clusterroles"),
    ],
)
async def test_a_role_may_do_its_own_work_only(
    control_plane: ControlPlane, role: str, path: str
) -> None:
    async with KubernetesApi(control_plane.url_for(role), timeout_s=5) as api:
        with pytest.raises(Refused, match="forbidden"):
            await api.list(path)


async def test_refusals_say_what_they_are_and_are_counted(control_plane: ControlPlane) -> None:
    async with KubernetesApi(control_plane.url_for(access.ADMIN), timeout_s=5) as api:
        with pytest.raises(NotFound):
            await api.get("/api/v1/namespaces/absent", dict[str, object])
        with pytest.raises(Conflict):
            await api.create("/api/v1/namespaces", {"metadata": {"name": "default"}})
        with pytest.raises(Invalid, match=r"metadata\.name"):
            await api.create("/api/v1/namespaces", {"metadata": {"name": "No!"}})
        assert api.counts == {"http-404": 1, "http-409": 1, "http-422": 1}


async def test_its_counters_count_requests_and_not_their_own_reading(
    control_plane: ControlPlane,
) -> None:
    async with KubernetesApi(control_plane.url_for(access.ADMIN), timeout_s=5) as api:
        before = await control_plane.counters()
        for _ in range(5):
            await api.get("/api/v1/namespaces/default", dict[str, object])
        after = await control_plane.counters()
    assert after["namespaces"] - before["namespaces"] >= 5
    assert after["operations"] >= after["namespaces"]


async def test_an_unreachable_server_is_a_lost_service_without_its_token(
    control_plane: ControlPlane,
) -> None:
    known = parse(control_plane.url)
    nowhere = replace(known, base="https://127.0.0.1:1")
    async with KubernetesApi(nowhere.url, timeout_s=1) as api:
        with pytest.raises(ServiceLost) as lost:
            await api.text("/readyz")
    assert known.token not in str(lost.value)


async def test_a_second_control_plane_beside_it_starts_quickly_and_leaves_nothing(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    """Two benches on one machine do not collide, and a stopped one is gone."""
    other = ControlPlane(tmp_path, None, Timing(lease_s=3))
    began_s = time.monotonic()
    await other.start()
    took_s = time.monotonic() - began_s
    place, pids = other._place, other.pids
    assert place is not None
    try:
        assert parse(other.url).base != parse(control_plane.url).base
        await other.restart_controllers()
        await other.restart()
        assert await other.health()
    finally:
        await other.stop()
    assert took_s < 15  # 4 s on two idle cores; the bound of 6 s is measured by the benchmark
    assert not place.folder.exists()
    assert not [pid for pid in pids if psutil.pid_exists(pid)]
    assert await control_plane.health()


async def test_a_component_that_ends_at_once_is_one_line_with_its_log(tmp_path: Path) -> None:
    plane = ControlPlane(tmp_path, None)
    original = plane._command
    plane._command = lambda name: [name, "--nonsense"]  # type: ignore[method-assign]
    try:
        with pytest.raises(ServiceUnavailable, match=r"kubernetes: \w+ ended at its start.*log"):
            await plane.start()
    finally:
        plane._command = original  # type: ignore[method-assign]
        await plane.stop()
