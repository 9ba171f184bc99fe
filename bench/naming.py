"""What a row of the matrix is called: as much of its cell as tells it from the others."""

from collections import Counter, defaultdict
from collections.abc import Iterable

from bench.record import Cell


def timings_apart(cells: Iterable[Cell]) -> dict[Cell, str]:
    """The timing of each cell whose strategy, scenario, N and M another has too; else nothing.

    The profile alone where that is enough, as in 'vendor'; else with its lease, as in 'equal 2 s'.
    """
    alike: defaultdict[tuple[str, str, int, int], set[Cell]] = defaultdict(set)
    for cell in cells:
        alike[cell.strategy, cell.scenario, cell.instances, cell.jobs].add(cell)
    return {cell: _timing(cell, group) for group in alike.values() for cell in group}


def names(cells: Iterable[Cell]) -> dict[Cell, list[str]]:
    """Each cell in a few words: 'quartz', 'steady', and '3x10' and 'vendor' where they are needed.

    The size is said where another cell has the same strategy and scenario; the timing, where it
    has the same size too.
    """
    known = set(cells)
    groups = Counter((cell.strategy, cell.scenario) for cell in known)
    timings = timings_apart(known)
    named = {}
    for cell in known:
        size = [f"{cell.instances}x{cell.jobs}"] if groups[cell.strategy, cell.scenario] > 1 else []
        timing = [timings[cell]] if timings[cell] else []
        named[cell] = [cell.strategy, cell.scenario, *size, *timing]
    return named


def _timing(cell: Cell, alike: set[Cell]) -> str:
    if len(alike) == 1:
        return ""
    same_profile = [one for one in alike if one.timing == cell.timing]
    return cell.timing if len(same_profile) == 1 else f"{cell.timing} {cell.lease_s:g} s"
