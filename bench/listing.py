"""What there is: strategies with their promises, scenarios, services; and the doctor's findings."""

from rich.console import Console
from rich.table import Table

from bench.doctor import doctor, fault_rows, link_rows
from bench.errors import BadArguments, Exit
from bench.scenario import Scenario
from bench.scenarios import SCENARIOS
from bench.services import SERVICES
from bench.terminal import say
from strategies.catalogue import designs
from strategies.interface import ANYTHING, Allowed, Design

KINDS = ("strategies", "scenarios", "services")
PROMISED = ("steady", "crash", "pause", "partition")


def print_list(what: str) -> None:
    """Print one of the lists, or all of them."""
    if what not in (*KINDS, "all"):
        raise BadArguments(f"cannot list {what!r}: expected {', '.join(KINDS)} or all")
    console = Console(highlight=False)
    if what in ("strategies", "all"):
        console.print(_strategies())
        console.print("may happen: d duplicate, o overlap, m missed, i interrupted, * anything\n")
        console.print(_summaries())
        console.print(_controls())
    if what in ("scenarios", "all"):
        console.print(_scenarios())
    if what in ("services", "all"):
        console.print(_services())


def print_doctor() -> int:
    """Print, service by service, what a bench would use and what is missing."""
    console = Console(highlight=False)
    rows = doctor()
    table = _table("service", "provider", "where")
    for row in rows:
        table.add_row(row.service, row.provider or "none", row.where)
    console.print(table)
    console.print(_chaos())
    for row in rows:
        reasons = row.missing.items()
        say(console, (f"{row.service} by {provider}: {why}" for provider, why in reasons))
    return Exit.KEPT if all(row.works for row in rows) else Exit.INVALID


def _chaos() -> Table:
    """Which links and faults can be had here, those that cannot with the reason."""
    table = _table("chaos", "here")
    for kind, why in link_rows().items():
        table.add_row(f"links by {kind}", "available" if why is None else f"unavailable: {why}")
    rows = fault_rows()
    for kind, why in rows.items():
        if why is not None:
            table.add_row(kind, f"unavailable: {why}")
    table.add_row("faults", ", ".join(sorted(kind for kind, why in rows.items() if why is None)))
    return table


def _strategies() -> Table:
    table = _table("strategy", "service", *PROMISED)
    for one in designs().values():
        if one.kind != "control":
            may = (_may(one, stress) for stress in PROMISED)
            table.add_row(one.name, " ".join(one.services) or "-", *may)
    return table


def _summaries() -> Table:
    table = _table("strategy", "what it is")
    for one in designs().values():
        table.add_row(one.name, one.summary)
    return table


def _may(one: Design, stress: str) -> str:
    allowed = one.promise.under.get(stress, ANYTHING)  # type: ignore[call-overload]
    if allowed == ANYTHING:
        return "*"
    return _letters(allowed) or "-"


def _letters(allowed: Allowed) -> str:
    flags = {
        "d": allowed.duplicates,
        "o": allowed.overlaps,
        "m": allowed.missed,
        "i": allowed.interrupted,
    }
    return "".join(letter for letter, may in flags.items() if may)


def _controls() -> Table:
    table = _table("control", "breaks in", "by", "because")
    for one in designs().values():
        for breaks in one.breaks:
            predicate = f"{breaks.column} >= {breaks.at_least:g}"
            table.add_row(one.name, breaks.scenario, predicate, breaks.why)
    return table


def _scenarios() -> Table:
    table = _table("scenario", "what it is")
    for one in SCENARIOS.values():
        table.add_row(one.name, f"{one.summary}\n[dim]{_stress(one)}[/dim]")
    return table


def _stress(scenario: Scenario) -> str:
    """What to expect of a scenario, which controls must break under it, and why it is not run."""
    told = f"expect: {scenario.expect}"
    controls = [
        one.name
        for one in designs().values()
        if any(breaks.scenario == scenario.name for breaks in one.breaks)
    ]
    if controls:
        told += f"; must break: {', '.join(controls)}"
    lacking = (planned.unavailable() for planned in scenario.faults)
    if why := next((why for why in lacking if why), None):
        told += f"; not run: {why}"
    return told


def _services() -> Table:
    table = _table("service", "providers, in this order")
    for name, providers in SERVICES.items():
        table.add_row(name, ", ".join(one.name for one in providers))
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for number, name in enumerate(columns):
        table.add_column(name, no_wrap=number == 0, overflow="fold")
    return table
