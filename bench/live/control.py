"""The way to a fleet that is up: a Unix socket in a private directory, found by the fleet's name.

A fleet writes a small file `<state>/coordbench/up/<name>.json` that says where its socket is and
which process it is, by pid and start time. A file whose process is gone is no fleet, and is removed
by whoever meets it. Only this user may connect: the directory is closed to all others, and the
kernel is asked who calls.
"""

import asyncio
import os
import re
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import msgspec

from bench.errors import BadArguments, BenchError
from bench.leftovers import machine, running_directory, start_ticks
from bench.live.protocol import Answer, Request
from strategies.catalogue import nearest

DEFAULT = "default"
LAST_ANSWER_S = 1.0
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,40}")


class NoFleet(BenchError):
    """No fleet is up, or none of that name; the message says how to start one."""

    exit_code = BadArguments.exit_code


class Refused(BenchError):
    """The fleet does not do what it was asked; the message is its one line."""

    exit_code = BadArguments.exit_code


class Whereabouts(msgspec.Struct, frozen=True, kw_only=True):
    """What the file of a fleet that is up says."""

    fleet: str
    pid: int
    ticks: int
    on: str
    socket: str
    strategy: str
    instances: int

    @property
    def alive(self) -> bool:
        """Whether the process that wrote it still runs, here."""
        return self.on == machine() and start_ticks(self.pid) == self.ticks


def fleets() -> dict[str, Whereabouts]:
    """The fleets that are up, by name; files of those that are gone are removed."""
    found: dict[str, Whereabouts] = {}
    for path in sorted(_folder().glob("*.json")):
        with suppress(OSError, msgspec.MsgspecError):
            one = msgspec.json.decode(path.read_bytes(), type=Whereabouts)
            if one.alive:
                found[one.fleet] = one
            elif one.on == machine():
                path.unlink()
    return found


def find(name: str | None) -> Whereabouts:
    """The fleet called `name`, or the only one there is; raises NoFleet with the way out."""
    up = fleets()
    if not up:
        raise NoFleet("no fleet is up: start one with coordbench up --strategy redis-lock")
    if name is None:
        if len(up) == 1:
            return next(iter(up.values()))
        raise NoFleet(f"several fleets are up: name one with --fleet ({', '.join(up)})")
    if name not in up:
        raise NoFleet(f"no fleet {name!r} is up: {nearest(name, up)}")
    return up[name]


@contextmanager
def announced(name: str, path: Path, strategy: str, instances: int) -> Iterator[None]:
    """While inside, the fleet `name` of this process can be found, by its socket at `path`.

    Raises BadArguments where another one has that name.
    """
    check_name(name)
    known, pid = fleets(), os.getpid()  # the files of those that are gone are no hindrance now
    where = Whereabouts(
        fleet=name, pid=pid, ticks=start_ticks(pid) or 0, on=machine(),
        socket=str(path), strategy=strategy, instances=instances,
    )  # fmt: skip
    file = _folder() / f"{name}.json"
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    half = file.with_name(f".{name}.{pid}")
    half.write_bytes(msgspec.json.encode(where))
    try:
        os.link(half, file)  # unlike a rename this fails where the name is taken
    except FileExistsError:
        owner = f" (process {known[name].pid})" if name in known else ""
        raise BadArguments(
            f"a fleet {name!r} is up already{owner}: end it with coordbench down, "
            "or give this one another name with --fleet"
        ) from None
    finally:
        half.unlink()
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def check_name(name: str) -> None:
    """Raise BadArguments for a name that could not be a file's."""
    if not _NAME.fullmatch(name):
        raise BadArguments(f"fleet {name!r}: expected letters, digits, dots, dashes; at most 41")


@asynccontextmanager
async def served(path: Path, obey: Callable[[Request], Awaitable[Answer]]) -> AsyncIterator[None]:
    """Serve requests at `path`, one after another on each connection; only this user's."""
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.CancelledError):
            while _is_ours(writer) and (line := await reader.readline()):
                writer.write(msgspec.json.encode(await _answer(line, obey)) + b"\n")
                await writer.drain()
        writer.close()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(serve(reader, writer))
        serving.add(task)
        task.add_done_callback(serving.discard)

    server = await asyncio.start_unix_server(begin, path)
    try:
        yield
    finally:
        server.close()
        if serving:  # the last answer is on its way
            await asyncio.wait(serving, timeout=LAST_ANSWER_S)
        for task in list(serving):
            task.cancel()


async def ask(fleet: Whereabouts, request: Request) -> list[str]:
    """Ask a fleet; the lines of its answer. Raises Refused with its error, NoFleet if it ends."""
    try:
        reader, writer = await asyncio.open_unix_connection(fleet.socket)
        writer.write(msgspec.json.encode(request) + b"\n")
        line = await reader.readline()
        writer.close()
    except OSError as error:
        raise NoFleet(f"fleet {fleet.fleet!r} does not answer: {error.strerror}") from error
    if not line:
        raise NoFleet(f"fleet {fleet.fleet!r} has ended (it was process {fleet.pid})")
    answer = msgspec.json.decode(line, type=Answer)
    if answer.error:
        raise Refused(answer.error)
    return answer.lines


async def _answer(line: bytes, obey: Callable[[Request], Awaitable[Answer]]) -> Answer:
    try:
        return await obey(msgspec.json.decode(line, type=Request))
    except msgspec.MsgspecError as error:
        return Answer(error=f"not a request that this fleet understands: {error}")
    except BenchError as error:
        return Answer(error=str(error))


def _is_ours(writer: asyncio.StreamWriter) -> bool:
    """Whether the caller is this user (SO_PEERCRED of unix(7): pid, uid, gid)."""
    peer = writer.get_extra_info("socket")
    credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    uid: int = struct.unpack("3i", credentials)[1]
    return uid == os.getuid()


def _folder() -> Path:
    return running_directory().with_name("up")
