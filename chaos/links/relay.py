"""The relay: links as listening ports of the loopback interface, each carried to one server.

    python -m chaos.links.relay SEED [namespaces]

A process of its own, told on stdin what to do (chaos.links.protocol), that ends when its stdin
does, and so never outlives whoever started it. One route is one instance's link to one service.

While a link takes no connections, the kernel drops whatever asks for one: the listening queue has
no room. That is what a packet filter's DROP looks like to a client. What differs from a network:
a connection made through the relay succeeds before the server was asked, and a server that
refuses is seen as a reset.

With `namespaces` a link may begin in a network namespace of its own (chaos.links.namespaces): then
the kernel drops what is to be lost, and the relay only carries, delays and half-opens.
"""

import asyncio
import ctypes
import os
import random
import signal
import socket
import sys
from contextlib import suppress

import msgspec
from msgspec.structs import replace

from chaos.links.carrying import Lane, Stream, reset, reset_on_close
from chaos.links.namespaces import Hub
from chaos.links.protocol import (
    Answer,
    Look,
    Open,
    Place,
    Redirect,
    Request,
    ResetAll,
    Shape,
    Split,
)
from chaos.links.traffic import HEALTHY, Carried, Traffic, Way

LOOPBACK = "127.0.0.1"
BACKLOG = 128
PLUG_S = 0.02  # loopback answers a connection at once or, when the queue is full, never
PLUGS = 8
NO_HUB = "this relay was started without namespaces"
_PR_SET_PDEATHSIG = 1


class Route:
    """One link: a listening port, and the server behind it.

    `hub` is who drops packets for it, where the listener is in a namespace; `within` is the network
    that its server is in, where that is not the host's.
    """

    def __init__(
        self,
        host: str,
        port: int,
        rng: random.Random,
        listener: socket.socket | None = None,
        hub: "Hub | None" = None,
        within: "Hub | None" = None,
    ) -> None:
        self.server = (host, port)
        self._outbound, self._inbound = Lane(rng), Lane(rng)
        self._traffic = HEALTHY
        self._connections: dict[asyncio.Task[None], list[asyncio.StreamWriter]] = {}
        self._plugs: list[socket.socket] = []
        self._plug_addresses: set[tuple[str, int]] = set()
        self._hub = hub
        self._within = within
        self._listener = listener or _on_loopback()
        self._listener.setblocking(False)
        self._listener.listen(BACKLOG)
        self.port: int = self._listener.getsockname()[1]
        self._accepting = asyncio.create_task(self._accept())

    async def shape(self, traffic: Traffic) -> Carried:
        """Change the link's state; what it carried just before."""
        carried = self.carried()
        if self._hub:
            traffic = self._by_packets(self._hub, traffic)
        self._outbound.shape(traffic.outbound)
        self._inbound.shape(traffic.inbound)
        if traffic.connects and not self._traffic.connects:
            self._welcome()
        elif self._traffic.connects and not traffic.connects:
            await self._shut()
        self._traffic = traffic
        return carried

    def _by_packets(self, hub: Hub, traffic: Traffic) -> Traffic:
        """Have the kernel lose what is to be lost; what is left to do for the relay.

        A half-open link takes connections, which no packet filter does for a server.
        """

        def lost(way: Way) -> Way:
            return Way(cut=way.cut and not traffic.connects, loss=way.loss)

        def left(way: Way) -> Way:
            return replace(way, cut=way.cut and traffic.connects, loss=0.0)

        hub.rule(self.port, lost(traffic.outbound), lost(traffic.inbound))
        return Traffic(left(traffic.outbound), left(traffic.inbound))

    async def reset(self) -> Carried:
        """Reset every open connection on both sides."""
        carried = self.carried()
        tasks = list(self._connections)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return carried

    def carried(self) -> Carried:
        """What the link carries now."""
        held_bytes = self._outbound.held_bytes + self._inbound.held_bytes
        if self._hub:
            held_bytes += self._hub.dropped_bytes(self.port)
        return Carried(
            connections=len(self._connections),
            outbound_bytes=self._outbound.bytes,
            inbound_bytes=self._inbound.bytes,
            held_bytes=held_bytes,
        )

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            connection, address = await loop.sock_accept(self._listener)
            if address in self._plug_addresses:
                self._plug_addresses.discard(address)
                connection.close()
                continue
            task = asyncio.create_task(self._carry(connection))
            self._connections[task] = []
            task.add_done_callback(self._connections.pop)

    async def _carry(self, connection: socket.socket) -> None:
        ends = self._connections[_this_task()]
        try:
            client_reader, client = await asyncio.open_connection(sock=connection)
            ends.append(client)
            await self._outbound.passable()
            await self._inbound.passable()
            server_reader, server = await self._dial()
            ends.append(server)
            await asyncio.gather(
                Stream(self._outbound, client_reader, server).carry(),
                Stream(self._inbound, server_reader, client).carry(),
            )
        except OSError:
            reset_on_close(connection)  # the server takes no connections
        except asyncio.CancelledError:
            for end in ends:
                reset(end)
        for end in ends:
            end.close()
        for end in ends:
            with suppress(OSError):
                await end.wait_closed()

    async def _dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if not self._within:
            return await asyncio.open_connection(*self.server)
        made = self._within.socket()
        made.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(made, self.server)
        except BaseException:
            made.close()
            raise
        return await asyncio.open_connection(sock=made)

    async def _shut(self) -> None:
        """Take no connections, and have the kernel answer nobody who asks for one."""
        self._accepting.cancel()
        await asyncio.gather(self._accepting, return_exceptions=True)
        self._listener.listen(0)
        for _ in range(PLUGS):
            if not await self._plug():
                return

    async def _plug(self) -> bool:
        """Take one place in the listening queue; False when there is none left."""
        plug = socket.socket()
        plug.setblocking(False)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(PLUG_S):
                await loop.sock_connect(plug, (LOOPBACK, self.port))
        except TimeoutError:
            plug.close()
            return False
        self._plugs.append(plug)
        self._plug_addresses.add(plug.getsockname())
        return True

    def _welcome(self) -> None:
        for plug in self._plugs:
            plug.close()
        self._plugs.clear()
        self._listener.listen(BACKLOG)
        self._accepting = asyncio.create_task(self._accept())


