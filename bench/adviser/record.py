"""An architecture decision record, ready to be put into a repository."""

from collections.abc import Iterator
from datetime import date

from bench.adviser.advice import Advice, Option, words
from bench.adviser.showing import change_words, headline, name_of, signed, source


def decision_record(advice: Advice, today: date) -> str:
    """The record in Markdown: context, decision, options, consequences, evidence."""
    return "\n".join(_lines(advice, today)) + "\n"


def _lines(advice: Advice, today: date) -> Iterator[str]:
    best = advice.best
    yield f"# How scheduled jobs of {name_of(advice.case)} run once: {best.design}"
    yield ""
    yield f"Date: {today.isoformat()}. Status: proposed. Made by `coordbench advise`."
    yield ""
    yield "## Context"
    yield ""
    yield from _context(advice)
    yield ""
    yield "## Decision"
    yield ""
    yield f"We use `{best.design}`: {best.summary}."
    yield ""
    yield f"{headline(advice)} What moved its points, and what they rest on:"
    yield ""
    yield from _reasons(best)
    yield ""
    yield "## Options"
    yield ""
    yield from _options(advice)
    yield ""
    yield "## Consequences"
    yield ""
    yield from _consequences(best)
    yield ""
    yield "## What would change this"
    yield ""
    yield from (f"- {change_words(change)}" for change in advice.changes)
    if not advice.changes:
        yield "None of the inputs alone."
    yield ""
    yield "## Evidence"
    yield ""
    yield "Measured on one machine against single servers; ratios travel better than milliseconds."
    yield ""
    yield from (f"- results: `{path}`" for path in advice.sources)
    yield from (f"- not measured; would be by `{command}`" for command in advice.missing)


def _context(advice: Advice) -> Iterator[str]:
    case = advice.case
    yield "| question | answer |"
    yield "|---|---|"
    for name in case.__struct_fields__:
        value = getattr(case, name)
        if name not in ("name", "guides", "guides_say") and value not in (None, ""):
            yield f"| {name.replace('_', ' ')} | {words(value)} |"


def _reasons(option: Option) -> Iterator[str]:
    for point in option.points:
        yield f"- {signed(point.points)} {point.topic}: {point.why} [{source(point)}]"


def _options(advice: Advice) -> Iterator[str]:
    yield "| # | design | points | heaviest reason against it |"
    yield "|---|---|---|---|"
    for option in advice.options:
        against = option.points[0]
        points = "excluded" if option.excluded else f"{option.score:.1f}"
        yield (
            f"| {option.rank} | {option.design} | {points} | "
            f"{against.topic}: {against.why.replace('|', '/')} |"
        )


def _consequences(option: Option) -> Iterator[str]:
    estimate = option.estimate
    yield f"- New servers: {estimate.new_servers}. Lines of code: {estimate.lines_of_code}."
    if estimate.operations_per_s is not None:
        mark = ", extrapolated" if estimate.extrapolated else ""
        yield (
            f"- Operations: {estimate.operations_per_s:g}/s, at peaks "
            f"{estimate.peak_operations_per_s:g}/s (after {estimate.cell}{mark})."
        )
    yield from (f"- Assumed: {word}." for word in estimate.assumptions)
    yield from (f"- Set-up: {step}." for step in estimate.setup)
    yield from (f"- Migration {number}: {step}." for number, step in enumerate(option.migration, 1))
