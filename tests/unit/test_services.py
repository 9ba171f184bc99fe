"""Providing services: which provider is taken, and what is said when none works."""

import asyncio
import hashlib
import os
import re
import signal
import socket
import socketserver
import stat
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

import psutil
import pytest

from bench import services
from bench.leftovers import Registration
from bench.services import NoAnswer, Service, ServiceUnavailable, provide, zookeeper_jars
from bench.services.base import credentials, parts, without_password
from bench.services.embedded import (
    Access,
    EmbeddedService,
    launched,
    write_secret,
)
from bench.services.etcd import EtcdProbe
from bench.services.introduce import introduce
from bench.services.ports import free_ports
from bench.services.url import place
from bench.services.zookeeper import ZooKeeperProbe

SECRET = "s3cr3t-of-the-test"


class Fixed:
    """A provider that works or does not, as told."""

    def __init__(self, name: str, missing: str | None = None) -> None:
        self.name = name
        self._missing = missing

    def missing(self) -> str | None:
        return self._missing

    def where(self) -> str:
        return f"somewhere for {self.name}"

    def make(self, directory: Path, registration: Registration | None) -> Service:
        return EmbeddedService(Script("print()"), Silent(), directory, registration)


class Silent:
    """A probe of a server that never answers; or that does, from the nth question on."""

    def __init__(self, answers_from: int | None = None) -> None:
        self._asked = 0
        self._answers_from = answers_from
        self.introduced: list[str] = []

    async def version(self, url: str) -> str:
        self._asked += 1
        if self._answers_from is None or self._asked < self._answers_from:
            raise NoAnswer("it is silent")
        return "1.2.3"

    async def counters(self, url: str) -> dict[str, float]:
        return {"operations": 1.0}

    async def introduce(self, url: str) -> None:
        self.introduced.append(url)


class Script:
    """A server that is a few lines of Python; it gets its port as its argument."""

    name = "script"
    ports = 1
    durability = "none"
    death_signal = signal.SIGKILL
    stop_signal = signal.SIGTERM

    def __init__(self, code: str) -> None:
        self._code = code
        self.laid_out: list[Access] = []

    def missing(self) -> str | None:
        return None

    def where(self) -> str:
        return "here"

    def user(self) -> str | None:
        return None

    async def lay_out(self, access: Access) -> Sequence[str]:
        self.laid_out.append(access)
        return [sys.executable, "-S", "-c", self._code, str(access.ports[0])]

    def url(self, access: Access) -> str:
        return f"script://{access.user}:{access.password}@127.0.0.1:{access.ports[0]}"


LISTENS = "import signal, socket, sys; own = socket.create_server(('127.0.0.1', int(sys.argv[1])));"
RUNS_FOR_EVER = f"{LISTENS} signal.pause()"