class Relay:
    """All routes, by name."""

    def __init__(self, seed: int, hub: Hub | None = None) -> None:
        self._routes: dict[str, Route] = {}
        self._rng = random.Random(seed)
        self._hub = hub

    async def obey(self, request: Request) -> Answer:
        """Do what is asked and say how it went."""
        match request:
            case Open():
                return self._open(request)
            case Shape(route=name, traffic=traffic):
                return Answer(carried=await self._routes[name].shape(traffic))
            case ResetAll(route=name):
                return Answer(carried=await self._routes[name].reset())
            case Look(route=name):
                return Answer(carried=self._routes[name].carried())
            case Place() | Split():
                return self._place(request, self._hub) if self._hub else Answer(error=NO_HUB)
            case Redirect(route=name, host=host, port=port):
                self._routes[name].server = (host, port)
                return Answer(carried=self._routes[name].carried())

    def _place(self, request: Place | Split, hub: Hub) -> Answer:
        if isinstance(request, Split):
            hub.split(request.one, request.other)
            return Answer()
        leaf = hub.leaf(request.leaf)
        return Answer(address=leaf.own, network=leaf.pid)

    def _open(self, request: Open) -> Answer:
        server = (request.host, request.port)
        if not self._hub and (request.leaf or request.inside):
            return Answer(error=NO_HUB)
        within = self._hub if request.inside else None
        if not self._hub or not request.leaf:
            route = self._routes[request.route] = Route(*server, self._rng, within=within)
            return Answer(port=route.port, address=LOOPBACK)
        leaf = self._hub.leaf(request.leaf)
        listener = self._hub.listener(leaf)
        route = self._routes[request.route] = Route(*server, self._rng, listener, self._hub)
        return Answer(port=route.port, address=leaf.address, network=leaf.pid)


async def serve(seed: int, hub: Hub | None = None) -> None:
    """Obey the requests on stdin, one a line, until it ends."""
    loop = asyncio.get_running_loop()
    requests = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(requests), sys.stdin)
    relay = Relay(seed, hub)
    while line := await requests.readline():
        try:
            answer = await relay.obey(msgspec.json.decode(line, type=Request))
        except OSError as error:
            answer = Answer(error=f"{error}" or type(error).__name__)
        os.write(1, msgspec.json.encode(answer) + b"\n")


def _on_loopback() -> socket.socket:
    made = socket.socket()
    made.bind((LOOPBACK, 0))
    return made


def _this_task() -> asyncio.Task[None]:
    task = asyncio.current_task()
    assert task is not None
    return task


def main() -> None:
    """`python -m chaos.links.relay SEED [namespaces]`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    hub = Hub() if "namespaces" in sys.argv[2:] else None  # forks: before the event loop
    asyncio.run(serve(int(sys.argv[1]), hub))


if __name__ == "__main__":
    main()
