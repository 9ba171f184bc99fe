"""`coordbench advise`: from a file, flags or answers to advice, printed or written."""

import sys
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console

from bench.adviser.advice import advise_on
from bench.adviser.asking import ask
from bench.adviser.case import Case, checked, load_case
from bench.adviser.record import decision_record
from bench.adviser.showing import show, to_json
from bench.claims.command import evidence_of
from bench.errors import BadArguments, Exit

FORMATS = ("table", "json")


def advise(
    file: Path | None,
    flags: Mapping[str, Any],
    sets: Sequence[Path],
    form: str,
    adr: Path | None,
) -> int:
    """Print the advice in one of FORMATS, and write the record; the exit code."""
    if form not in FORMATS:
        raise BadArguments(f"format {form!r}: expected one of {', '.join(FORMATS)}")
    evidence = evidence_of(sets)
    case = case_of(file, {name: value for name, value in flags.items() if value is not None})
    advice = advise_on(case, evidence)
    if form == "json":
        sys.stdout.write(to_json(advice))
    else:
        show(Console(highlight=False), advice)
    if adr is not None:
        _write(adr, decision_record(advice, date.today()))
        print(f"{adr}", file=sys.stderr if form == "json" else sys.stdout)
    return Exit.KEPT


def case_of(file: Path | None, flags: Mapping[str, Any]) -> Case:
    """The case of a file with flags over it; of flags alone, or of answers at a terminal."""
    if file is not None:
        return checked({**_given(load_case(file)), **flags})
    if sys.stdin.isatty() and sys.stdout.isatty():
        return ask(Console(highlight=False), dict(flags))
    return checked(dict(flags))


def _given(case: Case) -> dict[str, Any]:
    return {name: value for name, value in msgspec.structs.asdict(case).items() if value != ()}


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError as error:
        raise BadArguments(f"{path}: cannot be written: {error.strerror}") from error
