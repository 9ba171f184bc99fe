"""What a claim is, what was found of it, and how the findings of its parts add up."""

import tomllib
from collections.abc import Sequence
from importlib.resources import files
from typing import Literal

import msgspec

from bench.evidence import Figure

Verdict = Literal[
    "confirmed", "contradicted", "depends", "open", "not measurable", "not measured"
]  # fmt: skip
"""`depends`: on what is said in `on`. `open` needs brokers or other servers that we do not run yet.
`not measured` could be: `command` says how."""


class Stated(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row of the guides' claims."""

    number: int
    claim: str
    stated: str


class Later(Stated, frozen=True, forbid_unknown_fields=True):
    """A claim that is not judged here, and why."""

    verdict: Literal["open", "not measurable"]
    why: str


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What was found of one part of a claim: a sentence with its figure, and where it is from."""

    part: str
    verdict: Verdict
    finding: str
    figure: Figure | None = None
    on: str = ""
    command: str = ""
    evidence: tuple[str, ...] = ()


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table: a part of a claim (docs/claims.md explains the columns)."""

    number: int
    claim: str
    stated: str
    part: str
    measured: float | None = None
    low: float | None = None
    high: float | None = None
    unit: str = ""
    verdict: Verdict
    on: str = ""
    finding: str
    command: str = ""
    evidence: tuple[str, ...] = ()


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """A claim with the verdict over all of its parts."""

    stated: Stated
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Verdict:
        """The parts' common verdict; `depends` where they differ."""
        return overall([one.verdict for one in self.findings])

    @property
    def on(self) -> str:
        """What the verdict depends on; empty for a plain one."""
        if self.verdict != "depends":
            return ""
        named = [one.on for one in self.findings if one.on]
        return "; ".join(dict.fromkeys(named)) or "which part of it"

    @property
    def words(self) -> str:
        """The verdict, what it depends on, and how much of the claim was measured."""
        said = self.verdict + (f" on {self.on}" if self.on else "")
        missing = sum(one.verdict == "not measured" for one in self.findings)
        whole = len(self.findings)
        return said + (f" ({whole - missing} of {whole} parts measured)" if missing else "")

    @property
    def lines(self) -> list[Line]:
        """One line per part."""
        return [_line(self.stated, one) for one in self.findings]


def overall(verdicts: Sequence[Verdict]) -> Verdict:
    """One verdict of many: the same if all agree, else `depends`.

    Parts that were not measured, or are open, say nothing as long as another part says something.
    """
    said = {one for one in verdicts if one in ("confirmed", "contradicted", "depends")}
    if len(said) == 1:
        return said.pop()
    if said:
        return "depends"
    for word in ("not measured", "open", "not measurable"):
        if word in verdicts:
            return word
    return "not measured"


def stated() -> list[Stated]:
    """The claims that are judged here, by number."""
    return msgspec.convert(_file()["claims"], list[Stated])


def later() -> list[Later]:
    """The claims that are not, with the reason."""
    return msgspec.convert(_file()["later"], list[Later])


def not_measured(part: str, command: str, why: str = "no measurement covers it") -> Finding:
    """A part for which the given results have nothing."""
    return Finding(part=part, verdict="not measured", finding=why, command=command)


def _line(stated: Stated, one: Finding) -> Line:
    figure = one.figure
    return Line(
        number=stated.number,
        claim=stated.claim,
        stated=stated.stated,
        part=one.part,
        measured=figure.value if figure else None,
        low=figure.low if figure else None,
        high=figure.high if figure else None,
        unit=figure.unit if figure else "",
        verdict=one.verdict,
        on=one.on,
        finding=one.finding,
        command=one.command,
        evidence=one.evidence or ((figure.cell,) if figure and figure.cell else ()),
    )


def _file() -> dict[str, list[object]]:
    return tomllib.loads(files("bench.claims").joinpath("stated.toml").read_text())
