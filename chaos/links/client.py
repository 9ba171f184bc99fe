"""Starting a relay, and speaking to it: `Relay` makes links, each link is shaped by faults."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

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
from chaos.links.traffic import Carried, Traffic

ANSWER_S = 5.0


class RelayLost(ConnectionError):
    """The relay does not answer; whatever went through it is cut off."""


@dataclass(frozen=True)
class RelayedLink:
    """A link through a relay (chaos.links.traffic.Link); clients connect to `address`:`port`.

    `network` is a process whose network namespace clients must be in; 0 for the host's own.
    """

    name: str
    port: int
    relay: "Relay"
    address: str = "127.0.0.1"
    network: int = 0

    async def shape(self, traffic: Traffic) -> Carried:
        return (await self.relay.ask(Shape(self.name, traffic))).carried

    async def reset(self) -> Carried:
        return (await self.relay.ask(ResetAll(self.name))).carried

    async def look(self) -> Carried:
        return (await self.relay.ask(Look(self.name))).carried

    async def redirect(self, host: str, port: int) -> None:
        """Lead new connections to another server; what is open ends when its server does."""
        await self.relay.ask(Redirect(self.name, host, port))


class Relay:
    """One relay process. Use as a context: its end is the end of every link.

    With `namespaces`, `link` may be given a `leaf`: the network namespace that it begins in.
    """

    def __init__(
        self,
        log: Path,
        seed: int = 0,
        on_start: Callable[[int], None] = lambda pid: None,
        *,
        namespaces: bool = False,
    ) -> None:
        self._options = ["namespaces"] if namespaces else []
        self._log = log
        self._seed = seed
        self._on_start = on_start  # told the pid, to be written down before anything else
        self._turn = asyncio.Lock()
        self._process: asyncio.subprocess.Process

    async def __aenter__(self) -> "Relay":
        with self._log.open("ab") as out:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "chaos.links.relay", str(self._seed), *self._options,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=out,
                start_new_session=True,
            )  # fmt: skip
        self._on_start(self._process.pid)
        return self

    async def __aexit__(self, *_: object) -> None:
        with suppress(ProcessLookupError):
            self._process.kill()  # it holds nothing that could be lost
        await self._process.wait()

    async def place(self, leaf: str) -> tuple[str, int]:
        """A network namespace for a server: its own address, and a process inside."""
        answer = await self.ask(Place(leaf))
        return answer.address, answer.network

    async def split(self, one: Sequence[str], other: Sequence[str]) -> None:
        """Let nothing pass between the leaves of two sides; two empty sides join all again."""
        await self.ask(Split(list(one), list(other)))

    async def link(
        self, name: str, host: str, port: int, leaf: str = "", *, inside: bool = False
    ) -> RelayedLink:
        """A new link to the server at host:port; `inside` a leaf, where that is its own address."""
        answer = await self.ask(Open(name, host, port, leaf, inside))
        return RelayedLink(name, answer.port, self, answer.address, answer.network)

    async def ask(self, request: Request) -> Answer:
        """One request; raises RelayLost when no answer comes, or one that says what failed.

        Once begun it is not broken off half way, so that answers and requests stay in step.
        """
        return await asyncio.shield(self._ask(request))

    async def _ask(self, request: Request) -> Answer:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            async with self._turn, asyncio.timeout(ANSWER_S):
                self._process.stdin.write(msgspec.json.encode(request) + b"\n")
                line = await self._process.stdout.readline()
        except (TimeoutError, ConnectionError) as error:
            raise RelayLost(f"the relay does not answer: {type(error).__name__}") from error
        if not line:
            raise RelayLost(f"the relay has ended (its log: {self._log})")
        answer = msgspec.json.decode(line, type=Answer)
        if answer.error:
            raise RelayLost(f"the relay: {answer.error}")
        return answer
