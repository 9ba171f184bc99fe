"""The embedded control plane: real TLS, narrow rights, quick, and gone without a trace."""

import asyncio
import os
import ssl
from dataclasses import replace
from pathlib import Path

import aiohttp
import psutil
import pytest

from bench.services import ServiceUnavailable
from bench.services.kubernetes import access
from bench.services.kubernetes import control_plane as module
from bench.services.kubernetes.control_plane import ControlPlane
from bench.services.ports import free_ports
from strategies.errors import ServiceLost
from strategies.kubernetes.api import KubernetesApi
from strategies.kubernetes.endpoint import parse
from strategies.kubernetes.errors import Conflict, Invalid, NotFound
from strategies.model import Timing

pytestmark = pytest.mark.servers


async def test_it_is_the_real_thing_and_healthy(control_plane: ControlPlane) -> None:
    assert control_plane.version.startswith("v1.34.")
    assert await control_plane.health()
    assert len(control_plane.pids) == 4
    busy = os.getloadavg()[0] / (os.cpu_count() or 1)
    assert control_plane.ready_s <= 6 * max(1.0, busy)
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


async def test_more_control_planes_beside_it_start_at_once_and_leave_nothing(
    control_plane: ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Benches on one machine do not collide, though one even picks a port that is in use."""
    taken = parse(control_plane.url).base.rpartition(":")[2]
    ports = [int(taken)]
    monkeypatch.setattr(
        module, "free_ports", lambda count: [ports.pop()] if ports else free_ports(count)
    )
    others = [ControlPlane(tmp_path / name, None, Timing(lease_s=3)) for name in ("a", "b")]
    await asyncio.gather(*(other.start() for other in others))
    places, pids = [other._place for other in others], [other.pids for other in others]
    try:
        addresses = {parse(one.url).base for one in (*others, control_plane)}
        assert len(addresses) == 3
        await others[0].restart_controllers()
        assert await others[0].health()
    finally:
        await asyncio.gather(*(other.stop() for other in others))
    assert not ports
    assert not [place for place in places if place is None or place.folder.exists()]
    assert not [pid for one in pids for pid in one if psutil.pid_exists(pid)]
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
