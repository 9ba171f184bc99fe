"""`coordbench claims --run`: the experiments and trials, kept one by one, so that it resumes."""

import os
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console

from bench.claims.experiments import EXPERIMENTS, Experiment, Servers
from bench.claims.trials import claim_settings, outage_runs
from bench.environment import environment
from bench.errors import BadArguments
from bench.evidence import EXPERIMENTS as FOLDER
from bench.leftovers import Registration
from bench.matrix import NotRun
from bench.progress import LineProgress, minutes
from bench.results import Results
from bench.runner import Bench
from bench.services import ServiceUnavailable
from bench.settings import plans
from bench.until_signalled import run_until_signalled
from strategies.catalogue import nearest

BUSY = 1.5  # runnable processes per core
TRIALS = "trials"  # what `--only` calls the trials


def run_claims(out: Path, only: Sequence[str], console: Console) -> Path:
    """Run what is not kept yet into the newest directory below `out`; that directory.

    Raises BadArguments for an experiment that does not exist. Ctrl-C keeps what has ended.
    """
    names = [*EXPERIMENTS, TRIALS]
    for name in only:
        if name not in names:
            raise BadArguments(f"unknown experiment {name!r}: {nearest(name, names)}")
    results = _newest(out)
    (results.path / FOLDER).mkdir(exist_ok=True)
    try:
        run_until_signalled(_all(results, only, console))
    except KeyboardInterrupt:
        _say(console, "interrupted: what has ended is kept; to go on: coordbench claims --run")
        raise
    return results.path


async def _all(results: Results, only: Sequence[str], console: Console) -> None:
    asked = [one for name, one in EXPERIMENTS.items() if not only or name in only]
    todo = [one for one in asked if only or not _file(results, one.name).exists()]
    await _experiments(results, todo, len(asked) - len(todo), console)
    if not only or TRIALS in only:
        await _trials(results, console)


async def _experiments(
    results: Results, todo: Sequence[Experiment], kept: int, console: Console
) -> None:
    left_s = sum(one.expected_s for one in todo)
    if todo or kept:
        _say(console, f"{len(todo)} experiments, {kept} kept, about {minutes(left_s)}")
    if todo and _load_per_core() > BUSY:
        _say(console, f"the machine is busy ({_load_per_core():.1f} per core): times will be long")
    with Registration() as registration, tempfile.TemporaryDirectory() as folder:
        registration.directory(Path(folder))
        async with Servers(Path(folder), registration) as servers:
            for number, one in enumerate(todo, 1):
                began_s = time.monotonic()
                said = await _settle(results, one, servers)
                took_s, left_s = time.monotonic() - began_s, left_s - one.expected_s
                _say(
                    console,
                    f"[{number}/{len(todo)}] {one.name}: {said} in {took_s:.0f} s"
                    f" - {minutes(left_s)} left",
                )


async def _settle(results: Results, one: Experiment, servers: Servers) -> str:
    """Run an experiment and keep what it found; a server that cannot be had leaves it open."""
    try:
        found = await one.run(servers)
    except ServiceUnavailable as error:
        return f"not run ({error})"
    _keep(results, one.name, {**found, "load_per_core": round(_load_per_core(), 2)})
    return one.what


def _load_per_core() -> float:
    """Runnable processes per core over the last minute: above 1, times are the machine's."""
    return os.getloadavg()[0] / (os.cpu_count() or 1)


async def _trials(results: Results, console: Console) -> None:
    wanted = list(plans(claim_settings()))
    bench = Bench(wanted, results, LineProgress(console))
    await bench.run()
    missing = {plan.record().cell: why for plan in wanted if (why := bench.why_not(plan))}
    results.keep_not_run([NotRun(cell, why) for cell, why in missing.items()])
    results.write_matrix()
    _keep(results, "outage-runs", outage_runs(results))


def _keep(results: Results, name: str, found: dict[str, Any]) -> None:
    file = _file(results, name)
    half = file.with_suffix(".half")
    half.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")
    half.replace(file)


def _file(results: Results, name: str) -> Path:
    return results.path / FOLDER / f"{name}.json"


def _newest(out: Path) -> Results:
    latest = out / "latest"
    if (latest / "config.json").is_file():
        return Results.open(latest.resolve())
    config = msgspec.to_builtins(claim_settings())
    return Results.create(
        out, "claims", now=datetime.now(), config=config, environment=environment({})
    )


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
