"""The command `coordbench oracle`: run an exam, or go on with one, and say what it found."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.console import Console

from bench.commands import clean_up, new_results, progress_on
from bench.errors import BadArguments, InvalidResults
from bench.oracle.exam import MUTANTS, Exam
from bench.oracle.mutant import Mutant
from bench.oracle.page import put_into, tables, verdict
from bench.results import Results
from bench.settings import Settings
from bench.until_signalled import run_until_signalled
from strategies.catalogue import nearest

NAME = "oracle"


def run_oracle(
    names: Sequence[str], healthy: int, out: Path, resume: Path | None, page: Path | None
) -> int:
    """Examine the mutants called `names` (all, if none) and `healthy` trials; the exit code."""
    console = Console(highlight=False)
    clean_up(console)
    exam = _resumed(resume) if resume else _new(names, healthy, out)
    try:
        run_until_signalled(exam.run(progress_on(console)))
    except KeyboardInterrupt:
        console.print(
            f"interrupted: coordbench oracle --resume {exam.results.path}", soft_wrap=True
        )
        raise
    return _say(exam, console, page)


def _new(names: Sequence[str], healthy: int, out: Path) -> Exam:
    if healthy < 0:
        raise BadArguments(f"--healthy is {healthy}: expected 0 or more")
    settings = Settings(profile=NAME, strategies=list(names), trials=healthy, controls=False)
    chosen = _chosen(names)
    return Exam(new_results(out, settings), settings, chosen, healthy)


def _resumed(path: Path) -> Exam:
    results = Results.open(path)
    config = {key: value for key, value in results.config.items() if key != "version"}
    try:
        settings = msgspec.convert(config, Settings)
    except msgspec.ValidationError as error:
        raise InvalidResults(f"{path}/config.json: {error}") from error
    if settings.profile != NAME:
        raise BadArguments(f"{path}: not of an oracle; coordbench bench --resume {path}")
    return Exam(results, settings, _chosen(settings.strategies), settings.trials)


def _chosen(names: Sequence[str]) -> list[Mutant]:
    known = {one.name: one for one in MUTANTS}
    for name in names:
        if name not in known:
            raise BadArguments(f"unknown mutant {name!r}: {nearest(name, known)}")
    return [known[name] for name in names or known]


def _say(exam: Exam, console: Console, page: Path | None) -> int:
    text = tables(exam)
    (exam.results.path / "oracle.md").write_text(text)
    code, lines = verdict(exam)
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)
    if page:
        put_into(page, text)
    console.print(f"{page or exam.results.path / 'oracle.md'}", soft_wrap=True)
    return code
