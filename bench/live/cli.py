"""The commands of a fleet by hand: up, down, and chaos with all that it can break."""

import asyncio
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

chaos = typer.Typer(
    name="chaos",
    help="Break a fleet that is up, and heal it (docs/chaos-by-hand.md).",
    no_args_is_help=True,
    rich_markup_mode=None,
    epilog="Examples:\n\n"
    "coordbench chaos partition --target holder --direction both --for 10s\n\n"
    "coordbench chaos pause --target leader\n\n"
    "coordbench chaos heal",
)


class Direction(StrEnum):
    """Which way is cut, as the instance sees it."""

    both = "both"
    inbound = "in"
    outbound = "out"


class What(StrEnum):
    """What a server can suffer."""

    kill = "kill"
    pause = "pause"
    restart = "restart"


Target = Annotated[
    str,
    typer.Option(
        help="holder, leader, scheduler, one, minority, majority, all, or an instance: i2, i2-ab12"
    ),
]
Job = Annotated[str, typer.Option(help="the job whose holder is meant")]
For = Annotated[
    str | None, typer.Option("--for", help="how long, like 10s or 500ms; else until healed")
]
FleetName = Annotated[str | None, typer.Option("--fleet", help="which fleet, where several are up")]


def _examples(*lines: str) -> str:
    return "Examples:\n\n" + "\n\n".join(lines)


def up(
    strategy: Annotated[str, typer.Option(help="a strategy's name")] = "redis-lock",
    instances: Annotated[int, typer.Option("-n", help="N, replicas of the service")] = 5,
    jobs: Annotated[int, typer.Option("-m", "--jobs", help="M, jobs")] = 10,
    period: Annotated[float, typer.Option(help="seconds between fires of a job")] = 1.0,
    timing: Annotated[str, typer.Option(help="equal, vendor or guide")] = "equal",
    lease: Annotated[float, typer.Option(help="L of timing equal, in seconds")] = 2.0,
    workload: Annotated[Path | None, typer.Option(help="jobs from a TOML file")] = None,
    seed: Annotated[int, typer.Option(help="fixes targets and jitter")] = 1,
    fleet: Annotated[str, typer.Option(help="a name, to tell several apart")] = "default",
    stop_after: Annotated[
        str | None, typer.Option("--for", help="end by itself after so long, like 10m")
    ] = None,
    out: Annotated[Path, typer.Option(help="where the history is kept")] = Path("results"),
) -> None:
    """Keep a fleet and its services up, show it live, and judge what happens to it.

    Break it from another terminal with coordbench chaos; Ctrl-C or coordbench down ends it.
    """
    from bench.live.plan import Asked
    from bench.live.session import run_up

    asked = Asked(
        strategy=strategy,
        instances=instances,
        jobs=jobs,
        period_s=period,
        timing=timing,
        lease_s=lease,
        seed=seed,
        workload=str(workload) if workload else None,
        fleet=fleet,
        stop_after_s=_length(stop_after),
    )
    raise typer.Exit(run_up(asked, out))


def down(fleet: FleetName = None) -> None:
    """End a fleet that is up; remove what a killed one has left."""
    from bench.leftovers import clean
    from bench.live.control import NoFleet, ask, find
    from bench.live.protocol import Stop

    try:
        where = find(fleet)
    except NoFleet:
        removed = clean()
        if not removed:
            raise
        _print(["no fleet is up; left by one that was killed:", *removed])
        return
    _print([f"ending fleet {where.fleet} ({where.strategy}, process {where.pid})"])
    _print(asyncio.run(ask(where, Stop())))


@chaos.command(epilog=_examples("coordbench chaos pause --target holder --for 5s"))
def pause(
    target: Target = "holder", job: Job = "", lasts: For = None, fleet: FleetName = None
) -> None:
    """Stop an instance's processes (SIGSTOP), and let them continue: a long garbage collection."""
    _strike("pause", target, fleet, job=job, lasts=lasts)


@chaos.command(
    epilog=_examples(
        "coordbench chaos kill --target holder --restart-after 5s", "coordbench chaos kill -t i3"
    )
)
def kill(
    target: Target = "holder",
    job: Job = "",
    restart_after: Annotated[
        str | None,
        typer.Option(help="start a new instance on its host after so long, like 5s; else never"),
    ] = None,
    fleet: FleetName = None,
) -> None:
    """Kill an instance (SIGKILL). It stays dead until --restart-after, or until healed."""
    _strike("kill", target, fleet, job=job, lasts=restart_after)


@chaos.command(
    epilog=_examples(
        "coordbench chaos partition --target holder --direction both --for 10s",
        "coordbench chaos partition --target i2 --direction in",
        "coordbench chaos partition --target minority --for 30s",
    )
)
def partition(
    target: Target = "holder",
    direction: Annotated[
        Direction, typer.Option(help="in: what the service says is lost; out: what it is told")
    ] = Direction.both,
    job: Job = "",
    lasts: For = None,
    fleet: FleetName = None,
) -> None:
    """Cut an instance off its services: connections stay open, nothing arrives, nobody is told."""
    _strike(
        "partition", target, fleet, job=job, lasts=lasts, settings={"direction": direction.value}
    )


