"""What a listing is: code as guides print it, a scene that runs it, and what was seen."""

import inspect
import textwrap
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec

from bench.code_lines import source_lines


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What a scene saw: `hits` of `of` went as `what` says."""

    hits: int
    of: int
    what: str

    def __str__(self) -> str:
        return f"{self.hits} of {self.of} {self.what}"


@dataclass(frozen=True)
class Listing:
    """Code that guides print, and its scene: `scene(url)` on the server of `service`.

    `says` is what the guides say it does; `instead` what to do about it. `matrix` names the
    strategy in which the same mistake is measured in a fleet of processes, if there is one.
    """

    key: str
    title: str
    says: str
    instead: str
    service: str
    code: Callable[..., object]
    scene: Callable[[str], Awaitable[Seen]]
    matrix: str = ""

    @property
    def source(self) -> str:
        """The code, as it runs."""
        return textwrap.dedent(inspect.getsource(self.code))

    @property
    def lines(self) -> int:
        """How many lines of it are code."""
        return source_lines(self.source)
