"""The real servers: started, hurt, counted, stopped; safe while they run and gone afterwards."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import psutil
import psycopg
import pytest
import redis.asyncio
import redis.exceptions
from kazoo.client import KazooClient
from kazoo.exceptions import NoAuthError

from bench import leftovers
from bench.doctor import doctor
from bench.services import PROBES, Service, ServiceUnavailable, provide
from bench.services.base import Probe, credentials
from bench.services.docker import missing_engine
from bench.services.embedded import EmbeddedService, Recipe
from bench.services.etcd import EtcdRecipe
from bench.services.introduce import introduce
from bench.services.ports import free_ports
from bench.services.zookeeper import ZooKeeperRecipe

pytestmark = pytest.mark.servers

Run = Callable[[Coroutine[Any, Any, None]], None]
NAMES = ["redis", "postgres", "zookeeper", "etcd"]


@pytest.fixture(scope="module", params=NAMES)
def standing(
    request: pytest.FixtureRequest, service_logs: Path, in_background: Run
) -> Iterator[Service]:
    """A server that these tests share and may hurt; its log is apart from the session's own."""
    one = provide(request.param, service_logs / "hurt", "embedded")
    try:
        in_background(one.start())
    except ServiceUnavailable as error:
        pytest.skip(str(error))
    yield one
    in_background(one.stop())


@pytest.fixture
async def service(standing: Service) -> AsyncIterator[Service]:
    """The shared server, healthy before and after each test, whatever becomes of the test."""
    yield standing
    await standing.resume()
    if not await standing.health():
        await standing.restart()


def host_and_port(url: str) -> str:
    split = urlsplit(url)
    return f"{split.hostname}:{split.port}"


# One client each, which does `count` operations with the credentials of the URL.


async def use_redis(url: str, count: int) -> None:
    async with redis.asyncio.Redis.from_url(url) as client:
        for number in range(count):
            await client.set(f"key-{number}", number)


async def use_postgres(url: str, count: int) -> None:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        for _ in range(count):
            await connection.execute("select 1")


async def use_zookeeper(url: str, count: int) -> None:
    def work() -> None:
        client = KazooClient(
            host_and_port(url), timeout=10, auth_data=[("digest", ":".join(credentials(url)))]
        )
        client.start(timeout=10)
        for number in range(count):
            client.create(f"/key-{number}-", sequence=True)
        client.stop()
        client.close()

    await asyncio.to_thread(work)


async def use_etcd(url: str, count: int) -> None:
    base = f"http://{host_and_port(url)}"
    user, password = credentials(url)
    async with aiohttp.ClientSession() as session:
        body = {"name": user, "password": password}
        async with session.post(f"{base}/v3/auth/authenticate", json=body) as answer:
            token = (await answer.json())["token"]
        for _ in range(count):
            async with session.post(
                f"{base}/v3/kv/put",
                json={"key": "a2V5", "value": "MQ=="},
                headers={"Authorization": token},
            ) as answer:
                assert answer.status == 200


USE: dict[str, Callable[[str, int], Awaitable[None]]] = {
    "redis": use_redis,
    "postgres": use_postgres,
    "zookeeper": use_zookeeper,
    "etcd": use_etcd,
}


async def test_a_started_server_is_healthy_and_says_its_version(service: Service) -> None:
    assert await service.health()
    assert service.version[0].isdigit()
    assert service.durability


async def test_its_counter_counts_what_clients_do_and_not_that_we_look(service: Service) -> None:
    """Twenty operations are twenty, give or take a session's begin and end; looking is free."""
    before = (await service.counters())["operations"]
    for _ in range(3):
        assert (await service.counters())["operations"] == before
        assert await service.health()
    await USE[service.name](service.url, 20)
    counted = (await service.counters())["operations"] - before
    assert 20 <= counted <= 22


async def test_a_paused_server_keeps_its_connections_and_answers_nothing(service: Service) -> None:
    await service.pause()
    assert not await service.health()
    await service.resume()
    assert await service.health()


async def test_a_killed_server_comes_back_on_the_same_url(service: Service) -> None:
    url = service.url
    await service.kill()
    assert not await service.health()
    await service.restart()
    assert service.url == url
    await USE[service.name](service.url, 1)


async def test_a_running_server_is_restarted(service: Service) -> None:
    pids = service.pids
    await service.restart()
    assert not set(pids) & set(service.pids)
    await USE[service.name](service.url, 1)


