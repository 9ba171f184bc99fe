"""`make pages`: write the measured parts of docs/claims.md and docs/adviser.md anew.

    python -m bench.pages [RESULTS...]      (none: the published set)

A page keeps what people wrote; between its two marks stands what the results give.
"""

import sys
from collections.abc import Callable
from pathlib import Path

from bench.adviser.page import measured_part as advice_part
from bench.claims.page import measured_part as claims_part
from bench.errors import BenchError, InvalidResults
from bench.evidence import REPOSITORY, Evidence, read_evidence
from bench.loaded import find

BEGIN = "<!-- measured: from here on written by `make pages` -->"
END = "<!-- end of what is measured -->"
PAGES: dict[str, Callable[[Evidence], str]] = {
    "claims.md": claims_part,
    "adviser.md": advice_part,
}


def written(text: str, part: str) -> str:
    """A page with its measured part replaced; raises InvalidResults where it has no marks."""
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise InvalidResults(f"the page has no place for what is measured: {BEGIN} ... {END}")
    return f"{head}{BEGIN}\n\n{part}\n\n{END}{tail}"


def main(arguments: list[str]) -> int:
    """Write both pages; 2 with one line when there is nothing to write from."""
    try:
        evidence = read_evidence([Path(one) for one in arguments] or [find(None)])
        for name, part in PAGES.items():
            path = REPOSITORY / "docs" / name
            path.write_text(written(path.read_text(), part(evidence)))
            sys.stdout.write(f"docs/{name}\n")
    except BenchError as error:
        sys.stderr.write(f"coordbench: {error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
