"""What the bench may ask of a server it coordinates through, and where servers come from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable
from urllib.parse import SplitResult, unquote, urlsplit

from bench.leftovers import Registration


class ServiceUnavailable(Exception):
    """A service that cannot be had: one line that says what is missing and how to get it.

    The line never holds a password.
    """


class NoAnswer(Exception):
    """A server that did not answer as a healthy one does; the message names why, never its URL."""


class Teller(Protocol):
    """Who is told what goes on while something takes its time (bench.progress.Progress is one)."""

    def step(self, text: str) -> None:
        """Something to be remembered."""

    def passing(self, text: str) -> None:
        """How far it is; the next such line replaces this one where that is possible."""


@runtime_checkable
class Slow(Protocol):
    """A service whose first start may take minutes, and says meanwhile how far it is."""

    tell: Teller


class Service(Protocol):
    """One server: started, watched, hurt and stopped by the bench.

    `url` carries the credentials, so it belongs in no log and no result file. `version`, `url` and
    `pids` hold only after `start`. `owned` is False where the server is the user's own: then
    `kill`, `pause`, `resume` and `restart` raise ServiceUnavailable and `stop` leaves it alone.
    """

    name: str
    provider: str
    version: str
    url: str
    durability: str
    owned: bool

    @property
    def pids(self) -> list[int]:
        """The processes of the server that this bench started; empty for url and docker."""

    async def start(self) -> None:
        """Start it and wait until it is healthy; ServiceUnavailable with one line if it is not."""

    async def stop(self) -> None:
        """End it for good and remove its data; may be called twice, or without a start."""

    async def kill(self) -> None:
        """SIGKILL the whole server; `restart` brings it back on the same URL."""

    async def pause(self) -> None:
        """SIGSTOP the whole server: connections stay open and nothing answers.

        Returns when all of it has come to rest.
        """

    async def resume(self) -> None:
        """SIGCONT after `pause`."""

    async def restart(self) -> None:
        """An orderly stop where it still runs, then start with the same data, URL and password."""

    async def health(self) -> bool:
        """Whether it answers a request with its credentials within 2 s."""

    async def counters(self) -> Mapping[str, float]:
        """What the server itself has counted, at least `operations`; NoAnswer if it is down.

        Reading the counters does not change `operations`. They start anew when the server does.
        """


class Provider(Protocol):
    """One way to get a service: the user's own by URL, an embedded server, a container."""

    name: str

    def missing(self) -> str | None:
        """None if `make` can be expected to work; else what is missing and how to get it."""

    def where(self) -> str:
        """Version and place of what would be used, for the doctor."""

    def make(self, directory: Path, registration: Registration | None) -> Service:
        """A service that is not started yet; its log goes to `directory`."""


class Probe(Protocol):
    """How one kind of server is spoken to, by URL, whoever provides it.

    All raise NoAnswer, and give up after `TIMEOUT_S` where no answer comes.
    """

    async def version(self, url: str) -> str:
        """The server's version, asked with the URL's credentials."""

    async def counters(self, url: str) -> dict[str, float]:
        """See Service.counters."""

    async def introduce(self, url: str) -> None:
        """Close a new server to everyone without the URL's credentials; make it count statements.

        May be called again on a server that knows them already.
        """


class Probed:
    """A server whose health and counters are asked for by its probe, whoever provides it."""

    url: str
    _probe: Probe

    async def health(self) -> bool:
        try:
            await self._probe.version(self.url)
        except NoAnswer:
            return False
        return True

    async def counters(self) -> dict[str, float]:
        return await self._probe.counters(self.url)


TIMEOUT_S = 2.0


def parts(url: str) -> SplitResult:
    """The parts of a service's URL; NoAnswer if it cannot be read."""
    try:
        split = urlsplit(url)
        _ = split.port  # read late by urllib, and refused then
    except ValueError:
        raise NoAnswer("expected a URL like scheme://user:password@host:port") from None
    return split


def credentials(url: str) -> tuple[str, str]:
    """User and password of a URL, unquoted; empty where it has none."""
    split = urlsplit(url)
    return unquote(split.username or ""), unquote(split.password or "")


def no_answer(error: Exception, url: str) -> NoAnswer:
    """A client's error as one line: how long was waited, or what it says, without the password."""
    if isinstance(error, TimeoutError):
        return NoAnswer(f"it says nothing within {TIMEOUT_S:g} s")
    return NoAnswer(without_password(str(error) or type(error).__name__, url))


def without_password(text: str, url: str) -> str:
    """The first line of a client's error text, with the password blotted out."""
    split = urlsplit(url)
    line = next((line.strip() for line in text.splitlines() if line.strip()), "no reason given")
    for secret in {split.password, credentials(url)[1]} - {None, ""}:
        line = line.replace(str(secret), "***")
    return line