async def test_a_killed_server_keeps_its_data(service: Service) -> None:
    """Without fsync: the kernel has what the server wrote. (Redis keeps nothing, and says so.)"""
    if service.name != "postgres":
        pytest.skip("shown with PostgreSQL")
    async with await psycopg.AsyncConnection.connect(service.url, autocommit=True) as one:
        await one.execute("create table kept as select 7 as n")
    await service.kill()
    await service.restart()
    async with await psycopg.AsyncConnection.connect(service.url, autocommit=True) as one:
        assert await (await one.execute("select n from kept")).fetchone() == (7,)


async def test_it_listens_on_loopback_only(service: Service) -> None:
    server = psutil.Process(service.pids[0])  # its children, if any, share its sockets
    addresses = {
        connection.laddr.ip
        for connection in server.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert addresses <= {"127.0.0.1", "::ffff:127.0.0.1"}
    assert addresses


async def test_its_password_is_in_no_command_line_and_no_log(
    service: Service, service_logs: Path
) -> None:
    password = credentials(service.url)[1]
    assert len(password) >= 20
    server = psutil.Process(service.pids[0])
    assert password not in " ".join(server.cmdline())
    assert password not in " ".join(server.environ().values())
    assert password not in (service_logs / "hurt" / f"{service.name}.log").read_text()


async def test_who_has_no_password_is_refused(service: Service) -> None:
    await REFUSED[service.name](service.url)


async def refused_redis(url: str) -> None:
    async with redis.asyncio.Redis.from_url(f"redis://{host_and_port(url)}/0") as client:
        with pytest.raises(redis.exceptions.AuthenticationError):
            await client.get("key")


async def refused_postgres(url: str) -> None:
    wrong = f"postgresql://coordbench:wrong@{host_and_port(url)}/postgres"
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        await psycopg.AsyncConnection.connect(wrong)


async def refused_zookeeper(url: str) -> None:
    def work() -> None:
        client = KazooClient(host_and_port(url), timeout=10)
        client.start(timeout=10)
        try:
            with pytest.raises(NoAuthError):
                client.create("/intruder")
        finally:
            client.stop()
            client.close()

    await asyncio.to_thread(work)


async def refused_etcd(url: str) -> None:
    body = {"key": "a2V5"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"http://{host_and_port(url)}/v3/kv/range", json=body) as answer,
    ):
        assert "user name is empty" in await answer.text()


REFUSED: dict[str, Callable[[str], Awaitable[None]]] = {
    "redis": refused_redis,
    "postgres": refused_postgres,
    "zookeeper": refused_zookeeper,
    "etcd": refused_etcd,
}


async def test_introducing_the_same_credentials_again_changes_nothing(service: Service) -> None:
    """`make up` may be called twice."""
    await introduce(PROBES[service.name], service.url)
    await USE[service.name](service.url, 1)


