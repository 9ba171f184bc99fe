"""The command `coordbench known-failures`: list them, run them, make the table of the docs."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from rich.console import Console

from bench.commands import clean_up, progress_on
from bench.environment import environment
from bench.errors import BadArguments, Exit
from bench.known_failures.again import Again, Shown
from bench.known_failures.data import Failure, failures
from bench.oracle.page import put_into
from bench.results import Results
from bench.until_signalled import run_until_signalled
from strategies.catalogue import nearest

NAME = "known-failures"
MADE = "coordbench known-failures --all"


def list_failures() -> int:
    """Print every known failure in four lines; the exit code."""
    console = Console(highlight=False)
    for one in failures().values():
        console.print(f"{one.id}: {one.product}", markup=False)
        for words in (one.link, one.happened, f"Here: {one.mode}."):
            console.print(f"  {words}", markup=False, soft_wrap=words == one.link)
    console.print(f"\nTo find one again: coordbench {NAME} ID; all of them: {MADE}")
    return Exit.KEPT


def run_failures(ids: Sequence[str], out: Path, resume: Path | None, page: Path | None) -> int:
    """Run the failures called `ids`, all if there are none; 0 when each was found again."""
    console = Console(highlight=False)
    clean_up(console)
    results = Results.open(resume) if resume else _new(out, ids)
    again = Again([_known(id_) for id_ in results.config["failures"]], results)
    try:
        run_until_signalled(again.run(progress_on(console)))
    except KeyboardInterrupt:
        console.print(f"interrupted: coordbench {NAME} --resume {results.path}", soft_wrap=True)
        raise
    return _say(again, results, console, page)


def _new(out: Path, ids: Sequence[str]) -> Results:
    chosen = [_known(id_).id for id_ in ids] or list(failures())
    return Results.create(
        out,
        NAME,
        now=datetime.now(),
        config={"failures": chosen},
        environment=environment({}),
    )


def _known(id_: str) -> Failure:
    known = failures()
    if id_ not in known:
        raise BadArguments(f"unknown failure {id_!r}: {nearest(id_, known)}")
    return known[id_]


def _say(again: Again, results: Results, console: Console, page: Path | None) -> int:
    shown = again.shown()
    for one in shown:
        console.print(f"{one.failure.id}: {_verdict(one)}", markup=False, soft_wrap=True)
    text = "\n".join(tables(shown)) + "\n"
    (results.path / f"{NAME}.md").write_text(text)
    if page:
        put_into(page, text, MADE)
    console.print(f"{page or results.path / f'{NAME}.md'}", soft_wrap=True)
    missing = [one for one in shown if not one.again and not one.not_run]
    if missing:
        return Exit.BROKEN
    return Exit.INVALID if any(one.not_run for one in shown) else Exit.KEPT


def tables(shown: Sequence[Shown]) -> Iterator[str]:
    """Each failure in Markdown: the report, the mechanism, and what was seen here."""
    for one in shown:
        failure = one.failure
        yield f"### {failure.id}"
        yield ""
        text = failure.issue if "#" in failure.issue else "an article"
        yield f"**{failure.product}**: [{text}]({failure.link}), {failure.reported}."
        yield f"{failure.happened} What stops it: {failure.stops}."
        yield ""
        yield f"Here: {failure.mode}; scenario `{failure.scenario.removesuffix('.toml')}`."
        yield f"Seen: {_verdict(one)}."
        yield ""
        yield f"    {failure.command}"
        yield ""


def _verdict(one: Shown) -> str:
    if one.not_run:
        return f"not run: {one.not_run}"
    if not one.trials:
        return "no valid trial"
    asked = one.failure.shows
    seen = ", ".join(
        f"{one.counts.get(what, 0)} {what} (at least {n})" for what, n in asked.items()
    )
    among = f" of {one.fires} fires" if one.fires else ""
    when = f", {one.started}" if one.started else ""
    word = "found again" if one.again else "NOT found again"
    trial = "trial" if one.trials == 1 else "trials"
    return f"{word} in {one.trials} {trial}{when}: {seen}{among}"
