"""All designs by name: ours, and those that other packages add by an entry point.

A third party adds a strategy by an entry point in the group `coordbench.strategies` that names a
`Design` or a sequence of them; it then appears in every command (docs/add-a-strategy.md).
"""

import difflib
import functools
import importlib
from collections.abc import Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points

from strategies.errors import StrategyError
from strategies.interface import Design

ENTRY_POINTS = "coordbench.strategies"

# Each module names its designs in DESIGNS; imported one by one so that a name costs one family.
FAMILIES = {
    "lock": "strategies.lock.designs",
    "election": "strategies.election.designs",
    "quartz": "strategies.quartz.designs",
    "queue": "strategies.queue.designs",
    "controls": "strategies.controls.designs",
}


class UnknownStrategy(StrategyError):
    """No design has this name; the message says the nearest ones."""


class BadEntryPoint(StrategyError):
    """Another package's entry point does not give designs."""


@functools.cache
def designs() -> Mapping[str, Design]:
    """Every known design by its name, ours first."""
    found: dict[str, Design] = {}
    for module in FAMILIES.values():
        _add(found, importlib.import_module(module).DESIGNS, module)
    for point in entry_points(group=ENTRY_POINTS):
        _add(found, _load(point), f"entry point {point.name!r}")
    return found


def design(name: str) -> Design:
    """The design called `name`; raises UnknownStrategy with the nearest names."""
    known = designs()
    if name not in known:
        raise UnknownStrategy(f"unknown strategy {name!r}: {nearest(name, known)}")
    return known[name]


def nearest(name: str, known: Mapping[str, object] | Sequence[str]) -> str:
    """'did you mean ...', for an error's last words."""
    close = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    if close:
        return "did you mean " + " or ".join(close) + "?"
    return "known are " + ", ".join(sorted(known))


def _load(point: EntryPoint) -> Sequence[Design]:
    try:
        given = point.load()
    except Exception as error:
        raise BadEntryPoint(f"entry point {point.name!r} ({point.value}): {error}") from error
    return [given] if isinstance(given, Design) else given


def _add(found: dict[str, Design], more: Sequence[Design], source: str) -> None:
    for one in more:
        if not isinstance(one, Design):
            raise BadEntryPoint(f"{source} gives {one!r}: expected a Design")
        if one.name in found:
            raise BadEntryPoint(f"{source} gives {one.name!r}, which is already taken")
        found[one.name] = one