async def test_a_server_of_ours_can_be_used_by_url(
    service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(f"COORDBENCH_{service.name.upper()}_URL", service.url)
    by_url = provide(service.name, tmp_path)
    await by_url.start()
    assert by_url.provider == "url"
    assert by_url.version == service.version
    await by_url.stop()
    assert await service.health()


@pytest.mark.parametrize("name", ["redis", "postgres", "etcd"])
async def test_a_wrong_password_by_url_is_one_clear_line_without_it(
    name: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    url: str = request.getfixturevalue(f"{name}_url")
    wrong = "wrong-and-secret"
    monkeypatch.setenv(f"COORDBENCH_{name.upper()}_URL", url.replace(credentials(url)[1], wrong))
    with pytest.raises(ServiceUnavailable, match="does not answer") as error:
        await provide(name, tmp_path).start()
    assert wrong not in str(error.value)


@pytest.mark.parametrize("name", NAMES)
async def test_a_server_whose_free_port_was_taken_before_it_came_is_started_on_another(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each says in words of its own that the port is in use."""
    with socket.create_server(("127.0.0.1", 0)) as thief:
        taken = thief.getsockname()[1]
        looks = [lambda count: (taken, *free_ports(count - 1)), free_ports]
        monkeypatch.setattr("bench.services.embedded.free_ports", lambda count: looks.pop(0)(count))
        one = provide(name, tmp_path, "embedded")
        try:
            async with asyncio.timeout(30):
                await one.start()
            assert not looks
            assert urlsplit(one.url).port != taken
            assert await one.health()
        finally:
            await one.stop()


class Unintroduced:
    """A probe that leaves its server open to everyone, as one is that has just been started."""

    def __init__(self, probe: Probe) -> None:
        self.version = probe.version
        self.counters = probe.counters

    async def introduce(self, url: str) -> None:
        """Nobody is told of a password."""


@pytest.mark.parametrize("recipe", [ZooKeeperRecipe(), EtcdRecipe()], ids=["zookeeper", "etcd"])
async def test_a_server_of_another_bench_on_our_port_is_not_taken_for_ours(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It is of the same kind, and open: it answers, and would take our password."""
    probe = PROBES[recipe.name]
    other = EmbeddedService(recipe, Unintroduced(probe), tmp_path / "other", None)
    ours = EmbeddedService(recipe, probe, tmp_path / "ours", None)
    try:
        await other.start()
        taken = urlsplit(other.url).port
        looks = [lambda count: (taken, *free_ports(count - 1)), free_ports]
        monkeypatch.setattr("bench.services.embedded.free_ports", lambda count: looks.pop(0)(count))
        await ours.start()
        assert urlsplit(ours.url).port != taken
        await USE[recipe.name](ours.url, 1)
        assert await other.health()
    finally:
        await ours.stop()
        await other.stop()


async def test_postgres_without_statistics_counts_transactions(service: Service) -> None:
    """A user's own PostgreSQL need not have pg_stat_statements."""
    if service.name != "postgres":
        pytest.skip("shown with PostgreSQL")
    async with await psycopg.AsyncConnection.connect(service.url, autocommit=True) as one:
        await one.execute("drop extension pg_stat_statements")
    before = (await service.counters())["operations"]
    await use_postgres(service.url, 20)
    deadline = time.monotonic() + 10  # the server gathers these statistics with a delay
    while (await service.counters())["operations"] - before < 20:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.2)
    await PROBES["postgres"].introduce(service.url)


async def test_all_four_start_within_ten_seconds_and_leave_nothing_when_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Side by side; afterwards no process, no data and no registration is left."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    names = await asyncio.to_thread(available)
    services = [provide(name, tmp_path / "logs", "embedded") for name in names]
    began = time.monotonic()
    try:
        await asyncio.gather(*(one.start() for one in services))
        took = time.monotonic() - began
        processes = [psutil.Process(one.pids[0]) for one in services]
    finally:
        await asyncio.gather(*(one.stop() for one in services))
    assert took < 10
    assert not any(one.is_running() for one in processes)
    assert list(tmp_path.glob("coordbench-*")) == []  # noqa: ASYNC240 - one look
    assert list(tmp_path.glob("state/coordbench/running/*")) == []  # noqa: ASYNC240 - one look


def available() -> list[str]:
    """The services that can be embedded here; ZooKeeper needs Java."""
    return [
        row.service for row in doctor() if row.service in NAMES and "embedded" not in row.missing
    ]


KILLED_BENCH = """
import asyncio, json, os, sys
from pathlib import Path
from bench.services import provide

async def main() -> None:
    services = [provide(name, Path(sys.argv[1]), "embedded") for name in sys.argv[3:]]
    await asyncio.gather(*(one.start() for one in services))
    if sys.argv[2] == "paused":
        await asyncio.gather(*(one.pause() for one in services))
    print(json.dumps([pid for one in services for pid in one.pids]), flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.parametrize("state", ["running", "paused"])
def test_the_servers_of_a_killed_bench_are_gone_after_the_next_start_at_the_latest(
    state: str, tmp_path: Path
) -> None:
    """SIGKILL of the bench: the kernel ends its servers; `clean` ends what cannot hear it."""
    names = available()
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")}
    bench = subprocess.Popen(
        [sys.executable, "-c", KILLED_BENCH, str(tmp_path), state, *names],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert bench.stdout is not None
    with bench.stdout:
        pids = [int(text) for text in bench.stdout.readline().strip("[]\n").split(",")]
    servers = [psutil.Process(pid) for pid in pids]
    bench.send_signal(signal.SIGKILL)
    bench.wait()
    removed = leftovers.clean(tmp_path / "state" / "coordbench" / "running")
    _, alive = psutil.wait_procs(servers, timeout=10)
    assert alive == []
    assert sum(line.startswith("removed") for line in removed) == len(names)
    assert leftovers.clean(tmp_path / "state" / "coordbench" / "running") == []


@pytest.mark.parametrize("name", NAMES)
async def test_a_container_serves_like_an_embedded_server(name: str, tmp_path: Path) -> None:
    if missing := missing_engine():
        pytest.skip(missing)
    service = provide(name, tmp_path, "docker")
    try:
        await service.start()
        before = (await service.counters())["operations"]
        await USE[name](service.url, 20)
        assert (await service.counters())["operations"] - before >= 20
        await service.pause()
        assert not await service.health()
        await service.resume()
        await service.kill()
        assert not await service.health()
        await service.restart()
        assert await service.health()
    finally:
        await service.stop()
