"""The failures as data, read from failures.toml."""

import functools
import tomllib
from importlib.resources import files

import msgspec

PACKAGE = files("bench.known_failures")
VIRTUAL = "daylight-saving"  # a scenario of months, under virtual time only


class Failure(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One public report, and how it is found again here.

    `issue` is "owner/repository#number" on GitHub, or a URL; `reported` is its matter in our words,
    `happened` the mechanism. `mode` says what of ours has it: `strategy` (a name or an address)
    under `scenario` (a name, or a file beside this one) with N `instances`, M `jobs` and a period.
    `shows` names outcomes and flags of fires and how many there must be at least. `stops` is what
    would have prevented it.
    """

    id: str
    product: str
    issue: str
    reported: str
    happened: str
    mode: str
    strategy: str
    scenario: str
    shows: dict[str, int]
    stops: str
    instances: int = 3
    jobs: int = 10
    period_s: float = 1.0

    @property
    def link(self) -> str:
        """Where it can be read."""
        repository, hash_, number = self.issue.partition("#")
        return f"https://github.com/{repository}/issues/{number}" if hash_ else self.issue

    @property
    def scenario_name(self) -> str:
        """The scenario as settings take it: a name, or the path of its file."""
        if self.scenario.endswith(".toml"):
            return str(PACKAGE / "scenarios" / self.scenario)
        return self.scenario

    @property
    def command(self) -> str:
        """The command that shows it."""
        return f"coordbench known-failures {self.id}"


class _File(msgspec.Struct, forbid_unknown_fields=True):
    failures: list[Failure]


@functools.cache
def failures() -> dict[str, Failure]:
    """Every known failure by its id, in the order of the file."""
    file = msgspec.convert(tomllib.loads((PACKAGE / "failures.toml").read_text()), _File)
    return {one.id: one for one in file.failures}
