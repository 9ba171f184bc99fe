"""Links cut what they claim to cut, in that direction and only that, and are whole after the heal.

Real sockets throughout: a server that counts what reaches it and sends on its own, and instances
that each have a link of their own to it: by the relay, and from a network namespace of their own.
"""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from chaos.faults import injected
from chaos.links import namespaces
from chaos.links.client import Relay, RelayedLink, RelayLost
from chaos.links.faults import Delay, Drop, HalfOpen, Partition, Reset

pytestmark = pytest.mark.servers

SOON_S = 2.0
NEVER_S = 0.25  # long for loopback: what has not arrived by then was held


@dataclass
class Peer:
    """A server: remembers what arrived, echoes it, and can speak unasked."""

    port: int = 0
    arrived: bytes = b""
    ends: list[str] = field(default_factory=list)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    connections: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        try:
            while chunk := await reader.read(65536):
                self.arrived += chunk
                writer.write(chunk)
                await writer.drain()
            self.ends.append("closed")
        except ConnectionError:
            self.ends.append("reset")
        writer.close()

    def say(self, text: bytes) -> None:
        for writer in self.writers:
            writer.write(text)


INSIDE = """
import socket, sys
from chaos.links.namespaces import enter
link = socket.socket(fileno=int(sys.argv[1]))
enter(int(sys.argv[2]))
link.send(b"!")
while link.recv(1):
    with socket.socket() as made:
        socket.send_fds(link, [b"+"], [made.fileno()])
"""


class Inside:
    """A process in a network namespace that hands out sockets made there."""

    def __init__(self, network: int) -> None:
        self._link, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", INSIDE, str(theirs.fileno()), str(network)],
                pass_fds=[theirs.fileno()],
            )
        assert self._link.recv(1) == b"!"

    def socket(self) -> socket.socket:
        self._link.send(b"?")
        _, descriptors, _, _ = socket.recv_fds(self._link, 1, 1)
        made = socket.socket(fileno=descriptors[0])
        made.setblocking(False)
        return made

    def close(self) -> None:
        self._link.close()
        assert self._process.wait(SOON_S) == 0


@dataclass
class Host:
    """An instance with one link."""

    name: str
    links: list[RelayedLink]
    inside: Inside | None = None
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        link = self.links[0]
        made = self.inside.socket() if self.inside else socket.socket()
        made.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(made, (link.address, link.port))
        except BaseException:
            made.close()
            raise
        reader, writer = await asyncio.open_connection(sock=made)
        self.writers.append(writer)
        return reader, writer


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    serving = Peer()
    server = await asyncio.start_server(serving.serve, "127.0.0.1", 0)
    serving.port = server.sockets[0].getsockname()[1]
    yield serving
    server.close()
    await hang_up(serving.writers)


@pytest.fixture(params=["relay", "namespaces"])
def kind(request: pytest.FixtureRequest) -> str:
    if request.param == "namespaces" and (why := namespaces.missing()):
        pytest.skip(f"links by namespaces: {why}")
    return request.param


@pytest.fixture
async def relay(tmp_path: Path, kind: str) -> AsyncIterator[Relay]:
    async with Relay(tmp_path / "relay.log", namespaces=kind == "namespaces") as running:
        yield running


@contextlib.asynccontextmanager
async def linked(name: str, relay: Relay, port: int) -> AsyncIterator[Host]:
    leaf = name if relay._options else ""
    link = await relay.link(f"{name}>peer", "127.0.0.1", port, leaf)
    host = Host(name, [link], Inside(link.network) if leaf else None)
    yield host
    await hang_up(host.writers)
    if host.inside:
        host.inside.close()


async def hang_up(writers: list[asyncio.StreamWriter]) -> None:
    for writer in writers:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@pytest.fixture
async def host(relay: Relay, peer: Peer) -> AsyncIterator[Host]:
    async with linked("i1", relay, peer.port) as made:
        yield made


@pytest.fixture
async def neighbour(relay: Relay, peer: Peer) -> AsyncIterator[Host]:
    async with linked("i2", relay, peer.port) as made:
        yield made


async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, text: bytes) -> None:
    """The connection carries `text` there and back."""
    writer.write(text)
    async with asyncio.timeout(SOON_S):
        assert await reader.readexactly(len(text)) == text


