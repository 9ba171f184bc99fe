"""What the common guides to job scheduling state, beside what we measured.

    from pathlib import Path
    from bench.claims import judge_claims, table
    from bench.evidence import read_evidence

    evidence = read_evidence([Path("results/latest"), Path("results/claims/latest")])
    table(evidence)       # a data frame, one row per part of a claim

`coordbench claims` prints it; `make claims` runs the experiments that it needs beside a bench.
"""

from typing import Any

from bench.claims.rules import judge_claims
from bench.evidence import Evidence


def table(evidence: Evidence) -> Any:
    """One row per part of a claim, the columns of docs/claims.md, as a data frame."""
    import msgspec
    import pandas as pd

    from bench.claims.model import Line

    lines = [line for one in judge_claims(evidence) for line in one.lines]
    return pd.DataFrame(
        [msgspec.structs.asdict(line) for line in lines], columns=list(Line.__struct_fields__)
    )


__all__ = ["judge_claims", "table"]