@pytest.fixture
def with_providers(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Replaces the providers of the service `redis`."""

    def replace(*providers: Fixed) -> None:
        monkeypatch.setitem(services.SERVICES, "redis", providers)

    return replace


Embed = Callable[[Script, Silent], EmbeddedService]


@pytest.fixture
async def embed(tmp_path: Path) -> AsyncIterator[Embed]:
    """Makes embedded services, and stops them whatever becomes of the test."""
    async with AsyncExitStack() as stack:

        def make(recipe: Script, probe: Silent) -> EmbeddedService:
            service = EmbeddedService(recipe, probe, tmp_path, None)
            stack.push_async_callback(service.stop)
            return service

        yield make


@pytest.fixture(autouse=True)
def own_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Registrations of these tests lie in their own place; no server of the user is used."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in services.SERVICES:
        monkeypatch.delenv(f"COORDBENCH_{name.upper()}_URL", raising=False)
    return tmp_path / "state" / "coordbench" / "running"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# Choosing a provider


def test_the_users_own_server_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COORDBENCH_REDIS_URL", "redis://127.0.0.1:6379/0")
    assert provide("redis", tmp_path).provider == "url"


def test_without_a_url_the_server_is_embedded(tmp_path: Path) -> None:
    assert provide("redis", tmp_path).provider == "embedded"


def test_a_provider_that_is_asked_for_is_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("COORDBENCH_REDIS_URL", "redis://127.0.0.1:6379/0")
    assert provide("redis", tmp_path, "embedded").provider == "embedded"


def test_where_none_works_every_reason_is_said(
    with_providers: Callable[..., None], tmp_path: Path
) -> None:
    """One line: what is missing for each provider, and how to get it."""
    with_providers(Fixed("url", "X is not set"), Fixed("embedded", "no redis-server: install it"))
    with pytest.raises(ServiceUnavailable) as error:
        provide("redis", tmp_path)
    assert str(error.value) == "redis: url: X is not set; embedded: no redis-server: install it"


def test_a_provider_that_is_asked_for_and_does_not_work_is_not_replaced(
    with_providers: Callable[..., None], tmp_path: Path
) -> None:
    with_providers(Fixed("embedded"), Fixed("docker", "no Docker engine answers: start Docker"))
    with pytest.raises(ServiceUnavailable, match="redis: docker: no Docker engine answers"):
        provide("redis", tmp_path, "docker")


def test_an_unknown_service_is_answered_with_those_that_exist(tmp_path: Path) -> None:
    with pytest.raises(ServiceUnavailable, match="no service 'reddis': there are redis, postgres"):
        provide("reddis", tmp_path)


def test_an_unknown_provider_is_answered_with_those_that_exist(tmp_path: Path) -> None:
    with pytest.raises(
        ServiceUnavailable, match="no provider 'cloud': there are url, embedded, docker"
    ):
        provide("redis", tmp_path, "cloud")


# The user's own server


URLS = {
    "redis": "redis://:{secret}@127.0.0.1:{port}/0",
    "postgres": "postgresql://anna:{secret}@127.0.0.1:{port}/postgres",
    "zookeeper": "zookeeper://anna:{secret}@127.0.0.1:{port}",
    "etcd": "http://root:{secret}@127.0.0.1:{port}",
}


@pytest.mark.parametrize("name", URLS)
async def test_a_url_that_does_not_answer_is_one_clear_line(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It names the place, the variable and the way out, and never the password."""
    port = free_ports(1)[0]
    url = URLS[name].format(secret=SECRET, port=port)
    monkeypatch.setenv(f"COORDBENCH_{name.upper()}_URL", url)
    with pytest.raises(ServiceUnavailable) as error:
        await provide(name, tmp_path).start()
    line = str(error.value)
    assert f"127.0.0.1:{port}" in line
    assert f"unset COORDBENCH_{name.upper()}_URL" in line
    assert "\n" not in line
    assert SECRET not in line


@pytest.mark.parametrize("name", URLS)
async def test_a_url_that_cannot_be_read_is_one_clear_line(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(f"COORDBENCH_{name.upper()}_URL", f"x://u:{SECRET}@127.0.0.1:port/0")
    with pytest.raises(ServiceUnavailable) as error:
        await provide(name, tmp_path).start()
    assert SECRET not in str(error.value)
    assert "\n" not in str(error.value)


class WebServer(socketserver.StreamRequestHandler):
    """Answers what reads like a request; waits for the end of a line, as web servers do."""

    def handle(self) -> None:
        if self.rfile.readline().startswith((b"GET", b"POST")):
            page = b"<h1>Not here</h1>"
            head = b"HTTP/1.1 404 Not Found\r\nContent-Length: %d\r\n\r\n" % len(page)
            self.wfile.write(head + page)


class SshServer(socketserver.StreamRequestHandler):
    """Introduces itself and waits."""

    def handle(self) -> None:
        self.wfile.write(b"SSH-2.0-OpenSSH_9.6\r\n")
        self.rfile.read()


@pytest.mark.parametrize("name", URLS)
@pytest.mark.parametrize("other", [WebServer, SshServer])
async def test_another_kind_of_server_at_a_url_is_one_clear_line_that_says_why(
    name: str,
    other: type[socketserver.StreamRequestHandler],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    for module in (name, "base"):
        monkeypatch.setattr(f"bench.services.{module}.TIMEOUT_S", 0.3)
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), other) as server:
        server.daemon_threads, server.block_on_close = True, False  # talks end with their clients
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        port = server.server_address[1]
        url = URLS[name].format(secret=SECRET, port=port)
        monkeypatch.setenv(f"COORDBENCH_{name.upper()}_URL", url)
        try:
            with pytest.raises(ServiceUnavailable) as error:
                async with asyncio.timeout(5):
                    await provide(name, tmp_path).start()
        finally:
            server.shutdown()
            serving.join()
    line = str(error.value)
    said, _, rest = line.partition(f" does not answer as {name} does: ")
    why, _, way_out = rest.partition("; ")
    assert f"127.0.0.1:{port} (from COORDBENCH_{name.upper()}_URL)" in said
    assert len(why) > 5
    assert not re.search(r"no reason|TimeoutError|\\n", why), why
    assert way_out == f"start it, or unset COORDBENCH_{name.upper()}_URL"
    assert "\n" not in line
    assert SECRET not in line


@pytest.mark.parametrize("name", URLS)
async def test_a_server_that_accepts_and_never_answers_is_not_waited_for(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A paused server takes connections; every question has its end all the same."""

    ended: list[asyncio.Future[None]] = []

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        ended.append(end)
        await reader.read()
        writer.close()
        await writer.wait_closed()
        end.set_result(None)

    monkeypatch.setattr(f"bench.services.{name}.TIMEOUT_S", 0.2)
    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        monkeypatch.setenv(
            f"COORDBENCH_{name.upper()}_URL", URLS[name].format(secret=SECRET, port=port)
        )
        async with asyncio.timeout(5):
            assert not await provide(name, tmp_path).health()
            await asyncio.gather(*ended)  # the client has hung up


@pytest.mark.parametrize("fault", ["kill", "pause", "resume", "restart"])
async def test_the_users_own_server_is_never_hurt(
    fault: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("COORDBENCH_REDIS_URL", "redis://127.0.0.1:1/0")
    service = provide("redis", tmp_path)
    assert not service.owned
    with pytest.raises(ServiceUnavailable, match="unset COORDBENCH_REDIS_URL"):
        await getattr(service, fault)()


# Credentials


def test_a_url_is_shown_without_its_credentials() -> None:
    assert place(f"redis://anna:{SECRET}@example.org:6379/0") == "redis://example.org:6379"


def test_credentials_may_hold_any_character() -> None:
    assert credentials("http://a%40b:p%2Fw%3A@127.0.0.1:1") == ("a@b", "p/w:")


def test_a_password_in_an_error_text_is_blotted_out_in_both_spellings() -> None:
    url = "redis://:p%2Fw-x@127.0.0.1:1"
    assert without_password("bad p%2Fw-x or p/w-x\nmore", url) == "bad *** or ***"


def test_a_file_with_a_secret_is_its_owners_only(tmp_path: Path) -> None:
    path = tmp_path / "password"
    write_secret(path, SECRET)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


# Embedded servers, with a script in the place of a server


async def test_a_server_that_ends_at_its_start_is_told_with_the_last_line_of_its_log(
    tmp_path: Path, own_state: Path, embed: Embed
) -> None:
    recipe = Script("import sys; sys.exit('Fatal: no such option')")
    service = embed(recipe, Silent())
    with pytest.raises(ServiceUnavailable, match="status 1: Fatal: no such option") as error:
        await service.start()
    assert str(tmp_path / "script.log") in str(error.value)
    assert not recipe.laid_out[0].data.exists()
    assert names(own_state) == []


async def test_a_server_that_never_answers_is_given_up_and_ended(
    embed: Embed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.services.embedded.START_TIMEOUT_S", 0.3)
    service = embed(Script(RUNS_FOR_EVER), Silent())
    with pytest.raises(ServiceUnavailable, match="no answer within"):
        await service.start()
    assert service.pids == []


async def test_a_port_that_was_taken_meanwhile_is_tried_again_with_another(
    tmp_path: Path, embed: Embed
) -> None:
    """Two benches at once: the loser of a race for a port takes the next one."""
    marker = tmp_path / "second"
    recipe = Script(
        f"import os\n{LISTENS}\n"
        f"if os.path.exists({str(marker)!r}): signal.pause()\n"
        f"open({str(marker)!r}, 'w'); sys.exit('bind: Address already in use')"
    )

    class AnswersWhenUp(Silent):
        async def version(self, url: str) -> str:
            if len(recipe.laid_out) < 2:
                raise NoAnswer("not yet")
            return "1.2.3"

    service = embed(recipe, AnswersWhenUp())
    await service.start()
    first, second = recipe.laid_out
    assert service.url == recipe.url(second)
    assert first.password != second.password
    assert not first.data.exists()


async def test_who_answers_on_the_port_is_ours_only_if_our_process_listens_there(
    embed: Embed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another bench's ZooKeeper took the port first, and answers anyone before ours has failed."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        looks = [lambda count: (taken,), free_ports]
        monkeypatch.setattr("bench.services.embedded.free_ports", lambda count: looks.pop(0)(count))
        probe = Silent(answers_from=1)
        recipe = Script(RUNS_FOR_EVER)
        service = embed(recipe, probe)
        await service.start()
        assert recipe.laid_out[0].ports == (taken,)
        assert service.url == recipe.url(recipe.laid_out[1])
        assert probe.introduced == [service.url]


async def test_a_server_that_lost_its_port_while_it_was_down_is_not_restarted(embed: Embed) -> None:
    service = embed(Script(RUNS_FOR_EVER), Silent(answers_from=1))
    await service.start()
    await service.kill()
    with (
        socket.create_server(("127.0.0.1", parts(service.url).port or 0)),
        pytest.raises(ServiceUnavailable, match="Address already in use"),
    ):
        await service.restart()


async def test_a_service_that_is_stopped_leaves_no_process_no_data_no_registration(
    embed: Embed, own_state: Path
) -> None:
    recipe = Script(RUNS_FOR_EVER)
    service = embed(recipe, Silent(answers_from=1))
    await service.start()
    process = psutil.Process(service.pids[0])
    assert len(names(own_state)) == 1
    await service.stop()
    assert not process.is_running()
    assert not recipe.laid_out[0].data.exists()
    assert names(own_state) == []
    await service.stop()


async def test_a_server_that_ignores_the_stop_signal_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, embed: Embed
) -> None:
    monkeypatch.setattr("bench.services.embedded.STOP_TIMEOUT_S", 0.2)
    ready = tmp_path / "ready"
    stubborn = (
        f"{LISTENS} signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"open({str(ready)!r}, 'w')\n"
        "while True: signal.pause()"
    )

    class AnswersWhenReady(Silent):
        async def version(self, url: str) -> str:
            if not ready.exists():
                raise NoAnswer("not yet")
            return "1.2.3"

    service = embed(Script(stubborn), AnswersWhenReady())
    await service.start()
    process = psutil.Process(service.pids[0])
    await service.stop()
    assert not process.is_running()


async def test_pausing_stops_the_whole_tree_and_resuming_wakes_it(
    tmp_path: Path, embed: Embed
) -> None:
    """A server of several processes is paused as one."""
    started = tmp_path / "started"
    parent = (
        f"import subprocess\n{LISTENS}\n"
        f"subprocess.Popen([sys.executable, '-S', '-c', 'import signal; signal.pause()'])\n"
        f"open({str(started)!r}, 'w')\n"
        f"signal.pause()"
    )

    class AnswersWhenStarted(Silent):
        async def version(self, url: str) -> str:
            if not started.exists():
                raise NoAnswer("not yet")
            return "1.2.3"

    service = embed(Script(parent), AnswersWhenStarted())
    await service.start()
    tree = [psutil.Process(pid) for pid in service.pids]
    assert len(tree) == 2
    await service.pause()
    assert [one.status() for one in tree] == [psutil.STATUS_STOPPED] * 2
    await service.resume()
    assert psutil.STATUS_STOPPED not in [one.status() for one in tree]
    await service.kill()
    assert not any(one.is_running() for one in tree)


async def test_a_restart_keeps_url_and_data(embed: Embed) -> None:
    service = embed(Script(RUNS_FOR_EVER), Silent(answers_from=1))
    await service.start()
    url, pids = service.url, service.pids
    await service.kill()
    assert service.pids == []
    await service.restart()
    assert service.url == url
    assert service.pids != pids


def test_free_ports_are_different_and_free() -> None:
    assert len(set(free_ports(20))) == 20


def test_a_server_does_not_start_under_a_parent_that_is_gone() -> None:
    """The bench died between starting the launcher and the launcher asking the kernel."""
    command = launched(["/bin/true"], signal.SIGKILL, None)
    command[command.index(str(os.getpid()))] = "1"
    status = os.spawnv(os.P_WAIT, command[0], command)
    assert status == 1


# How servers are read


@pytest.fixture
def answering() -> Iterator[Callable[[bytes], "asyncio.Future[int]"]]:
    """Starts a server on loopback that answers everything with the given bytes; gives its port."""
    with ExitStack() as stack:

        async def start(answer: bytes) -> int:
            async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                await reader.read(100)
                writer.write(answer)
                await writer.drain()
                writer.close()

            server = await asyncio.start_server(serve, "127.0.0.1", 0)
            stack.callback(server.close)
            return int(server.sockets[0].getsockname()[1])

        yield lambda answer: asyncio.ensure_future(start(answer))


async def test_zookeeper_operations_are_requests_and_not_our_own_words(
    answering: Callable[[bytes], "asyncio.Future[int]"],
) -> None:
    port = await answering(b"zk_packets_received\t99\nzk_prep_processor_request_queued\t21\n")
    probe = ZooKeeperProbe()
    assert await probe.counters(f"zookeeper://127.0.0.1:{port}") == {"operations": 21.0}


async def test_a_zookeeper_that_does_not_serve_yet_is_not_healthy(
    answering: Callable[[bytes], "asyncio.Future[int]"],
) -> None:
    port = await answering(b"This ZooKeeper instance is not currently serving requests\n")
    with pytest.raises(NoAnswer, match="not currently serving"):
        await ZooKeeperProbe().version(f"zookeeper://127.0.0.1:{port}")


async def test_etcd_operations_are_messages_without_logins(
    answering: Callable[[bytes], "asyncio.Future[int]"],
) -> None:
    lines = (
        b'grpc_server_msg_received_total{grpc_method="Authenticate",grpc_type="unary"} 5\n'
        b'grpc_server_msg_received_total{grpc_method="Txn",grpc_type="unary"} 1.5e+03\n'
        b'grpc_server_msg_received_total{grpc_method="LeaseKeepAlive",grpc_type="bidi"} 7\n'
        b'grpc_server_handled_total{grpc_method="Txn"} 9\n'
    )
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(lines)}\r\n\r\n".encode()
    port = await answering(head + lines)
    assert await EtcdProbe().counters(f"http://127.0.0.1:{port}") == {"operations": 1507.0}


# Introducing the credentials to fresh servers by URL


async def test_a_server_is_introduced_once_it_answers() -> None:
    probe = Silent(answers_from=2)
    await introduce(probe, "script://u:p@127.0.0.1:1", wait_s=5)
    assert probe.introduced == ["script://u:p@127.0.0.1:1"]


async def test_a_server_that_never_answers_is_not_introduced() -> None:
    probe = Silent()
    with pytest.raises(NoAnswer):
        await introduce(probe, "script://u:p@127.0.0.1:1", wait_s=0)
    assert probe.introduced == []


# ZooKeeper's jars


@pytest.fixture
def maven_gives(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[[dict[str, bytes]], None]:
    """Puts jars in the place of what Maven would get; an empty cache, no Debian package."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(zookeeper_jars, "_DEBIAN", tmp_path / "no-java")
    pinned = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("zookeeper-jute-3.jar",)}
    monkeypatch.setattr(zookeeper_jars, "_PINNED", pinned)

    def give(jars: dict[str, bytes]) -> None:
        def copy(target: Path) -> None:
            target.mkdir()
            for name, content in jars.items():
                (target / name).write_bytes(content)

        monkeypatch.setattr(zookeeper_jars, "_run_maven", copy)

    return give


def test_jars_are_fetched_once_into_the_users_cache(
    maven_gives: Callable[[dict[str, bytes]], None], tmp_path: Path
) -> None:
    maven_gives({"zookeeper-jute-3.jar": b"zookeeper-jute-3.jar"})
    expected = str(tmp_path / "cache/coordbench/zookeeper-3/zookeeper-jute-3.jar")
    assert zookeeper_jars.jars() == expected
    maven_gives({})
    assert zookeeper_jars.jars() == expected


@pytest.mark.parametrize("jars", [{}, {"zookeeper-jute-3.jar": b"something else"}])
def test_a_jar_that_is_not_the_pinned_one_is_refused(
    maven_gives: Callable[[dict[str, bytes]], None], jars: dict[str, bytes], tmp_path: Path
) -> None:
    """Nothing of the download stays behind."""
    maven_gives(jars)
    with pytest.raises(ServiceUnavailable, match=r"zookeeper-jute-3\.jar from Maven has the hash"):
        zookeeper_jars.jars()
    assert list((tmp_path / "cache/coordbench").iterdir()) == []


def test_without_maven_package_or_cache_the_way_out_is_said(
    maven_gives: Callable[[dict[str, bytes]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    assert zookeeper_jars.missing_jars() == (
        "no ZooKeeper: install Maven (mvn), or Debian's package libzookeeper-java"
    )
