"""The command line. Each command imports what it needs when it runs, so that help is instant."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from bench.errors import BadArguments, BenchError, Exit, told
from bench.live import cli as by_hand

app = typer.Typer(
    name="coordbench",
    help="Of N replicas of a service, which way of coordinating makes each scheduled job run "
    "once, what does it cost, and how does it fail? Measured on real servers, with kills.",
    epilog="Start with: coordbench doctor - then: coordbench bench",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Many = Annotated[list[str] | None, typer.Option(help="names, separated by commas")]


def _examples(*lines: str) -> str:
    return "Examples:\n\n" + "\n\n".join(lines)


@app.command(
    epilog=_examples(
        "coordbench bench",
        "coordbench bench --strategies redis-lock,quartz --scenarios crash -k 5",
        "coordbench bench -n 10 -m 100 --scenarios steady",
        "coordbench bench --resume results/latest",
    )
)
def bench(
    strategies: Annotated[str, typer.Option(help="names, separated by commas")] = "",
    scenarios: Annotated[str, typer.Option(help="names, separated by commas")] = "",
    instances: Annotated[int | None, typer.Option("-n", help="N, replicas of the service")] = None,
    jobs: Annotated[int | None, typer.Option("-m", help="M, jobs")] = None,
    trials: Annotated[int | None, typer.Option("-k", help="trials per cell")] = None,
    period: Annotated[float | None, typer.Option(help="seconds between fires of a job")] = None,
    timing: Annotated[str | None, typer.Option(help="equal, vendor or guide")] = None,
    lease: Annotated[float | None, typer.Option(help="L of timing equal, in seconds")] = None,
    seed: Annotated[int | None, typer.Option(help="fixes fault times, targets, jitter")] = None,
    profile: Annotated[str, typer.Option(help="quick, full, or a TOML file")] = "quick",
    workload: Annotated[Path | None, typer.Option(help="jobs from a TOML file")] = None,
    controls: Annotated[
        bool | None, typer.Option(help="also run the designs known to be wrong")
    ] = None,
    links: Annotated[
        str | None, typer.Option(help="how links are broken: relay or namespaces")
    ] = None,
    out: Annotated[Path, typer.Option(help="where results go")] = Path("results"),
    resume: Annotated[
        Path | None, typer.Option(help="go on with an interrupted bench, by its settings")
    ] = None,
) -> None:
    """Measure strategies under scenarios, and print the matrix."""
    from bench.commands import run_bench
    from bench.settings import settings_from

    asked = settings_from(
        profile,
        strategies=_names(strategies),
        scenarios=_names(scenarios),
        instances=instances,
        jobs=jobs,
        trials=trials,
        period_s=period,
        timing=timing,
        lease_s=lease,
        seed=seed,
        controls=controls,
        links=links,
        workload=str(workload) if workload else None,
    )
    raise typer.Exit(run_bench(asked, out, resume))


@app.command(
    epilog=_examples(
        "coordbench trial quartz crash",
        "coordbench trial redis-lock pause",
        "coordbench trial cronjob crash -v",
    )
)
def trial(
    strategy: Annotated[str, typer.Argument(help="a strategy's name")],
    scenario: Annotated[str, typer.Argument(help="a scenario's name")],
    instances: Annotated[int, typer.Option("-n", help="N, replicas of the service")] = 3,
    jobs: Annotated[int, typer.Option("-m", help="M, jobs")] = 10,
    period: Annotated[float, typer.Option(help="seconds between fires of a job")] = 1.0,
    timing: Annotated[str, typer.Option(help="equal, vendor or guide")] = "equal",
    lease: Annotated[float, typer.Option(help="L of timing equal, in seconds")] = 2.0,
    seed: Annotated[int, typer.Option(help="fixes fault times, targets, jitter")] = 1,
    trial_seed: Annotated[
        int | None, typer.Option(help="the seed of one trial, as a result's command gives it")
    ] = None,
    links: Annotated[str, typer.Option(help="how links are broken: relay or namespaces")] = "relay",
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="also tell calls and a platform's every step")
    ] = False,
    out: Annotated[Path, typer.Option(help="where results go")] = Path("results"),
) -> None:
    """Run one trial and tell what happened, event by event around the fault."""
    from bench.commands import run_trial
    from bench.settings import settings_from

    asked = settings_from(
        "quick",
        strategies=[strategy],
        scenarios=[scenario],
        instances=instances,
        jobs=jobs,
        trials=1,
        period_s=period,
        timing=timing,
        lease_s=lease,
        seed=seed,
        controls=False,
        links=links,
    )
    raise typer.Exit(run_trial(asked, out, trial_seed, details=verbose))


@app.command(epilog=_examples("coordbench check results/latest", "coordbench check my-log.jsonl"))
def check(
    path: Annotated[
        Path, typer.Argument(help="a results directory, a trial, or a JSON-lines file")
    ],
) -> None:
    """Judge histories again, or somebody else's (docs/history-format.md)."""
    from bench.commands import run_check

    raise typer.Exit(run_check(path))


