"""Scenarios that people write, one TOML file each (docs/scenarios.md).

    summary = "The leader's network is slow to answer, then gone. Who notices first?"
    stress = "partition"
    load = { aligned = true }

    [[faults]]
    fault = { kind = "delay", seconds = "0.1L" }
    target = "holder"
    after = "2s"
    heal = { after = "3s" }

Times are numbers with a unit: ms, s, m, h, or leases (L) and, for heal, periods (P).
"""

import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import msgspec

from bench.errors import BadArguments
from bench.load import Load
from bench.scenario import (
    After,
    FleetFault,
    Healing,
    Migrate,
    OnceTakenOver,
    PlannedFault,
    ScaleOut,
    Scenario,
    Target,
)
from bench.workload import UNITS_S
from chaos.clock import DriftClock, StepClock
from chaos.faults import Fault
from chaos.links.faults import Delay, Drop, HalfOpen, Partition, Reset
from chaos.processes import Kill, Pause, Relocate, Terminate
from chaos.services import (
    ExhaustConnections,
    FailOver,
    KillService,
    PartServers,
    PauseService,
    RestartService,
    SlowDisk,
    StepServiceClock,
)
from chaos.squeeze import SqueezeCpu, SqueezeMemory
from chaos.suspend import Suspend
from strategies.catalogue import nearest
from strategies.interface import Stress

KINDS: dict[str, type[Any]] = {
    "kill": Kill,
    "pause": Pause,
    "suspend": Suspend,
    "terminate": Terminate,
    "relocate": Relocate,
    "cpu-squeeze": SqueezeCpu,
    "memory-squeeze": SqueezeMemory,
    "partition": Partition,
    "half-open": HalfOpen,
    "delay": Delay,
    "drop": Drop,
    "reset": Reset,
    "service-kill": KillService,
    "service-pause": PauseService,
    "service-restart": RestartService,
    "service-failover": FailOver,
    "service-partition": PartServers,
    "service-clock": StepServiceClock,
    "service-slow-disk": SlowDisk,
    "connection-exhaustion": ExhaustConnections,
    "clock": StepClock,
    "clock-drift": DriftClock,
    "scale-out": ScaleOut,
    "migrate": Migrate,
}


class _Heal(msgspec.Struct, forbid_unknown_fields=True):
    after: str | None = None
    taken_over: tuple[str, str] | None = None


class _FaultTable(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    fault: dict[str, Any]
    target: Target
    after: str = "2s"
    jitter: str = "1s"
    heal: _Heal | None = None


class _ScenarioFile(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    summary: str
    stress: Stress
    name: str = ""
    expect: str = ""
    load: Load = msgspec.field(default_factory=Load)
    faults: list[_FaultTable] = []


class _Wrong(ValueError):
    """What is wrong with a scenario, before it is known in which file."""


@dataclass(frozen=True)
class Length:
    """A length of time in seconds, leases and periods."""

    seconds: float = 0.0
    leases: float = 0.0
    periods: float = 0.0

    @classmethod
    def read(cls, text: str) -> "Length":
        """From '1.5L', '3P', '200ms'."""
        match = re.fullmatch(r"\s*(-?\d+(?:\.\d+)?)\s*(ms|s|min|m|h|L|P)\s*", text)
        if not match:
            raise _Wrong(
                f"{text!r} is no length of time: expected a number and ms, s, m, h, L or P"
            )
        number, unit = float(match[1]), match[2]
        if unit == "L":
            return cls(leases=number)
        return cls(periods=number) if unit == "P" else cls(seconds=number * UNITS_S[unit])


def load_scenario(path: Path) -> Scenario:
    """Read a scenario; raises BadArguments naming the file and what is wrong in it."""
    try:
        file = msgspec.convert(tomllib.loads(path.read_text()), _ScenarioFile)
        faults = tuple(_planned(table) for table in file.faults)
    except OSError as error:
        raise BadArguments(f"scenario {path}: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError, _Wrong) as error:
        raise BadArguments(
            f"scenario {path}: {error} (docs/scenarios.md shows the form)"
        ) from error
    name = file.name or path.stem
    return Scenario(name, file.stress, file.summary, faults, file.load, file.expect, str(path))


def _planned(table: _FaultTable) -> PlannedFault:
    make = _maker(table.fault)
    after_s, jitter_s = (_seconds(text) for text in (table.after, table.jitter))
    healing = _healing(table.heal) if table.heal else None
    planned = PlannedFault(make, table.target, after_s, jitter_s, healing)
    _check(planned)
    return planned


def _maker(given: dict[str, Any]) -> Callable[[float], Fault[Any] | FleetFault]:
    kind = given.get("kind")
    if kind not in KINDS:
        raise _Wrong(f"unknown fault {kind!r}: {nearest(str(kind), KINDS)}")
    settings = {name: value for name, value in given.items() if name != "kind"}
    known = [one.name for one in fields(KINDS[kind]) if not one.name.startswith("_")]
    for name in settings:
        if name not in known:
            expected = ", ".join(known) or "nothing but its kind"
            raise _Wrong(f"fault {kind} has no {name!r}: expected {expected}")
    lengths = {name: _length(value) for name, value in settings.items()}

    def make(lease_s: float) -> Fault[Any] | FleetFault:
        scaled = {
            name: one.seconds + one.leases * lease_s if isinstance(one, Length) else one
            for name, one in lengths.items()
        }
        made: Fault[Any] | FleetFault = msgspec.convert(scaled, KINDS[kind])
        return made

    try:
        make(1.0)
    except msgspec.ValidationError as error:
        raise _Wrong(f"fault {kind}: {error}") from error
    return make


def _length(value: Any) -> Any:
    """A length of time where it reads like one; else the value as it is."""
    if isinstance(value, str) and re.match(r"\s*-?\d", value):
        return Length.read(value)
    return value


def _seconds(text: str) -> float:
    length = Length.read(text)
    if length.leases or length.periods or length.seconds < 0:
        raise _Wrong(f"{text!r}: a fault strikes at a time in seconds, not before the load begins")
    return length.seconds


def _healing(heal: _Heal) -> Healing:
    if heal.after is not None and heal.taken_over is None:
        length = Length.read(heal.after)
        if min(length.seconds, length.leases, length.periods) < 0:
            raise _Wrong(f"heal after {heal.after!r}: expected 0 or more")
        return After(length.leases, length.periods, length.seconds)
    if heal.taken_over is not None and heal.after is None:
        first, last = (Length.read(text) for text in heal.taken_over)
        if first.seconds or last.seconds or not 0 <= first.leases <= last.leases:
            raise _Wrong('heal taken_over: expected two lengths in leases, like ["1.5L", "3L"]')
        return OnceTakenOver(first.leases, last.leases)
    raise _Wrong('heal: give either after = "3s" or taken_over = ["1.5L", "3L"]')


def _check(planned: PlannedFault) -> None:
    """The fault and its target must fit each other."""
    if planned.acts_on != "fleet" and (planned.acts_on == "service") != (
        planned.target == "service"
    ):
        raise _Wrong(f"a fault of a {planned.acts_on} cannot have the target {planned.target!r}")
    if isinstance(planned.healing, OnceTakenOver) and planned.target != "holder":
        raise _Wrong('heal taken_over needs the target "holder"')
    if planned.acts_on == "fleet" and planned.healing is None:
        raise _Wrong("this fault needs a heal: when the old instances are to end")