async def silent(reader: asyncio.StreamReader) -> None:
    """Nothing arrives, and no end either."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(NEVER_S):
            await reader.read(1)


def interfaces() -> list[str]:
    return sorted(os.listdir("/sys/class/net"))


async def first_byte(host: Host) -> bytes:
    reader, _ = await host.connect()
    return await reader.read(1)


async def until(true) -> None:
    async with asyncio.timeout(SOON_S):
        while not true():
            await asyncio.sleep(0.002)


async def test_a_healthy_link_carries_both_ways(host: Host) -> None:
    await answers(*await host.connect(), b"hello")
    carried = await host.links[0].look()
    assert (carried.connections, carried.outbound_bytes, carried.inbound_bytes) == (1, 5, 5)


async def test_a_healthy_link_carries_much(host: Host) -> None:
    await answers(*await host.connect(), b"x" * 5_000_000)


async def test_a_partition_loses_both_directions_and_tells_nobody(host: Host, peer: Peer) -> None:
    reader, writer = await host.connect()
    await answers(reader, writer, b"before")
    async with injected(Partition(), host):
        writer.write(b"asked")
        peer.say(b"told")
        await silent(reader)
        assert peer.arrived == b"before"
        assert peer.ends == []


async def test_after_a_partition_what_was_sent_meanwhile_arrives(host: Host, peer: Peer) -> None:
    reader, writer = await host.connect()
    await answers(reader, writer, b"before")
    async with injected(Partition(), host):
        writer.write(b"late")
        await silent(reader)
    assert await reader.readexactly(4) == b"late"
    await answers(reader, writer, b"after")


async def test_an_inbound_partition_lets_requests_through_and_loses_the_answers(
    host: Host, peer: Peer
) -> None:
    reader, writer = await host.connect()
    await answers(reader, writer, b"before")
    async with injected(Partition("in"), host):
        writer.write(b"asked")
        await until(lambda: peer.arrived == b"beforeasked")
        await silent(reader)
    assert await reader.readexactly(5) == b"asked"


async def test_an_outbound_partition_loses_requests_and_lets_the_server_speak(
    host: Host, peer: Peer
) -> None:
    reader, writer = await host.connect()
    await answers(reader, writer, b"before")
    async with injected(Partition("out"), host):
        writer.write(b"asked")
        peer.say(b"told")
        assert await reader.readexactly(4) == b"told"
        await silent(reader)
        assert peer.arrived == b"before"
    assert await reader.readexactly(5) == b"asked"


@pytest.mark.parametrize("direction", ["both", "in", "out"])
async def test_during_a_partition_nobody_who_connects_gets_an_answer(
    host: Host, peer: Peer, direction
) -> None:
    async with injected(Partition(direction), host):
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(NEVER_S):
                    await host.connect()
    assert peer.connections == 0
    await answers(*await host.connect(), b"after")
    assert peer.connections == 1


async def test_a_partition_of_one_instance_leaves_the_others_alone(
    host: Host, neighbour: Host
) -> None:
    there = await neighbour.connect()
    async with injected(Partition(), host):
        await answers(*there, b"fine")
        await answers(*await neighbour.connect(), b"new ones too")


async def test_an_end_waits_at_the_cut_like_everything_else(host: Host, peer: Peer) -> None:
    reader, writer = await host.connect()
    await answers(reader, writer, b"before")
    async with injected(Partition(), host):
        writer.close()
        await asyncio.sleep(NEVER_S)
        assert peer.ends == []
    await until(lambda: peer.ends)
    assert peer.ends == ["closed"]


async def test_a_server_that_hangs_up_during_a_cut_is_not_heard_before_the_heal(
    host: Host, peer: Peer
) -> None:
    reader, writer = await host.connect()
    await answers(reader, writer, b"before")
    async with injected(Partition("in"), host):
        for end in peer.writers:
            end.close()
        await silent(reader)
    assert await reader.read() == b""
    writer.close()


async def test_half_open_accepts_and_never_answers(host: Host, peer: Peer) -> None:
    async with injected(HalfOpen(), host):
        reader, writer = await host.connect()
        writer.write(b"hello?")
        await silent(reader)
        assert peer.connections == 0
    assert await reader.readexactly(6) == b"hello?"


async def test_a_delay_holds_every_byte_for_its_time_and_keeps_their_order(host: Host) -> None:
    reader, writer = await host.connect()
    await answers(reader, writer, b"before")
    clock = asyncio.get_running_loop().time
    async with injected(Delay(0.1, jitter_s=0.05), host):
        began = clock()
        for number in range(5):
            writer.write(b"%d" % number)
            await asyncio.sleep(0.01)
        assert await reader.readexactly(5) == b"01234"
        assert 0.2 <= clock() - began < 0.6
    began = clock()
    await answers(reader, writer, b"after")
    assert clock() - began < 0.1


@pytest.mark.parametrize("kind", ["relay"], indirect=True)
async def test_dropped_packets_arrive_a_retransmission_later(host: Host) -> None:
    reader, writer = await host.connect()
    clock = asyncio.get_running_loop().time
    async with injected(Drop(1.0), host):
        began = clock()
        await answers(reader, writer, b"again")
        assert clock() - began >= 0.4  # once each way


@pytest.mark.parametrize("kind", ["namespaces"], indirect=True)
async def test_the_kernel_drops_a_share_of_the_packets_and_counts_them(
    host: Host, neighbour: Host
) -> None:
    reader, writer = await host.connect()
    there = await neighbour.connect()
    async with injected(Drop(0.2), host):
        while not (await host.links[0].look()).held_bytes:
            writer.write(b"again")
            await reader.readexactly(5)  # lost packets are sent again
    assert (await neighbour.links[0].look()).held_bytes == 0
    await answers(reader, writer, b"after")
    await answers(*there, b"fine")


@pytest.mark.parametrize("kind", ["namespaces"], indirect=True)
async def test_a_namespace_is_seen_by_nobody_else_and_gone_with_the_relay(
    tmp_path: Path, kind: str, peer: Peer
) -> None:
    before = interfaces()
    async with Relay(tmp_path / "relay.log", namespaces=True) as relay:
        link = await relay.link("i1>peer", "127.0.0.1", peer.port, "i1")
        there = os.stat(f"/proc/{link.network}/ns/net").st_ino
        assert there != os.stat("/proc/self/ns/net").st_ino
        assert interfaces() == before
    await until(lambda: not psutil.pid_exists(link.network))


async def test_a_leaf_that_cannot_be_had_is_one_clear_line(relay: Relay, kind: str) -> None:
    if kind == "relay":
        with pytest.raises(RelayLost, match="started without namespaces"):
            await relay.link("i1>peer", "127.0.0.1", 1, "i1")
        assert (await relay.link("i1>peer", "127.0.0.1", 1)).port


async def test_a_reset_breaks_open_connections_at_both_ends_and_welcomes_new_ones(
    host: Host, peer: Peer
) -> None:
    reader, writer = await host.connect()
    await answers(reader, writer, b"before")
    await Reset().inject(host)
    with pytest.raises(ConnectionResetError):
        await reader.read(1)
    await until(lambda: peer.ends == ["reset"])
    await answers(*await host.connect(), b"after")


async def test_a_server_that_refuses_is_seen_as_a_reset(relay: Relay) -> None:
    async with linked("i1", relay, port=1) as host:  # where nobody listens
        with pytest.raises(ConnectionResetError):
            await first_byte(host)  # the reset may come while it still connects


async def test_injecting_and_healing_take_less_than_a_tenth_of_a_second(host: Host) -> None:
    reader, writer = await host.connect()
    await answers(reader, writer, b"before")
    clock = asyncio.get_running_loop().time
    for fault in (Partition(), Partition("in"), HalfOpen(), Delay(0.1)):
        takes_s = []
        for _ in range(3):  # the machine's other work may come between once
            began_s = clock()
            await fault.inject(host)
            injected_s = clock()
            await fault.heal(host)
            takes_s.append((injected_s - began_s, clock() - injected_s))
        assert min(inject_s for inject_s, _ in takes_s) < 0.1
        assert min(heal_s for _, heal_s in takes_s) < 0.1


async def test_healing_twice_has_no_effect(host: Host) -> None:
    reader, writer = await host.connect()
    fault = Partition()
    await fault.inject(host)
    await fault.heal(host)
    await fault.heal(host)
    await answers(reader, writer, b"after")


async def test_a_cancelled_partition_is_healed(host: Host) -> None:
    reader, writer = await host.connect()
    cut = asyncio.Event()

    async def hold() -> None:
        async with injected(Partition(), host):
            cut.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(hold())
    await cut.wait()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    await answers(reader, writer, b"after")


async def test_the_relay_ends_when_nobody_speaks_to_it_any_more(relay: Relay, host: Host) -> None:
    process = psutil.Process(relay._process.pid)
    relay._process.stdin.close()
    await asyncio.to_thread(process.wait, SOON_S)
    with pytest.raises(RelayLost):
        await host.links[0].look()


@pytest.mark.parametrize("kind", ["namespaces"], indirect=True)
async def test_a_split_parts_servers_from_each_other_and_from_nobody_else(relay: Relay) -> None:
    places = [await relay.place(name) for name in ("a", "b", "c")]
    insides = [Inside(network) for _, network in places]
    loop = asyncio.get_running_loop()
    listeners = []
    for (address, _), inside in zip(places, insides, strict=True):
        listener = inside.socket()
        listener.bind((address, 2181))
        listener.listen()
        listeners.append(listener)

    async def reaches(source: int, target: int) -> bool:
        made = insides[source].socket()
        try:
            async with asyncio.timeout(NEVER_S):
                await loop.sock_connect(made, (places[target][0], 2181))
        except TimeoutError:
            return False
        finally:
            made.close()
        return True

    def pairs() -> list[tuple[int, int]]:
        return [(a, b) for a in range(3) for b in range(3) if a != b]

    assert [await reaches(*pair) for pair in pairs()] == [True] * 6
    await relay.split(["a"], ["b", "c"])
    assert [pair for pair in pairs() if await reaches(*pair)] == [(1, 2), (2, 1)]
    link = await relay.link("clients>a", places[0][0], 2181, inside=True)
    _, writer = await asyncio.open_connection("127.0.0.1", link.port)
    connection, _ = await asyncio.wait_for(loop.sock_accept(listeners[0]), SOON_S)
    connection.close()
    writer.close()
    await relay.split([], [])
    assert [await reaches(*pair) for pair in pairs()] == [True] * 6
    for listener in listeners:
        listener.close()
    for inside in insides:
        inside.close()