@app.command(epilog=_examples("coordbench matrix results/latest --format md"))
def matrix(
    path: Annotated[Path, typer.Argument(help="a results directory")],
    form: Annotated[str, typer.Option("--format", help="table, md, csv or json")] = "table",
) -> None:
    """Print the matrix of a finished or interrupted bench again."""
    from bench.commands import print_matrix

    raise typer.Exit(print_matrix(path, form))


@app.command(epilog=_examples("coordbench report results/latest"))
def report(
    path: Annotated[Path, typer.Argument(help="a results directory")],
) -> None:
    """Make report.html: the matrix, each cell's trials, each trial's timeline, in one file."""
    from bench.commands import make_report

    raise typer.Exit(make_report(path))


@app.command(epilog=_examples("coordbench publish results/latest --to published/2026-11-21"))
def publish(
    paths: Annotated[list[Path], typer.Argument(help="results directories, the last one wins")],
    to: Annotated[Path, typer.Option(help="the directory to make")],
) -> None:
    """Copy results without logs, small enough to be kept in a repository and to be cited."""
    from bench.publish import publish, size_mb

    publish(paths, to)
    print(f"{to}: {size_mb(to):.1f} MB")


@app.command("compare", epilog=_examples("coordbench compare results/before results/latest"))
def compare_(
    a: Annotated[Path, typer.Argument(help="a results directory: before")],
    b: Annotated[Path, typer.Argument(help="a results directory: after")],
) -> None:
    """Set two results side by side; exit code 1 if a promise that held no longer holds."""
    from bench.compare import compare

    code, lines = compare(a, b)
    for line in lines:
        print(line)
    raise typer.Exit(code)


@app.command(
    epilog=_examples(
        "coordbench claims",
        "coordbench claims results/latest --format csv",
        "coordbench claims --run",
        "coordbench claims --run --only check-then-set",
    )
)
def claims(
    sets: Annotated[
        list[Path] | None, typer.Argument(help="results directories; else results/latest")
    ] = None,
    run: Annotated[
        bool, typer.Option("--run", help="first measure what a bench does not; resumes")
    ] = False,
    only: Annotated[str, typer.Option(help="these experiments, again; with commas")] = "",
    form: Annotated[str, typer.Option("--format", help="table, md, csv or json")] = "table",
    out: Annotated[Path, typer.Option(help="where --run keeps its results")] = Path(
        "results/claims"
    ),
) -> None:
    """Set what the common guides state beside what was measured."""
    from bench.claims.command import claims as judge

    raise typer.Exit(judge(sets or [], form, run=run, only=_names(only), out=out))


