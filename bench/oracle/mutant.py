"""What a mutant is: one of our strategies with a bug planted in it, as a few lines of difference.

A mutant replaces one or two functions of the real code while an instance takes part, and leaves
the rest as it is; so it cannot fall behind the code it is about. Mutants stand in no catalogue:
they are asked for by their address (strategies.catalogue).
"""

import dataclasses
import importlib
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from strategies.catalogue import from_source
from strategies.interface import Design, Endpoints, Member, Strategy
from strategies.model import Job, Timing


@dataclass(frozen=True)
class Change:
    """One function replaced: `target` is "module:Class.name" or "module:name".

    `instead` makes the replacement from the original.
    """

    target: str
    instead: Callable[[Any], Any]

    def place(self) -> tuple[Any, str, Any]:
        """(the class or module, the name in it, what stands there); raises AttributeError."""
        module, _, path = self.target.partition(":")
        owner: Any = importlib.import_module(module)
        *classes, name = path.split(".")
        for one in classes:
            owner = getattr(owner, one)
        return owner, name, vars(owner)[name]


@dataclass(frozen=True)
class Mutant:
    """A planted bug, and how it must be found.

    `of` is the strategy that it is planted in, found in `family`; `scenario` finds it by breaking
    the promise `breaks`.
    """

    name: str
    family: str
    of: str
    planted: str
    scenario: str
    breaks: str
    changes: tuple[Change, ...]

    @property
    def address(self) -> str:
        """Where commands find it, as it stands in no catalogue."""
        return f"bench.oracle.{self.family}_mutants:DESIGNS:{self.name}"

    @property
    def base(self) -> Design:
        """The strategy without the bug."""
        return from_source(f"strategies.{self.family}.designs:DESIGNS", self.of)

    @property
    def design(self) -> Design:
        """The strategy with the bug; it promises what the one without promises."""
        return dataclasses.replace(
            self.base,
            name=self.name,
            summary=self.planted,
            make=partial(_Mutated, self),
        )


class _Mutated:
    """A Strategy that takes part with the bug in place."""

    def __init__(
        self,
        mutant: Mutant,
        endpoints: Endpoints,
        namespace: str,
        timing: Timing,
        rng: random.Random,
    ) -> None:
        self._mutant = mutant
        self._strategy: Strategy = mutant.base.make(endpoints, namespace, timing, rng)

    async def prepare(self, jobs: Sequence[Job]) -> None:
        await self._strategy.prepare(jobs)

    async def participate(self, member: Member, jobs: Sequence[Job]) -> None:
        with planted(self._mutant):
            await self._strategy.participate(member, jobs)

    async def clean_up(self) -> None:
        await self._strategy.clean_up()


_planted: Counter[str] = Counter()  # by mutant: how many instances of this process take part
_originals: dict[str, list[tuple[Any, str, Any]]] = {}


@contextmanager
def planted(mutant: Mutant) -> Iterator[None]:
    """The mutant's changes are in place inside; several instances in one process share them."""
    _planted[mutant.name] += 1
    if _planted[mutant.name] == 1:
        _originals[mutant.name] = [change.place() for change in mutant.changes]
        places = zip(mutant.changes, _originals[mutant.name], strict=True)
        for change, (owner, name, original) in places:
            setattr(owner, name, change.instead(original))
    try:
        yield
    finally:
        _planted[mutant.name] -= 1
        if not _planted[mutant.name]:
            for owner, name, original in reversed(_originals.pop(mutant.name)):
                setattr(owner, name, original)
