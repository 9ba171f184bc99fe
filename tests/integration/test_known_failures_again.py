"""Two known failures found again on real servers: the quickest, so that the command stays true."""

from pathlib import Path

import pytest

from bench.errors import Exit
from bench.known_failures.command import run_failures

# A bench repeats what the machine was too busy for, up to three times a trial.
pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.timeout(400)]


def test_known_failures_are_found_again_and_a_page_is_made_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = ["every-replica-its-own-scheduler", "lease-under-a-long-job"]
    page = tmp_path / "page.md"
    marks = "<!-- made by: coordbench known-failures --all -->\n<!-- end of what is made -->\n"
    page.write_text(f"before\n{marks}after\n")
    assert run_failures(ids, tmp_path / "results", None, page) == Exit.KEPT
    said = capsys.readouterr().out
    for id_ in ids:
        assert f"{id_}: found again in " in said
    assert page.read_text().startswith("before\n")
    assert page.read_text().endswith("after\n")
    assert "kleppmann.com" in page.read_text()