@app.command(
    epilog=_examples(
        "coordbench advise",
        "coordbench advise case.toml --adr decision.md",
        "coordbench advise -n 5 -m 3 --period 1m --operated redis --team small",
    )
)
def advise(
    case: Annotated[Path | None, typer.Argument(help="a TOML file (docs/adviser.md)")] = None,
    instances: Annotated[int | None, typer.Option("-n", help="replicas of the service")] = None,
    jobs: Annotated[int | None, typer.Option("-m", help="jobs")] = None,
    period: Annotated[str | None, typer.Option(help="the shortest, like 10s")] = None,
    longest_run: Annotated[str | None, typer.Option(help="like 5m")] = None,
    failover: Annotated[str | None, typer.Option(help="tolerable, like 30s")] = None,
    fires_per_day: Annotated[float | None, typer.Option(help="if periods differ")] = None,
    duplicate_cost: Annotated[str | None, typer.Option(help="none, low, high, ruinous")] = None,
    missed_cost: Annotated[str | None, typer.Option(help="none, low, high, ruinous")] = None,
    idempotent: Annotated[bool | None, typer.Option(help="jobs may run twice")] = None,
    fenced: Annotated[bool | None, typer.Option(help="the target checks a fence")] = None,
    spikes: Annotated[bool | None, typer.Option(help="ten times the usual at times")] = None,
    audit: Annotated[bool | None, typer.Option(help="an audit trail is asked for")] = None,
    calendars: Annotated[bool | None, typer.Option(help="business calendars")] = None,
    dependencies: Annotated[bool | None, typer.Option(help="jobs wait for jobs")] = None,
    isolation: Annotated[bool | None, typer.Option(help="runs of their own")] = None,
    regions: Annotated[int | None, typer.Option(help="regions")] = None,
    operated: Annotated[str | None, typer.Option(help="services, with commas")] = None,
    team: Annotated[str | None, typer.Option(help="small, medium or large")] = None,
    today: Annotated[str | None, typer.Option(help="the design in use now")] = None,
    results: Annotated[
        list[Path] | None, typer.Option(help="results directories; else results/latest")
    ] = None,
    form: Annotated[str, typer.Option("--format", help="table or json")] = "table",
    adr: Annotated[Path | None, typer.Option(help="write a decision record here")] = None,
) -> None:
    """Rank the designs for your case, by what was measured and by stated rules."""
    from bench.adviser.command import advise as run

    flags = {
        "instances": instances, "jobs": jobs, "period": period, "longest_run": longest_run,
        "failover": failover, "fires_per_day": fires_per_day, "duplicate_cost": duplicate_cost,
        "missed_cost": missed_cost, "idempotent": idempotent, "fenced": fenced, "spikes": spikes,
        "audit": audit, "calendars": calendars, "dependencies": dependencies,
        "isolation": isolation, "regions": regions, "team": team, "today": today,
        "operated": None if operated is None else _names(operated),
    }  # fmt: skip
    raise typer.Exit(run(case, flags, results or [], form, adr))


@app.command("list", epilog=_examples("coordbench list", "coordbench list scenarios"))
def list_(
    what: Annotated[str, typer.Argument(help="strategies, scenarios, services or all")] = "all",
) -> None:
    """List strategies with their promises, scenarios, and services."""
    from bench.listing import print_list

    print_list(what)


@app.command(
    "map",
    epilog=_examples(
        "coordbench map ttl-pause --strategy redis-lock",
        "coordbench map delay-renew --strategy etcd-election --rows 2,3 --trials 5",
        "coordbench map --resume results/latest",
    ),
)
def map_(
    name: Annotated[str, typer.Argument(help="ttl-pause, skew-lease or delay-renew")] = "ttl-pause",
    strategy: Annotated[str, typer.Option(help="a strategy's name")] = "redis-lock",
    rows: Annotated[str, typer.Option(help="values of the y axis, in seconds")] = "",
    points: Annotated[int, typer.Option(help="first look at a row")] = 5,
    trials: Annotated[int, typer.Option(help="trials where the verdict changes")] = 3,
    seed: Annotated[int, typer.Option(help="fixes fault times, targets, jitter")] = 1,
    out: Annotated[Path, typer.Option(help="where results go")] = Path("results"),
    resume: Annotated[Path | None, typer.Option(help="go on with an interrupted one")] = None,
    picture: Annotated[Path | None, typer.Option(help="a further copy, .png or .svg")] = None,
) -> None:
    """Survey a plane of two times: where do duplicates begin? As a table and as a picture."""
    from bench.maps.command import run_map

    values = [_number(text) for text in _names(rows)]
    code = run_map(name, strategy, values, points, trials, seed, out, resume, picture)
    raise typer.Exit(code)


