"""`coordbench claims`: judge the claims on result sets; with `--run`, measure what they need."""

import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from bench.claims.rules import judge_claims
from bench.claims.showing import FORMATS, lines_of, show, to_csv, to_json, to_markdown
from bench.errors import BadArguments, Exit, InvalidResults
from bench.evidence import Evidence, read_evidence

RESULTS = Path("results/latest")
MEASURED = Path("results/claims")


def claims(sets: Sequence[Path], form: str, *, run: bool, only: Sequence[str], out: Path) -> int:
    """Print the table in one of FORMATS; the exit code."""
    if form not in FORMATS:
        raise BadArguments(f"format {form!r}: expected one of {', '.join(FORMATS)}")
    console = Console(highlight=False)
    if run or only:
        from bench.claims.running import run_claims

        run_claims(out, only, Console(highlight=False, stderr=form != "table"))
    judged = judge_claims(evidence_of(sets, out))
    if form == "table":
        show(console, judged)
    elif form == "md":
        sys.stdout.write(to_markdown(judged))
    else:
        sys.stdout.write({"csv": to_csv, "json": to_json}[form](lines_of(judged)))
    return Exit.KEPT


def evidence_of(sets: Sequence[Path], out: Path = MEASURED) -> Evidence:
    """The evidence of the given sets, else of the published one, and of the claims' own runs."""
    own = [out / "latest"] if (out / "latest" / "config.json").is_file() else []
    chosen = list(sets) or _usual()
    if not chosen and not own:
        raise InvalidResults(
            f"no results at {RESULTS}: coordbench bench makes them, or name a directory of results"
        )
    return read_evidence([*chosen, *own])


def _usual() -> list[Path]:
    """The newest published set; where there is none, the newest results."""
    from bench.loaded import find

    try:
        return [find(None)]
    except InvalidResults:
        return [RESULTS] if (RESULTS / "config.json").is_file() else []
