"""Where instances are nodes of a platform: who gets which rights, and what the platform tells.

A service with roles gives everybody just the rights of their part; any other has one URL for all.
"""

import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Protocol, runtime_checkable

from bench.services import Service
from strategies.interface import Design
from strategies.model import Job, Timing
from strategies.notes import Event

# Roles of bench.services.kubernetes.access: who looks, and who takes part in a trial as what.
OBSERVER = "observer"
PLANNERS = {"node": "cronjob", "member": "election-planner"}
INSTANCES = {"node": "node", "member": "election"}


@runtime_checkable
class HasRoles(Protocol):
    """A service that knows who is asking."""

    def url_for(self, role: str) -> str:
        """The URL with the rights of one role."""


@runtime_checkable
class HasTiming(Protocol):
    """A service that decides by its own timing when an instance is lost."""

    async def retime(self, timing: Timing, trials: int = 1) -> None:
        """Follow this timing from now on, with room for so many trials at once."""


def planner_endpoints(design: Design, services: Mapping[str, Service]) -> dict[str, str]:
    """What the harness's own copy of the strategy prepares and cleans up with."""
    return _endpoints(design, services, PLANNERS)


def instance_endpoints(design: Design, services: Mapping[str, Service]) -> dict[str, str]:
    """What every instance is given."""
    return _endpoints(design, services, INSTANCES)


def _endpoints(
    design: Design, services: Mapping[str, Service], roles: Mapping[str, str]
) -> dict[str, str]:
    found = {}
    for name in design.services:
        service = services[name]
        found[name] = service.url
        if isinstance(service, HasRoles):
            found[name] = service.url_for(roles[design.replica])
    return found


@asynccontextmanager
async def observed(
    design: Design,
    services: Mapping[str, Service],
    namespace: str,
    tell: Callable[[Event], None],
    rng: random.Random,
    jobs: Sequence[Job],
) -> AsyncIterator[None]:
    """While open, what the platform does in the trial's namespace is told."""
    platform = services.get("kubernetes")
    if design.replica != "node" or not isinstance(platform, HasRoles):
        yield
        return
    from bench.services.kubernetes.observer import observing  # with its client library

    async with observing(platform.url_for(OBSERVER), namespace, tell, rng, jobs):
        yield
