"""The claims as a table: every line in every form, within 80 columns, and the committed pages."""

import csv
import io
import json
import re
from pathlib import Path

import msgspec
import pytest
from rich.console import Console
from written_rows import crash, evidence, rate, steady

from bench.claims import judge_claims, table
from bench.claims.command import claims
from bench.claims.experiments import EXPERIMENTS
from bench.claims.listings import LISTINGS
from bench.claims.model import Line
from bench.claims.page import measured_part
from bench.claims.running import TRIALS, run_claims
from bench.claims.showing import lines_of, show, to_csv, to_json, to_markdown
from bench.claims.trials import claim_settings
from bench.errors import BadArguments, InvalidResults
from bench.evidence import REPOSITORY, Evidence
from bench.pages import BEGIN, END, written
from bench.settings import plans
from strategies.catalogue import designs

DOCS = REPOSITORY / "docs"
SOME = evidence(
    steady("redis-lock"),
    crash("redis-lock", 2.0),
    rate("redis-queue", "pause", 2),
    split={"rounds": 10, "both": 10},
)
ASKED_FOR = {
    "claim", "stated", "measured", "low", "high", "unit", "verdict", "command", "evidence",
}  # fmt: skip


def test_the_table_has_a_row_per_part_and_the_columns_that_were_asked_for():
    frame = table(SOME)
    assert set(frame.columns) >= ASKED_FOR
    assert set(range(1, 30)) == set(frame["number"])
    split = frame[frame["part"].str.contains("Redis split")].iloc[0]
    assert (split["measured"], split["verdict"]) == (100, "confirmed")
    assert split["low"] < 100 == split["high"]


def test_without_evidence_the_table_is_still_whole():
    assert set(table(Evidence())["verdict"]) >= {"not measured", "open", "not measurable"}


def test_csv_and_json_hold_the_same_lines():
    lines = lines_of(judge_claims(SOME))
    read = list(csv.DictReader(io.StringIO(to_csv(lines))))
    assert [one["part"] for one in read] == [one.part for one in lines]
    decoded = msgspec.json.decode(to_json(lines), type=list[Line])
    assert decoded == lines
    assert json.loads(read[0]["evidence"]) == list(lines[0].evidence)


def test_the_text_fits_80_columns_but_for_commands():
    out = io.StringIO()
    show(Console(file=out, width=80, highlight=False), judge_claims(SOME))
    for line in out.getvalue().splitlines():
        assert len(line) <= 80 or line.strip().startswith("coordbench "), line
    assert "29 claims:" in out.getvalue()


def test_the_markdown_has_one_row_per_claim():
    rows = to_markdown(judge_claims(SOME)).splitlines()[2:]
    assert [row.split(" | ")[0] for row in rows] == [f"| {number}" for number in range(1, 30)]


def test_a_format_that_is_none_and_results_that_are_not_there_are_one_line(tmp_path):
    with pytest.raises(BadArguments, match="format 'xml': expected one of table, md, csv, json"):
        claims([], "xml", run=False, only=[], out=tmp_path)
    with pytest.raises(InvalidResults, match="coordbench bench makes one"):
        claims([tmp_path / "none"], "table", run=False, only=[], out=tmp_path)


def test_an_unknown_experiment_names_the_nearest(tmp_path):
    with pytest.raises(BadArguments, match="unknown experiment 'drains': did you mean drain"):
        run_claims(tmp_path, ["drains"], Console())
    assert list(tmp_path.iterdir()) == []


def test_every_command_of_a_claim_names_what_exists():
    """Strategies, and experiments of `--only`."""
    known = designs()
    for judged in judge_claims(Evidence()):
        for finding in judged.findings:
            if named := re.search(r"--strategies (\S+)", finding.command):
                assert set(named[1].split(",")) <= known.keys(), finding.command
            if named := re.search(r"--only (\S+)", finding.command):
                assert named[1] in {*EXPERIMENTS, TRIALS}


def test_the_trials_of_the_claims_are_few_enough():
    planned = list(plans(claim_settings()))
    assert 20 <= len(planned) <= 40
    assert sum(one.expected_s for one in planned) < 25 * 60  # half of it CronJob's minutes


def test_every_experiment_together_takes_less_than_five_minutes():
    assert sum(one.expected_s for one in EXPERIMENTS.values()) < 5 * 60


def test_every_listing_is_short_says_what_to_do_instead_and_names_real_designs():
    assert len({one.key for one in LISTINGS}) == len(LISTINGS) >= 14
    for one in LISTINGS:
        assert 0 < one.lines <= 25, one.key
        assert one.says
        assert one.instead
        assert not one.matrix or one.matrix in designs()


def test_the_committed_page_shows_the_code_that_runs():
    page = (DOCS / "claims.md").read_text()
    for one in LISTINGS:
        assert f"```python\n{one.source.rstrip()}\n```" in page, f"make pages: {one.key}"


def test_a_page_keeps_what_people_wrote():
    page = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    assert written(page, "new") == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"
    with pytest.raises(InvalidResults, match="no place"):
        written("a page without marks", "new")


def test_the_page_tells_what_a_listing_did_or_how_to_see_it():
    seen = {one.key: {"hits": 3, "of": 5, "what": "fires ran twice"} for one in LISTINGS}
    assert measured_part(evidence(listings=seen)).count("- seen: 3 of 5 fires ran twice") == len(
        LISTINGS
    )
    assert "coordbench claims --run --only listings" in measured_part(Evidence())


@pytest.mark.parametrize("name", ["claims.md", "adviser.md"])
def test_the_committed_pages_are_what_their_results_give(name):
    """Of a set that is in the repository; `make pages` writes them."""
    from bench.evidence import read_evidence
    from bench.pages import PAGES

    page = (DOCS / name).read_text()
    found = re.search(r"^From (.*)\.$", page, re.MULTILINE)
    assert found
    sources = [REPOSITORY / one for one in found[1].split(", ")]
    if all(_is_committed(one) for one in sources):
        assert written(page, PAGES[name](read_evidence(sources))) == page


def _is_committed(path: Path) -> bool:
    return path.is_relative_to(REPOSITORY / "published") and (path / "config.json").is_file()


def test_runs_that_begin_once_the_server_is_back_are_not_runs_without_it(monkeypatch, tmp_path):
    """The fault ends when the server answers again; it was away for three periods and a lease."""
    from types import SimpleNamespace as Some

    from bench.claims import trials
    from strategies.model import Timing

    fault = Some(t=100.0, heal_s=105.8)
    record = Some(scenario="service-outage", strategy="redis-lock", timing=Timing(), period_s=1.0)
    judged = Some(record=record, metrics=Some(faults=[fault]), verdict=Some(status="ok"))
    kept = Some(kept=lambda: [(tmp_path, judged)])
    asked = []
    monkeypatch.setattr(
        trials, "_between", lambda _, *span: asked.append(span) or {"due": 40, "began": 0}
    )
    assert trials.outage_runs(kept) == {"redis-lock": {"due": 40, "began": 0}}
    assert asked == [(101.0, 105.0)]
