"""What a bench was asked to do, and the plan of trials that follows from it.

Profiles `quick` and `full` are settings; a TOML file with the same fields is one's own profile
(docs/profiles.md).
"""

import tomllib
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

from bench import grain
from bench.errors import BadArguments
from bench.links import LinkKind
from bench.plan import Plan
from bench.scenario import lease_of
from bench.scenarios import SCENARIOS, scenario
from bench.workload import Workload, default_workload, load_workload, period_for
from strategies.catalogue import UnknownStrategy, design, designs
from strategies.interface import Design
from strategies.model import Timing
from strategies.schedule import SHORTEST_PERIOD_MS

MAX_INSTANCES = 500
MAX_JOBS = 10_000


class Size(msgspec.Struct, frozen=True):
    """One size of a trial: N instances, M jobs."""

    instances: int
    jobs: int


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that decides which trials are run; stored as config.json beside their results.

    `sizes` are those of `steady`, `fault_sizes` those of every other scenario. Controls run at
    the first size of each, in `steady` and in the scenario that must break them. `workload` names
    a TOML file that replaces the default jobs; M is then what the file says. With `parts` the
    bench is the union of theirs: each is these settings with its own fields instead. Strategies
    whose platform ticks in minutes run under `minute_scenarios` and at `minute_sizes` only, where
    these are named. `rare_scenarios` are run beside the others, at the first fault size and in
    `rare_trials` trials. Variants run them once, and everything at `variant_sizes` only, where
    these are given; where a platform ticks in minutes, references run them once, variants never.
    """

    profile: str = "quick"
    strategies: list[str] = []
    scenarios: list[str] = []
    rare_scenarios: list[str] = []
    rare_trials: int = 2
    variant_sizes: tuple[Size, ...] | None = None
    minute_scenarios: list[str] | None = None
    minute_sizes: tuple[Size, ...] | None = None
    sizes: tuple[Size, ...] = (Size(3, 10),)
    fault_sizes: tuple[Size, ...] = (Size(3, 10),)
    trials: int = 2
    period_s: float = 1.0
    timing: Literal["equal", "vendor", "guide"] = "equal"
    lease_s: float = 2.0
    seed: int = 1
    controls: bool = True
    workload: str | None = None
    services: dict[str, str] = {}
    links: LinkKind = "relay"
    parts: list[dict[str, Any]] = []


QUICK_STRATEGIES = [
    "redis-lock",
    "redis-lock-bare",
    "zookeeper-election",
    "etcd-election",
    "quartz",
    "quartz-skip-locked",
    "redis-queue",
    "lease-election",
    "cronjob",
]

FULL_SCENARIOS = ["steady", "crash", "pause", "partition"]  # at all sizes, in all trials

PROFILES = {
    "quick": Settings(
        strategies=QUICK_STRATEGIES,
        scenarios=["steady", "crash", "pause", "partition"],
        minute_scenarios=["steady", "crash"],
    ),
    "full": Settings(
        profile="full",
        scenarios=FULL_SCENARIOS,
        rare_scenarios=[name for name in SCENARIOS if name not in FULL_SCENARIOS],
        sizes=tuple(Size(n, m) for n in (1, 3, 10, 30) for m in (10, 100, 1000)),
        fault_sizes=(Size(3, 10), Size(10, 10)),
        variant_sizes=(Size(3, 10),),
        minute_sizes=(Size(3, 10),),
        trials=5,
    ),
}


def profile(name: str) -> Settings:
    """The settings called `name`, or read from the TOML file of that name."""
    if name in PROFILES:
        return PROFILES[name]
    path = Path(name)
    if path.suffix != ".toml":
        known = ", ".join(PROFILES)
        raise BadArguments(
            f"unknown profile {name!r}: known are {known}, or a file ending in .toml"
        )
    try:
        settings = msgspec.convert(tomllib.loads(path.read_text()), Settings)
    except OSError as error:
        raise BadArguments(f"profile {name}: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise BadArguments(f"profile {name}: {error} (docs/profiles.md shows the form)") from error
    return msgspec.structs.replace(settings, profile=path.stem)


def settings_from(
    profile_name: str,
    *,
    strategies: list[str],
    scenarios: list[str],
    instances: int | None = None,
    jobs: int | None = None,
    **asked: object,
) -> Settings:
    """A profile with what the command line asked for instead; None leaves the profile's value.

    Naming strategies leaves the controls out unless they are asked for. Raises BadArguments.
    """
    settings = profile(profile_name)
    changes = {name: value for name, value in asked.items() if value is not None}
    named = [strategies, scenarios, instances, jobs, changes]
    if settings.parts and any(one not in (None, [], {}) for one in named):
        raise BadArguments(
            f"profile {profile_name} has parts, which options cannot change: change a copy of it"
        )
    if strategies:
        changes = {"controls": False, **changes, "strategies": strategies}
    if scenarios:
        changes |= {"scenarios": scenarios, "minute_scenarios": None, "rare_scenarios": []}
    if instances is not None or jobs is not None:
        for kind in ("sizes", "fault_sizes"):
            first: Size = getattr(settings, kind)[0]
            n = first.instances if instances is None else instances
            changes[kind] = (Size(n, first.jobs if jobs is None else jobs),)
        changes |= {"minute_sizes": None, "variant_sizes": None}
    try:
        merged = msgspec.convert(
            {**msgspec.structs.asdict(settings), **changes}, Settings, from_attributes=True
        )
    except msgspec.ValidationError as error:
        raise BadArguments(str(error)) from error
    return check_settings(merged)


def check_settings(settings: Settings) -> Settings:
    """Raise BadArguments naming the first value that cannot be used; the settings, completed."""
    if settings.parts:
        for number, part in enumerate(settings.parts, 1):
            try:
                check_settings(_part(settings, part))
            except (BadArguments, msgspec.ValidationError) as error:
                raise BadArguments(
                    f"part {number} of profile {settings.profile}: {error}"
                ) from error
        return settings
    names = settings.strategies or [
        name for name, one in designs().items() if one.kind != "control"
    ]
    settings = msgspec.structs.replace(
        settings,
        strategies=names,
        scenarios=settings.scenarios or ["steady", "crash", "pause"],
    )
    for name in settings.strategies:
        known_design(name)
    further = (*settings.rare_scenarios, *(settings.minute_scenarios or ()))
    for name in (*settings.scenarios, *further):
        scenario(name)
    others = (*(settings.variant_sizes or ()), *(settings.minute_sizes or ()))
    for size in (*settings.sizes, *settings.fault_sizes, *others):
        within("N (instances)", size.instances, 1, MAX_INSTANCES)
        within("M (jobs)", size.jobs, 1, MAX_JOBS)
    if settings.workload:
        load_workload(Path(settings.workload))
    within("k (trials)", settings.trials, 1, 1000)
    within("k (rare_trials)", settings.rare_trials, 1, 1000)
    within("the period", settings.period_s, SHORTEST_PERIOD_MS / 1000, 86_400, "s")
    within("the lease", settings.lease_s, 0.5, 3600, "s")
    return settings


def known_design(name: str) -> Design:
    """The design called `name`, or BadArguments with the nearest names."""
    try:
        return design(name)
    except UnknownStrategy as error:
        raise BadArguments(str(error)) from error


def plans(settings: Settings) -> Iterator[Plan]:
    """Every trial of a bench, in the order of its matrix; one that two parts ask for, once."""
    if settings.parts:
        parts = [check_settings(_part(settings, part)) for part in settings.parts]
        asked = (one for part in parts for one in plans(part))
        yield from {(one.record().cell, one.k): one for one in asked}.values()
        return
    given = load_workload(Path(settings.workload)) if settings.workload else None
    for name, scenario_name, size in cells(settings):
        for k in range(1, _trials(settings, design(name), scenario_name) + 1):
            yield plan(settings, name, scenario_name, size, k, given)


def _trials(settings: Settings, one: Design, scenario_name: str) -> int:
    if scenario_name not in settings.rare_scenarios:
        return settings.trials
    return 1 if one.grain_s or one.kind == "variant" else settings.rare_trials


def _part(settings: Settings, part: dict[str, Any]) -> Settings:
    """The settings with what a part says instead; raises msgspec.ValidationError."""
    whole: dict[str, Any] = msgspec.to_builtins(settings)
    return msgspec.convert({**whole, "parts": [], **part}, Settings)


def cells(settings: Settings) -> Iterator[tuple[str, str, Size]]:
    """(strategy, scenario, size) of every cell."""
    for name in settings.strategies:
        for scenario_name in _scenarios_of(design(name), settings):
            for size in _sizes_of(design(name), scenario_name, settings):
                yield name, scenario_name, size
    if settings.controls:
        yield from _control_cells(settings)


def plan(
    settings: Settings,
    name: str,
    scenario_name: str,
    size: Size,
    k: int,
    given: Workload | None = None,
) -> Plan:
    """One trial of the bench. Its seed follows from the bench's seed and what it is.

    `given` is the workload that was read from a file; without it there are as many jobs as asked.
    """
    words = f"{settings.seed}/{name}/{scenario_name}/{size.instances}/{size.jobs}/{k}"
    chosen, timing = design(name), Timing(settings.timing, settings.lease_s)
    workload = given or _made(settings, chosen, size)
    planned = scenario(scenario_name)
    # What outlasts a lease elsewhere outlasts a tick of the platform here.
    lease_s = max(lease_of(timing, chosen.bounds(timing)), chosen.grain_s)
    if why := planned.overlap(lease_s, workload.period_s):
        raise BadArguments(f"scenario {planned.file or planned.name}: {why} (lease {lease_s:g} s)")
    return Plan(
        design=chosen,
        scenario=planned,
        instances=size.instances,
        workload=planned.load.shape(workload, lease_s),
        timing=timing,
        k=k,
        seed=zlib.crc32(words.encode()),
        links=settings.links,
    )


def _made(settings: Settings, one: Design, size: Size) -> Workload:
    """As many jobs as asked, due as often as the design's grain allows."""
    period_s = period_for(size.instances, size.jobs, settings.period_s)
    if not one.grain_s:
        return default_workload(size.jobs, period_s)
    return grain.workload(size.jobs, period_s, one.grain_s)


