"""report.html: what it holds, also when there is nothing, not everything, or something hostile."""

import json
import re

import pytest
from report_stories import directory, paused_holder
from written_histories import Story

from bench.commands import make_report
from bench.errors import InvalidResults
from bench.matrix import NotRun
from bench.record import Cell, TrialRecord
from bench.report import write_report
from bench.report.page import as_script, percent
from strategies.interface import Allowed

RECORD = TrialRecord(strategy="redis-lock", scenario="pause", jobs=1, command="coordbench trial x")
HOSTILE = "</script><img src=x onerror=alert(1)> \"'& \u0645\u0647\u0645\u0629 \U0001f570 \u2028"


def healthy() -> Story:
    return Story().job().due(10.0).run(10.0, 10.0, 10.4)


def data_of(page: str, element: str = "data"):
    found = re.search(rf'<script type="application/json" id="{element}">(.*?)</script>', page, re.S)
    assert found
    return json.loads(found[1])


def test_the_page_lies_in_the_results_directory_and_needs_no_network(tmp_path):
    path = write_report(directory(tmp_path, (paused_holder(), RECORD)))
    page = path.read_text()
    assert path.name == "report.html"
    assert "default-src 'none'" in page
    assert not re.search(r"""(src|href)=["']?(https?:)?//|@import|url\(""", page)


def test_every_cell_has_its_rate_interval_and_status_in_the_page_itself(tmp_path):
    page = write_report(directory(tmp_path, (paused_holder(), RECORD))).read_text()
    table = page[page.index('<table class="matrix"') : page.index("</table>")]
    assert "redis-lock" in table
    assert "broken" in table
    assert "50 %" in table
    assert "allowed" not in table


def test_what_the_design_allows_is_said_beside_the_rate(tmp_path):
    record = TrialRecord(
        strategy="redis-lock", scenario="pause", allowed=Allowed(duplicates=True, overlaps=True)
    )  # fmt: skip
    page = write_report(directory(tmp_path, (paused_holder(), record))).read_text()
    assert ">allowed</em>" in page


def test_a_trial_carries_its_timeline_verdict_story_and_command(tmp_path):
    page = write_report(directory(tmp_path, (paused_holder(), RECORD))).read_text()
    trial = data_of(page)["trials"][0]
    assert trial["verdict"]["status"] == "broken"
    assert trial["record"]["command"] == "coordbench trial x"
    timeline = data_of(page, "trial-0")
    assert timeline["instances"] == ["i1", "i2"]
    assert [len(column) for column in timeline["runs"]] == [3] * 9
    assert timeline["faults"][0]["kind"] == "pause"
    assert timeline["stories"][0]["id"].startswith("report@")


def test_names_cannot_become_markup(tmp_path):
    story = paused_holder(HOSTILE, first=HOSTILE, second="i2 <b>")
    record = TrialRecord(strategy="<i>mine", scenario="x<u>", jobs=1, command=HOSTILE)
    page = write_report(directory(tmp_path, (story, record))).read_text()
    for tag in ("<img", "<i>mine", "<u>", "i2 <b>", "\u2028"):
        assert tag not in page
    assert data_of(page, "trial-0")["jobs"] == [HOSTILE]
    assert page.count("</script>") == page.count("<script")


def test_json_in_a_script_can_hold_anything():
    made = str(as_script({"name": HOSTILE}))
    assert "<" not in made
    assert json.loads(made) == {"name": HOSTILE}


def test_an_empty_directory_is_shown_as_empty_with_the_command_that_goes_on(tmp_path):
    results = directory(tmp_path)
    page = write_report(results).read_text()
    assert "No trial has ended yet" in page
    assert f"coordbench bench --resume {results.path}" in page
    assert "Every promise" not in page


def test_a_partial_directory_says_how_much_of_it_is_there(tmp_path):
    page = write_report(directory(tmp_path, (healthy(), RECORD))).read_text()
    assert re.search(r"Partial: 1 of the \d+ trials asked for", page)


def test_cells_that_could_not_run_say_why(tmp_path):
    results = directory(tmp_path, (healthy(), RECORD))
    results.keep_not_run([NotRun(Cell("quartz", "crash", "equal", 2.0, 3, 10), "no <PostgreSQL>")])
    page = write_report(results).read_text()
    assert "not run: no &lt;PostgreSQL&gt;" in page


def test_a_trial_that_cannot_be_read_is_named_and_the_others_are_shown(tmp_path):
    other = TrialRecord(strategy="quartz", scenario="steady", jobs=1)
    results = directory(tmp_path, (healthy(), RECORD), (healthy(), other))
    (results.path / "trials/quartz/steady/equal-2s-n0-m1-k1/verdict.json").write_text("{")
    page = write_report(results).read_text()
    assert "Could not be read and is left out" in page
    assert len(data_of(page)["trials"]) == 1


def test_a_history_that_cannot_be_read_leaves_its_verdict_and_says_why(tmp_path):
    results = directory(tmp_path, (healthy(), RECORD))
    (results.path / "trials/redis-lock/pause/equal-2s-n0-m1-k1/history.parquet").write_bytes(b"x")
    page = write_report(results).read_text()
    assert "history" in data_of(page, "trial-0")["unreadable"]
    assert data_of(page)["trials"][0]["verdict"]["status"] == "ok"


def test_an_invalid_trial_is_shown_as_invalid_with_its_reason(tmp_path):
    record = TrialRecord(strategy="redis-lock", scenario="pause", problems=("the fleet <died>",))
    page = write_report(directory(tmp_path, (healthy(), record))).read_text()
    assert "the fleet &lt;died&gt;" in page
    assert "Part of this matrix is invalid" in page


def test_a_directory_that_is_missing_says_which_command_makes_it(tmp_path):
    with pytest.raises(InvalidResults, match="coordbench bench makes one"):
        make_report(tmp_path / "nothing")


def test_making_the_page_leaves_a_running_bench_alone(tmp_path):
    results = directory(tmp_path, (healthy(), RECORD))
    half = results.path / "trials/redis-lock/pause/.half-x"
    half.mkdir()
    assert make_report(results.path) == 0
    assert half.is_dir()


@pytest.mark.parametrize(
    ("rate", "said"), [(0, "0"), (1, "100"), (0.014, "1.4"), (0.123, "12"), (None, "-")]
)
def test_rates_have_as_many_digits_as_say_something(rate, said):
    assert percent(rate) == said
