"""Service by service: which provider a bench would use, and what is missing for the others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.services import SERVICES
from bench.services.base import Provider


@dataclass(frozen=True, slots=True)
class Row:
    """One service as the doctor sees it.

    `provider` is the one a bench would use and `where` its version or place; both are empty where
    none works. `missing` says for every provider that would not work what is missing and how to
    get it.
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
    """One row per service. Looks only; starts and downloads nothing."""
    return [_examine(name, providers) for name, providers in services.items()]


def _examine(name: str, providers: Sequence[Provider]) -> Row:
    missing = {one.name: one.missing() for one in providers}
    chosen = next((one for one in providers if missing[one.name] is None), None)
    return Row(
        service=name,
        provider=chosen.name if chosen else "",
        where=chosen.where() if chosen else "",
        missing={provider: reason for provider, reason in missing.items() if reason is not None},
    )
