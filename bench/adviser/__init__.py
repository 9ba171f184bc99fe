"""Which design for which service: advice from measured cells and stated rules.

from bench.adviser import advise, load_case
advice = advise(load_case(Path("case.toml")), "results/latest")
advice.best.design, [point.why for point in advice.best.points]
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from bench.adviser.advice import Advice, Change, Option, advise_on
from bench.adviser.case import Case, checked, load_case
from bench.adviser.point import Point
from bench.evidence import Evidence, read_evidence


def advise(case: Case, results: Evidence | str | Path | Sequence[str | Path]) -> Advice:
    """Advice on a case, from evidence or from one or more results directories.

    Raises BadArguments for a case that cannot be used, InvalidResults for what is no result set.
    """
    case = checked(msgspec.structs.asdict(case))
    if isinstance(results, Evidence):
        return advise_on(case, results)
    paths = [results] if isinstance(results, str | Path) else results
    return advise_on(case, read_evidence(Path(path) for path in paths))


__all__ = ["Advice", "Case", "Change", "Option", "Point", "advise", "checked", "load_case"]
