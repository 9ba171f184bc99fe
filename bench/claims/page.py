"""The measured part of docs/claims.md: the table, and the guides' listings with what they did."""

from collections.abc import Iterator

from bench.claims.listings import LISTINGS, Listing
from bench.claims.listings.listing import Seen
from bench.claims.rules import judge_claims
from bench.claims.showing import to_markdown
from bench.evidence import Evidence


def measured_part(evidence: Evidence) -> str:
    """Markdown, from `## The claims` to the last listing."""
    return "\n".join(_lines(evidence))


def _lines(evidence: Evidence) -> Iterator[str]:
    yield f"From {', '.join(evidence.sources) or 'no results'}."
    yield ""
    yield to_markdown(judge_claims(evidence))
    yield "## The code as the guides print it, run"
    yield ""
    yield (
        "Each is the few lines that people copy, in our words, and what they did against a real "
        "server. The replicas are coroutines with connections of their own; where a strategy of "
        "the catalogue makes the same mistake in a fleet of processes, its cells are named."
    )
    seen = evidence.experiment("listings") or {}
    for number, one in enumerate(LISTINGS, 1):
        yield ""
        yield from _listing(number, one, seen.get(one.key), evidence)


def _listing(
    number: int, one: Listing, found: dict[str, object] | None, evidence: Evidence
) -> Iterator[str]:
    yield f"### {number}. {one.title}"
    yield ""
    yield "```python"
    yield one.source.rstrip()
    yield "```"
    yield ""
    yield f"- the guides say: {one.says}"
    yield f"- seen: {_seen(found)}"
    rows = evidence.rows_of(one.matrix, "steady", None) if one.matrix else []
    rows += [
        row for stress in ("crash", "pause") for row in evidence.rows_of(one.matrix, stress, None)
    ]
    for row in rows:
        yield (
            f"- in a fleet: {row.strategy} {row.scenario}, N={row.instances} M={row.jobs}: "
            f"{row.duplicate_fires} of {row.fires} fires twice, {row.missed_fires} missed, "
            f"{row.interrupted_fires} undone"
        )
    yield f"- instead: {one.instead}"


def _seen(found: dict[str, object] | None) -> str:
    if found is None:
        return "not measured: `coordbench claims --run --only listings`"
    return str(
        Seen(hits=int(str(found["hits"])), of=int(str(found["of"])), what=str(found["what"]))
    )
