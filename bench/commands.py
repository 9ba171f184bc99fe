"""What the commands do: bench, trial, check and matrix, from settings to an exit code."""

import dataclasses
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import msgspec
from rich.console import Console

from bench import leftovers
from bench.environment import environment
from bench.errors import BadArguments, Exit, InvalidResults
from bench.judge import judge_path, summary
from bench.matrix import NotRun, Row, to_csv, to_json, to_markdown, verdict
from bench.progress import LineProgress, LiveProgress, Progress, trials
from bench.report import write_report
from bench.results import Results
from bench.runner import Bench
from bench.settings import Settings, plans
from bench.story import tell
from bench.terminal import print_rows, say
from bench.until_signalled import run_until_signalled

FORMATS = ("table", "md", "csv", "json")


def run_bench(settings: Settings, out: Path, resume: Path | None) -> int:
    """Run a bench to its end, or go on with one; print its matrix; the exit code."""
    console = Console(highlight=False)
    clean_up(console)
    if resume:
        results = Results.open(resume)
        settings = _settings_of(results)
    else:
        results = new_results(out, settings)
    progress = progress_on(console)
    bench = Bench(list(plans(settings)), results, progress, settings.services)
    _run(bench, console, results)
    matrix = _finish(bench, results)
    print_rows(console, matrix)
    for name in ("matrix.md", "matrix.csv"):
        console.print(f"{results.path / name}", soft_wrap=True)
    return _say_verdict(console, matrix, results)


def run_trial(
    settings: Settings, out: Path, trial_seed: int | None = None, *, details: bool = False
) -> int:
    """Run one trial, tell what happened around its faults, and judge it; the exit code.

    `trial_seed` repeats the plan of a trial whose own seed is known; `details` tells more.
    """
    console = Console(highlight=False)
    clean_up(console)
    results = new_results(out, msgspec.structs.replace(settings, profile="trial"))
    chosen = list(plans(settings))
    if trial_seed is not None:
        chosen = [dataclasses.replace(plan, seed=trial_seed) for plan in chosen]
    bench = Bench(chosen, results, progress_on(console), settings.services)
    _run(bench, console, results)
    matrix = _finish(bench, results)
    for judgement in results.judgements():
        history = results.trial_path(judgement.record) / "history.parquet"
        for line in tell(history, details=details):
            console.print(line, markup=False, soft_wrap=True)
        for line in summary(judgement):
            console.print(line, markup=False, soft_wrap=True)
        console.print(f"{results.trial_path(judgement.record)}", soft_wrap=True)
    return _say_verdict(console, matrix, results)


def run_check(path: Path) -> int:
    """Judge a results directory again, one trial, or a JSON-lines file; the exit code."""
    console = Console(highlight=False)
    if (path / "config.json").is_file():
        results = Results.open(path)
        judged = list(results.judge_again())
        matrix = results.write_matrix()
        print_rows(console, matrix)
        console.print(f"{write_report(results)}", soft_wrap=True)
        codes = [one.exit_code for one in judged if one.record.kind != "control"]
        return _worst([*codes, verdict(matrix)[0]])
    judgement = judge_path(path)
    for line in summary(judgement):
        console.print(line, markup=False, soft_wrap=True)
    return judgement.exit_code


def print_matrix(path: Path, form: str) -> int:
    """Print a results directory's matrix in one of FORMATS; whatever it says, to show it is 0."""
    if form not in FORMATS:
        raise BadArguments(f"format {form!r}: expected one of {', '.join(FORMATS)}")
    matrix = Results.open(path).rows()
    if not matrix:
        raise InvalidResults(f"{path}: no trial has ended yet; coordbench bench --resume {path}")
    if form == "table":
        print_rows(Console(highlight=False), matrix)
    else:
        sys.stdout.write({"md": to_markdown, "csv": to_csv, "json": to_json}[form](matrix))
    return Exit.KEPT


def make_report(path: Path) -> int:
    """Make a results directory's report.html anew, print its path; the exit code."""
    page = write_report(Results.reading(path))
    Console(highlight=False).print(f"{page}", soft_wrap=True)
    return Exit.KEPT


def clean_up(console: Console) -> None:
    """Remove what an earlier crash left, and say so."""
    for line in leftovers.clean():
        console.print(f"left by an earlier run: {line}", markup=False, soft_wrap=True)


def new_results(out: Path, settings: Settings) -> Results:
    """A results directory under `out`, named after the settings' profile; raises BadArguments."""
    return Results.create(
        out,
        settings.profile,
        now=datetime.now(),
        config=msgspec.to_builtins(settings),
        environment=environment({}),
    )


def _settings_of(results: Results) -> Settings:
    config = {key: value for key, value in results.config.items() if key != "version"}
    try:
        return msgspec.convert(config, Settings)
    except msgspec.ValidationError as error:
        raise InvalidResults(f"{results.path}/config.json: {error}") from error


def progress_on(console: Console) -> Progress:
    """A live table on a terminal, a line per trial in a pipe."""
    return LiveProgress(console) if console.is_terminal else LineProgress(console)


def _run(bench: Bench, console: Console, results: Results) -> None:
    """Run the bench; on Ctrl-C or SIGTERM keep what has ended and say how to go on."""
    try:
        run_until_signalled(bench.run())
    except KeyboardInterrupt:
        _finish(bench, results)
        console.print(f"{write_report(results)}", soft_wrap=True)
        console.print(f"interrupted: {trials(len(results.finished()))} kept; to go on:")
        console.print(f"coordbench bench --resume {results.path}", soft_wrap=True)
        raise


def _finish(bench: Bench, results: Results) -> list[Row]:
    cells = {
        cell: NotRun(cell, why)
        for cell, plan in ((plan.record().cell, plan) for plan in bench.plans)
        if (why := bench.why_not(plan))
    }
    results.keep_not_run(cells.values())
    return results.write_matrix()


def _say_verdict(console: Console, matrix: Sequence[Row], results: Results) -> int:
    code, lines = verdict(matrix)
    say(console, lines)
    declared = any(row.status == "declared" for row in matrix)
    controls = ", and every control broke as it must" if declared else ""
    words = {
        Exit.KEPT: "every promise that is made was kept" + controls,
        Exit.BROKEN: "a promise was broken",
        Exit.INVALID: "part of this matrix is invalid",
    }
    if all(row.status == "not-run" for row in matrix):
        words[code] = "nothing was measured"
    console.print(words[code])
    console.print(f"{write_report(results)}", soft_wrap=True)
    return code


def _worst(codes: Sequence[int]) -> int:
    return max(codes, default=Exit.KEPT)
