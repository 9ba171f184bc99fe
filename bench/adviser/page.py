"""The measured part of docs/adviser.md: the guides' five cases, answered."""

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from bench.adviser.advice import Advice, advise_on
from bench.adviser.case import load_case
from bench.adviser.showing import CLOSE, change_words, headline, signed, source
from bench.evidence import Evidence

ORDER = ("start-up", "e-commerce", "bank", "saas", "training")
FOLDER = Path(str(files("bench.adviser"))) / "cases"
SHOWN = 5


def measured_part(evidence: Evidence) -> str:
    """Markdown: each case as it is in its file, the answer, its reasons, and the guides'."""
    parts = [f"From {', '.join(evidence.sources) or 'no results'}."]
    for name in ORDER:
        file = FOLDER / f"{name}.toml"
        advice = advise_on(load_case(file), evidence)
        parts.append("\n".join(_case(name, file.read_text(), advice)))
    return "\n\n".join(parts)


def agreement(advice: Advice) -> str:
    """Where the advice and the guides agree, in a sentence."""
    case, best = advice.case, advice.best
    named = ", ".join(f"`{name}`" for name in case.guides)
    said = f"The guides choose {case.guides_say} (here {named})."
    if best.design in case.guides:
        return f"{said} We agree."
    near = [advice.option(name) for name in case.guides]
    first = min(near, key=lambda one: one.rank)
    behind = best.score - first.score
    if behind < CLOSE and not first.excluded:
        return f"{said} We agree as far as points go: `{first.design}` is {behind:.1f} behind."
    against = min(first.points, key=lambda point: point.points)
    return (
        f"{said} We do not: `{first.design}` is number {first.rank}, {behind:.0f} points behind; "
        f"most of it {against.topic}: {against.why} [{source(against)}]."
    )


def _case(name: str, text: str, advice: Advice) -> Iterator[str]:
    yield f"### {advice.case.name}"
    yield ""
    yield f"`coordbench advise bench/adviser/cases/{name}.toml`"
    yield ""
    yield "```toml"
    yield text.rstrip()
    yield "```"
    yield ""
    yield f"**{headline(advice)}** {agreement(advice)}"
    yield ""
    yield "| # | design | points | new servers | operations/s |"
    yield "|---|---|---|---|---|"
    for option in advice.options[:SHOWN]:
        ops = option.estimate.operations_per_s
        said = "not measured" if ops is None else f"{ops:,.3g}"
        mark = " (extrapolated)" if option.estimate.extrapolated else ""
        yield (
            f"| {option.rank} | {option.design} | {option.score:.1f} | "
            f"{option.estimate.new_servers} | {said}{mark} |"
        )
    yield ""
    yield f"Why `{advice.best.design}`, and what speaks against it:"
    yield ""
    for point in advice.best.points:
        yield f"- {signed(point.points)} {point.topic}: {point.why} [{source(point)}]"
    yield ""
    changes = "; ".join(change_words(one) for one in advice.changes)
    yield f"What would change it: {changes or 'none of the inputs alone'}."
