"""Servers that the user runs: used by URL, looked at, never hurt and never stopped."""

import os
from pathlib import Path

from bench.leftovers import Registration
from bench.services.base import NoAnswer, Probe, Probed, ServiceUnavailable, parts


class UrlService(Probed):
    """A server of the user's own; see bench.services.base.Service."""

    provider = "url"
    owned = False
    durability = "as its owner has set it"

    def __init__(self, name: str, probe: Probe, url: str) -> None:
        self.name = name
        self.version = ""
        self.url = url
        self._probe = probe

    @property
    def pids(self) -> list[int]:
        return []

    async def start(self) -> None:
        try:
            self.version = await self._probe.version(self.url)
        except NoAnswer as error:
            raise ServiceUnavailable(
                f"{self.name}: {place(self.url)} (from {variable(self.name)}) does not answer "
                f"as {self.name} does: {error}; start it, or unset {variable(self.name)}"
            ) from None

    async def stop(self) -> None:
        """It is not ours to stop."""

    async def kill(self) -> None:
        raise self._not_ours("killed")

    async def pause(self) -> None:
        raise self._not_ours("paused")

    async def resume(self) -> None:
        raise self._not_ours("resumed")

    async def restart(self) -> None:
        raise self._not_ours("restarted")

    def _not_ours(self, done: str) -> ServiceUnavailable:
        return ServiceUnavailable(
            f"{self.name}: a server used by URL is not {done} by a bench; "
            f"unset {variable(self.name)} to let it start its own"
        )


class UrlProvider:
    """The user's server, from the environment."""

    name = "url"

    def __init__(self, service: str, probe: Probe) -> None:
        self._service = service
        self._probe = probe

    def missing(self) -> str | None:
        if not os.environ.get(variable(self._service)):
            return f"{variable(self._service)} is not set"
        return None

    def where(self) -> str:
        return place(os.environ.get(variable(self._service), ""))

    def make(self, directory: Path, registration: Registration | None) -> UrlService:
        return UrlService(self._service, self._probe, os.environ[variable(self._service)])


def variable(service: str) -> str:
    """The environment variable that names the user's own server."""
    return f"COORDBENCH_{service.upper()}_URL"


def place(url: str) -> str:
    """A URL without its credentials, to be shown."""
    try:
        split = parts(url)
    except NoAnswer:
        return "a URL that cannot be read"
    port = f":{split.port}" if split.port else ""
    return f"{split.scheme}://{split.hostname}{port}"