@app.command(
    epilog=_examples(
        "coordbench oracle",
        "coordbench oracle --mutants renew-dropped,begin-always-true --healthy 0",
        "coordbench oracle --resume results/latest",
    )
)
def oracle(
    mutants: Annotated[str, typer.Option(help="names, separated by commas; all of them")] = "",
    healthy: Annotated[int, typer.Option(help="trials of strategies without a bug")] = 50,
    out: Annotated[Path, typer.Option(help="where results go")] = Path("results"),
    resume: Annotated[Path | None, typer.Option(help="go on with an interrupted one")] = None,
    page: Annotated[Path | None, typer.Option(help="a page to put the tables into")] = None,
) -> None:
    """Do the checks see? Planted bugs must be found, and healthy strategies not accused."""
    from bench.oracle.command import run_oracle

    raise typer.Exit(run_oracle(_names(mutants), healthy, out, resume, page))


@app.command(
    "known-failures",
    epilog=_examples(
        "coordbench known-failures",
        "coordbench known-failures between-two-leaders",
        "coordbench known-failures --all",
    ),
)
def known_failures(
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="which to run")] = None,
    everything: Annotated[bool, typer.Option("--all", help="run all of them")] = False,
    out: Annotated[Path, typer.Option(help="where results go")] = Path("results"),
    resume: Annotated[Path | None, typer.Option(help="go on with an interrupted run")] = None,
    page: Annotated[Path | None, typer.Option(help="a page to put the table into")] = None,
) -> None:
    """Failures that people reported of well-known schedulers: list them, find them again."""
    from bench.known_failures.command import list_failures, run_failures

    if not (ids or everything or resume):
        raise typer.Exit(list_failures())
    raise typer.Exit(run_failures(ids or [], out, resume, page))


@app.command()
def doctor() -> None:
    """Tell which servers can be had here, from where, and what is missing."""
    from bench.listing import print_doctor

    raise typer.Exit(print_doctor())


@app.command()
def clean() -> None:
    """End and remove what an earlier crash of coordbench left behind."""
    from bench.leftovers import clean as clean_leftovers

    removed = clean_leftovers()
    for line in removed or ["nothing was left behind"]:
        print(line)


app.command(
    epilog=_examples(
        "coordbench up -n 5 --strategy redis-lock",
        "coordbench up --strategy quartz -m 3 --for 10m",
    )
)(by_hand.up)
app.command(epilog=_examples("coordbench down"))(by_hand.down)
app.add_typer(by_hand.chaos)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise BadArguments(f"{text!r} is no number of seconds") from None


def main() -> None:
    """Run the command line; every error we know of is one line on stderr and its exit code."""
    try:
        status = app(standalone_mode=False)
    except BenchError as error:
        print(f"coordbench: {error}", file=sys.stderr)
        status = error.exit_code
    except (typer.Abort, KeyboardInterrupt):
        status = Exit.INTERRUPTED
    except Exception as error:
        status = _unexpected(error)
    sys.exit(status or 0)


def _unexpected(error: Exception) -> int:
    said = getattr(error, "format_message", None)  # the parser's own errors, wherever they live
    if said is not None and said().startswith("Usage:"):
        print(said())
        return Exit.KEPT
    if said is not None:
        print(f"coordbench: {said()} (in: {' '.join(sys.argv[1:])})", file=sys.stderr)
        return Exit.BAD_ARGUMENTS
    from bench.room import full, no_room

    if disk := full(error):
        print(f"coordbench: {no_room(disk)}", file=sys.stderr)
        return Exit.INTERNAL
    import traceback

    traceback.print_exc()
    print(f"coordbench: internal error: {told(error)}", file=sys.stderr)
    return Exit.INTERNAL


if __name__ == "__main__":
    main()
