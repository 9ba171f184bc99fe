"""The claims as a table in 80 columns, as data, and as a page."""

import csv
import io
import json
import textwrap
from collections.abc import Sequence

import msgspec
from rich.console import Console
from rich.text import Text

from bench.claims.model import Judged, Line

FORMATS = ("table", "md", "csv", "json")
STYLE = {
    "confirmed": "green",
    "contradicted": "bold red",
    "depends": "yellow",
    "open": "dim",
    "not measurable": "dim",
    "not measured": "magenta",
}
WIDTH = 80


def lines_of(judged: Sequence[Judged]) -> list[Line]:
    """All lines, one per part of a claim."""
    return [line for one in judged for line in one.lines]


def show(console: Console, judged: Sequence[Judged]) -> None:
    """Print each claim with its verdict, and each part with its finding, in 80 columns."""
    for one in judged:
        _wrapped(console, f"{one.stated.number:>2}. ", one.stated.claim, "bold")
        _wrapped(console, "    ", f"stated: {one.stated.stated}", "")
        _wrapped(console, "    ", one.words, STYLE[one.verdict])
        for finding in one.findings:
            _wrapped(
                console,
                "      - ",
                f"{finding.part}: {finding.verdict}. {finding.finding}",
                "",
            )
            if finding.verdict == "not measured" and finding.command:
                console.print(Text(f"        {finding.command}", style="dim"), soft_wrap=True)
    counts = {word: sum(one.verdict == word for one in judged) for word in STYLE}
    said = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    console.print()
    _wrapped(console, "", f"{len(judged)} claims: {said}", "")


def _wrapped(console: Console, lead: str, text: str, style: str) -> None:
    blank = " " * len(lead)
    for line in textwrap.wrap(text, WIDTH, initial_indent=lead, subsequent_indent=blank):
        console.print(Text(line, style=style), soft_wrap=True)


def to_json(lines: Sequence[Line]) -> str:
    """The lines as a JSON array."""
    return msgspec.json.format(msgspec.json.encode(list(lines)), indent=2).decode() + "\n"


def to_csv(lines: Sequence[Line]) -> str:
    """The lines as CSV; evidence as JSON inside its column."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(Line.__struct_fields__)
    for line in lines:
        values = msgspec.structs.asdict(line) | {"evidence": json.dumps(line.evidence)}
        writer.writerow("" if value is None else value for value in values.values())
    return out.getvalue()


def to_markdown(judged: Sequence[Judged]) -> str:
    """One table row per claim: the verdict, and the findings behind it."""
    rows = ["| # | claim | stated | verdict | measured |", "|---|---|---|---|---|"]
    for one in judged:
        found = "<br>".join(
            f"{part.part}: **{part.verdict}**. {part.finding}" for part in one.findings
        )
        cells = [str(one.stated.number), one.stated.claim, one.stated.stated, one.words, found]
        rows.append("| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |")
    return "\n".join(rows) + "\n"
