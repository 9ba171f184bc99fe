"""All designs by name: ours, and those that other packages add by an entry point.

A third party adds a strategy by an entry point in the group `coordbench.strategies` that names a
`Design` or a sequence of them; it then appears in every command (docs/add-a-strategy.md). A design
that is not installed is asked for by its address, "module:attribute" or "module:attribute:name".
"""

import difflib
import functools
import importlib
from collections.abc import Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points

from strategies.errors import StrategyError
from strategies.interface import Design

ENTRY_POINTS = "coordbench.strategies"

# Each module names its designs in DESIGNS. They import no client library before a strategy opens
# its connection, so that listing names is cheap and an instance holds only what it uses.
FAMILIES = (
    "strategies.lock.designs",
    "strategies.election.designs",
    "strategies.election.lease_designs",
    "strategies.quartz.designs",
    "strategies.queue.designs",
    "strategies.cronjob.designs",
    "strategies.controls.designs",
)


class UnknownStrategy(StrategyError):
    """No design has this name; the message says the nearest ones."""


class BadEntryPoint(StrategyError):
    """Another package's entry point does not give designs."""


def designs() -> Mapping[str, Design]:
    """Every known design by its name, ours first."""
    return _found()[0]


def design(name: str) -> Design:
    """The design called `name`, or at that address; raises UnknownStrategy with the nearest names.

    One that was asked for by its address can be asked for by its name from then on.
    """
    if ":" in name:
        return _visit(name)
    if name in _visitors:
        return from_source(_visitors[name], name)
    known = designs()
    if name not in known:
        raise UnknownStrategy(f"unknown strategy {name!r}: {nearest(name, known)}")
    return known[name]


def from_source(source: str, name: str = "") -> Design:
    """The design called `name` (or the only one) from "module:attribute"; no other is imported."""
    module, _, attribute = source.partition(":")
    given = getattr(importlib.import_module(module), attribute)
    for one in [given] if isinstance(given, Design) else given:
        if name in ("", one.name):
            design: Design = one
            return design
    raise UnknownStrategy(f"{source} has no strategy {name!r}")


def source(name: str) -> str:
    """Where `name` is defined, as `from_source` takes it."""
    design(name)
    return _visitors.get(name) or _found()[1][name]


def address(name: str) -> str:
    """What a command may call the design by: its name, or where it is if it is not installed."""
    return f"{_visitors[name]}:{name}" if name in _visitors else name


def nearest(name: str, known: Mapping[str, object] | Sequence[str]) -> str:
    """'did you mean ...', for an error's last words."""
    close = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    if close:
        return "did you mean " + " or ".join(close) + "?"
    return "known are " + ", ".join(sorted(known))


_visitors: dict[str, str] = {}  # name -> source, of designs that were asked for by their address


def _visit(address: str) -> Design:
    module, attribute, name = (*address.split(":", 2), "")[:3]
    try:
        one = from_source(f"{module}:{attribute}", name)
    except UnknownStrategy:
        raise
    except Exception as error:  # somebody else's module may fail in any way
        raise UnknownStrategy(f"no strategy at {address!r}: {error}") from error
    known = designs().get(one.name)
    if known is one:
        return one
    if known is not None:
        raise UnknownStrategy(f"{address} gives {one.name!r}, which is another strategy's name")
    _visitors[one.name] = f"{module}:{attribute}"
    return one


@functools.cache
def _found() -> tuple[dict[str, Design], dict[str, str]]:
    found: dict[str, Design] = {}
    sources: dict[str, str] = {}
    for module in FAMILIES:
        given = importlib.import_module(module).DESIGNS
        _add(found, sources, given, f"{module}:DESIGNS")
    for point in entry_points(group=ENTRY_POINTS):
        _add(found, sources, _load(point), point.value)
    return found, sources


def _load(point: EntryPoint) -> Sequence[Design]:
    try:
        given = point.load()
    except Exception as error:
        raise BadEntryPoint(f"entry point {point.name!r} ({point.value}): {error}") from error
    return [given] if isinstance(given, Design) else given


def _add(
    found: dict[str, Design], sources: dict[str, str], more: Sequence[Design], source: str
) -> None:
    for one in more:
        if not isinstance(one, Design):
            raise BadEntryPoint(f"{source} gives {one!r}: expected a Design")
        if one.name in found:
            raise BadEntryPoint(f"{source} gives {one.name!r}, which is already taken")
        found[one.name] = one
        sources[one.name] = source
