"""What a bench would use here: which provider for each service, which links, what is missing."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

from bench.links import LinkKind, unavailable
from bench.scenarios import SCENARIOS
from bench.services import SERVICES
from bench.services.base import Provider, ServiceUnavailable


@dataclass(frozen=True, slots=True)
class Row:
    """One service as the doctor sees it.

    `provider` is the one a bench would use and `where` its version or place; both are empty where
    none works. `missing` says for every provider that would not work what is missing and how to
    get it; for a URL also, why the server behind it cannot be used.
    """

    service: str
    provider: str
    where: str
    missing: Mapping[str, str]

    @property
    def works(self) -> bool:
        """Whether a bench could use this service."""
        return bool(self.provider)


def doctor(services: Mapping[str, Sequence[Provider]] = SERVICES) -> list[Row]:
    """One row per service. Looks only; starts and downloads nothing.

    The user's own servers are asked what a bench would ask first, all at once, each for as long as
    its probe waits.
    """
    return asyncio.run(_examine_all(services))


def link_rows() -> dict[str, str | None]:
    """Each kind of link, and why it cannot be had here; None where it can.

    Namespaces are tried once, in a process of its own, and are gone when this returns.
    """
    return {kind: unavailable(kind) for kind in get_args(LinkKind)}


def fault_rows() -> dict[str, str | None]:
    """Each kind of fault that scenarios use, and why it cannot be had here; None where it can."""
    planned = [fault for one in SCENARIOS.values() for fault in one.faults]
    return {fault.fault(1.0).kind: fault.unavailable() for fault in planned}


async def _examine_all(services: Mapping[str, Sequence[Provider]]) -> list[Row]:
    return await asyncio.gather(*(_examine(name, one) for name, one in services.items()))


async def _examine(name: str, providers: Sequence[Provider]) -> Row:
    missing = {one.name: one.missing() for one in providers}
    chosen = next((one for one in providers if missing[one.name] is None), None)
    if chosen and chosen.name == "url" and (why := await _why_not(name, chosen)):
        # A URL that is set is used or nothing is: a bench would not look further either.
        chosen, missing["url"] = None, why
    return Row(
        service=name,
        provider=chosen.name if chosen else "",
        where=chosen.where() if chosen else "",
        missing={provider: reason for provider, reason in missing.items() if reason is not None},
    )


async def _why_not(service: str, url: Provider) -> str | None:
    """Why the user's server cannot be used, in a bench's own words; None if it answers."""
    with TemporaryDirectory() as directory:  # for what a kubeconfig holds
        try:
            await url.make(Path(directory), None).start()
        except ServiceUnavailable as error:
            return str(error).removeprefix(f"{service}: ")
    return None
