"""Carrying one TCP connection between an instance and its service, as the link's state allows.

The two directions are independent of each other: an end, or a reset, of one side is news for the
other side, so it too waits at a cut and is passed on after the heal.
"""

import asyncio
import random
import socket
import struct
from contextlib import suppress

from chaos.links.traffic import CLEAR, Way

CHUNK = 65536
CHUNKS_AHEAD = 64  # read and not yet passed on; then the sender feels the back-pressure
RETRANSMISSION_S = 0.2  # TCP's least retransmission timeout on Linux (TCP_RTO_MIN)
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER, zero seconds


class Lane:
    """One direction of a link: its state, and what all its connections have carried."""

    def __init__(self, rng: random.Random) -> None:
        self.way = CLEAR
        self.bytes = 0
        self.held_bytes = 0
        self._rng = rng
        self._open = asyncio.Event()
        self._open.set()

    def shape(self, way: Way) -> None:
        """Change the state, from the next byte on."""
        self.way = way
        if way.cut:
            self._open.clear()
        else:
            self.held_bytes = 0
            self._open.set()

    def transit_s(self) -> float:
        """How long the next packet is under way."""
        jitter_s = self._rng.uniform(0, self.way.jitter_s)
        lost = self.way.loss > 0 and self._rng.random() < self.way.loss
        return self.way.delay_s + jitter_s + (RETRANSMISSION_S if lost else 0.0)

    async def passable(self, size: int = 0) -> None:
        """Return once the lane is not cut; meanwhile `size` bytes count as held."""
        while not self._open.is_set():
            self.held_bytes += size
            size = 0
            await self._open.wait()


class _End(Exception):
    """The sender ended its side; `reset` when it did so rudely."""

    def __init__(self, reset: bool) -> None:
        self.reset = reset


class Stream:
    """One direction of one connection."""

    def __init__(
        self, lane: Lane, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._lane = lane
        self._reader = reader
        self._writer = writer
        self._ahead: asyncio.Queue[tuple[float, bytes | _End]] = asyncio.Queue(CHUNKS_AHEAD)

    async def carry(self) -> None:
        """Pass on everything until the sender ends, or the receiver has gone."""
        taking = asyncio.create_task(self._take())
        try:
            await self._give()
        except (ConnectionError, OSError):
            return  # the receiver's reset is told by the other direction
        finally:
            taking.cancel()
            await asyncio.gather(taking, return_exceptions=True)

    async def _take(self) -> None:
        clock = asyncio.get_running_loop().time
        arrives_s = 0.0
        while True:
            chunk: bytes | _End
            try:
                chunk = await self._reader.read(CHUNK) or _End(reset=False)
            except (ConnectionError, OSError):
                chunk = _End(reset=True)
            arrives_s = max(arrives_s, clock() + self._lane.transit_s())  # in order
            await self._ahead.put((arrives_s, chunk))
            if isinstance(chunk, _End):
                return

    async def _give(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            arrives_s, chunk = await self._ahead.get()
            if (left_s := arrives_s - clock()) > 0:
                await asyncio.sleep(left_s)
            if isinstance(chunk, _End):
                await self._lane.passable()
                self._end(chunk)
                return
            await self._lane.passable(len(chunk))
            self._lane.bytes += len(chunk)
            self._writer.write(chunk)
            await self._writer.drain()

    def _end(self, end: _End) -> None:
        if end.reset:
            reset(self._writer)
        elif not self._writer.is_closing():
            self._writer.write_eof()


def reset(writer: asyncio.StreamWriter) -> None:
    """Close a connection with a TCP reset."""
    reset_on_close(writer.get_extra_info("socket"))
    writer.transport.abort()


def reset_on_close(connection: socket.socket) -> None:
    """Whoever closes this socket next resets its connection."""
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