@chaos.command(epilog=_examples("coordbench chaos delay --by 200ms --jitter 100ms --target all"))
def delay(
    by: Annotated[str, typer.Option(help="how much later all bytes arrive, each way")] = "200ms",
    jitter: Annotated[str, typer.Option(help="and up to so much more")] = "0ms",
    target: Target = "holder",
    job: Job = "",
    lasts: For = None,
    fleet: FleetName = None,
) -> None:
    """Make an instance's network slow."""
    settings = {"seconds": _length(by) or 0.0, "jitter_s": _length(jitter) or 0.0}
    _strike("delay", target, fleet, job=job, lasts=lasts, settings=settings)


@chaos.command(epilog=_examples("coordbench chaos drop --share 0.3 --target one --for 20s"))
def drop(
    share: Annotated[float, typer.Option(help="of the packets, above 0 and up to 1")] = 0.3,
    target: Target = "holder",
    job: Job = "",
    lasts: For = None,
    fleet: FleetName = None,
) -> None:
    """Lose a share of an instance's packets, each way; they are sent again."""
    from bench.errors import BadArguments

    if not 0 < share <= 1:
        raise BadArguments(f"--share {share:g}: expected a share of the packets, above 0 up to 1")
    _strike("drop", target, fleet, job=job, lasts=lasts, settings={"share": share})


@chaos.command(epilog=_examples("coordbench chaos reset --target all"))
def reset(target: Target = "holder", job: Job = "", fleet: FleetName = None) -> None:
    """Break an instance's open connections with a TCP reset; new ones are welcome."""
    _strike("reset", target, fleet, job=job)


@chaos.command("half-open", epilog=_examples("coordbench chaos half-open --target one --for 5s"))
def half_open(
    target: Target = "holder", job: Job = "", lasts: For = None, fleet: FleetName = None
) -> None:
    """Let an instance connect and never get an answer."""
    _strike("half-open", target, fleet, job=job, lasts=lasts)


@chaos.command(
    epilog=_examples(
        "coordbench chaos clock --by 5s --target one", "coordbench chaos clock --by -1500ms"
    )
)
def clock(
    by: Annotated[str, typer.Option(help="how far it jumps: 5s ahead, -5s behind")],
    target: Target = "holder",
    job: Job = "",
    lasts: For = None,
    fleet: FleetName = None,
) -> None:
    """Step an instance's wall clock, and step it back to heal."""
    from bench.errors import BadArguments

    sign = -1.0 if by.strip().startswith("-") else 1.0
    seconds = sign * (_length(by.strip().lstrip("+-")) or 0.0)
    if not 0 < abs(seconds) <= 60:
        raise BadArguments(f"--by {by}: expected up to 60s, ahead or (-) behind, and not 0")
    _strike("clock", target, fleet, job=job, lasts=lasts, settings={"seconds": seconds})


@chaos.command(
    epilog=_examples(
        "coordbench chaos service pause --for 5s",
        "coordbench chaos service kill redis --for 3s",
        "coordbench chaos service restart",
    )
)
def service(
    what: Annotated[What, typer.Argument(help="kill, pause or restart")],
    name: Annotated[str, typer.Argument(help="the service, where there are several")] = "service",
    lasts: For = None,
    fleet: FleetName = None,
) -> None:
    """Kill, pause or restart the server that the fleet coordinates through."""
    _strike(f"service-{what.value}", name, fleet, lasts=lasts)


@chaos.command(epilog=_examples("coordbench chaos heal", "coordbench chaos heal 3"))
def heal(
    numbers: Annotated[list[int] | None, typer.Argument(help="as status shows them")] = None,
    fleet: FleetName = None,
) -> None:
    """Heal everything, or the faults of these numbers; killed instances are started again."""
    from bench.live.control import ask, find
    from bench.live.protocol import Heal

    _print(asyncio.run(ask(find(fleet), Heal(numbers or []))))


@chaos.command(epilog=_examples("coordbench chaos status"))
def status(fleet: FleetName = None) -> None:
    """Tell what is injected, since when, and when it heals."""
    from bench.live.control import ask, find
    from bench.live.protocol import Tell

    _print(asyncio.run(ask(find(fleet), Tell())))


def _strike(
    fault: str,
    target: str,
    fleet: str | None,
    *,
    job: str = "",
    lasts: str | None = None,
    settings: dict[str, float | str] | dict[str, float] | dict[str, str] | None = None,
) -> None:
    from bench.errors import BadArguments
    from bench.live.control import ask, find
    from bench.live.protocol import Strike

    if job and target != "holder":
        raise BadArguments("--job names a holder's job: it goes with --target holder")
    strike = Strike(fault, target, dict(settings or {}), job, _length(lasts))
    _print(asyncio.run(ask(find(fleet), strike)))


def _length(text: str | None) -> float | None:
    """Seconds from '10s'; raises BadArguments, for a negative one in words of its own."""
    from bench.errors import BadArguments
    from bench.workload import seconds

    if text is None:
        return None
    if text.strip().startswith("-"):
        raise BadArguments(f"{text!r}: time does not run backwards; expected a length like 10s")
    return seconds(text)


def _print(lines: Sequence[str]) -> None:
    for line in lines:
        print(line)