def _control_cells(settings: Settings) -> Iterator[tuple[str, str, Size]]:
    asked = set(settings.strategies)
    for one in designs().values():
        if one.kind == "control" and one.name not in asked:
            for scenario_name in _scenarios_of(one, settings):
                yield one.name, scenario_name, _sizes_of(one, scenario_name, settings)[0]


def _scenarios_of(one: Design, settings: Settings) -> list[str]:
    if one.grain_s and settings.minute_scenarios is not None:
        return [name for name in settings.scenarios if name in settings.minute_scenarios]
    asked = [*settings.scenarios, *settings.rare_scenarios]
    if one.kind != "control":
        return settings.scenarios if one.grain_s and one.kind == "variant" else asked
    breaking = {breaks.scenario for breaks in one.breaks} | {"steady"}
    return [name for name in asked if name in breaking]


def _sizes_of(one: Design, scenario_name: str, settings: Settings) -> tuple[Size, ...]:
    if one.grain_s and settings.minute_sizes is not None:
        return settings.minute_sizes
    if one.kind == "variant" and settings.variant_sizes is not None:
        return settings.variant_sizes
    sizes = settings.sizes if scenario_name == "steady" else settings.fault_sizes
    if scenario_name in settings.rare_scenarios:
        sizes = sizes[:1]
    # A control at N = 1 cannot break: there is nobody to collide with.
    if one.kind == "control":
        return tuple(size for size in sizes if size.instances > 1) or (Size(3, 10),)
    return sizes


def within(what: str, value: float, low: float, high: float, unit: str = "") -> None:
    """Raise BadArguments unless low <= value <= high."""
    if not low <= value <= high:
        raise BadArguments(f"{what} is {value:g}{unit}: expected {low:g} to {high:g}{unit}")
