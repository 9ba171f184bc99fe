"""What a design costs to run in a case: servers, operations, processor time, lines, steps."""

import msgspec

from bench.adviser.case import SPIKE, Case
from bench.adviser.facts import Known, stated
from bench.adviser.load import demand, lease_for
from bench.code_lines import code_lines


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """Operations are as the service counts them; None where no cell has any.

    `new_servers` are those that are not operated yet. `setup` are the steps, in order.
    """

    new_servers: int
    operations_per_s: float | None
    peak_operations_per_s: float | None
    idle_operations_per_s: float | None
    cpu_cores: float | None
    lines_of_code: int
    setup: tuple[str, ...]
    assumptions: tuple[str, ...]
    extrapolated: bool = False
    cell: str = ""


def estimate(case: Case, known: Known) -> Estimate:
    """The estimate of one design, its assumptions beside it."""
    new = [name for name in known.design.services if name not in case.operated]
    described = stated()["services"]
    wanted = demand(known, case)
    steps = [step for name in new for step in described[name]["steps"]]
    assumed = [f"{name}: {described[name]['note']}" for name in known.design.services]
    assumed.append(f"fires: {case.fires_per_s:.3g}/s on average, {case.peak_per_s:.3g}/s at peaks")
    if case.spikes:
        assumed.append(f"a spike is taken for {SPIKE} times the average")
    if wanted:
        assumed.append(f"operations per fire as in {wanted.cell}")
        if wanted.waiting != 1:
            assumed.append(f"losers ask on while a run lasts, {case.longest_run} each")
        assumed.append(f"idle operations at a lease of {lease_for(known, case):.2g} s")
    return Estimate(
        new_servers=sum(described[name]["servers"] for name in new),
        operations_per_s=_rounded(wanted.mean_per_s if wanted else None),
        peak_operations_per_s=_rounded(wanted.peak_per_s if wanted else None),
        idle_operations_per_s=_rounded(wanted.idle_per_s if wanted else None),
        cpu_cores=_rounded(wanted.cpu_cores if wanted else None),
        lines_of_code=code_lines(known.name),
        setup=(*steps, *stated()["setup"][known.design.family]),
        assumptions=tuple(assumed),
        extrapolated=bool(wanted and wanted.extrapolated),
        cell=wanted.cell if wanted else "",
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.3g}")
